"""The schema that a message was written with, whoever wrote it: what its fields are, and which columns can read them.

Here lives the understanding of schemas; bytes are read in `avro_decode`, our own schemas are made in `avro_types`.
It may import `matrix_defs`, pyarrow and fastavro.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from fastavro.schema import SchemaParseException, expand_schema, parse_schema

from matrix_defs.table import Column, LogicalType

_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.binary(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
}
"""The Avro types that are read a column at a time, and as what; texts are checked afterwards."""

_LOGICAL: dict[tuple[str, str], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    **{
        ("long", f"timestamp-{name}s"): pa.timestamp(unit, "UTC")
        for name, unit in (("milli", "ms"), ("micro", "us"), ("nano", "ns"))
    },
    **{
        ("long", f"local-timestamp-{name}s"): pa.timestamp(unit)
        for name, unit in (("milli", "ms"), ("micro", "us"), ("nano", "ns"))
    },
}


def _whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind)) or _whole(kind)


def _characters(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


_READABLE: dict[LogicalType, Callable[[pa.DataType], bool]] = {
    LogicalType.BOOL: pa.types.is_boolean,
    LogicalType.INT16: _whole,
    LogicalType.INT32: _whole,
    LogicalType.INT64: _whole,
    LogicalType.DECIMAL_18_4: pa.types.is_decimal,
    LogicalType.DECIMAL_38_9: pa.types.is_decimal,
    LogicalType.FLOAT64: _number,
    LogicalType.TEXT: _characters,
    LogicalType.BINARY: _characters,
    LogicalType.DATE: pa.types.is_date,
    LogicalType.TIME: pa.types.is_time,
    LogicalType.DATETIME: lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,
    LogicalType.INSTANT: lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
    LogicalType.UUID: _characters,
    LogicalType.JSON: _characters,
}
"""What a column takes, the promotions of Avro's schema resolution included; a plain number is no moment."""


@dataclass(frozen=True)
class Field:
    """A field of a record as far as it can become a column."""

    name: str
    avro: str
    """The type in Avro's words, for messages."""
    plain: pa.DataType | None
    """What its values are read as; None for what no column can hold: a union of several types, an array, a record."""
    kind: pa.DataType | None
    """What they are."""
    base: str = ""
    """The Avro type below a logical one."""
    null_branch: int | None = None
    """Which branch of a union with null is the null; None where there is no union."""
    size: int = 0
    """Bytes of a `fixed`."""

    def fits(self, column: Column) -> bool:
        """Return whether the column can read the field."""
        return self.kind is not None and _READABLE[column.type](self.kind)


@dataclass(frozen=True)
class WriterSchema:
    """A record's schema."""

    fields: tuple[Field, ...]
    flat: bool
    """Every field is of a type that is read a column at a time."""
    parsed: Any
    """For fastavro: the same without logical types, so that values arrive as they were written."""

    def field(self, name: str) -> Field | None:
        """Return the field of that name."""
        return next((field for field in self.fields if field.name == name), None)


def understand(text: str) -> WriterSchema:
    """Return what a schema says. Raises ValueError for what is no schema of a record."""
    try:
        told = json.loads(text)
        parsed = parse_schema(json.loads(text, object_hook=_without_logical_type))
        whole: Any = expand_schema(told)
    except (SchemaParseException, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no schema that can be understood: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(whole, Mapping) or whole.get("type") != "record":
        raise ValueError("a schema of something else than a record")
    fields = tuple(_field(field["name"], field["type"]) for field in whole["fields"])
    return WriterSchema(fields, all(field.base in _PLAIN for field in fields), parsed)


def _field(name: str, avro: Any) -> Field:
    words = json.dumps(avro)[:100]
    branches = avro if isinstance(avro, list) else [avro]
    null_branch = branches.index("null") if "null" in branches else None
    others = [branch for branch in branches if branch != "null"]
    if len(others) != 1 or len(branches) > 2 or (null_branch is None and isinstance(avro, list)):
        return Field(name, words, None, None)
    (one,) = others
    made = {"type": one} if isinstance(one, str) else one
    base = made["type"]
    if base == "enum":
        return Field(name, words, pa.string(), pa.string(), base, null_branch)
    if not isinstance(base, str) or base not in _PLAIN:
        return Field(name, words, None, None)
    return Field(name, words, _PLAIN[base], _kind(base, made), base, null_branch, int(made.get("size", 0)))


def _without_logical_type(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != "logicalType"}


def _kind(base: str, told: Mapping[str, Any]) -> pa.DataType:
    """A logical type that Avro does not know is to be taken for the type below it, says Avro."""
    logical = told.get("logicalType")
    if logical == "decimal" and base in ("bytes", "fixed"):
        return pa.decimal128(38, told.get("scale", 0))
    if base == "string":
        return pa.string()
    return _LOGICAL.get((base, str(logical)), _PLAIN[base])
