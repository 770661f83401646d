"""Incremental merge: changed rows replace their old selves, vanished keys vanish.

Here lives the meaning of the strategy and of the merge that `xmin` and `cdc` share. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import (
    Read,
    Strategy,
    last_per_key,
    together,
    upserts,
    with_keys_of,
    without_keys_of,
    written,
)


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load every key that was read has exactly its last row, and a key that the source no longer holds is gone.

    What is read is what incremental append reads, and besides what shows deletes: the complete key list of a state
    source, taken in the snapshot of the rows or after them, or the tombstones of a log source. Several changes of one
    key fold to the last by sequence, never by time. So the target equals the source, except that a state source misses
    a late row (committed with a cursor behind the position) and a row that comes back identical with its old cursor,
    until they change again. No key list deletes nothing; an empty key list deletes everything.
    """
    changed = last_per_key(read.rows, key)
    kept = without_keys_of(target, changed, key)
    if read.keys is not None:
        kept = with_keys_of(kept, read.keys, key)
    return together(kept, written(upserts(changed), read))


STRATEGY = Strategy(
    name="incremental_merge",
    reads=ReadMode.INCREMENTAL_AND_DELETES,
    steps=(Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED, Step.DELETE_ABSENT_KEYS),
    expect=expect,
    promise="One row per key, its last one; deleted keys are gone; late rows of a state source wait for their change.",
    replay_rewrites=True,
)
