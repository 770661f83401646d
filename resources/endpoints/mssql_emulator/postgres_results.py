"""Rows between PostgreSQL and Arrow, by COPY and Arrow's compiled CSV reader and writer; or as they are, in binary.

Here lives how columns are encoded and decoded, without a loop over cells; which rows move lives in
`postgres_statements`. It may import `engine`, `postgres_fitting`, pyarrow
and psycopg.

CSV tells NULL (nothing) from the empty string (quoted), and PostgreSQL prints floats so that they read back to the bit.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from resources.endpoints.mssql_emulator.engine import CopiedRows, Kind, ResultColumn, SqlType
from resources.endpoints.mssql_emulator.postgres_fitting import held
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_CHUNK_BYTES = 8 << 20
_CHUNK_ROWS = 50_000
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What a binary copy begins with: signature, no flags, no more of a head."""
_TAIL = b"\xff\xff"
_ONE = pa.scalar(1, pa.int32())
_BINARY = {Kind.BINARY, Kind.VARBINARY, Kind.UNIQUEIDENTIFIER}


@dataclass(frozen=True)
class Decoder:
    """How the CSV of a result's columns is read."""

    columns: tuple[ResultColumn, ...]

    def batches(self, copy: psycopg.Copy) -> Iterator[pa.RecordBatch]:
        """Yield what a COPY ... TO STDOUT (FORMAT csv) sends, in bounded batches."""
        lines: list[bytes] = []
        size = 0
        for line in copy:
            lines.append(bytes(line))
            size += len(line)
            if size >= _CHUNK_BYTES or len(lines) >= _CHUNK_ROWS:
                yield self._decoded(b"".join(lines), len(lines))
                lines, size = [], 0
        if lines:
            yield self._decoded(b"".join(lines), len(lines))

    def _decoded(self, chunk: bytes, rows: int) -> pa.RecordBatch:
        names = [str(place) for place in range(len(self.columns))]
        types = [pa.string() if c.type.kind in _BINARY else c.type.arrow for c in self.columns]
        table = csv.read_csv(
            io.BytesIO(chunk),
            csv.ReadOptions(column_names=names, block_size=min(len(chunk) + 1, 2**31 - 1), use_threads=False),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=[""],
                true_values=["1", "t"],
                false_values=["0", "f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        assert table.num_rows == rows
        arrays = [
            _bytes_of(array.combine_chunks(), column.type)
            for array, column in zip(table.columns, self.columns, strict=True)
        ]
        fields = [pa.field(column.name, column.type.arrow) for column in self.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _bytes_of(array: pa.Array, type_: SqlType) -> pa.Array:
    """Return bytes that were printed as digits behind a backslash and x, or as a uuid; anything else as it is."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if type_.kind not in _BINARY:
        return array
    if type_.kind is Kind.UNIQUEIDENTIFIER:
        digits = pc.replace_substring(array, "-", "")
        return _unhexed(digits).cast(pa.binary(16))
    return _unhexed(pc.utf8_slice_codeunits(array, 2))


def _unhexed(digits: pa.Array) -> pa.Array:
    """Return the bytes of hexadecimal digits, all of a column at once."""
    _, offsets, data = digits.buffers()
    if digits.offset or data is None:
        digits = pa.concat_arrays([digits, pa.array([""], pa.string())])[: len(digits)]
        _, offsets, data = digits.buffers()
    places = pa.Array.from_buffers(pa.int32(), len(digits) + 1, [None, offsets])
    used = places[len(digits)].as_py()
    raw = bytes.fromhex(bytes(data)[:used].decode("ascii") if data is not None else "")
    halves = pc.shift_right(places, _ONE)
    valid = digits.is_valid()
    array = pa.Array.from_buffers(pa.binary(), len(digits), [None, halves.buffers()[1], pa.py_buffer(raw)])
    return pc.if_else(valid, array, pa.scalar(None, pa.binary()))


def encoded(batches: Iterable[pa.RecordBatch], columns: Sequence[ResultColumn]) -> Iterator[tuple[int, bytes]]:
    """Yield the number of rows and the CSV of every batch, as COPY ... FROM STDIN (FORMAT csv) reads it."""
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    for batch in batches:
        if not batch.num_rows:
            continue
        arrays = [_printable(batch.column(place), column.type) for place, column in enumerate(columns)]
        sink = io.BytesIO()
        csv.write_csv(pa.RecordBatch.from_arrays(arrays, [str(place) for place in range(len(arrays))]), sink, options)
        yield batch.num_rows, sink.getvalue()


def _printable(array: pa.Array, type_: SqlType) -> pa.Array:
    """Return a column in a type that Arrow's CSV writer prints as PostgreSQL reads it."""
    if array.type != type_.arrow:
        array = array.cast(type_.arrow)
    if type_.kind is Kind.BIT:
        return array.cast(pa.int8())
    if type_.kind is Kind.UNIQUEIDENTIFIER:
        return _hexed(array.cast(pa.binary()))
    if type_.kind in _BINARY:
        return pc.binary_join_element_wise("\\x", _hexed(array), "")
    return array


def _hexed(array: pa.Array) -> pa.Array:
    """Return the hexadecimal digits of bytes, all of a column at once."""
    if array.offset:
        array = pa.concat_arrays([array, pa.array([b""], array.type)])[: len(array)]
    validity, offsets, data = array.buffers()
    places = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, offsets])
    digits = (data.to_pybytes() if data is not None else b"").hex().encode()
    doubled = pc.shift_left(places, _ONE)
    return pa.Array.from_buffers(pa.string(), len(array), [validity, doubled.buffers()[1], pa.py_buffer(digits)])


def copied(copy: psycopg.Copy) -> Iterator[CopiedRows]:
    """Yield what a COPY ... TO STDOUT (FORMAT binary) sends, row by row, in bounded batches."""
    lines: list[bytes] = []
    size = 0
    for line in copy:
        # The first row comes with what a copy begins with; what it ends with comes by itself.
        row = bytes(line).removeprefix(_HEAD)
        if row != _TAIL:
            lines.append(row)
            size += len(row)
        if size >= _CHUNK_BYTES:
            yield CopiedRows(b"".join(lines), len(lines))
            lines, size = [], 0
    if lines:
        yield CopiedRows(b"".join(lines), len(lines))


def as_binary(batches: Iterable[CopiedRows]) -> Iterator[tuple[int, bytes | memoryview]]:
    """Yield the number of rows and the bytes that COPY ... FROM STDIN (FORMAT binary) reads."""
    yield 0, _HEAD
    for batch in batches:
        yield batch.count, batch.data
    yield 0, _TAIL


def one_value(text: str | None, type_: SqlType) -> object:
    """Return a value of PostgreSQL's text form as Python's."""
    if text is None:
        return None
    quoted = ('"' + text.replace('"', '""') + '"\n').encode()
    decoded = Decoder((ResultColumn("", type_),))._decoded(quoted, 1)
    value: object = decoded.column(0)[0].as_py()
    return value


def text_of(value: object, type_: SqlType) -> str | None:
    """Return a Python value in PostgreSQL's text form, as a variable of the type holds it. Raises SqlError 102."""
    if value is None:
        return None
    value = held(value, type_)
    if isinstance(value, str):
        if "\0" in value:
            raise refused("the character NUL in text")
        return value
    if type_.kind is Kind.BIT:
        return "1" if value else "0"
    if isinstance(value, int | Decimal):
        return str(value)
    scalar = pa.array([value], type_.arrow)
    return str(_printable(scalar, type_).cast(pa.string())[0].as_py())
