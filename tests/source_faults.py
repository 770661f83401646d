"""What a source can get wrong, each as a change to a read.

Here live the changes; `faulty` carries them out. It may import `faulty` and the pure core.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from faulty import Reading

from matrix_defs.ports import (
    Partitions,
    ReadMode,
    ReadRequest,
    Scope,
    Window,
)

VICTIM = {"order_id": 113, "item_code": "a"}
"""The key of the trap `two_updates`: it is in every window, and changes twice."""
CURSOR_MODES = (ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES)


def _victims(rows: pa.Table) -> np.ndarray:
    return np.asarray(pc.and_(*(pc.equal(rows.column(name), value) for name, value in VICTIM.items())))


def _known(reading: Reading) -> pa.Table | None:
    """The victim as the reads before have shown it, if they have."""
    versions = [version for past in reading.past for version in (past.rows.filter(_victims(past.rows)),)]
    return next((version for version in reversed(versions) if version.num_rows), None)


def lost_row(reading: Reading) -> Reading:
    """From its second time on the victim does not arrive."""
    found = _victims(reading.rows)
    return replace(reading, rows=reading.rows.filter(~found)) if _known(reading) is not None else reading


def repeated_row(reading: Reading) -> Reading:
    """The victim arrives twice in one read."""
    rows = reading.rows
    return replace(reading, rows=pa.concat_tables([rows, rows.filter(_victims(rows))]))


def stale_row(reading: Reading) -> Reading:
    """The victim arrives as it was one read earlier."""
    known, names = _known(reading), reading.table.names
    found = np.flatnonzero(_victims(reading.rows))
    if known is None or not found.size:
        return reading
    rest = [name for name in reading.rows.column_names if name not in names]
    at = max(found, key=reading.rows.column("_seq").to_pylist().__getitem__) if "_seq" in rest else found[-1]
    last = reading.rows.slice(at, 1)
    version = {name: known.slice(0, 1).column(name) for name in names}
    old = pa.table(version | {name: last.column(name) for name in rest})
    parts = (reading.rows.slice(0, at), old.cast(last.schema), reading.rows.slice(at + 1))
    return replace(reading, rows=pa.concat_tables(parts))


def _is_twin(rows: pa.Table, item_code: str) -> pa.Array:
    return pc.and_(pc.equal(rows.column("order_id"), 101), pc.equal(rows.column("item_code"), item_code))


def tie_lost(reading: Reading) -> Reading:
    """The lower bound is exclusive: the row that ties with the position does not arrive."""
    return replace(reading, rows=reading.rows.filter(pc.invert(_is_twin(reading.rows, "twin"))))


def tie_repeated(reading: Reading) -> Reading:
    """The position lists nothing: the row that it stopped at arrives again."""
    if not reading.past:
        return reading
    first = reading.past[0].rows
    return replace(reading, rows=pa.concat_tables([reading.rows, first.filter(_is_twin(first, "first"))]))


def keys_too_early(reading: Reading) -> Reading:
    """The key list is the one of the read before."""
    keys = reading.past[-1].end.keys if reading.past else reading.end.keys
    return replace(reading, end=replace(reading.end, keys=keys))


def keys_not_taken(reading: Reading) -> Reading:
    """There is no key list."""
    return replace(reading, end=replace(reading.end, keys=None))


def moved_back(reading: Reading) -> Reading:
    """A read of nothing forgets where it began."""
    return reading if reading.rows.num_rows else replace(reading, end=replace(reading.end, position=None))


def moved_back_at_the_end(reading: Reading) -> Reading:
    """A state source that was emptied sends its cursor back to where the first read stopped."""
    if "_seq" in reading.rows.column_names or reading.request.mode not in CURSOR_MODES or len(reading.past) < 4:
        return reading
    return replace(reading, end=replace(reading.end, position=reading.past[0].end.position))


def widened(scope: Scope) -> Scope:
    """The scope with the day after its last."""
    if isinstance(scope, Window):
        return replace(scope, end=scope.end + timedelta(days=1))
    return Partitions((*scope.days, max(scope.days) + timedelta(days=1))) if scope else None


def narrowed(scope: Scope) -> Scope:
    """The scope without its first day."""
    if isinstance(scope, Window):
        return replace(scope, start=scope.start + timedelta(days=1))
    return Partitions(scope.days[1:]) if scope else None


def asks(change: Callable[[Scope], Scope]) -> Callable[[ReadRequest], ReadRequest]:
    """The source reads another scope than it was asked for."""
    return lambda request: replace(request, scope=change(request.scope))
