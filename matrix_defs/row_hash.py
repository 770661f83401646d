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
    fixed: list[np.ndarray] = []
    variable: list[pa.Array] = []
    for name in columns:
        column = pa.concat_arrays(rows.column(name).chunks)
        valid = np.asarray(column.is_valid())
        fixed.append(valid.view(np.uint8))
        if any(is_type(column.type) for is_type in _VARIABLE_WIDTH):
            fixed.append(np.asarray(pc.fill_null(pc.binary_length(column), -1)))
            variable.append(column.cast(pa.binary()))
        else:
            fixed += _words(column, valid)
    block = _side_by_side(fixed, rows.num_rows)
    head = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(block.shape[1]), rows.num_rows, [None, pa.py_buffer(block)]
    ).cast(pa.binary())
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
