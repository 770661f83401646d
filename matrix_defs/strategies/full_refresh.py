"""Full refresh: the target becomes what the source is.

Here lives the meaning of the strategy; how a system swaps a table lives with that system. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import Read, Strategy, together, upserts, written


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load the target holds the rows read and nothing else.

    The whole source is read in one snapshot and staged; then the staged table takes the target's place in one atomic
    move, so that a user sees the old rows or the new ones, never a mixture and never an empty table in between. An
    empty snapshot empties the target: a source without rows is a fact, not an error. Every row carries the load_id of
    the last load.
    """
    return together(target.slice(0, 0), written(upserts(read.rows), read))


STRATEGY = Strategy(
    name="full_refresh",
    reads=ReadMode.SNAPSHOT,
    steps=(Step.SWAP_IN,),
    expect=expect,
    promise="The target equals the source at the time of the read, also when the source is empty.",
    replay_rewrites=True,
)
