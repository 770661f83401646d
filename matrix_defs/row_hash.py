"""The row hash: one int64 per row that decides whether a row changed.

Here lives the hash alone; who keeps or compares it is said by steps and strategies. Engines disagree about trailing
spaces, collation, -0.0 and NULL, so it is computed here, from canonical Arrow values, and never in SQL.
It may import numpy, pandas and pyarrow.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_AT_ONCE = 1 << 17
"""Rows encoded together: the offsets of Arrow's binary values end at 2 GiB."""
_VARIABLE_WIDTH = (pa.types.is_string, pa.types.is_binary)


def row_hash(rows: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Return an int64 per row, never NULL, over the named columns in the order given.

    Two rows have equal hashes exactly when their canonical values have equal bits (but for collisions, 2^-64 a pair):
    NULL differs from every value, -0.0 from 0.0. A row is encoded as its fixed-width values, validity flags and byte
    lengths, followed by the bytes of its variable-width values, and hashed by SipHash with pandas' fixed key
    (pandas.util.hash_array), so that the hash is the same in every process and can be stored.
    """
    if rows.num_rows == 0:
        return pa.array([], pa.int64())
    if rows.num_rows > _AT_ONCE:
        parts = (rows.slice(begin, _AT_ONCE) for begin in range(0, rows.num_rows, _AT_ONCE))
        return pa.concat_arrays([row_hash(part, columns) for part in parts])
    fixed: list[np.ndarray] = []
    variable: list[pa.Array] = []
    for name in columns:
        chunks = rows.column(name).chunks
        column = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)  # which copies a single one too
        valid = np.asarray(column.is_valid())
        fixed.append(valid.view(np.uint8))
        if any(is_type(column.type) for is_type in _VARIABLE_WIDTH):
            lengths = np.diff(np.frombuffer(column.buffers()[1], "<i4", len(column) + 1, column.offset * 4))
            fixed.append(np.where(valid, lengths, np.int32(-1)) if column.null_count else lengths)
            variable.append(column.cast(pa.binary()))
        else:
            fixed += _words(column, valid)
    block = _side_by_side(fixed, rows.num_rows)
    ends = np.arange(rows.num_rows + 1, dtype=np.int32) * np.int32(block.shape[1])
    head = pa.Array.from_buffers(pa.binary(), rows.num_rows, [None, pa.py_buffer(ends), pa.py_buffer(block)])
    encoded = pc.binary_join_element_wise(head, *variable, b"", null_handling="replace") if variable else head
    hashes = pd.util.hash_array(encoded.to_numpy(zero_copy_only=False), categorize=False)
    return pa.array(hashes.view(np.int64))


def _words(column: pa.Array, valid: np.ndarray) -> list[np.ndarray]:
    """The column's fixed-width values in little-endian words of up to eight bytes, zero where NULL."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    width = column.type.byte_width
    size = min(width, 8)
    words = np.frombuffer(column.buffers()[1], f"<u{size}", len(column) * width // size, column.offset * width)
    parts = list(words.reshape(len(column), width // size).T)
    return [np.where(valid, part, np.zeros_like(part, shape=())) for part in parts] if column.null_count else parts


def _side_by_side(columns: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """The columns as one matrix of bytes, copied word by word, since byte by byte takes several times as long."""
    width = sum(column.itemsize for column in columns)
    block = np.empty((rows, width), np.uint8)
    place = 0
    for column in columns:
        np.ndarray(rows, column.dtype, block, place, (width,))[:] = column
        place += column.itemsize
    return block
