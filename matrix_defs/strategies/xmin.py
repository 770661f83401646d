"""Xmin: PostgreSQL's own transaction ids are the cursor.

Here lives the meaning of the strategy; the epoch-aware bound lives with PostgreSQL's source. It may import `base` and
`incremental_merge`.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode
from matrix_defs.strategies import incremental_merge
from matrix_defs.strategies.base import Read, Strategy


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load the target equals the source, late rows included.

    A read yields every row written by a transaction that was not yet visible at the last bound: the oldest transaction
    still running in the snapshot of the rows, inclusive and with its epoch. Rows may be read again, so they are merged
    by key. Deletes are invisible to xmin; the complete key list of the same snapshot shows them. No cursor column is
    needed, and a row that was committed late is found, because the bound never passes a transaction that is still open.
    """
    return incremental_merge.expect(target, read, key)


STRATEGY = Strategy(
    name="xmin",
    reads=ReadMode.XMIN,
    steps=incremental_merge.STRATEGY.steps,
    expect=expect,
    promise="The target equals the source, late rows included, without any cursor column.",
    rereads=True,
    replay_rewrites=True,
)
