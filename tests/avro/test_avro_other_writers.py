"""The avro format under schemas of other writers: read exactly, or refused instead of altered.

It may import everything.
"""

import struct
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from matrix_defs.errors import LoadError, ReadError
from matrix_defs.table import Column, LogicalType
from resources.kafka.avro_encode import payloads
from resources.kafka.avro_format import AvroFormat
from tests.avro_samples import KEY, NESTED, VALUE, record, sent_by_another


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
