"""The types table of Kafka's JSON messages, and the JSON Schema of a key or a value.

Here live schemas; how values are written is said in `json_rows`, which events a load publishes in `plan`. It may import
`matrix_defs` and `json_rows`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matrix_defs.table import Column, LogicalType
from resources.json_rows import STORED

TYPES = STORED
"""How each logical type is encoded."""

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
