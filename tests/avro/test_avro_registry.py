"""The avro format and its schema registry: Confluent's wire format, schemas that change, a registry that does not help.

It may import everything.
"""

import io
import json
import struct
import subprocess
import sys
from datetime import date

import fastavro
import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from matrix_defs.errors import LoadError, ReadError, SystemUnavailableError
from matrix_defs.table import Column, LogicalType
from resources.endpoints import schema_registry
from resources.endpoints.loopback import LoopbackService
from resources.kafka.avro_format import AvroFormat
from resources.kafka.formats import Registry, make_format
from tests.avro_samples import KEY, ROWS, VALUE


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
