"""Replace: a window of days is loaded anew, the rest is left alone.

Here lives the meaning of the strategy; windows are chosen by the workload. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import Read, Strategy, chosen, in_scope, together, upserts, written


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load the window [from, to) of `business_date` equals the source's; outside it nothing changed.

    The first load covers the whole range, later ones one window. The window is deleted whether or not the source still
    has rows in it, so a day that was emptied becomes empty. A row that moved to a day outside the window is gone from
    the window and arrives elsewhere only when its new day loads; the old copy of a row that moved into the window
    stays in its old day until that loads. Therefore the day is part of the target's key.
    """
    day = key[0]
    kept = chosen(target, pc.invert(in_scope(target, read.scope, day)))
    return together(kept, written(upserts(read.rows), read))


STRATEGY = Strategy(
    name="replace",
    reads=ReadMode.WINDOW,
    steps=(Step.DELETE_WINDOW, Step.INSERT_STAGED),
    expect=expect,
    promise="The window equals the source's, days that were emptied included; outside it not one row is touched.",
    moves_leave_copies=True,
    replay_rewrites=True,
)
