"""The types table of REST: how each logical type is written in JSON, how it reads back, and what is lost.

Here live values as they travel, a column at a time in both directions; pages and requests live in `page` and `client`.
It may import `matrix_defs` and pyarrow.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs

_CHUNK_ROWS = 10_000
"""Rows rendered at a time: Arrow's string offsets end at 2 GiB."""


def _same(array: pa.Array) -> pa.Array:
    return array


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _quoted_text(array: pa.Array) -> pa.Array:
    return codecs.quote(_text(array))


def _finite(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))


def _iso(array: pa.Array) -> pa.Array:
    """ISO 8601: Arrow prints a blank between date and time."""
    return pc.utf8_replace_slice(_text(array), start=10, stop=11, replacement="T")


def _iso_utc(array: pa.Array) -> pa.Array:
    """The UTC reading, then Z: printed by Arrow itself, an instant takes six times as long."""
    return pc.binary_join_element_wise(_iso(array.cast(pa.timestamp("us"))), "Z", "")


def _time(array: pa.Array) -> pa.Array:
    """Arrow casts text to a timestamp, but not to a time."""
    midnight = pc.binary_join_element_wise("1970-01-01T", array, "")
    return midnight.cast(pa.timestamp("us")).cast(pa.time64("us"))


@dataclass(frozen=True)
class RestType:
    """How one logical type travels."""

    json: str
    """How a value is written, in words; NULL is always `null`, and a field that a record lacks reads as NULL."""
    wire: pa.DataType
    """What Arrow's JSON reader is asked to make of it."""
    write: Callable[[pa.Array], pa.Array] = _text
    """From a canonical array to an array of JSON texts."""
    read: Callable[[pa.Array], pa.Array] = _same
    """From the wire array to the canonical one. Raises ValueError for text of another form."""
    loss: str | None = None
    """What cannot travel, in words; None where every value comes back bit by bit."""
    hold: Callable[[pa.Array], pa.Array] = _same
    """Canonical values as they come back: the declared loss, nothing else."""


TYPES: dict[LogicalType, RestType] = {
    LogicalType.BOOL: RestType("true or false", pa.bool_()),
    LogicalType.INT16: RestType("number", pa.int16()),
    LogicalType.INT32: RestType("number", pa.int32()),
    LogicalType.INT64: RestType("number, all 64 bits", pa.int64()),
    LogicalType.DECIMAL_18_4: RestType(
        "string, so that no reader makes a float of it", pa.decimal128(18, 4), _quoted_text
    ),
    LogicalType.DECIMAL_38_9: RestType(
        "string, so that no reader makes a float of it", pa.decimal128(38, 9), _quoted_text
    ),
    LogicalType.FLOAT64: RestType(
        "number with the fewest digits that read back as the same bits",
        pa.float64(),
        write=lambda array: _text(_finite(array)),
        loss="NaN and the infinities become NULL: JSON has no such numbers",
        hold=_finite,
    ),
    LogicalType.TEXT: RestType("string", pa.string(), codecs.quote),
    LogicalType.BINARY: RestType(
        "string, base64 with padding",
        pa.string(),
        write=lambda array: codecs.quote(codecs.over_values(codecs.base64_encode)(array)),
        read=codecs.over_values(codecs.base64_decode),
    ),
    LogicalType.DATE: RestType(
        "string, YYYY-MM-DD", pa.string(), _quoted_text, read=lambda array: array.cast(pa.date32())
    ),
    LogicalType.TIME: RestType("string, HH:MM:SS.ffffff", pa.string(), _quoted_text, read=_time),
    LogicalType.DATETIME: RestType(
        "string, ISO 8601 with microseconds, no zone",
        pa.timestamp("us"),
        write=lambda array: codecs.quote(_iso(array)),
    ),
    LogicalType.INSTANT: RestType(
        "string, ISO 8601 with microseconds and Z",
        pa.timestamp("us", tz="UTC"),
        write=lambda array: codecs.quote(_iso_utc(array)),
    ),
    LogicalType.UUID: RestType(
        "string, 8-4-4-4-12 hexadecimal digits",
        pa.string(),
        write=lambda array: codecs.quote(codecs.over_values(codecs.uuid_text)(array)),
        read=codecs.over_values(codecs.uuid_bytes),
    ),
    LogicalType.JSON: RestType("string that holds the JSON text", pa.string(), codecs.quote),
}
"""Nested JSON would be parsed and printed anew on its way, so a JSON value travels as the text it is."""


def wire_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema in which Arrow's JSON reader is to read records of these columns."""
    return pa.schema([(column.name, TYPES[column.type].wire) for column in columns])


def from_wire(records: pa.StructArray, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return records read by `wire_schema` in canonical form.

    Raises ValueError naming the column whose text has not the form of its type, or that is NOT NULL and lacks a value.
    """
    arrays = []
    for column, wire in zip(columns, records.flatten(), strict=True):
        try:
            array = TYPES[column.type].read(wire)
        except ValueError as error:
            raise ValueError(f"column {column.name} ({TYPES[column.type].json}): {error}") from error
        if array.null_count and not column.nullable:
            raise ValueError(f"column {column.name} must have a value in every record, {array.null_count} have none")
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([column.field for column in columns]))


def to_json(rows: pa.Table, columns: Sequence[Column]) -> pa.ChunkedArray:
    """Return each row as one JSON object (large_string), the columns in the order given."""
    chunks = [_objects(batch, columns) for batch in rows.combine_chunks().to_batches(max_chunksize=_CHUNK_ROWS)]
    return pa.chunked_array(chunks, pa.large_string())


def represent(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return `rows` as they come back from JSON: the same object but for the declared losses."""
    for column in columns:
        if TYPES[column.type].loss:
            values = rows.column(column.name)
            held = pa.chunked_array([TYPES[column.type].hold(chunk) for chunk in values.chunks], ARROW[column.type])
            if held.null_count != values.null_count:
                rows = rows.set_column(rows.schema.get_field_index(column.name), column.field, held)
    return rows


def _objects(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.Array:
    parts: list[pa.Array | str] = []
    for column in columns:
        parts += [
            f"{',' if parts else '{'}{json.dumps(column.name)}:",
            TYPES[column.type].write(batch.column(column.name)),
        ]
    objects = pc.binary_join_element_wise(*parts, "}", "", null_handling="replace", null_replacement="null")
    return objects.cast(pa.large_string())
