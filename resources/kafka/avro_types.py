"""The types table of Kafka's Avro messages, and the Avro schema of a key or a value.

Here live the schemas that are written; how values become bytes is said in `avro_encode`, what other schemas are read as
in `avro_schema`. It may import `matrix_defs` and the types table's form.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from matrix_defs.table import Column, LogicalType
from resources.types_table import StoredType, TypesTable

AVRO: dict[LogicalType, Any] = {
    LogicalType.BOOL: "boolean",
    LogicalType.INT16: "int",
    LogicalType.INT32: "int",
    LogicalType.INT64: "long",
    LogicalType.DECIMAL_18_4: {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4},
    LogicalType.DECIMAL_38_9: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
    LogicalType.FLOAT64: "double",
    LogicalType.TEXT: "string",
    LogicalType.BINARY: "bytes",
    LogicalType.DATE: {"type": "int", "logicalType": "date"},
    LogicalType.TIME: {"type": "long", "logicalType": "time-micros"},
    LogicalType.DATETIME: {"type": "long", "logicalType": "local-timestamp-micros"},
    LogicalType.INSTANT: {"type": "long", "logicalType": "timestamp-micros"},
    LogicalType.UUID: {"type": "string", "logicalType": "uuid"},
    LogicalType.JSON: "string",
}
"""The Avro type of each logical type (https://avro.apache.org/docs/1.12.0/specification/)."""

_WORDS: dict[LogicalType, str] = {
    LogicalType.INT16: "int (Avro has no shorter one)",
    LogicalType.DECIMAL_18_4: "bytes, decimal(18, 4)",
    LogicalType.DECIMAL_38_9: "bytes, decimal(38, 9)",
    LogicalType.JSON: "string that holds the JSON text",
}

TYPES: TypesTable = {
    kind: StoredType(_WORDS.get(kind) or (avro if isinstance(avro, str) else f"{avro['type']}, {avro['logicalType']}"))
    for kind, avro in AVRO.items()
}
"""How each logical type is encoded; a nullable column is a union with null. Nothing is lost."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@lru_cache(maxsize=64)
def schema_text(part: str, columns: tuple[Column, ...]) -> str:
    """Return the schema of a record that holds these columns: the same text for the same part and columns.

    NULL is the default of a nullable field, so that messages from before the field can be read.
    """
    fields = [_field(column) for column in columns]
    return json.dumps({"type": "record", "name": part.capitalize(), "fields": fields}, separators=(",", ":"))


def unnameable(columns: Sequence[Column]) -> list[str]:
    """Return the names that no Avro field can have."""
    return [column.name for column in columns if not _NAME.fullmatch(column.name)]


def _field(column: Column) -> dict[str, Any]:
    if column.nullable:
        return {"name": column.name, "type": ["null", AVRO[column.type]], "default": None}
    return {"name": column.name, "type": AVRO[column.type]}
