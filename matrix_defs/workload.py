"""The one input of all cases: the rows of `orders`, and what happens to them phase after phase.

Here live the sizes and the phases; rows are made in `orders`, traps listed in `traps`, results judged by the oracle.
It may import numpy, pyarrow and the pure words of this package.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import UsageError
from matrix_defs.orders import OrderRows, orders_table
from matrix_defs.ports import Change, Changes, Op, Partitions, Window
from matrix_defs.row_hash import row_hash
from matrix_defs.table import TableSpec
from matrix_defs.traps import (
    CHANGES_FROM,
    DAYS,
    OPEN,
    RETURNS_FROM,
    RETURNS_TO,
    SMALL,
    TRAP_ROWS,
    TRAPS,
    Return,
)
from matrix_defs.traps import Trap as Trap


class Phase(StrEnum):
    """What has happened to the source, in this order."""

    BASELINE = "baseline"
    CHANGES = "changes"
    RETURNS = "returns"
    EMPTIED = "emptied"


@dataclass(frozen=True)
class WorkloadSpec:
    """The size of a workload. Raises UsageError for one that cannot be built; the traps come on top of it."""

    rows: int = 10_000
    """Ordinary rows of the baseline."""
    changed_ratio: float = 0.2
    """Share of the ordinary rows that `changes` touches: deletes, inserts and updates together."""
    deleted_ratio: float = 0.05
    """Share of those changes that are deletes."""
    wide_columns: int = 120
    seed: int = 20260601

    def __post_init__(self) -> None:
        if self.rows < 50:
            raise UsageError(f"workload: rows is {self.rows}; give at least 50")
        if not 0 <= self.changed_ratio <= 1:
            raise UsageError(
                f"workload: changed_ratio is {self.changed_ratio}; give a share of the rows between 0 and 1"
            )
        if self.deleted_ratio > 1:
            raise UsageError(
                f"workload: deleted_ratio is {self.deleted_ratio}, so more rows would be deleted than changed; "
                "give a share of the changed rows between 0 and 1"
            )
        if not self.deleted_ratio >= 0:
            raise UsageError(
                f"workload: deleted_ratio is {self.deleted_ratio}; give a share of the changed rows between 0 and 1"
            )
        if not 0 <= self.wide_columns <= 120:
            raise UsageError(f"workload: wide_columns is {self.wide_columns}; give a number from 0 to 120")
        if self.seed < 0:
            raise UsageError(f"workload: seed is {self.seed}; give 0 or a positive number")

    @property
    def changed(self) -> int:
        """Ordinary changes: `deleted`, `inserted` and `updated` add up to it."""
        return round(self.rows * self.changed_ratio)

    @property
    def deleted(self) -> int:
        """Ordinary rows that `changes` deletes."""
        return round(self.changed * self.deleted_ratio)

    @property
    def inserted(self) -> int:
        """Ordinary rows that `changes` inserts: as many as it deletes, while there are changes left for them."""
        return min(self.deleted, self.changed - self.deleted)

    @property
    def updated(self) -> int:
        """Ordinary rows that `changes` updates."""
        return self.changed - self.deleted - self.inserted


@dataclass(frozen=True, eq=False)
class Workload:
    """The rows of the baseline and what happens to them. Tables have the schema of `table`, deletes its key columns."""

    spec: WorkloadSpec
    table: TableSpec
    days: tuple[date, ...]
    """The business days, ascending, without a gap."""
    baseline: pa.Table
    late: pa.Table
    """Rows of a transaction that opens before `changes` is applied and commits only just before `returns` is."""
    changes: tuple[Change, ...]
    returns: tuple[Change, ...]
    emptied: tuple[Change, ...]
    """One delete of every key that exists after `returns`."""
    traps: Mapping[str, Trap]

    def window(self, phase: Phase) -> Window:
        """Return the range of days that a windowed read of the phase takes: all at first, then those amid the days."""
        if phase is Phase.BASELINE:
            return Window(self.days[0], self.days[-1] + timedelta(days=1))
        return Window(self.days[OPEN], self.days[SMALL])

    def partitions(self, phase: Phase) -> Partitions:
        """Return the days of the phase's window, whether or not they hold rows."""
        window = self.window(phase)
        return Partitions(tuple(day for day in self.days if window.start <= day < window.end))

    def all_days(self) -> Partitions:
        """Return every business day."""
        return Partitions(self.days)

    def changes_of(self, phase: Phase) -> tuple[Change, ...]:
        """Return what is applied to the source when the phase begins: nothing for the baseline."""
        return {
            Phase.BASELINE: (),
            Phase.CHANGES: self.changes,
            Phase.RETURNS: self.returns,
            Phase.EMPTIED: self.emptied,
        }[phase]

    def held_as(self, represent: Callable[[pa.Table], pa.Table]) -> "Workload":
        """Return the same story with all rows as systems can hold them; the very same workload where no value is lost.

        `represent` returns the rows it is given, the same object if it alters none. Deletes name keys, which survive.
        """

        def held(changes: tuple[Change, ...]) -> tuple[Change, ...]:
            return tuple(c if c.op is Op.DELETE else Change(c.op, represent(c.rows)) for c in changes)

        found = replace(
            self,
            baseline=represent(self.baseline),
            late=represent(self.late),
            changes=held(self.changes),
            returns=held(self.returns),
        )
        same = all(now is before for now, before in zip(found._row_tables, self._row_tables, strict=True))
        return self if same else found

    @cached_property
    def content(self) -> str:
        """A digest of every row, in order: equal for two workloads of one spec exactly when their rows are."""
        told = hashlib.sha256(repr(self.spec).encode())
        for rows in self._row_tables:
            told.update(row_hash(rows, self.table.names).to_numpy(zero_copy_only=False))
        return told.hexdigest()

    @property
    def _row_tables(self) -> list[pa.Table]:
        """The tables that hold whole rows; what the deletes hold are keys."""
        changes = (*self.changes, *self.returns)
        return [self.baseline, self.late, *(change.rows for change in changes if change.op is not Op.DELETE)]


def apply_changes(state: pa.Table, changes: Changes, key: tuple[str, ...]) -> pa.Table:
    """Return the rows after the changes. Kept rows stay in order; updated and inserted ones follow in theirs."""
    for change in changes:
        if change.op is not Op.INSERT:
            numbered = state.select(key).append_column("row", pa.array(np.arange(state.num_rows)))
            kept = numbered.join(change.rows.select(key), list(key), join_type="left anti")["row"]
            state = state.take(kept.take(pc.sort_indices(kept)))
        if change.op is not Op.DELETE:
            state = pa.concat_tables([state, change.rows.select(state.column_names)])
    return state


@lru_cache(maxsize=2)
def build_workload(spec: WorkloadSpec) -> Workload:
    """Return the workload of a spec: the same rows whenever the spec is the same."""
    table = orders_table(spec.wide_columns)
    rows = OrderRows(table, np.random.Generator(np.random.PCG64(spec.seed)))
    ordinary, born = rows.baseline(spec.rows)
    touched = rows.rng.permutation(spec.rows)
    deleted, updated = np.split(touched[: spec.deleted + spec.updated], [spec.deleted])
    first_from = CHANGES_FROM + timedelta(hours=1)
    first = rows.traps(first_from, RETURNS_FROM)
    second = rows.traps(CHANGES_FROM, first_from)
    third = rows.traps(RETURNS_FROM, RETURNS_TO)
    back = born.set_column(table.names.index(table.cursor), table.schema.field(table.cursor), third[table.cursor])

    def change(op: Op, *parts: pa.Table) -> Change:
        joined = pa.concat_tables(parts).combine_chunks()
        return Change(op, joined.select(table.key) if op is Op.DELETE else joined)

    baseline = pa.concat_tables([_those(born, (row.in_baseline for row in TRAP_ROWS)), ordinary]).combine_chunks()
    late = _those(born, (row.late for row in TRAP_ROWS))
    changes = (
        change(Op.DELETE, _went_through(born, "D"), ordinary.take(deleted)),
        change(Op.UPDATE, _went_through(first, "U"), rows.updated(ordinary.take(updated), first_from, RETURNS_FROM)),
        change(Op.UPDATE, _went_through(second, "UU")),
        change(
            Op.INSERT,
            _went_through(born, "I"),
            _went_through(first, "DI"),
            rows.ordinary(spec.rows, spec.inserted, first_from, RETURNS_FROM),
        ),
        change(Op.UPDATE, _went_through(first, "IU")),
        change(Op.DELETE, _went_through(first, "IUD")),
    )
    versions = {Return.OLD_CURSOR: born, Return.NEW_CURSOR: back, Return.CHANGED: third}

    def returning(gone: bool) -> list[pa.Table]:
        """Return the rows of `returns` whose key the changes left deleted, or those whose key they left in place."""
        return [
            _those(version, (row.returns is how and row.changes.endswith("D") == gone for row in TRAP_ROWS))
            for how, version in versions.items()
        ]

    returns = (change(Op.UPDATE, *returning(gone=False)), change(Op.INSERT, *returning(gone=True)))
    state = apply_changes(baseline.select(table.key), changes, table.key)
    state = apply_changes(pa.concat_tables([state, late.select(table.key)]), returns, table.key)
    return Workload(
        spec=spec,
        table=table,
        days=DAYS,
        baseline=baseline,
        late=late,
        changes=changes,
        returns=returns,
        emptied=(Change(Op.DELETE, state.combine_chunks()),),
        traps=MappingProxyType(TRAPS),
    )


def _those(traps: pa.Table, wanted: Iterable[bool]) -> pa.Table:
    """Return the traps' rows that are wanted, out of a table with one row for each of `TRAP_ROWS`."""
    return traps.filter(pa.array(wanted, pa.bool_()))


def _went_through(traps: pa.Table, history: str) -> pa.Table:
    """Return the traps' rows whose life in `changes` begins with this history."""
    return _those(traps, (row.changes.startswith(history) for row in TRAP_ROWS))
