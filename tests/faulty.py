"""A source and a sink in memory that commit faults: reads and loads pass through small changes on their way.

Here live the wrappers; the faults live in `source_faults` and `sink_faults`. It may import the pure core.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import LoadError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import (
    DELETE,
    UPSERT,
    Batch,
    Load,
    LoadReport,
    LoadTarget,
    Position,
    ReadEnd,
    ReadRequest,
    Step,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec


@dataclass(frozen=True)
class Reading:
    """One read, as a source is about to hand it over."""

    request: ReadRequest
    rows: pa.Table
    end: ReadEnd
    past: tuple["Reading", ...]
    """The reads before, as they should have been."""
    table: TableSpec


@dataclass(frozen=True)
class Attempt:
    """One load, as a sink is about to begin it."""

    number: int
    first: Load
    load: Load
    rows: pa.Table
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Done:
    """One load, as a sink is about to commit it."""

    number: int
    target: LoadTarget
    load: Load
    before: pa.Table
    rows: pa.Table
    position_before: Position | None
    position: Position | None
    report: LoadReport

    @property
    def mine(self) -> np.ndarray:
        """Indices of the rows that this load wrote."""
        return np.flatnonzero(np.asarray(pc.equal(self.rows.column("load_id"), self.load.load_id)))


def same(thing: Any) -> Any:
    """No fault."""
    return thing


@dataclass(frozen=True)
class Fault:
    """What goes wrong, in the request, the read, the attempt of a load, its commit, its refusal, or what it leaves."""

    request: Callable[[ReadRequest], ReadRequest] = same
    read: Callable[[Reading], Reading] = same
    load: Callable[[Attempt], Attempt] = same
    after: Callable[[Done], Done] = same
    refusal: Callable[[Done], Done] = same
    refuses_with: str = ""
    leaves: tuple[str, ...] = ()


class FaultySource(MemorySource):
    """A source in memory whose reads pass through some changes."""

    def __init__(self, kind: SourceKind, table: TableSpec, fault: Fault, *, repeats: bool = False) -> None:
        super().__init__(kind, table)
        self._fault, self._repeats = fault, repeats
        self._past: tuple[Reading, ...] = ()

    def read(self, request: ReadRequest) -> Batch:
        """Read as ever, then change what was read."""
        batch = super().read(self._fault.request(request))
        rows = pa.Table.from_batches(list(batch), batch.schema)
        reading = Reading(request, rows, batch.end(), self._past, self._table)
        self._past = (*self._past, reading)
        changed = self._fault.read(with_repeats(reading) if self._repeats else reading)
        half = changed.rows.num_rows // 2
        chunks = [*changed.rows.slice(0, half).to_batches(), *changed.rows.slice(half).to_batches()]
        return Batch(changed.rows.schema, iter(chunks), lambda: changed.end)


class FaultySink(MemorySink):
    """A sink in memory whose loads pass through some changes."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault
        self._loads: list[Load] = []

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Any) -> LoadReport:
        """Load as ever, with the changes before and after."""
        self._loads.append(load)
        before, position = self.read(target), self.position(target)
        rows = pa.Table.from_batches(list(batch), batch.schema)
        attempt = self._fault.load(Attempt(len(self._loads), self._loads[0], load, rows, tuple(steps)))
        given = Batch(attempt.rows.schema, iter(attempt.rows.to_batches()), batch.end)
        try:
            report = super().load(target, attempt.load, given, attempt.steps)
        except LoadError:
            report = LoadReport(position=batch.end().position)
            self._keep(self._fault.refusal(Done(0, target, load, before, before, position, position, report)))
            if self._fault.refuses_with:
                raise LoadError(self._fault.refuses_with) from None
            raise
        reached = self.position(target)
        done = Done(len(self._loads), target, load, before, self.read(target), position, reached, report)
        done = self._fault.after(done)
        self._keep(done)
        return done.report

    def _keep(self, done: Done) -> None:
        self._targets[done.target.namespace] = done.rows
        self._positions[done.target.namespace] = done.position

    def leftovers(self, target: LoadTarget) -> list[str]:
        """What the fault leaves."""
        return list(self._fault.leaves)


def with_repeats(reading: Reading) -> Reading:
    """Some keys come several times, stale versions first and by `_seq` earlier, though with a later cursor.

    Where the source numbers its changes, some of the earlier ones are deletes, and the last change is read first.
    """
    rows, names = reading.rows, reading.rows.column_names
    some = rows.take(pa.array(np.arange(0, rows.num_rows, 3)))
    cursor = names.index(reading.table.cursor)
    later = pc.add(some.column(cursor), pa.scalar(timedelta(hours=1), pa.duration("us")))
    note = names.index("note")
    stale = some.set_column(cursor, names[cursor], later).set_column(note, "note", pa.nulls(some.num_rows, pa.string()))
    if "_seq" not in names:
        return replace(reading, rows=pa.concat_tables([stale, rows]))
    seq, op = names.index("_seq"), names.index("_op")
    ops = pa.array([DELETE if n % 2 else UPSERT for n in range(stale.num_rows)], pa.string())
    stale = stale.set_column(op, "_op", ops).set_column(seq, "_seq", pc.multiply(stale.column(seq), 2))
    rows = rows.set_column(seq, "_seq", pc.add(pc.multiply(rows.column(seq), 2), 1))
    return replace(reading, rows=pa.concat_tables([stale, rows]).sort_by([("_seq", "descending")]))
