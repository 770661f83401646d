"""Partition replace: named partitions are exchanged whole.

Here lives the meaning of the strategy; the native exchange of each engine lives with that system. It may import `base`.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies.base import Read, Strategy, chosen, in_scope, together, upserts, written


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load each partition that the request names equals the source's; the others are untouched.

    A partition is named by the request, not found in the rows: one that the source emptied is emptied. A staged row
    that lies in no named partition fails the load. The engine's own exchange does the move where it has one (REPLACE
    PARTITION, DETACH and ATTACH, SWITCH, a partition decorator), delete and insert in one transaction otherwise. Rows
    that moved between days behave as under `replace`.
    """
    day = key[0]
    kept = chosen(target, pc.invert(in_scope(target, read.scope, day)))
    return together(kept, written(upserts(read.rows), read))


STRATEGY = Strategy(
    name="partition_replace",
    reads=ReadMode.PARTITIONS,
    steps=(Step.REPLACE_PARTITIONS,),
    expect=expect,
    promise="Every named partition equals the source's, emptied ones included; no other partition is touched.",
    moves_leave_copies=True,
    partitioned=True,
    replay_rewrites=True,
)
