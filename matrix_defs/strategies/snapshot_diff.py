"""Snapshot diff: a whole snapshot is read, only differences are written.

Here lives the meaning of the strategy; the hash that tells a difference lives in `row_hash`. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import (
    Read,
    Strategy,
    key_index,
    last_per_key,
    together,
    upserts,
    with_keys_of,
    without_keys_of,
    written,
)


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load the target holds the source's rows with their hash, and a row that did not change was not rewritten.

    The snapshot is compared with the target by `row_hash`: changed rows are replaced, absent keys removed, missing ones
    added. Unchanged rows keep the load_id of the load that wrote them, so the counts of a load are true counts of what
    differed, and a second load of the same snapshot writes nothing.
    """
    snapshot = upserts(last_per_key(read.rows, key))
    kept = with_keys_of(target, snapshot, key)
    now = dict(zip(key_index(snapshot, key), snapshot.column("row_hash").to_pylist(), strict=True))
    same = [
        now[k] == digest for k, digest in zip(key_index(kept, key), kept.column("row_hash").to_pylist(), strict=True)
    ]
    unchanged = kept.filter(pa.array(same, pa.bool_()))
    return together(unchanged, written(without_keys_of(snapshot, unchanged, key), read))


STRATEGY = Strategy(
    name="snapshot_diff",
    reads=ReadMode.SNAPSHOT,
    steps=(Step.DEDUPE_STAGED, Step.DELETE_CHANGED, Step.DELETE_ABSENT_KEYS, Step.INSERT_MISSING),
    expect=expect,
    promise="The target equals the source, and only what differed was written, deleted and counted.",
    keeps_hash=True,
)
