"""Backfill: a range of days is loaded chunk by chunk, and a broken run resumes where it stopped.

Here lives the meaning of the strategy; the ledger's form lives in `matrix_defs.ledger`. It may import `base` only.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies import partition_replace
from matrix_defs.strategies.base import Read, Strategy


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After all chunks of a backfill the range equals the source's; each chunk is one `partition_replace` of one day.

    A finished chunk is recorded under (backfill_id, chunk) in the sink, in the chunk's own transaction where the sink
    has one. A backfill that broke off resumes with the chunks that are not recorded; replaying a finished one runs
    none; a new backfill_id runs all of them again.
    """
    return partition_replace.expect(target, read, key)


STRATEGY = Strategy(
    name="backfill",
    reads=ReadMode.PARTITIONS,
    steps=(Step.REPLACE_PARTITIONS,),
    expect=expect,
    promise="The range equals the source's, and no chunk of a backfill runs twice, however often it is resumed.",
    moves_leave_copies=True,
    partitioned=True,
    chunked=True,
)
