"""Avro for tests: a small table, values of every type, and the records of writers who use fastavro.

Here live no tests and no fixtures. It may import everything.
"""

import io
import json
import struct
from typing import Any

import fastavro
import pyarrow as pa
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from hypothesis import strategies as st

from matrix_defs.table import Column, LogicalType
from resources.kafka import avro_decode, avro_schema
from resources.kafka.avro_encode import payloads
from resources.kafka.avro_types import schema_text
from tests.test_json_rows import VALUES as FINITE

VALUES: dict[LogicalType, st.SearchStrategy[Any]] = {
    **FINITE,
    LogicalType.FLOAT64: st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324]) | st.floats(),
}

KEY = (Column("id", LogicalType.INT64, nullable=False), Column("code", LogicalType.TEXT, nullable=False))
VALUE = (*KEY, Column("note", LogicalType.TEXT), Column("paid", LogicalType.BOOL))
ROWS = pa.table({"id": [1, 2, 3], "code": ["a", "b", "c"], "note": ["x", None, ""], "paid": [True, False, None]})

NESTED = ("tags", {"type": "array", "items": "string"})


def bits(array: pa.ChunkedArray) -> list[Any]:
    return [struct.pack("<d", v) if isinstance(v, float) else v for v in array.to_pylist()]


def through(rows: pa.Table, columns: list[Column]) -> pa.Table:
    schema = avro_schema.understand(schema_text("value", tuple(columns)))
    read = avro_decode.rows(payloads(rows, columns, b"\0head"), 5, schema, columns)
    read.validate(full=True)
    return pa.Table.from_batches([read])


def written(schema: Any, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def sent_by_another(client: SchemaRegistryClient, topic: str, schema: Any, *records: Any) -> list[bytes]:
    client.set_compatibility(f"{topic}-value", "NONE")
    id = client.register_schema(f"{topic}-value", Schema(json.dumps(schema), "AVRO"))
    parsed = fastavro.parse_schema(schema)
    return [struct.pack(">bI", 0, id) + written(parsed, record) for record in records]


def record(*fields: tuple[str, Any], name: str = "Other") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": name, "type": type} for name, type in fields]}
