"""The types table of Kafka: how each logical type is encoded in the JSON of a key or a value, and its JSON Schema.

Here live encodings as words and as schemas; which events a load publishes lives in `plan`. It may import `matrix_defs`,
pyarrow and `types_table`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import Column, LogicalType
from resources.types_table import StoredType, TypesTable


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


TYPES: TypesTable = {
    LogicalType.BOOL: StoredType("true or false"),
    LogicalType.INT16: StoredType("number"),
    LogicalType.INT32: StoredType("number"),
    LogicalType.INT64: StoredType("number, all 64 bits"),
    LogicalType.DECIMAL_18_4: StoredType("string, 4 decimals"),
    LogicalType.DECIMAL_38_9: StoredType("string, 9 decimals"),
    LogicalType.FLOAT64: StoredType(
        "number with the fewest digits that read back as the same bits",
        loss="NaN and the infinities become NULL: JSON has no such numbers",
        represent=_finite,
    ),
    LogicalType.TEXT: StoredType("string"),
    LogicalType.BINARY: StoredType("string, base64 with padding"),
    LogicalType.DATE: StoredType("string, YYYY-MM-DD"),
    LogicalType.TIME: StoredType("string, HH:MM:SS.ffffff"),
    LogicalType.DATETIME: StoredType("string, ISO 8601 with microseconds, no zone"),
    LogicalType.INSTANT: StoredType("string, ISO 8601 with microseconds and Z"),
    LogicalType.UUID: StoredType("string, 8-4-4-4-12 hexadecimal digits"),
    LogicalType.JSON: StoredType("string that holds the JSON text"),
}
"""Decimals are strings so that no reader makes floats of them; NULL is always `null`."""

_DAY, _TIME = r"\d{4}-\d{2}-\d{2}", r"\d{2}:\d{2}:\d{2}\.\d{6}"

_SCHEMAS: dict[LogicalType, dict[str, Any]] = {
    LogicalType.BOOL: {"type": "boolean"},
    LogicalType.INT16: {"type": "integer", "minimum": -(2**15), "maximum": 2**15 - 1},
    LogicalType.INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    LogicalType.INT64: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    LogicalType.DECIMAL_18_4: {"type": "string", "pattern": r"^-?\d{1,14}\.\d{4}$"},
    LogicalType.DECIMAL_38_9: {"type": "string", "pattern": r"^-?\d{1,29}\.\d{9}$"},
    LogicalType.FLOAT64: {"type": "number"},
    LogicalType.TEXT: {"type": "string"},
    LogicalType.BINARY: {"type": "string", "contentEncoding": "base64"},
    LogicalType.DATE: {"type": "string", "pattern": f"^{_DAY}$"},
    LogicalType.TIME: {"type": "string", "pattern": f"^{_TIME}$"},
    LogicalType.DATETIME: {"type": "string", "pattern": f"^{_DAY}T{_TIME}$"},
    LogicalType.INSTANT: {"type": "string", "pattern": f"^{_DAY}T{_TIME}Z$"},
    LogicalType.UUID: {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
    LogicalType.JSON: {"type": "string", "contentMediaType": "application/json"},
}


def object_schema(columns: Sequence[Column]) -> Mapping[str, Any]:
    """Return the JSON Schema of an object that holds these columns and nothing else, every one present."""
    return {
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
    }


def _column_schema(column: Column) -> Mapping[str, Any]:
    schema = _SCHEMAS[column.type]
    return {**schema, "type": [schema["type"], "null"]} if column.nullable else schema
