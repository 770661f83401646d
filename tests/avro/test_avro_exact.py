"""The avro format is exact in both directions: every value of every type, beside fastavro's own bytes.

It may import everything.
"""

import io
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.table import ARROW, Column, LogicalType
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.kafka import avro_decode
from resources.kafka.avro_encode import decimal_bytes, payloads
from resources.kafka.avro_format import AvroFormat
from resources.kafka.avro_types import TYPES, schema_text
from tests.avro_samples import ROWS, VALUE, VALUES, bits, through, written


@pytest.mark.parametrize("kind", LogicalType)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_value_and_null_comes_back_bit_by_bit(kind: LogicalType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=20))
    rows = pa.table({"value": pa.array(values, ARROW[kind])})
    back = through(rows, [Column("value", kind)])
    assert back.schema == rows.schema
    assert bits(back["value"]) == bits(rows["value"])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_record_is_what_fastavro_writes_and_reads(data: st.DataObject) -> None:
    columns = [Column(f"{kind}_{nullable}", kind, bool(nullable)) for kind in LogicalType for nullable in (0, 1)]
    one = st.fixed_dictionaries(
        {c.name: (st.none() | VALUES[c.type]) if c.nullable else VALUES[c.type] for c in columns}
    )
    rows = data.draw(st.lists(one, min_size=1, max_size=4))
    table = pa.Table.from_pylist(rows, pa.schema([column.field for column in columns]))
    schema = fastavro.parse_schema(json.loads(schema_text("value", tuple(columns))))
    theirs = [written(schema, {name: _for_fastavro(name, value) for name, value in row.items()}) for row in rows]
    ours = payloads(table, columns, b"")
    if not any(_a_byte_longer(value) for row in rows for value in row.values()):
        assert ours == theirs
    assert [bits(column) for column in through(table, columns).columns] == [bits(column) for column in table.columns]
    read = [fastavro.schemaless_reader(io.BytesIO(payload), schema, None) for payload in ours]
    again = [fastavro.schemaless_reader(io.BytesIO(payload), schema, None) for payload in theirs]
    assert [tuple(map(repr, row.values())) for row in read] == [tuple(map(repr, row.values())) for row in again]


def _for_fastavro(name: str, value: Any) -> Any:
    return UUID(bytes=value) if name.startswith("uuid") and value is not None else value


def _a_byte_longer(value: Any) -> bool:
    """Of -128, -32768 ... fastavro writes one byte more than the sign needs."""
    if not isinstance(value, Decimal):
        return False
    unscaled = -int(value.scaleb(-value.as_tuple().exponent))
    return unscaled > 0 and unscaled.bit_length() % 8 == 0 and unscaled & (unscaled - 1) == 0


def test_decimals_take_the_fewest_bytes_that_keep_the_sign() -> None:
    numbers = [0, 1, -1, 127, 128, -128, -129, 255, 256, 2**63, -(2**63), 10**37, -(10**37)]
    array = pa.array([Decimal(number) for number in numbers], pa.decimal128(38, 0))
    wanted = [n.to_bytes(((n if n >= 0 else ~n).bit_length() + 8) // 8, "big", signed=True) for n in numbers]
    assert decimal_bytes(array).to_pylist() == wanted
    assert decimal_bytes(array.slice(3)).to_pylist() == wanted[3:]
    assert avro_decode.bytes_decimal(decimal_bytes(array).slice(1), 0).equals(array.slice(1))


def test_the_whole_workload_comes_back(format: AvroFormat, topic: str) -> None:
    workload = build_workload(WorkloadSpec(rows=200))
    columns = workload.table.columns
    format.prepare(topic, workload.table.key_columns, columns)
    written = format.encode(topic, workload.baseline, columns, part="value")
    assert format.decode(topic, written, columns, part="value").equals(workload.baseline)
    assert format.encode(topic, workload.baseline, columns, part="value") == written


def test_nothing_is_declared_lost() -> None:
    assert list(TYPES) == list(LogicalType)
    assert [kind for kind, stored in TYPES.items() if stored.loss or stored.represent] == []


def test_a_slice_of_rows_is_written_like_rows_of_their_own() -> None:
    workload = build_workload(WorkloadSpec(rows=50))
    columns = workload.table.columns
    whole = payloads(workload.baseline, columns, b"")
    assert payloads(workload.baseline.slice(7, 30), columns, b"") == whole[7:37]
    assert payloads(workload.baseline.slice(0, 0), columns, b"") == []


def test_payloads_of_many_chunks_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.kafka.avro_encode._CHUNK_BYTES", 64)
    monkeypatch.setattr("resources.kafka.avro_encode._CHUNK_ROWS", 2)
    many = payloads(ROWS, VALUE, b"")
    monkeypatch.undo()
    assert many == payloads(ROWS, VALUE, b"")
