"""Rows out of Avro's binary encoding, whatever schema they were written with.

Here lives the way from payloads of one schema to canonical Arrow columns: records of plain fields a column at a
time, all rows at once, others through fastavro. It may import `matrix_defs`, numpy, pyarrow, fastavro and the modules
beside it.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from fastavro import schemaless_reader

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs
from resources.kafka.avro_columns import Columns, MalformedError
from resources.kafka.avro_schema import Field, WriterSchema


def rows(payloads: Sequence[bytes], header: int, schema: WriterSchema, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return one canonical row per payload, each a record of that schema behind `header` bytes.

    A field that the schema lacks reads as NULL, others are left alone. Raises MalformedError for bytes that are no
    record of the schema, and ValueError naming a column that cannot hold what its field holds, or that is NOT NULL and
    lacks a value.
    """
    fields = {column.name: _field_of(schema, column) for column in columns}
    found = _read(payloads, header, schema, {name for name, field in fields.items() if field})
    arrays = []
    for column in columns:
        field = fields[column.name]
        array = (
            pa.nulls(len(payloads), ARROW[column.type])
            if field is None
            else _canonical(found[column.name], field, column)
        )
        if array.null_count and not column.nullable:
            raise ValueError(f"column {column.name} must have a value in every record, {array.null_count} have none")
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([column.field for column in columns]))


def _field_of(schema: WriterSchema, column: Column) -> Field | None:
    field = schema.field(column.name)
    if field and not field.fits(column):
        raise ValueError(f"field {field.name} is {field.avro}, which is no {column.type}")
    return field


def _read(payloads: Sequence[bytes], header: int, schema: WriterSchema, wanted: set[str]) -> Mapping[str, pa.Array]:
    """Return the fields that are wanted, as plain arrays."""
    if not schema.flat:
        return _read_records(payloads, header, schema, wanted)
    read = Columns(payloads, header)
    found = {}
    for field in schema.fields:
        array = read.next(field)
        if field.name in wanted:
            found[field.name] = array
    read.end()
    return found


def _read_records(
    payloads: Sequence[bytes], header: int, schema: WriterSchema, wanted: set[str]
) -> Mapping[str, pa.Array]:
    records: list[Any] = []
    for number, payload in enumerate(payloads):
        source = io.BytesIO(payload)
        source.seek(header)
        try:
            records.append(schemaless_reader(source, schema.parsed, None))
        # What garbage leads to depends on the type that is being read when it is met.
        except Exception as error:
            raise MalformedError(number, f"no record of its schema ({type(error).__name__})") from error
        if source.tell() != len(payload):
            raise MalformedError(number, f"{len(payload) - source.tell()} byte(s) are left behind the record")
    fields = [field for field in schema.fields if field.name in wanted]
    return {
        f.name: pa.array([r[f.name] for r in records], pa.string() if f.base == "string" else f.plain) for f in fields
    }


# ------------------------------------------------------------------ from Avro's types to logical ones


def _canonical(array: pa.Array, field: Field, column: Column) -> pa.Array:
    """Arrow's casts are safe ones: they refuse what would be altered."""
    try:
        made = _typed(array, field.kind)
        if column.type is LogicalType.UUID:
            return codecs.over_values(_uuids)(made)
        cast = made.cast(ARROW[column.type])
        cast.validate(full=True)
    except ValueError as error:
        raise ValueError(
            f"field {column.name} holds what is no {column.type}: {' '.join(str(error).split())[:200]}"
        ) from error
    return cast


def _typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        return codecs.over_values(lambda values: bytes_decimal(values, kind.scale))(array)
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    return (array.cast(pa.int32()) if narrow else array).cast(kind)


def _uuids(values: pa.Array) -> pa.Array:
    """Sixteen bytes of a `fixed` are a UUID as they are."""
    if pa.types.is_binary(values.type):
        return values.cast(ARROW[LogicalType.UUID])
    return codecs.uuid_bytes(values)


def bytes_decimal(values: pa.Array, scale: int) -> pa.Array:
    """Return big-endian unscaled values of 1 to 16 bytes as decimals. Expects no NULL. Raises ValueError."""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset :][1 : len(values) + 1].astype(np.int64)
    starts = np.frombuffer(offsets, np.int32)[values.offset :][: len(values)]
    sizes = ends - starts
    if len(values) and (sizes.min() < 1 or sizes.max() > 16):
        raise ValueError(f"a decimal has 1 to 16 bytes, not {sizes.min() if sizes.min() < 1 else sizes.max()}")
    padded = bytes(16) + (bytes(data) if data else b"")
    words = np.ndarray(len(padded) - 7, ">i8", padded, strides=(1,))
    high, low = words[ends].astype(np.int64), words[ends + 8].astype(np.int64)
    short = sizes <= 8
    above = 64 - 8 * np.where(short, sizes, sizes - 8)
    signed = (np.where(short, low, high) << above) >> above
    unscaled = np.column_stack([np.where(short, signed, low), np.where(short, signed >> 63, signed)])
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(values), [None, pa.py_buffer(unscaled)])
