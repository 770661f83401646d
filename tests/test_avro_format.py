"""The avro message format: exact in both directions, beside fastavro's own bytes, and under schemas of other writers.

Here no broker runs, but a local schema registry does. It may import everything.
"""

import io
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import fastavro
import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.errors import LoadError, ReadError, SystemUnavailableError
from matrix_defs.table import ARROW, Column, LogicalType
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.endpoints import schema_registry
from resources.endpoints.loopback import LoopbackService
from resources.kafka import avro_columns, avro_decode, avro_schema
from resources.kafka.avro_encode import decimal_bytes, payloads
from resources.kafka.avro_format import AvroFormat
from resources.kafka.avro_types import TYPES, schema_text
from resources.kafka.formats import Registry, make_format
from tests.test_json_rows import VALUES as FINITE

TOPICS = count()

VALUES: dict[LogicalType, st.SearchStrategy[Any]] = {
    **FINITE,
    LogicalType.FLOAT64: st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324]) | st.floats(),
}

KEY = (Column("id", LogicalType.INT64, nullable=False), Column("code", LogicalType.TEXT, nullable=False))
VALUE = (*KEY, Column("note", LogicalType.TEXT), Column("paid", LogicalType.BOOL))
ROWS = pa.table({"id": [1, 2, 3], "code": ["a", "b", "c"], "note": ["x", None, ""], "paid": [True, False, None]})


@pytest.fixture(scope="module")
def service() -> Iterator[LoopbackService]:
    running = schema_registry.start()
    yield running
    running.stop()


@pytest.fixture
def format(service: LoopbackService) -> AvroFormat:
    return AvroFormat(Registry(service.base_url))


@pytest.fixture
def client(service: LoopbackService) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": service.base_url}) as made:
        yield made


@pytest.fixture
def topic() -> str:
    return f"m_run.orders_{next(TOPICS)}"


def bits(array: pa.ChunkedArray) -> list[Any]:
    return [struct.pack("<d", v) if isinstance(v, float) else v for v in array.to_pylist()]


def through(rows: pa.Table, columns: list[Column]) -> pa.Table:
    schema = avro_schema.understand(schema_text("value", tuple(columns)))
    read = avro_decode.rows(payloads(rows, columns, b"\0head"), 5, schema, columns)
    read.validate(full=True)
    return pa.Table.from_batches([read])


# ------------------------------------------------------------------ exact


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


def written(schema: Any, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


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


# ------------------------------------------------------------------ the registry


def test_a_payload_is_confluents_wire_format(format: AvroFormat, client: SchemaRegistryClient, topic: str) -> None:
    format.prepare(topic, KEY, VALUE)
    for part, columns in (("key", KEY), ("value", VALUE)):
        latest = client.get_latest_version(f"{topic}-{part}")
        for payload, row in zip(format.encode(topic, ROWS, columns, part=part), ROWS.to_pylist(), strict=True):
            magic, id = struct.unpack(">bI", payload[:5])
            assert (magic, id) == (0, latest.schema_id)
            schema = fastavro.parse_schema(json.loads(latest.schema.schema_str))
            read = fastavro.schemaless_reader(io.BytesIO(payload[5:]), schema, None)
            assert read == {column.name: row[column.name] for column in columns}


def test_a_second_process_reads_with_confluents_own_deserializer(
    service: LoopbackService, format: AvroFormat, topic: str
) -> None:
    format.prepare(topic, KEY, VALUE)
    code = """if True:
        import sys
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.serialization import MessageField, SerializationContext
        url, topic, *payloads = sys.argv[1:]
        read = AvroDeserializer(SchemaRegistryClient({"url": url}))
        print([read(bytes.fromhex(p), SerializationContext(topic, MessageField.VALUE)) for p in payloads])
    """
    sent = [payload.hex() for payload in format.encode(topic, ROWS, VALUE, part="value")]
    command = [sys.executable, "-c", code, service.base_url, topic, *sent]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.strip() == repr(ROWS.to_pylist())


def test_another_process_that_registered_nothing_writes_the_same(
    service: LoopbackService, format: AvroFormat, topic: str
) -> None:
    format.prepare(topic, KEY, VALUE)
    other = AvroFormat(Registry(service.base_url))
    assert other.encode(topic, ROWS, KEY, part="key") == format.encode(topic, ROWS, KEY, part="key")


def test_a_topic_that_was_not_prepared_is_not_written_to(format: AvroFormat, topic: str) -> None:
    with pytest.raises(LoadError, match=rf"{topic}-value.* says: Subject '{topic}-value' not found"):
        format.encode(topic, ROWS, VALUE, part="value")


def test_an_incompatible_schema_is_refused_before_anything_is_registered(
    format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    format.prepare(topic, KEY, VALUE)
    retyped = (*KEY, Column("note", LogicalType.INT64))
    with pytest.raises(LoadError) as refused:
        format.prepare(topic, KEY, retyped)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"Kafka, topic {topic}: subject {topic}-value does not take the schema, and nothing was")
    assert "reader union lacking writer type: STRING" in line
    assert client.get_versions(f"{topic}-value") == [1]
    with pytest.raises(LoadError, match="not found"):
        format.encode(topic, ROWS.set_column(2, "note", pa.array([1, 2, 3])), retyped, part="value")


def test_a_schema_may_grow_and_shrink_by_nullable_columns_and_old_messages_stay_readable(
    format: AvroFormat, topic: str
) -> None:
    grown = (VALUE[0], Column("day", LogicalType.DATE), *VALUE[1:])
    rows = ROWS.append_column("day", pa.array([None, date(1, 1, 1), date(9999, 12, 31)], pa.date32()))
    sent = []
    for columns in (VALUE, grown, KEY):
        format.prepare(topic, KEY, columns)
        sent += format.encode(topic, rows, columns, part="value")
    mixed = [sent[0], sent[3], sent[6], sent[4], sent[1], sent[8]]
    read = format.decode(topic, mixed, grown, part="value")
    assert read.column("id").to_pylist() == [1, 1, 1, 2, 2, 3]
    assert read.column("note").to_pylist() == ["x", "x", None, None, None, None]
    assert read.column("day").to_pylist() == [None, None, None, date(1, 1, 1), None, None]


def test_forgetting_deletes_both_subjects_for_good_and_twice_is_no_error(
    format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    format.prepare(topic, KEY, VALUE)
    client.delete_subject(f"{topic}-key")
    for _ in range(2):
        format.forget(topic)
        assert not [subject for subject in client.get_subjects(deleted=True) if subject.startswith(topic)]
    with pytest.raises(LoadError, match="not found"):
        format.encode(topic, ROWS, VALUE, part="value")
    format.prepare(topic, KEY, (*KEY, Column("note", LogicalType.INT64)))


def test_preparing_again_registers_what_another_process_deleted(
    service: LoopbackService, format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    format.prepare(topic, KEY, VALUE)
    AvroFormat(Registry(service.base_url)).forget(topic)
    format.prepare(topic, KEY, VALUE)
    assert client.get_versions(f"{topic}-value") == [1]
    sent = format.encode(topic, ROWS, VALUE, part="value")
    assert AvroFormat(Registry(service.base_url)).decode(topic, sent, VALUE, part="value").equals(ROWS)


# ------------------------------------------------------------------ schemas of other writers


def sent_by_another(client: SchemaRegistryClient, topic: str, schema: Any, *records: Any) -> list[bytes]:
    client.set_compatibility(f"{topic}-value", "NONE")
    id = client.register_schema(f"{topic}-value", Schema(json.dumps(schema), "AVRO"))
    parsed = fastavro.parse_schema(schema)
    return [struct.pack(">bI", 0, id) + written(parsed, record) for record in records]


def record(*fields: tuple[str, Any], name: str = "Other") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": name, "type": type} for name, type in fields]}


NESTED = ("tags", {"type": "array", "items": "string"})


@pytest.mark.parametrize("more", [(), (("extra", "double"),), (NESTED,)], ids=["plain", "extra", "through fastavro"])
def test_fields_in_another_order_missing_and_unknown_ones_read_as_what_they_are(
    format: AvroFormat, client: SchemaRegistryClient, topic: str, more: tuple[tuple[str, Any], ...]
) -> None:
    # null stands last in a union here, and paid is missing
    schema = record(*more, ("note", ["string", "null"]), ("code", "string"), ("id", "int"))
    extra = {"extra": 1.5, "tags": ["a", "b"]}
    records = [{**extra, "note": None, "code": "c", "id": 7}, {**extra, "note": "n", "code": "", "id": -7}]
    sent = sent_by_another(client, topic, schema, *records)
    assert format.decode(topic, sent, VALUE, part="value").to_pylist() == [
        {"id": 7, "code": "c", "note": None, "paid": None},
        {"id": -7, "code": "", "note": "n", "paid": None},
    ]


MOMENT = datetime(2024, 2, 29, 12, 30, 15, 123000)
FIXED = {"type": "fixed", "name": "Sixteen", "size": 16}
READABLE = [
    ({"type": "long", "logicalType": "timestamp-millis"}, MOMENT.replace(tzinfo=UTC), LogicalType.INSTANT, None),
    (
        {"type": "long", "logicalType": "timestamp-nanos"},
        1_000_001_000,
        LogicalType.INSTANT,
        datetime(1970, 1, 1, 0, 0, 1, 1, UTC),
    ),
    ({"type": "long", "logicalType": "local-timestamp-millis"}, MOMENT, LogicalType.DATETIME, None),
    ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3, 4000), LogicalType.TIME, None),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2},
        Decimal("-1.25"),
        LogicalType.DECIMAL_18_4,
        None,
    ),
    (
        {"type": "fixed", "name": "Money", "size": 9, "logicalType": "decimal", "precision": 18, "scale": 4},
        Decimal("-12345678901234.5678"),
        LogicalType.DECIMAL_18_4,
        None,
    ),
    ("int", -(2**31), LogicalType.INT64, None),
    ("long", 2**53, LogicalType.FLOAT64, float(2**53)),
    ("float", 0.1, LogicalType.FLOAT64, struct.unpack("<f", struct.pack("<f", 0.1))[0]),
    ("long", 2**15 - 1, LogicalType.INT16, None),
    ("bytes", "é".encode(), LogicalType.TEXT, "é"),
    ("string", "é", LogicalType.BINARY, "é".encode()),
    (FIXED, bytes(range(16)), LogicalType.BINARY, None),
    (FIXED, bytes(range(16)), LogicalType.UUID, None),
    ("string", str(UUID(bytes=bytes(range(16)))).upper(), LogicalType.UUID, bytes(range(16))),
    ({"type": "enum", "name": "Colour", "symbols": ["red", "blue"]}, "blue", LogicalType.TEXT, None),
    ({"type": "string", "avro.java.string": "String"}, "java", LogicalType.TEXT, None),
    ({"type": "long", "logicalType": "nobody-knows"}, 5, LogicalType.INT64, None),
]


@pytest.mark.parametrize("more", [(), (NESTED,)], ids=["by columns", "through fastavro"])
@pytest.mark.parametrize(("avro", "value", "kind", "read"), READABLE)
def test_what_other_writers_call_a_type_is_read_exactly(
    format: AvroFormat,
    client: SchemaRegistryClient,
    topic: str,
    avro: Any,
    value: Any,
    kind: LogicalType,
    read: Any,
    more: Any,
) -> None:
    sent = sent_by_another(
        client, topic, record(*more, ("value", avro), ("after", "int")), {"value": value, "after": 9, "tags": ["t"]}
    )
    columns = (Column("value", kind), Column("after", LogicalType.INT32))
    (row,) = format.decode(topic, sent, columns, part="value").to_pylist()
    assert row == {"value": value if read is None else read, "after": 9}


def test_an_int_of_more_than_32_bits_is_no_record(format: AvroFormat, client: SchemaRegistryClient, topic: str) -> None:
    (sent,) = sent_by_another(client, topic, record(("id", "int")), {"id": 1})
    too_large = payloads(pa.table({"id": [2**31]}), KEY[:1], sent[:5])
    with pytest.raises(ReadError, match="field id: an int of more than 32 bits"):
        format.decode(topic, [sent, *too_large], KEY[:1], part="value")


def test_a_type_that_was_named_before_is_known_again(
    format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    schema = record(("a", FIXED), ("b", ["null", "Sixteen"]), name="a.b.Other")
    schema["fields"][1]["type"][1] = "a.b.Sixteen"
    sent = sent_by_another(client, topic, schema, {"a": bytes(16), "b": bytes(range(16))}, {"a": bytes(16), "b": None})
    columns = (Column("b", LogicalType.BINARY), Column("a", LogicalType.UUID))
    assert format.decode(topic, sent, columns, part="value").to_pylist() == [
        {"b": bytes(range(16)), "a": bytes(16)},
        {"b": None, "a": bytes(16)},
    ]


@pytest.mark.parametrize("more", [(), (NESTED,)], ids=["by columns", "through fastavro"])
@pytest.mark.parametrize(
    ("avro", "value", "kind", "why"),
    [
        ("long", 0, LogicalType.INSTANT, 'field value is "long", which is no instant'),
        ({"type": "long", "logicalType": "timestamp-micros"}, 0, LogicalType.DATETIME, "which is no datetime"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, 0, LogicalType.INSTANT, "which is no instant"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, 1, LogicalType.INSTANT, "holds what is no instant"),
        ("string", "1", LogicalType.INT64, "which is no int64"),
        ("long", 2**15, LogicalType.INT16, "holds what is no int16"),
        ("long", 2**53 + 1, LogicalType.FLOAT64, "holds what is no float64"),
        ({"type": "long", "logicalType": "time-micros"}, 86_400_000_000, LogicalType.TIME, "holds what is no time"),
        ({"type": "long", "logicalType": "time-micros"}, -1, LogicalType.TIME, "holds what is no time"),
        ("string", "not a uuid", LogicalType.UUID, "holds what is no uuid"),
        ("bytes", b"123", LogicalType.UUID, "holds what is no uuid"),
        ("bytes", b"\xff", LogicalType.TEXT, "holds what is no text"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 5},
            Decimal("0.00001"),
            LogicalType.DECIMAL_18_4,
            "holds what is no decimal_18_4",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 4},
            Decimal(10**14),
            LogicalType.DECIMAL_18_4,
            "holds what is no decimal_18_4",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 4},
            b"",
            LogicalType.DECIMAL_18_4,
            "1 to 16",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 4},
            b"\1" * 17,
            LogicalType.DECIMAL_18_4,
            "not 17",
        ),
        (["null", "string", "long"], None, LogicalType.TEXT, "which is no text"),
        ({"type": "array", "items": "string"}, [], LogicalType.TEXT, "which is no text"),
    ],
)
def test_what_a_column_cannot_hold_is_refused_instead_of_altered(
    format: AvroFormat,
    client: SchemaRegistryClient,
    topic: str,
    avro: Any,
    value: Any,
    kind: LogicalType,
    why: str,
    more: Any,
) -> None:
    sent = sent_by_another(client, topic, record(*more, ("value", avro)), {"value": value, "tags": []})
    with pytest.raises(ReadError) as refused:
        format.decode(topic, sent, (Column("value", kind),), part="value")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"Kafka, topic {topic}: a value of schema ")
    assert "value" in line
    assert why in line


def test_a_column_that_must_have_a_value_is_named_when_it_has_none(
    format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    sent = sent_by_another(client, topic, record(("id", ["null", "long"])), {"id": None}, {"id": 1}, {"id": None})
    with pytest.raises(ReadError, match="column id must have a value in every record, 2 have none"):
        format.decode(topic, sent, KEY[:1], part="value")
    with pytest.raises(ReadError, match="column code must have a value in every record, 3 have none"):
        format.decode(topic, sent, KEY[1:], part="value")
    format.prepare(topic, KEY, KEY)
    with pytest.raises(LoadError, match="column code must have a value in every row, 1 have none"):
        format.encode(topic, pa.table({"id": [1], "code": pa.array([None], pa.string())}), KEY, part="key")


@pytest.mark.parametrize("schema", ['"string"', '{"type": "enum", "name": "E", "symbols": ["a"]}'])
def test_messages_that_are_no_records_are_refused(
    format: AvroFormat, client: SchemaRegistryClient, topic: str, schema: str
) -> None:
    id = client.register_schema(f"{topic}-value", Schema(schema, "AVRO"))
    with pytest.raises(ReadError, match=f"names schema {id}, which .* is a schema of something else than a record"):
        format.decode(topic, [struct.pack(">bI", 0, id) + b"\0"], KEY, part="value")


# ------------------------------------------------------------------ garbage


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\0", b"\1\0\0\0\1", b'{"id": 1}'])
def test_what_is_no_avro_message_is_refused_with_topic_part_and_bytes(
    format: AvroFormat, topic: str, payload: bytes
) -> None:
    format.prepare(topic, KEY, VALUE)
    good = format.encode(topic, ROWS, KEY, part="key")
    with pytest.raises(ReadError) as refused:
        format.decode(topic, [*good, payload], KEY, part="key")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"Kafka, topic {topic}: a key is no Avro message")
    assert line.endswith(repr(payload))


ID, CODE = b"\x02", b"\x02a"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "field id: the record ends too early"),
        (ID, "field code: the record ends too early"),
        (ID + b"\x04a", "field code: no such length"),
        (ID + b"\x01", "field code: no such length"),
        (ID + b"\xff" * 8 + b"\x7f", "field code: no such length"),
        (b"\x80" * 9 + b"\x02" + CODE, "field id: a number of more than 64 bits"),
        (b"\xff" * 9 + b"\x81" + CODE, "field id: a number of more than 64 bits"),
        (ID + CODE + b"\x04", "field note: a union has no such branch"),
        (ID + CODE + b"\x01\x00", "field note: a union has no such branch"),
        (ID + CODE + b"\x00\x02\x02", "field paid: no boolean"),
        (ID + CODE + b"\x00\x02", "field paid: the record ends too early"),
        (ID + CODE + b"\x00\x00\x00", "bytes are left behind the record"),
    ],
)
@pytest.mark.parametrize("behind", [0, 1])
def test_bytes_that_are_no_record_are_refused_and_the_payload_is_shown(
    format: AvroFormat, topic: str, body: bytes, why: str, behind: int
) -> None:
    format.prepare(topic, KEY, VALUE)
    good = format.encode(topic, ROWS, VALUE, part="value")
    bad = good[0][:5] + body
    with pytest.raises(ReadError) as refused:
        format.decode(topic, [*good, bad, *good[:behind]], VALUE, part="value")
    (line,) = str(refused.value).splitlines()
    id = int.from_bytes(good[0][1:5], "big")
    if why.endswith("too early") and behind:  # what follows may tell it first
        assert line.endswith(repr(bad))
    else:
        assert line == f"Kafka, topic {topic}: a value is no record of schema {id}: {why}: {bad!r}"


@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_record_is_refused_or_read_as_fastavro_reads_it(data: st.DataObject) -> None:
    columns = [Column(kind, kind) for kind in LogicalType]
    schema = avro_schema.understand(schema_text("value", tuple(columns)))
    row = {kind: data.draw(st.none() | VALUES[kind]) for kind in LogicalType}
    table = pa.Table.from_pylist([row], pa.schema([column.field for column in columns]))
    damaged = bytearray(payloads(table, columns, b"")[0])
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read = avro_columns.Columns([bytes(damaged), b"\0" * len(columns)], 0)
    try:
        arrays = [read.next(field)[:1] for field in schema.fields]
        read.end()
    except avro_columns.MalformedError:
        return
    source = io.BytesIO(damaged)
    strings = fastavro.schemaless_reader(source, schema.parsed, None, handle_unicode_errors="surrogateescape")
    told = [v.encode("utf-8", "surrogateescape") if isinstance(v, str) else v for v in strings.values()]
    assert [bits(pa.chunked_array([array]))[0] for array in arrays] == [
        struct.pack("<d", v) if isinstance(v, float) else v for v in told
    ]
    assert source.tell() == len(damaged)


def test_bytes_behind_a_record_that_fastavro_reads_are_refused_too(
    format: AvroFormat, client: SchemaRegistryClient, topic: str
) -> None:
    (sent,) = sent_by_another(client, topic, record(NESTED, ("id", "long")), {"tags": ["a"], "id": 1})
    for bad, why in (
        (sent + b"\0", r"1 byte\(s\) are left"),
        (sent[:-1], "EOFError"),
        (sent[:6] + b"\x80", "no record of its schema"),
    ):
        with pytest.raises(ReadError, match=f"a value is no record of schema .*{why}"):
            format.decode(topic, [sent, bad], KEY[:1], part="value")


# ------------------------------------------------------------------ a registry that does not help


def test_a_schema_id_that_the_registry_does_not_know_is_told(format: AvroFormat, topic: str) -> None:
    with pytest.raises(ReadError) as unknown:
        format.decode(topic, [struct.pack(">bI", 0, 4_000_000_000) + b"\2"], KEY, part="key")
    (line,) = str(unknown.value).splitlines()
    assert line.startswith(f"Kafka, topic {topic}: a key names schema 4000000000: the schema registry at http://127.")
    assert "says: Schema 4000000000 not found (HTTP 404, code 40403)" in line


def test_a_registry_that_is_down_is_told_in_one_line_without_the_password(topic: str) -> None:
    running = schema_registry.start()
    running.stop()
    down = AvroFormat(Registry(running.base_url.replace("//", "//user:pa55@")))
    sent = [struct.pack(">bI", 0, 1) + b"\2"]
    for kind, asking in (
        (LoadError, lambda: down.prepare(topic, KEY, VALUE)),
        (LoadError, lambda: down.encode(topic, ROWS, KEY, part="key")),
        (ReadError, lambda: down.decode(topic, sent, KEY, part="key")),
        (LoadError, lambda: down.forget(topic)),
    ):
        with pytest.raises(kind) as told:
            asking()
        (line,) = str(told.value).splitlines()
        assert running.base_url.removeprefix("http://") in line
        assert "cannot be asked: ConnectError" in line
        assert "pa55" not in line


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "ftp://u:pa55@host", "http://u:pa55@host:port"])
def test_an_address_that_is_none_is_told_before_anything_is_asked(url: str) -> None:
    with pytest.raises(SystemUnavailableError, match="is no address of a schema registry") as told:
        make_format("avro", url, user="u", password="pa55")
    assert "pa55" not in str(told.value)


def test_certificates_that_are_not_there_are_told() -> None:
    with pytest.raises(SystemUnavailableError, match="cannot be read from /nowhere"):
        make_format("avro", "https://host", ca_location="/nowhere")


def test_a_name_that_no_avro_field_can_have_is_told(format: AvroFormat, topic: str) -> None:
    with pytest.raises(LoadError, match="'unit price' cannot be the name of an Avro field"):
        format.prepare(topic, KEY, (*KEY, Column("unit price", LogicalType.TEXT)))


def test_the_local_registry_is_reached_past_a_proxy_of_the_environment(
    service: LoopbackService, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    AvroFormat(Registry(service.base_url)).prepare(topic, KEY, VALUE)
