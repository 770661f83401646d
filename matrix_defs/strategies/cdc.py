"""CDC: the database's own change stream is applied, deletes included.

Here lives the meaning of the strategy; slots, LSNs and change versions live with the sources. It may import `base` and
`incremental_merge`.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.ports import ReadMode, Step
from matrix_defs.strategies import incremental_merge
from matrix_defs.strategies.base import Read, Strategy


def expect(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
    """After a load the target equals the source: every committed change arrives, deletes and late commits included.

    The first load is a snapshot consistent with the position at which the stream starts. It deletes nothing, so it
    must find an empty target: one whose position was lost, or overtaken by what the source keeps, is dropped before it
    is loaded anew. Later loads read the changes since the position, in commit order, fold them to the last per key by
    sequence, and apply them; changes at or before the sink's position are dropped, so replaying a stream that was not
    released is harmless. The source's own position is released only after the sink has committed, so a crash in between
    repeats changes and never loses one.
    """
    return incremental_merge.expect(target, read, key)


STRATEGY = Strategy(
    name="cdc",
    reads=ReadMode.CHANGES,
    steps=(Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED),
    expect=expect,
    promise="Every committed change arrives once, deletes included; the source keeps what the sink has not committed.",
)
