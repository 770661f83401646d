"""The avro format and bytes that are no message of it: refused, and the payload is shown.

It may import everything.
"""

import io
import struct

import fastavro
import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.errors import ReadError
from matrix_defs.table import Column, LogicalType
from resources.kafka import avro_columns, avro_schema
from resources.kafka.avro_encode import payloads
from resources.kafka.avro_format import AvroFormat
from resources.kafka.avro_types import schema_text
from tests.avro_samples import KEY, NESTED, ROWS, VALUE, VALUES, bits, record, sent_by_another


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
