"""Rows as JSON objects: how each logical type is written, how it reads back, and what is lost.

Here live values as they travel, a column at a time in both directions; who carries them is said by the systems.
It may import `matrix_defs`, numpy, pyarrow and the shared modules of `resources`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs
from resources.types_table import StoredType, TypesTable
from resources.weave import weave

_CHUNK_ROWS = 10_000
"""Rows rendered at a time: Arrow's string offsets end at 2 GiB."""


def _same(array: pa.Array) -> pa.Array:
    return array


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


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
class JsonType:
    """How one logical type travels."""

    json: str
    """How a value is written, in words; NULL is always `null`, and a field that a record lacks reads as NULL."""
    wire: pa.DataType
    """What Arrow's JSON reader is asked to make of it."""
    write: Callable[[pa.Array], pa.Array] = _text
    """From a canonical array to an array of texts."""
    quoted: bool = True
    """The texts stand between quotes."""
    read: Callable[[pa.Array], pa.Array] = _same
    """From the wire array to the canonical one. Raises ValueError for text of another form."""
    loss: str | None = None
    """What cannot travel, in words; None where every value comes back bit by bit."""
    hold: Callable[[pa.Array], pa.Array] = _same
    """Canonical values as they come back: the declared loss, nothing else."""


TYPES: dict[LogicalType, JsonType] = {
    LogicalType.BOOL: JsonType("true or false", pa.bool_(), quoted=False),
    LogicalType.INT16: JsonType("number", pa.int16(), quoted=False),
    LogicalType.INT32: JsonType("number", pa.int32(), quoted=False),
    LogicalType.INT64: JsonType("number, all 64 bits", pa.int64(), quoted=False),
    LogicalType.DECIMAL_18_4: JsonType(
        "string with 4 decimals, so that no reader makes a float of it", pa.decimal128(18, 4)
    ),
    LogicalType.DECIMAL_38_9: JsonType(
        "string with 9 decimals, so that no reader makes a float of it", pa.decimal128(38, 9)
    ),
    LogicalType.FLOAT64: JsonType(
        "number with the fewest digits that read back as the same bits",
        pa.float64(),
        write=lambda array: _text(_finite(array)),
        quoted=False,
        loss="NaN and the infinities become NULL: JSON has no such numbers",
        hold=_finite,
    ),
    LogicalType.TEXT: JsonType("string", pa.string(), codecs.escape),
    LogicalType.BINARY: JsonType(
        "string, base64 with padding",
        pa.string(),
        write=codecs.over_values(codecs.base64_encode),
        read=codecs.over_values(codecs.base64_decode),
    ),
    LogicalType.DATE: JsonType("string, YYYY-MM-DD", pa.string(), read=lambda array: array.cast(pa.date32())),
    LogicalType.TIME: JsonType("string, HH:MM:SS.ffffff", pa.string(), read=_time),
    LogicalType.DATETIME: JsonType("string, ISO 8601 with microseconds, no zone", pa.timestamp("us"), _iso),
    LogicalType.INSTANT: JsonType(
        "string, ISO 8601 with microseconds and Z", pa.timestamp("us", tz="UTC"), write=_iso_utc
    ),
    LogicalType.UUID: JsonType(
        "string, 8-4-4-4-12 hexadecimal digits",
        pa.string(),
        write=codecs.over_values(codecs.uuid_text),
        read=codecs.over_values(codecs.uuid_bytes),
    ),
    LogicalType.JSON: JsonType("string that holds the JSON text", pa.string(), codecs.escape),
}
"""Nested JSON would be parsed and printed anew on its way, so a JSON value travels as the text it is."""


STORED: TypesTable = {
    kind: StoredType(held.json, loss=held.loss or "", represent=held.hold if held.loss else None)
    for kind, held in TYPES.items()
}
"""The types table of a system that stores rows as JSON."""


def wire_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema in which Arrow's JSON reader is to read records of these columns."""
    return pa.schema([(column.name, TYPES[column.type].wire) for column in columns])


def parse(text: bytes, schema: pa.Schema) -> pa.Table:
    """Return JSON objects, one after the other, as rows of that schema; other fields are left alone.

    Raises ValueError for what is no JSON or has other types.
    """
    rows = pj.read_json(
        pa.BufferReader(text),
        # One block holds the whole text, so that no line end inside an object is taken for its end.
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    rows.validate(full=True)
    return rows


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
    """Weave names and values. The quotes belong to the names' pieces: which one a row gets depends on the value before
    it and on its own, so each name has four.
    """
    count = batch.num_rows
    texts = [TYPES[column.type].write(batch.column(column.name)) for column in columns]
    names = _names(columns)
    pieces = pa.concat_arrays([names, *map(codecs.without_nulls, texts)])
    places = np.empty((count, 2 * len(columns) + 1), np.int32)
    after_quoted = np.zeros(count, bool)
    for number, (column, text) in enumerate(zip(columns, texts, strict=True)):
        valid = np.asarray(text.is_valid())
        places[:, 2 * number] = 4 * number + 2 * after_quoted + valid
        values = np.arange(len(names) + number * count, len(names) + (number + 1) * count, dtype=np.int32)
        places[:, 2 * number + 1] = np.where(valid, values, -1)
        after_quoted = valid & TYPES[column.type].quoted
    places[:, -1] = 4 * len(columns) + after_quoted
    return weave(pieces, places).cast(pa.large_string())


def _names(columns: Sequence[Column]) -> pa.StringArray:
    """What stands before each value: before NULL and before a value, after a bare value and after a quoted one."""
    names = []
    for number, column in enumerate(columns):
        opening = f"{',' if number else '{'}{json.dumps(column.name)}:"
        before = '"' if TYPES[column.type].quoted else ""
        for after in ("", '"'):
            names += [f"{after}{opening}null", f"{after}{opening}{before}"]
    return pa.array([*names, "}", '"}'], pa.string())
