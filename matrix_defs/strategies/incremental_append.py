"""Incremental append: what is new is added, what is there stays.

Here lives the meaning of the strategy; the cursor's bookkeeping lives with the sources. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import Read, Strategy, together, upserts, written


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load every earlier row of the target is untouched and the rows read are added; keys may repeat.

    A state source yields the rows whose cursor is at or after the position, less those that the position lists as
    delivered at exactly that cursor: a row that ties with the boundary is neither lost nor brought twice. It misses a
    row that was committed with a cursor behind the position, and shows no deletes. A log source yields every event
    since the position that is no tombstone, unfolded. Nothing new adds nothing; an empty read, or a source that was
    emptied, leaves the position where it was: it never moves back.
    """
    return together(target, written(upserts(read.rows), read))


STRATEGY = Strategy(
    name="incremental_append",
    reads=ReadMode.INCREMENTAL,
    steps=(Step.INSERT_STAGED,),
    expect=expect,
    promise="Every new row or event arrives once, and no row that had arrived is ever touched.",
    appends=True,
)
