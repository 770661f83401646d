"""The oracle: what a target must hold after every stage, from the workload alone.

Here lives a model of the two kinds of source and the fold of `expect` over what each read must yield. It never sees
SQL, a driver or a row that a system returned. It may import `story`, `strategies` and `workload`.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from threading import Condition

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cachetools import LRUCache, cached

from matrix_defs.compare import digests, fingerprints
from matrix_defs.ports import DELETE, UPSERT, Change, Changes, KeyList, Op, ReadMode, Scope, key_list
from matrix_defs.row_hash import row_hash
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies.base import (
    Read,
    Strategy,
    chosen,
    in_scope,
    marks,
    with_keys_of,
    without_keys_of,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from matrix_defs.workload import Workload


@dataclass(frozen=True)
class Mark:
    """How far a source has been read: what a real source tells by a position."""

    events: int
    """Number of the changes that were read."""
    bound: pa.Scalar | None
    """The greatest cursor delivered."""
    at_bound: pa.Table
    """The rows delivered at exactly that cursor."""


class SourceModel:
    """What a source of a kind shows, read by read, as the workload's changes happen to it."""

    def __init__(self, kind: SourceKind, table: TableSpec, rows: pa.Table) -> None:
        self._kind, self._table = kind, table
        self._state = rows.slice(0, 0).append_column("row_hash", pa.array([], pa.int64()))
        self._events: list[pa.Table] = []
        self._sequence = 0
        self.mark = Mark(0, None, self._state)
        """How far reads have come; a read with nothing new leaves the same object, setting it back repeats reads."""
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
        keys = self._state.select(list(self._table.key)) if key_list(mode, self._kind) is not KeyList.NONE else None
        cursor_read = mode in (ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES)
        if cursor_read and self._kind is SourceKind.STATE:
            rows = _as_events(self._after_cursor())
        elif cursor_read or mode in (ReadMode.XMIN, ReadMode.CHANGES):
            rows = self._after_events(mode)
        else:
            rows = _as_events(chosen(self._state, in_scope(self._state, scope, self._table.partition)))
        return rows, keys

    def _after_events(self, mode: ReadMode) -> pa.Table:
        """What the events since the mark show in a mode that follows them; moves the mark."""
        first = not self.mark.events
        events = pa.concat_tables(self._events[self.mark.events :] or [self._events[0].slice(0, 0)])
        if events.num_rows or first:
            self.mark = replace(self.mark, events=len(self._events))
        if mode is ReadMode.CHANGES:
            return _as_events(self._state) if first else events
        if mode is ReadMode.XMIN:
            return _as_events(with_keys_of(self._state, events, self._table.key))
        if mode is ReadMode.INCREMENTAL:
            return events.filter(pc.not_equal(events.column("_op"), DELETE))
        return events

    def _after_cursor(self) -> pa.Table:
        """Present rows at or after the mark's bound that were not delivered at it; moves the mark, never backwards."""
        cursor = self._state.column(self._table.cursor)
        rows, bound = self._state, self.mark.bound
        if bound is not None:
            identity = (*self._table.key, "row_hash")
            rows = rows.filter(pc.greater_equal(cursor, bound))
            rows = without_keys_of(rows, self.mark.at_bound, identity)
        if rows.num_rows:
            highest = pc.max(rows.column(self._table.cursor))
            at_highest = rows.filter(pc.equal(rows.column(self._table.cursor), highest))
            if bound is not None and highest.equals(bound):
                at_highest = pa.concat_tables([self.mark.at_bound, at_highest])
            self.mark = replace(self.mark, bound=highest, at_bound=at_highest)
        return rows

    def _insert(self, rows: pa.Table) -> None:
        rows = rows.append_column("row_hash", row_hash(rows, self._table.hashed))
        self._state = pa.concat_tables([without_keys_of(self._state, rows, self._table.key), rows])
        self._record(rows, UPSERT)

    def _delete(self, keys: pa.Table) -> None:
        self._state = without_keys_of(self._state, keys, self._table.key)
        nothing = {
            name: pa.nulls(keys.num_rows, self._state.schema.field(name).type) for name in self._state.column_names
        }
        self._record(
            pa.table(nothing | {name: keys.column(name) for name in self._table.key}, self._state.schema), DELETE
        )

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


def fold(strategy: Strategy, kind: SourceKind, workload: Workload) -> dict[Stage, Expected]:
    """Fold the strategy's `expect` over the story, whose rows are as source and sink together can hold them."""
    key = target_key(strategy, workload)
    model = SourceModel(kind, workload.table, workload.baseline)
    target = _empty_target(strategy, model)
    ever = model.state.select(list(workload.table.key))
    expected: dict[Stage, Expected] = {}
    ordinal = 0
    for stage in Stage:
        if stage not in (Stage.BASELINE, Stage.REPLAY):
            model.apply(_happens(stage, workload))
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


def _happens(stage: Stage, workload: Workload) -> Changes:
    changes = workload.changes_of(stage.phase)
    return (Change(Op.INSERT, workload.late), *changes) if stage is Stage.RETURNS else changes


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
    wrote = after.select(key).filter(pc.equal(after.column("load"), ordinal))
    updated = with_keys_of(wrote, before, key).num_rows
    return Counts(wrote.num_rows - updated, updated, without_keys_of(before.select(key), after, key).num_rows)


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


REMEMBERED = 40
"""Answers: the seventeen of strategies and kinds of source, for the few ways in which systems hold the rows."""


def _known_by(strategy: Strategy, kind: SourceKind, workload: Workload) -> Hashable:
    return strategy.name, kind, workload.content


@cached(LRUCache(REMEMBERED), key=_known_by, condition=Condition())
def expectations(strategy: Strategy, kind: SourceKind, workload: Workload) -> dict[Stage, Expectation]:
    """Return what every stage must result in. The answer is remembered for any workload of the same content.

    Of cases under way at the same time, one folds and the others wait for it.
    """
    return {stage: _digest(strategy, workload, expected) for stage, expected in fold(strategy, kind, workload).items()}


def _digest(strategy: Strategy, workload: Workload, expected: Expected) -> Expectation:
    rows, key, content = expected.rows, workload.table.key, expected.rows.column("row_hash")
    current = rows.filter(pc.is_null(rows.column("valid_to"))) if strategy.keeps_history else rows
    return Expectation(
        fingerprints=np.sort(fingerprints(rows, key, content, marks(strategy))),
        fingerprints_without_load=np.sort(
            fingerprints(rows, key, content, [m for m in marks(strategy) if m != "load"])
        ),
        null_counts={name: rows.column(name).null_count for name in workload.table.names},
        rows=rows.num_rows,
        counts=expected.counts,
        live_keys=digests(expected.live_keys, key),
        gone_keys=digests(expected.gone_keys, key),
        open_keys=digests(current, key),
    )
