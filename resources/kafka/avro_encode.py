"""Rows in Avro's binary encoding, a column at a time.

Here lives the way from canonical Arrow columns to payloads; schemas live in `avro_types`, reading in `avro_decode`.
It may import `matrix_defs`, numpy, pyarrow and the shared modules of `resources`.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import Column, LogicalType
from resources import codecs
from resources.weave import weave

_CHUNK_ROWS = 10_000
_CHUNK_BYTES = 1 << 29
"""Most rows, and about the most bytes, rendered at a time: Arrow's offsets end at 2 GiB."""

_NULL, _VALUE = 0, 2
"""What stands before a NULL and before a value of a nullable column: the number of the union's branch, as a long."""


def payloads(rows: pa.Table, columns: Sequence[Column], header: bytes) -> list[bytes]:
    """Return each row as `header` and a record of these columns. Raises ValueError for a NULL in a NOT NULL column."""
    size = min(_CHUNK_ROWS, max(1, _CHUNK_BYTES * rows.num_rows // max(1, rows.nbytes)))
    records: list[bytes] = []
    for batch in rows.combine_chunks().to_batches(max_chunksize=size):
        records += _records(batch, columns, header).to_pylist()
    return records


def _records(batch: pa.RecordBatch, columns: Sequence[Column], header: bytes) -> pa.Array:
    count = batch.num_rows
    pieces, places, number = [pa.array([header], pa.binary())], [np.zeros(count, np.int32)], 1
    for column in columns:
        array = batch.column(column.name)
        if array.null_count and not column.nullable:
            raise ValueError(f"column {column.name} must have a value in every row, {array.null_count} have none")
        for piece, present in _pieces(_PLAIN[column.type](array), nullable=column.nullable):
            pieces.append(piece)
            here = np.arange(number, number + count, dtype=np.int32)
            places.append(np.where(present, here, -1))
            number += count
    return weave(pa.concat_arrays(pieces), np.column_stack(places))


# ------------------------------------------------------------------ from logical types to Avro's own


def _long(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64())


def _bytes(array: pa.Array) -> pa.Array:
    return array.cast(pa.binary())


def decimal_bytes(array: pa.Array) -> pa.Array:
    """Return the unscaled values, big-endian, in the fewest bytes that keep the sign. Expects no NULL.

    As Java's BigInteger.toByteArray writes them.
    """
    words = np.frombuffer(array.buffers()[1], "<u8")[2 * array.offset :][: 2 * len(array)].reshape(-1, 2)
    unscaled = words[:, ::-1].astype(">u8").view(np.uint8)
    telling = unscaled ^ np.where(unscaled[:, :1] & 0x80, np.uint8(0xFF), np.uint8(0))
    first = np.where(telling.any(axis=1), (telling != 0).argmax(axis=1), 15)
    first -= telling[np.arange(len(array)), first] >> 7
    return _joined(unscaled, np.arange(16) >= first[:, None])


_PLAIN: dict[LogicalType, Callable[[pa.Array], pa.Array]] = {
    LogicalType.BOOL: lambda array: array,
    LogicalType.INT16: _long,
    LogicalType.INT32: _long,
    LogicalType.INT64: _long,
    LogicalType.DECIMAL_18_4: codecs.over_values(decimal_bytes),
    LogicalType.DECIMAL_38_9: codecs.over_values(decimal_bytes),
    LogicalType.FLOAT64: lambda array: array,
    LogicalType.TEXT: _bytes,
    LogicalType.BINARY: _bytes,
    LogicalType.DATE: lambda array: array.cast(pa.int32()).cast(pa.int64()),
    LogicalType.TIME: _long,
    LogicalType.DATETIME: _long,
    LogicalType.INSTANT: _long,
    LogicalType.UUID: lambda array: _bytes(codecs.over_values(codecs.uuid_text)(array)),
    LogicalType.JSON: _bytes,
}
"""To bool, int64, double or binary."""


# ------------------------------------------------------------------ from Avro's own types to bytes


def _pieces(array: pa.Array, *, nullable: bool) -> Iterator[tuple[pa.Array, np.ndarray | bool]]:
    """Yield a column's bytes, one piece per row, and which rows have the piece."""
    valid = np.asarray(array.is_valid())
    if pa.types.is_binary(array.type):
        yield _prefixed(*_varints(_values(pc.binary_length(array)).astype(np.int64)), valid, nullable=nullable), True
        yield codecs.without_nulls(array), valid
    elif pa.types.is_integer(array.type):
        yield _prefixed(*_varints(_values(array)), valid, nullable=nullable), True
    else:
        fixed = _values(array).view(np.uint8).reshape(len(array), -1)
        yield _prefixed(fixed, np.full(len(array), fixed.shape[1]), valid, nullable=nullable), True


def _values(array: pa.Array) -> np.ndarray:
    """The values, and anything at all in place of NULL."""
    anything = pa.scalar(0, pa.int8()).cast(array.type)
    values: np.ndarray = array.fill_null(anything).to_numpy(zero_copy_only=False)
    return values


def _varints(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return zigzag varints: one row of bytes per value, and how many of them count."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    groups = [zigzag]
    while groups[-1].any() and len(groups) < 10:
        groups.append(groups[-1] >> np.uint64(7))
    shifted = np.stack(groups, axis=1)
    sizes = np.maximum(np.count_nonzero(shifted, axis=1), 1)
    written = (shifted & np.uint64(0x7F)).astype(np.uint8)
    written[np.arange(len(groups)) < sizes[:, None] - 1] |= 0x80
    return written, sizes


def _prefixed(values: np.ndarray, sizes: np.ndarray, valid: np.ndarray, *, nullable: bool) -> pa.Array:
    """Return the bytes of each row behind the union's branch; NULL is its branch alone."""
    if nullable:
        branch = np.where(valid, np.uint8(_VALUE), np.uint8(_NULL))
        values, sizes = np.column_stack([branch, values]), np.where(valid, sizes + 1, 1)
    return _joined(values, np.arange(values.shape[1]) < sizes[:, None])


def _joined(rows: np.ndarray, kept: np.ndarray) -> pa.Array:
    """Return each row's bytes that are kept."""
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(kept, axis=1))]).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows[kept])])
