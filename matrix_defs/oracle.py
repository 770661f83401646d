"""The oracle: what a target must hold after every stage, from the workload alone.

Here lives a model of the two kinds of source and the fold of `expect` over what each read must yield. It never sees
SQL, a driver or a row that a system returned. It may import `story`, `strategies` and `workload`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.compare import digests, fingerprints
from matrix_defs.ports import DELETE, UPSERT, Change, Changes, KeyList, Op, ReadMode, Scope, key_list
from matrix_defs.row_hash import row_hash
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import (
    Read,
    Strategy,
    in_scope,
    marks,
    with_keys_of,
    without_keys_of,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from matrix_defs.workload import Workload, WorkloadSpec, build_workload

Represent = Callable[[pa.Table], pa.Table]


class SourceModel:
    """What a source of a kind shows, read by read, as the workload's changes happen to it."""

    def __init__(self, kind: SourceKind, table: TableSpec, rows: pa.Table) -> None:
        self._kind, self._table = kind, table
        self._state = rows.slice(0, 0).append_column("row_hash", pa.array([], pa.int64()))
        self._events: list[pa.Table] = []
        self._read_events = 0
        self._sequence = 0
        self._bound: pa.Scalar | None = None
        self._at_bound = self._state
        self._insert(rows)

    @property
    def state(self) -> pa.Table:
        """The present rows, with `row_hash`."""
        return self._state

    def apply(self, changes: Changes) -> None:
        """Let the changes happen, in order."""
        for change in changes:
            if change.op is Op.DELETE:
                self._delete(change.rows)
            else:
                self._insert(change.rows)

    def read(self, mode: ReadMode, scope: Scope) -> tuple[pa.Table, pa.Table | None]:
        """Return the rows that a read must yield, with `row_hash`, `_op` and `_seq`, and the key set that it shows."""
        first = not self._read_events
        events = pa.concat_tables(self._events[self._read_events :] or [self._events[0].slice(0, 0)])
        self._read_events = len(self._events)
        keys = self._state.select(list(self._table.key)) if key_list(mode, self._kind) is not KeyList.NONE else None
        if mode is ReadMode.CHANGES:
            rows = _as_events(self._state) if first else events
        elif mode is ReadMode.XMIN:
            rows = _as_events(with_keys_of(self._state, events, self._table.key))
        elif mode is ReadMode.INCREMENTAL_AND_DELETES and self._kind is SourceKind.LOG:
            rows = events
        elif mode is ReadMode.INCREMENTAL and self._kind is SourceKind.LOG:
            rows = events.filter(pc.not_equal(events.column("_op"), DELETE))
        elif mode in (ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES):
            rows = _as_events(self._after_cursor())
        else:
            rows = _as_events(self._state.filter(in_scope(self._state, scope, self._table.partition)))
        return rows, keys

    def _after_cursor(self) -> pa.Table:
        """Present rows at or after the bound that were not delivered at it; moves the bound, never backwards."""
        cursor = self._state.column(self._table.cursor)
        rows = self._state
        if self._bound is not None:
            identity = (*self._table.key, "row_hash")
            rows = rows.filter(pc.greater_equal(cursor, self._bound))
            rows = without_keys_of(rows, self._at_bound, identity)
        if rows.num_rows:
            highest = pc.max(rows.column(self._table.cursor))
            at_highest = rows.filter(pc.equal(rows.column(self._table.cursor), highest))
            tied = self._bound is not None and highest.equals(self._bound)
            self._at_bound = pa.concat_tables([self._at_bound, at_highest]) if tied else at_highest
            self._bound = highest
        return rows

    def _insert(self, rows: pa.Table) -> None:
        rows = rows.append_column("row_hash", row_hash(rows, self._table.hashed))
        self._state = pa.concat_tables([without_keys_of(self._state, rows, self._table.key), rows])
        self._record(rows, UPSERT)

    def _delete(self, keys: pa.Table) -> None:
        self._state = without_keys_of(self._state, keys, self._table.key)
        nothing = {name: pa.nulls(keys.num_rows, self._state.schema.field(name).type) for name in self._state.column_names}
        self._record(pa.table(nothing | {name: keys.column(name) for name in self._table.key}, self._state.schema), DELETE)

    def _record(self, rows: pa.Table, op: str) -> None:
        self._events.append(_marked(rows, op, self._sequence))
        self._sequence += rows.num_rows


def _as_events(rows: pa.Table) -> pa.Table:
    return _marked(rows, UPSERT, 0)


def _marked(rows: pa.Table, op: str, start: int) -> pa.Table:
    rows = rows.append_column("_op", pa.array([op] * rows.num_rows, pa.string()))
    return rows.append_column("_seq", pa.array(np.arange(start, start + rows.num_rows)))


@dataclass(frozen=True)
class Counts:
    """What one load must report."""

    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True)
class Expected:
    """What a stage must result in."""

    rows: pa.Table
    """The target after the stage, loads told by ordinal; `row_hash` also where the target does not keep it."""
    counts: tuple[Counts, ...]
    """What each load of the stage must report."""
    live_keys: pa.Table
    """The keys that the source holds after the stage."""
    gone_keys: pa.Table
    """The keys that the source held at an earlier stage and holds no more."""


def fold(strategy: Strategy, kind: SourceKind, workload: Workload, represent: Represent = lambda rows: rows) -> dict[Stage, Expected]:
    """Fold the strategy's `expect` over the story. `represent` is how source and sink together can hold a row."""
    key = target_key(strategy, workload)
    model = SourceModel(kind, workload.table, represent(workload.baseline))
    target = _empty_target(strategy, model)
    ever = model.state.select(list(workload.table.key))
    expected: dict[Stage, Expected] = {}
    ordinal = 0
    for stage in Stage:
        if stage not in (Stage.BASELINE, Stage.REPLAY):
            model.apply(_happens(stage, workload, represent))
        counts = []
        for scope in scopes(strategy, stage, workload):
            ordinal += 1
            rows, keys = model.read(strategy.reads, scope)
            before, target = target, strategy.expect(target, Read(rows, ordinal, keys, scope), key)
            counts.append(_counts(strategy, before, target, key, ordinal))
        live = model.state.select(list(workload.table.key))
        ever = pa.concat_tables([ever, without_keys_of(live, ever, workload.table.key)])
        expected[stage] = Expected(target, tuple(counts), live, without_keys_of(ever, live, workload.table.key))
    return expected


def _happens(stage: Stage, workload: Workload, represent: Represent) -> Changes:
    changes = workload.changes_of(stage.phase)
    if stage is Stage.RETURNS:
        changes = (Change(Op.INSERT, workload.late), *changes)
    return [Change(change.op, change.rows if change.op is Op.DELETE else represent(change.rows)) for change in changes]


def _empty_target(strategy: Strategy, model: SourceModel) -> pa.Table:
    """The fold carries `row_hash` for every strategy, so that rows need not be hashed again to be compared."""
    names = dict.fromkeys([*model.state.column_names, *marks(strategy)])
    fields = [model.state.schema.field(n) if n in model.state.column_names else pa.field(n, pa.int64()) for n in names]
    return pa.schema(fields).empty_table()


def _counts(strategy: Strategy, before: pa.Table, after: pa.Table, key: tuple[str, ...], ordinal: int) -> Counts:
    if strategy.appends:
        return Counts(after.num_rows - before.num_rows, 0, 0)
    if strategy.keeps_history:
        opened = pc.sum(pc.equal(after.column("valid_from"), ordinal)).as_py() or 0
        closed = pc.sum(pc.equal(after.column("valid_to"), ordinal)).as_py() or 0
        return Counts(opened, closed, 0)
    wrote = after.filter(pc.equal(after.column("load"), ordinal))
    updated = with_keys_of(wrote, before, key).num_rows
    return Counts(wrote.num_rows - updated, updated, without_keys_of(before, after, key).num_rows)


@dataclass(frozen=True)
class Expectation:
    """What a stage must result in, small enough to keep for every strategy: hashes in place of rows."""

    fingerprints: np.ndarray
    """Sorted fingerprints of the rows."""
    fingerprints_without_load: np.ndarray
    """The same without the load that wrote a row: for strategies that may rewrite rows identically."""
    null_counts: Mapping[str, int]
    rows: int
    counts: tuple[Counts, ...]
    live_keys: np.ndarray
    """Sorted hashes of the keys that the source holds."""
    gone_keys: np.ndarray
    """Sorted hashes of the keys that the source held and holds no more."""
    open_keys: np.ndarray
    """Sorted hashes of the source keys in the expected target, for versions in the open ones."""


def expectations(strategy: Strategy, kind: SourceKind, workload: Workload, represent: Represent | None = None) -> dict[Stage, Expectation]:
    """Return what every stage must result in. Without `represent` (all values survive) the answer is remembered."""
    if represent is None:
        return _remembered(strategy.name, kind, workload.spec)
    return {stage: _digest(strategy, workload, expected) for stage, expected in fold(strategy, kind, workload, represent).items()}


@lru_cache(maxsize=40)
def _remembered(name: str, kind: SourceKind, spec: WorkloadSpec) -> dict[Stage, Expectation]:
    strategy, workload = STRATEGIES[name], build_workload(spec)
    return {stage: _digest(strategy, workload, expected) for stage, expected in fold(strategy, kind, workload).items()}


def _digest(strategy: Strategy, workload: Workload, expected: Expected) -> Expectation:
    rows, key, content = expected.rows, workload.table.key, expected.rows.column("row_hash")
    current = rows.filter(pc.is_null(rows.column("valid_to"))) if strategy.keeps_history else rows
    return Expectation(
        fingerprints=np.sort(fingerprints(rows, key, content, marks(strategy))),
        fingerprints_without_load=np.sort(fingerprints(rows, key, content, [m for m in marks(strategy) if m != "load"])),
        null_counts={name: rows.column(name).null_count for name in workload.table.names},
        rows=rows.num_rows,
        counts=expected.counts,
        live_keys=digests(expected.live_keys, key),
        gone_keys=digests(expected.gone_keys, key),
        open_keys=digests(current, key),
    )
