"""Rows as JSON: every logical type survives JSON bit by bit, in both directions, but for declared losses.

Here no service runs. It may import everything.
"""

import json
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.errors import ReadError
from matrix_defs.table import ARROW, Column, LogicalType
from resources.json_rows import TYPES, represent, to_json
from resources.rest.page import PageReader


def integers(bits: int) -> st.SearchStrategy[int]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return st.sampled_from([low, high, 0, -1]) | st.integers(low, high)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    top = 10**precision - 1
    return (st.sampled_from([-top, top, 1, -1, 0]) | st.integers(-top, top)).map(lambda n: Decimal(f"{n}e-{scale}"))


TEXTS = st.sampled_from(["", " ", "a  ", "\\N", '"', "\\", "\t\r\n", "\x01\x1f\x7f\x00", "é", "é", "👩‍👩‍👧", "\u2028"])
FLOATS = st.sampled_from([-0.0, 0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1])
MOMENTS = st.sampled_from([datetime(1970, 1, 1), datetime(2200, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999)])

VALUES: dict[LogicalType, st.SearchStrategy[Any]] = {
    LogicalType.BOOL: st.booleans(),
    LogicalType.INT16: integers(16),
    LogicalType.INT32: integers(32),
    LogicalType.INT64: integers(64),
    LogicalType.DECIMAL_18_4: decimals(18, 4),
    LogicalType.DECIMAL_38_9: decimals(38, 9),
    LogicalType.FLOAT64: FLOATS | st.floats(allow_nan=False, allow_infinity=False),
    LogicalType.TEXT: TEXTS | st.text(),
    LogicalType.BINARY: st.sampled_from([b"", bytes(range(256)), b"\x00", b"\x00\x00"]) | st.binary(max_size=20),
    LogicalType.DATE: st.dates(),
    LogicalType.TIME: st.sampled_from([time(0), time(23, 59, 59, 999999)]) | st.times(),
    LogicalType.DATETIME: MOMENTS | st.datetimes(),
    LogicalType.INSTANT: (MOMENTS | st.datetimes()).map(lambda moment: moment.replace(tzinfo=UTC)),
    LogicalType.UUID: st.uuids().map(lambda value: value.bytes),
    LogicalType.JSON: st.just('{"a": [1, 12345678901234567890], "bé": "👍\\n"}') | st.integers().map(json.dumps),
}


def through_json(rows: pa.Table, columns: list[Column]) -> pa.Table:
    body = b'{"data":[%s]}' % ",".join(to_json(rows, columns).to_pylist()).encode()
    page = PageReader(columns, "data", {}).read(body)
    page.rows.validate(full=True)
    return pa.Table.from_batches([page.rows])


def bits(array: pa.ChunkedArray) -> list[Any]:
    values = array.to_pylist()
    return [struct.pack("<d", v) if isinstance(v, float) else v for v in values]


@pytest.mark.parametrize("kind", LogicalType)
@settings(max_examples=40)
@given(data=st.data())
def test_every_value_and_null_comes_back_bit_by_bit(kind: LogicalType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=20))
    column = Column("value", kind)
    rows = pa.table({"value": pa.array(values, ARROW[kind])})
    back = through_json(rows, [column])
    assert back.schema.field("value").type == ARROW[kind]
    assert bits(back["value"]) == bits(rows["value"])


@pytest.mark.parametrize("kind", LogicalType)
@settings(max_examples=40)
@given(data=st.data())
def test_a_slice_of_a_column_is_written_like_a_column_of_its_own(kind: LogicalType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], min_size=3, max_size=12))
    sliced = pa.table({"value": pa.array(values, ARROW[kind])}).slice(1, len(values) - 2)
    alone = pa.table({"value": pa.array(values[1:-1], ARROW[kind])})
    column = Column("value", kind)
    assert to_json(sliced, [column]).to_pylist() == to_json(alone, [column]).to_pylist()


@given(names=st.lists(TEXTS, min_size=1, unique=True), value=TEXTS | st.text())
def test_what_is_written_is_the_json_that_any_reader_understands(names: list[str], value: str) -> None:
    columns = [Column(name, LogicalType.TEXT) for name in names]
    rows = pa.table([pa.array([value])] * len(names), names=names)
    assert [orjson.loads(text) for text in to_json(rows, columns).to_pylist()] == [dict.fromkeys(names, value)]


def test_every_logical_type_is_written_as_the_table_says() -> None:
    values: dict[LogicalType, Any] = {
        LogicalType.BOOL: (True, True),
        LogicalType.INT16: (-7, -7),
        LogicalType.INT32: (-7, -7),
        LogicalType.INT64: (2**63 - 1, 2**63 - 1),
        LogicalType.DECIMAL_18_4: (Decimal("1.5"), "1.5000"),
        LogicalType.DECIMAL_38_9: (Decimal("1.5"), "1.500000000"),
        LogicalType.FLOAT64: (0.1, 0.1),
        LogicalType.TEXT: ('a"b', 'a"b'),
        LogicalType.BINARY: (b"\xff\x00", "/wA="),
        LogicalType.DATE: (date(2024, 2, 29), "2024-02-29"),
        LogicalType.TIME: (time(1, 2, 3, 4), "01:02:03.000004"),
        LogicalType.DATETIME: (datetime(2024, 3, 31, 2, 30, 0, 1), "2024-03-31T02:30:00.000001"),
        LogicalType.INSTANT: (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000000Z"),
        LogicalType.UUID: (bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        LogicalType.JSON: ('{"a": 1}', '{"a": 1}'),
    }
    assert set(values) == set(TYPES) == set(LogicalType)
    columns = [Column(kind, kind) for kind in LogicalType]
    rows = pa.table({kind: pa.array([values[kind][0]], ARROW[kind]) for kind in LogicalType})
    assert orjson.loads(to_json(rows, columns)[0].as_py()) == {kind: values[kind][1] for kind in LogicalType}


def test_represent_loses_what_is_declared_and_nothing_else() -> None:
    columns = [Column("f", LogicalType.FLOAT64), Column("t", LogicalType.TEXT)]
    hard = [1.5, -0.0, float("nan"), float("inf"), float("-inf"), None]
    rows = pa.table({"f": pa.array(hard), "t": pa.array(["NaN"] * 6)})
    held = represent(rows, columns)
    assert represent(held, columns) is held
    assert bits(held["f"]) == bits(pa.chunked_array([pa.array([1.5, -0.0, None, None, None, None])]))
    assert held["t"].equals(rows["t"])
    assert through_json(rows, columns).equals(held)
    assert [kind for kind in LogicalType if TYPES[kind].loss] == [LogicalType.FLOAT64]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (LogicalType.BINARY, '"abc"'),
        (LogicalType.BINARY, '"a=bc"'),
        (LogicalType.BINARY, '"a===="'),
        (LogicalType.BINARY, '"=aaa"'),
        (LogicalType.BINARY, '"ab c"'),
        (LogicalType.BINARY, '"ab****cd"'),
        (LogicalType.UUID, '"00010203-0405-0607-0809-0a0b0c0d0e0"'),
        (LogicalType.UUID, '"00010203-0405-0607-0809-0a0b0c0d0e0g"'),
        (LogicalType.UUID, '"000102030405-0607-0809-0a0b0c0d0e0f-"'),
        (LogicalType.UUID, '"00010203x0405-0607-0809-0a0b0c0d0e0f"'),
        (LogicalType.DATE, '"2024-02-30"'),
        (LogicalType.TIME, '"24:00:00.000000"'),
        (LogicalType.INT16, "32768"),
        (LogicalType.INT64, "1.5"),
        (LogicalType.INT64, "9223372036854775808"),
        (LogicalType.DECIMAL_18_4, '"0.00001"'),
        (LogicalType.DATETIME, '"2024-01-01T00:00:00.1234567"'),
        (LogicalType.TEXT, "1"),
    ],
)
def test_text_of_another_form_is_refused_instead_of_altered(kind: LogicalType, text: str) -> None:
    reader = PageReader([Column("value", kind)], "data", {})
    with pytest.raises(ReadError):
        reader.read(b'{"data":[{"value":%s}]}' % text.encode())


def test_a_column_that_must_have_a_value_is_named_when_it_has_none() -> None:
    reader = PageReader([Column("order_id", LogicalType.INT64, nullable=False)], "data", {})
    with pytest.raises(ReadError, match="order_id must have a value in every record, 2 have none"):
        reader.read(b'{"data":[{"order_id":1},{"order_id":null},{"id":2}]}')


def test_a_field_that_a_record_lacks_reads_as_null_and_unknown_fields_are_left_alone() -> None:
    reader = PageReader([Column("note", LogicalType.TEXT)], "data", {})
    page = reader.read(b'{"data":[{"id":1,"x":[1]},{"note":"n","x":{"y":"z"}}],"more":{"a":[]}}')
    assert page.rows.to_pylist() == [{"note": None}, {"note": "n"}]
