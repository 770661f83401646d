"""SCD2: every version of a row is kept with the time it was valid.

Here lives the meaning of the strategy (slowly changing dimension, type 2). It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import (
    Read,
    Strategy,
    key_index,
    last_per_key,
    together,
    upserts,
    without_keys_of,
    written,
)


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load every live key has one open version, the source's row; earlier versions end where the next begin.

    A version is valid from `valid_from` (included) to `valid_to` (excluded; NULL while it is open); both are the
    `loaded_at` of a load. Only the open version is compared, by `row_hash`: a changed row closes it and opens the next
    at the same instant, an absent key closes it and opens none, so the history of a key has no overlap, and gaps only
    while the key was absent. A key that comes back, even identical, opens a new version; a value that returns to what
    it was is a change like any other. An unchanged row writes nothing.
    """
    snapshot = upserts(last_per_key(read.rows, key))
    is_open = pc.is_null(target.column("valid_to"))
    history, current = target.filter(pc.invert(is_open)), target.filter(is_open)
    now = dict(zip(key_index(snapshot, key), snapshot.column("row_hash").to_pylist(), strict=True))
    still = [
        now.get(k) == digest
        for k, digest in zip(key_index(current, key), current.column("row_hash").to_pylist(), strict=True)
    ]
    unchanged, ended = (
        current.filter(pa.array(still, pa.bool_())),
        current.filter(pc.invert(pa.array(still, pa.bool_()))),
    )
    instant = pa.array([read.load] * ended.num_rows, pa.int64())
    closed = ended.set_column(ended.column_names.index("valid_to"), "valid_to", instant)
    opened = written(without_keys_of(snapshot, unchanged, key), read)
    opened = opened.append_column("valid_from", opened.column("load"))
    opened = opened.append_column("valid_to", pa.nulls(opened.num_rows, pa.int64()))
    return together(pa.concat_tables([history, unchanged, closed]), opened)


STRATEGY = Strategy(
    name="scd2",
    reads=ReadMode.SNAPSHOT,
    steps=(Step.DEDUPE_STAGED, Step.CLOSE_CHANGED, Step.CLOSE_ABSENT, Step.OPEN_VERSIONS),
    expect=expect,
    promise="One open version per live key and a history without overlap, gapless except while the key was absent.",
    keeps_hash=True,
    keeps_history=True,
)
