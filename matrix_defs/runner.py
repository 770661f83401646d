"""The story of one case, from seeding to verdict.

Here lives the order of events; what is promised lives in `checks`, what was found in `judge`, how systems do their part
behind `ports`. It may import everything pure in this package and no system.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from matrix_defs import checks, interrupts
from matrix_defs.cases import Case
from matrix_defs.compare import Loads, digests, with_ordinals
from matrix_defs.errors import LoadError, MatrixError
from matrix_defs.judge import Judge
from matrix_defs.ledger import unfinished, with_finished
from matrix_defs.namespace import sink_namespace
from matrix_defs.ports import (
    Batch,
    Encoding,
    Held,
    Load,
    LoadReport,
    LoadTarget,
    Position,
    ReadEnd,
    ReadRequest,
    Scope,
    Sink,
    Source,
    key_list,
)
from matrix_defs.result import CaseResult, LoadResult, Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.stopwatch import Stopwatch
from matrix_defs.story import Stage, backfill_id, scopes, target_key
from matrix_defs.strategies.base import marks
from matrix_defs.workload import Workload, build_workload

log = logging.getLogger(__name__)

LONGEST_REASON = 600
"""Characters of a reason; what is longer stands in the log."""


def run_case(
    case: Case,
    source: Source,
    sink: Sink,
    settings: RunSettings,
    *,
    run: str,
    endpoints: Mapping[str, Mapping[str, Any]],
    losses: tuple[str, ...] = (),
) -> CaseResult:
    """Execute one case and judge it. A case that fails is a result, not an error; only interrupts pass through."""
    play = _Play(case, source, sink, settings, run)
    reason = ""
    try:
        play.perform()
    except Exception as error:  # a driver's surprise fails this case and no other
        if interrupts.arrived():
            raise KeyboardInterrupt from None
        reason = str(error)
        if not isinstance(error, MatrixError):
            log.exception("%s failed", case.case_id)
            reason = f"{type(error).__name__}: {error}"
    judge = play.judge
    failed = [check for check in judge.found.values() if not check.passed]
    reason = reason or "; ".join(f"{check.name}: {check.detail}" for check in failed)
    problem = play.close(keep=bool(reason) and settings.keep_on_failure)
    reason = "; ".join(filter(None, (reason, problem)))
    return CaseResult(
        case=case,
        run_mode=settings.run_mode,
        verdict=Verdict.FAILED if reason else Verdict.PASSED,
        reason=_one_line(reason),
        checks=tuple(judge.found[name] for name in checks.CHECK_NAMES if name in judge.found),
        loads=tuple(play.loads),
        diffs=judge.diffs,
        rows=sum(load.staged for load in play.loads),
        seconds=play.stopwatch.seconds(),
        endpoints=endpoints,
        losses=losses,
        altered_cells=judge.altered_cells,
        settings=vars(settings.workload),
        namespace=play.target.namespace,
        started_at=play.started_at,
    )


@dataclass
class _Play:
    """One performance of the story, with what it has collected so far."""

    case: Case
    source: Source
    sink: Sink
    settings: RunSettings
    run: str
    loads: list[LoadResult] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.strategy = self.case.strategy
        self.workload: Workload = build_workload(self.settings.workload)
        self.key = target_key(self.strategy, self.workload)
        self.target = LoadTarget(
            namespace=sink_namespace(self.run, self.case),
            table=self.workload.table.keyed_by(self.key),
            keeps_hash=self.strategy.keeps_hash,
            keeps_history=self.strategy.keeps_history,
            partitioned=self.strategy.partitioned,
            appends=self.strategy.appends,
        )
        self.judge = Judge(self.strategy, self.source.kind, self.workload, self.target)
        self._held: Held | None = None
        self._reached: Position | None = None
        self._committed: Position | None = None
        """The target's position when it was looked at last, after a stage or a load that was to be refused."""

    # ------------------------------------------------------------------ the story

    def perform(self) -> None:
        """Play every stage; a stage whose rows differ ends the story, because what follows would only repeat it."""
        self.source.drop()
        self.sink.drop(self.target)
        with self.stopwatch("expect"):
            self.judge.prepare(self.source, self.sink)
        with self.stopwatch("seed"):
            self.source.seed(self.workload.baseline)
            self.sink.create(self.target)
        seen: checks.Seen | None = None
        for stage in Stage:
            with self.stopwatch("seed"):
                self._happens(stage)
            seen = self._stage(stage, seen)
            if seen is None:
                return

    def _happens(self, stage: Stage) -> None:
        """What happens to the source before the stage's loads."""
        if stage is Stage.CHANGES:
            self._held = self.source.hold(self.workload.late)
        if stage is Stage.RETURNS and self._held:
            self._held.commit()
        if stage is not Stage.REPLAY:
            changes = self.workload.changes_of(stage.phase)
            if changes:
                self.source.apply(changes)

    def _stage(self, stage: Stage, before: checks.Seen | None) -> checks.Seen | None:
        """Make the stage's loads, look at the target, and judge both; `before` is what was there.

        Return what is there now; None where the story ends here.
        """
        position_before = self._committed
        first_load = len(self.loads) + 1
        reports = self._loads(stage)
        rows = self._read_back_refusing_null_key() if stage is Stage.RETURNS else self._read_back(self.target)
        if rows is None:
            return None
        seen = checks.Seen(rows, self.workload.table, self.key, self.strategy)
        with self.stopwatch("compare"):
            self.judge.rows(stage, before, seen, reports, first_load)
        self._committed = committed = self.sink.position(self.target)
        if committed:
            self.source.release(committed)
        self.judge.position(
            stage,
            reports,
            before=position_before,
            reached=self._reached if reports else position_before,
            committed=committed,
            released=self.source.released(),
        )
        self.judge.leftovers(stage, self.sink.leftovers(self.target))
        return None if stage.value in self.judge.diffs else seen

    # ------------------------------------------------------------------ loads

    def _loads(self, stage: Stage) -> list[LoadReport]:
        if self.strategy.chunked:
            return self._chunked(stage)
        return [self._load(stage, scope) for scope in scopes(self.strategy, stage, self.workload)]

    def _chunked(self, stage: Stage) -> list[LoadReport]:
        """One load per unfinished chunk. The backfill of the changes is broken off after two chunks and resumed."""
        name, whole = backfill_id(stage), self.workload.all_days()

        def run_chunks(limit: int | None) -> list[LoadReport]:
            todo = unfinished(self.sink.position(self.target), name, whole)[:limit]
            return [self._load(stage, chunk, backfill=name) for chunk in todo]

        broken_off = run_chunks(2) if stage is Stage.CHANGES else []
        return broken_off + run_chunks(None)

    def _load(self, stage: Stage, scope: Scope, backfill: str | None = None) -> LoadReport:
        """Read once, load once, and note what was done."""
        committed = self.sink.position(self.target)
        ledger = with_finished(committed, backfill, scope) if backfill else None
        load = Load(
            load_id=f"{self.run}-{len(self.loads) + 1}",
            loaded_at=self._next_instant(),
            scope=scope,
            key_list=key_list(self.strategy.reads, self.source.kind),
            position=ledger,
        )
        encodings = frozenset({Encoding.ARROW}) if self.strategy.looks_into_rows else self.sink.encodings
        position = None if self.strategy.chunked else committed
        request = ReadRequest(self.strategy.reads, position, scope, encodings)
        with self.stopwatch("read"):
            batch = self.source.read(request)
        with batch:
            report = self.sink.load(self.target, load, batch, self.strategy.steps)
            self._reached = load.position or batch.end().position
        self.stopwatch.add("read", batch.seconds)
        self.stopwatch.add("stage", max(0.0, report.seconds.get("stage", 0.0) - batch.seconds))
        self.stopwatch.add("steps", report.seconds.get("steps", 0.0))
        self.loads.append(_load_result(stage, load, report))
        return report

    def _next_instant(self) -> datetime:
        """Now, but later than the load before by a microsecond at least, whatever the clock does."""
        now = datetime.now(UTC)
        return max(now, self.loads[-1].loaded_at + timedelta(microseconds=1)) if self.loads else now

    def _read_back(self, target: LoadTarget) -> pa.Table:
        """Every row of the target: the table's columns, then the strategy's marks, loads told by ordinal."""
        with self.stopwatch("read_back"):
            rows = self.sink.read(target)
        with self.stopwatch("compare"):
            if rows.schema.types != target.schema.types or rows.column_names != target.schema.names:
                raise LoadError(f"the target reads back as {_schema_difference(rows.schema, target.schema)}")
            made = Loads(tuple(load.load_id for load in self.loads), tuple(load.loaded_at for load in self.loads))
            return with_ordinals(rows, made, (*target.table.names, *marks(self.strategy)))

    # ------------------------------------------------------------------ what is checked besides

    def _read_back_refusing_null_key(self) -> pa.Table | None:
        """Hand the sink one batch with a NULL key, then read back; None where the refusal is not as promised.

        The sink must name the column and leave all as it was. The target has rows by then and a load before them, so
        that there is something to be lost. Its keys and marks, which are read before, tell a row that the refusal cost,
        brought or marked; a cell that it changed besides differs from what the stage must result in.
        """
        column = self.target.table.key[-1]
        row = self.workload.baseline.slice(0, 1)
        row = row.set_column(row.column_names.index(column), column, pa.nulls(1, row.schema.field(column).type))
        batch = Batch(row.schema, iter(row.to_batches()), lambda: ReadEnd(Position({"refused": True})))
        scope = next(iter(scopes(self.strategy, Stage.BASELINE, self.workload)))
        load = Load(f"{self.run}-null", self._next_instant(), scope)
        position, held = self.sink.position(self.target), self._read_back(self.target.only_key())
        detail = "a batch with a NULL key was loaded"
        try:
            self.sink.load(self.target, load, batch, self.strategy.steps)
        except LoadError as error:
            detail = "" if column in str(error) else f"the refusal does not name the column {column}: {error}"
        rows = self._read_back(self.target)
        if not detail and not np.array_equal(digests(held), digests(rows, held.column_names)):
            detail = "the refused batch changed the target"
        if not detail and self.sink.position(self.target) != position:
            detail = "the refused batch moved the position"
        left = self.sink.leftovers(self.target)
        if not detail and left:
            detail = f"the refused batch left {', '.join(left)}"
        self.judge.note("null_key_refused", Stage.RETURNS, detail)
        return None if detail else rows

    def close(self, *, keep: bool) -> str:
        """Remove what the case made, unless it is to be kept; return why that failed, else nothing."""
        undo = [self._held.rollback] if self._held else []
        if not keep:
            undo += [self.source.drop, lambda: self.sink.drop(self.target)]
        problems: list[str] = []
        with self.stopwatch("drop"):
            for act in undo:
                try:
                    act()
                except MatrixError as error:
                    problems.append(str(error))
                except Exception as error:  # a driver's surprise
                    log.exception("%s: cleaning up failed", self.case.case_id)
                    problems.append(str(error))
        return f"cleaning up failed: {'; '.join(dict.fromkeys(problems))}" if problems else ""


def _load_result(stage: Stage, load: Load, report: LoadReport) -> LoadResult:
    return LoadResult(
        stage=stage.value,
        load_id=load.load_id,
        loaded_at=load.loaded_at,
        staged=report.staged,
        inserted=report.inserted,
        updated=report.updated,
        deleted=report.deleted,
        position=report.position.to_json() if report.position else None,
        statements=report.statements,
        seconds=report.seconds,
    )


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 3] + "..."


def _schema_difference(got: pa.Schema, wanted: pa.Schema) -> str:
    wrong = [f"{f.name} {f.type}" for f in got if f.name not in wanted.names or wanted.field(f.name).type != f.type]
    wrong += [f"{name} missing" for name in wanted.names if name not in got.names]
    return f"other columns than it was made with: {', '.join(wrong) or 'order differs'}"
