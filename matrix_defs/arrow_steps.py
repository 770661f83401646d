"""The twelve steps on Arrow tables: what a sink without SQL runs.

Here lives the meaning of each step on tables in memory, told by joins of pyarrow; strategies' expectations are written
independently of it. It may import `ports` and pyarrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import LoadError
from matrix_defs.ports import DELETE, KeyList, Load, LoadTarget, Partitions, Step, Window


@dataclass(frozen=True)
class Tables:
    """A target, the rows staged for it, the source's key list, and what the steps have counted."""

    target: pa.Table
    """The target's columns."""
    staged: pa.Table
    """The target's columns and `_op`, `_seq`."""
    keys: pa.Table | None
    """The complete key set of the source; None = unknown."""
    inserted: int = 0
    replaced: int = 0
    deleted: int = 0


def run_steps(target: LoadTarget, load: Load, tables: Tables, steps: Sequence[Step]) -> Tables:
    """Run the steps in order. Raises LoadError for a staged row outside the load's partitions."""
    if load.key_list is KeyList.STAGED:
        tables = replace(tables, keys=_upserts(tables.staged).select(list(target.table.key)))
    for step in steps:
        tables = _STEPS[step](target, load, tables)
    return tables


def _dedupe_staged(target: LoadTarget, load: Load, t: Tables) -> Tables:
    key = list(target.table.key)
    order = pc.sort_indices(t.staged, sort_keys=[("_seq", "descending")])
    latest_first = t.staged.take(order).append_column("_row", pa.array(range(t.staged.num_rows), pa.int64()))
    first = latest_first.group_by(key, use_threads=False).aggregate([("_row", "min")]).column("_row_min")
    kept = latest_first.filter(pc.is_in(latest_first.column("_row"), first.combine_chunks()))
    return replace(t, staged=kept.drop_columns("_row"))


def _swap_in(target: LoadTarget, load: Load, t: Tables) -> Tables:
    return _rewritten(target, t, removed=t.target, kept=t.target.slice(0, 0))


def _insert_staged(target: LoadTarget, load: Load, t: Tables) -> Tables:
    rows = _upserts(t.staged).select(t.target.column_names)
    return replace(t, target=pa.concat_tables([t.target, rows]), inserted=t.inserted + rows.num_rows)


def _insert_missing(target: LoadTarget, load: Load, t: Tables) -> Tables:
    rows = _without(_upserts(t.staged), t.target, target.table.key).select(t.target.column_names)
    return replace(t, target=pa.concat_tables([t.target, rows]), inserted=t.inserted + rows.num_rows)


def _delete_staged_keys(target: LoadTarget, load: Load, t: Tables) -> Tables:
    deletes = t.staged.filter(pc.equal(t.staged.column("_op"), DELETE))
    left = _without(t.target, deletes, target.table.key)
    kept = _without(left, t.staged, target.table.key)
    deleted, replaced = t.target.num_rows - left.num_rows, left.num_rows - kept.num_rows
    return replace(t, target=kept, deleted=t.deleted + deleted, replaced=t.replaced + replaced)


def _delete_changed(target: LoadTarget, load: Load, t: Tables) -> Tables:
    kept = t.target.filter(pc.invert(_changed(target, t.target, t.staged)))
    return replace(t, target=kept, replaced=t.replaced + t.target.num_rows - kept.num_rows)


def _delete_absent_keys(target: LoadTarget, load: Load, t: Tables) -> Tables:
    if t.keys is None:
        return t
    kept = _join(t.target, t.keys, target.table.key)
    return replace(t, target=kept, deleted=t.deleted + t.target.num_rows - kept.num_rows)


def _delete_window(target: LoadTarget, load: Load, t: Tables) -> Tables:
    assert isinstance(load.scope, Window)
    day = t.target.column(target.table.partition)
    inside = pc.and_(pc.greater_equal(day, load.scope.start), pc.less(day, load.scope.end))
    return _removed(target, t, removed=t.target.filter(inside), kept=t.target.filter(pc.invert(inside)))


def _replace_partitions(target: LoadTarget, load: Load, t: Tables) -> Tables:
    assert isinstance(load.scope, Partitions)
    days = pa.array(load.scope.days, pa.date32())
    stray = t.staged.filter(pc.invert(pc.is_in(t.staged.column(target.table.partition), days)))
    if stray.num_rows:
        day = stray.column(target.table.partition)[0].as_py()
        raise LoadError(
            f"{stray.num_rows} staged row(s) lie outside the partitions of this load, the first in {day}: "
            f"read only {', '.join(map(str, load.scope.days))} or name that partition too"
        )
    inside = pc.is_in(t.target.column(target.table.partition), days)
    return _rewritten(target, t, removed=t.target.filter(inside), kept=t.target.filter(pc.invert(inside)))


def _close_changed(target: LoadTarget, load: Load, t: Tables) -> Tables:
    ended = pc.and_(pc.is_null(t.target.column("valid_to")), _changed(target, t.target, t.staged))
    return _closed(t, ended, load.loaded_at)


def _close_absent(target: LoadTarget, load: Load, t: Tables) -> Tables:
    if t.keys is None:
        return t
    absent = pc.invert(_holds(t.target, t.keys, target.table.key))
    return _closed(t, pc.and_(pc.is_null(t.target.column("valid_to")), absent), load.loaded_at)


def _open_versions(target: LoadTarget, load: Load, t: Tables) -> Tables:
    current = t.target.filter(pc.is_null(t.target.column("valid_to")))
    rows = _without(_upserts(t.staged), current, target.table.key)
    instant = pa.array([load.loaded_at] * rows.num_rows, pa.timestamp("us", "UTC"))
    rows = rows.append_column("valid_from", instant).append_column("valid_to", pa.nulls(rows.num_rows, instant.type))
    rows = rows.select(t.target.column_names)
    return replace(t, target=pa.concat_tables([t.target, rows]), inserted=t.inserted + rows.num_rows)


_STEPS: dict[Step, Callable[[LoadTarget, Load, Tables], Tables]] = {
    Step.DEDUPE_STAGED: _dedupe_staged,
    Step.SWAP_IN: _swap_in,
    Step.INSERT_STAGED: _insert_staged,
    Step.INSERT_MISSING: _insert_missing,
    Step.DELETE_STAGED_KEYS: _delete_staged_keys,
    Step.DELETE_CHANGED: _delete_changed,
    Step.DELETE_ABSENT_KEYS: _delete_absent_keys,
    Step.DELETE_WINDOW: _delete_window,
    Step.REPLACE_PARTITIONS: _replace_partitions,
    Step.CLOSE_CHANGED: _close_changed,
    Step.CLOSE_ABSENT: _close_absent,
    Step.OPEN_VERSIONS: _open_versions,
}


def _removed(target: LoadTarget, t: Tables, removed: pa.Table, kept: pa.Table) -> Tables:
    """Count the removed rows: those whose key is staged again are replaced, the others deleted."""
    gone = _without(removed, _upserts(t.staged), target.table.key).num_rows
    return replace(t, target=kept, deleted=t.deleted + gone, replaced=t.replaced + removed.num_rows - gone)


def _rewritten(target: LoadTarget, t: Tables, removed: pa.Table, kept: pa.Table) -> Tables:
    return _insert_staged(target, Load("", datetime.min), _removed(target, t, removed, kept))


def _closed(t: Tables, ended: pa.ChunkedArray, instant: datetime) -> Tables:
    valid_to = t.target.column("valid_to")
    closed = pc.if_else(ended, pa.scalar(instant, valid_to.type), valid_to)
    table = t.target.set_column(t.target.column_names.index("valid_to"), "valid_to", closed)
    return replace(t, target=table, replaced=t.replaced + (pc.sum(ended).as_py() or 0))


def _upserts(staged: pa.Table) -> pa.Table:
    return staged.filter(pc.not_equal(staged.column("_op"), DELETE))


def _numbered(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.select(list(key)).append_column("_row", pa.array(range(rows.num_rows), pa.int64()))


def _holds(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Array:
    """Whether `others` has the row's key, by a join on the key's columns."""
    held = _numbered(rows, key).join(others.select(list(key)), list(key), join_type="left semi")
    return pc.is_in(pa.array(range(rows.num_rows), pa.int64()), held.column("_row").combine_chunks())


def _join(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.filter(_holds(rows, others, key))


def _without(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.filter(pc.invert(_holds(rows, others, key)))


def _changed(target: LoadTarget, rows: pa.Table, staged: pa.Table) -> pa.Array:
    """Whether the row's key is staged, and not with the row's hash."""
    key = target.table.key
    return pc.and_not(_holds(rows, staged, key), _holds(rows, staged, (*key, "row_hash")))
