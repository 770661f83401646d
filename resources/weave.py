"""Rows of text woven from columns of text, in Arrow's own loops.

Here lives the one function that lays pieces end to end; what the pieces are is said by its callers.
It may import numpy and pyarrow.
"""

import numpy as np
import pyarrow as pa


def weave(pieces: pa.StringArray, places: np.ndarray) -> pa.StringArray:
    """Return one text per row of `places`: the pieces at its places, end to end; a place of -1 stands for nothing.

    Taking the pieces in row order lays their bytes end to end already, so each row is a slice of what was taken: half
    the time of joining columns element by element. The pieces must hold no NULL and, as taken, less than 2 GiB.
    """
    kept = places >= 0
    taken = pieces.take(pa.array(places[kept]))
    ends = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    offsets = np.frombuffer(taken.buffers()[1], np.int32)[ends]
    return pa.Array.from_buffers(taken.type, len(places), [None, pa.py_buffer(offsets), taken.buffers()[2]])
