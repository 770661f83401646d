"""The story of one case, from seeding to verdict.

Here lives the order of events; what is promised lives in `checks`, what must result in `oracle`, how systems do their
part behind `ports`. It may import everything pure in this package and no system.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from matrix_defs import checks
from matrix_defs.cases import Case
from matrix_defs.compare import Diff, Loads, altered_cells, diff, with_ordinals
from matrix_defs.errors import LoadError, MatrixError
from matrix_defs.ledger import unfinished, with_finished
from matrix_defs.namespace import sink_namespace
from matrix_defs.oracle import Expectation, Represent, expectations, fold
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
from matrix_defs.result import CaseResult, Check, LoadResult, Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.stopwatch import Stopwatch
from matrix_defs.story import Stage, backfill_id, finds_nothing_new, scopes, target_key
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
    except MatrixError as error:
        reason = str(error)
    except Exception as error:  # a driver's surprise fails this case and no other
        log.exception("%s failed", case.case_id)
        reason = f"{type(error).__name__}: {error}"
    failed = [check for check in play.found.values() if not check.passed]
    reason = reason or "; ".join(f"{check.name}: {check.detail}" for check in failed)
    problem = play.close(keep=bool(reason) and settings.keep_on_failure)
    reason = "; ".join(filter(None, (reason, problem)))
    return CaseResult(
        case=case,
        run_mode=settings.run_mode,
        verdict=Verdict.FAILED if reason else Verdict.PASSED,
        reason=_one_line(reason),
        checks=tuple(play.found[name] for name in checks.CHECK_NAMES if name in play.found),
        loads=tuple(play.loads),
        diffs=play.diffs,
        rows=sum(load.staged for load in play.loads),
        seconds=play.stopwatch.seconds(),
        endpoints=endpoints,
        losses=losses,
        altered_cells=play.altered_cells,
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
    found: dict[str, Check] = field(default_factory=dict)
    loads: list[LoadResult] = field(default_factory=list)
    diffs: dict[str, Diff] = field(default_factory=dict)
    altered_cells: int = 0
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
        )
        self._columns = (*self.workload.table.names, *marks(self.strategy))
        self._held: Held | None = None
        self._reached: Position | None = None

    # ------------------------------------------------------------------ the story

    def perform(self) -> None:
        """Play every stage; a stage whose rows differ ends the story, because what follows would only repeat it."""
        self.source.drop()
        self.sink.drop(self.target)
        with self.stopwatch("expect"):
            represent = self._represent()
            expected = expectations(self.strategy, self.source.kind, self.workload, represent)
        with self.stopwatch("seed"):
            self.source.seed(self.workload.baseline)
            self.sink.create(self.target)
        seen: checks.Seen | None = None
        for stage in Stage:
            with self.stopwatch("seed"):
                self._happens(stage)
            if stage is Stage.EMPTIED and seen and not self._refuses_null_key(seen):
                return
            seen = self._stage(stage, expected, seen, represent)
            if stage.value in self.diffs:
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

    def _stage(self, stage: Stage, expected: Mapping[Stage, Expectation], before: checks.Seen | None, represent: Represent | None) -> checks.Seen:
        position_before = self.sink.position(self.target)
        first_load = len(self.loads) + 1
        reports = self._chunked(stage) if self.strategy.chunked else [
            self._load(stage, scope) for scope in scopes(self.strategy, stage, self.workload)
        ]  # fmt: skip
        seen = self._read_back()
        with self.stopwatch("compare"):
            detail = checks.rows_match(seen, expected[stage])
            if detail:
                rows = fold(self.strategy, self.source.kind, self.workload, represent or (lambda rows: rows))[stage].rows
                self.diffs[stage.value] = diff(rows.select(seen.rows.column_names).cast(seen.rows.schema), seen.rows, self.key)
                detail = f"{detail}: {self.diffs[stage.value].counts}"
            self._found("rows_match", stage, detail)
            self._judge(stage, expected, seen, before, reports, first_load)
        committed = self.sink.position(self.target)
        self._found("position_committed", stage, checks.position_committed(
            reports,
            committed=committed,
            reached=self._reached if reports else position_before,
            before=position_before,
            stays=finds_nothing_new(self.strategy, self.source.kind, stage),
        ))  # fmt: skip
        if committed:
            self._release(stage, committed)
        self._found("nothing_left_behind", stage, _listed("left in the namespace", self.sink.leftovers(self.target)))
        return seen

    def _judge(
        self,
        stage: Stage,
        expected: Mapping[Stage, Expectation],
        seen: checks.Seen,
        before: checks.Seen | None,
        reports: list[LoadReport],
        first_load: int,
    ) -> None:
        """The checks on one stage's rows and counts."""
        wanted = expected[stage]
        self._found("wide_columns_kept", stage, checks.wide_columns_kept(seen, wanted))
        self._found("counts_reported", stage, checks.counts_reported(reports, wanted.counts, rereads=self.strategy.rereads))
        if not self.strategy.appends:
            self._found("keys_unique", stage, checks.keys_unique(seen))
            self._found("deletes_applied", stage, checks.deletes_applied(seen, wanted))
        if before and reports:
            self._found("untouched_rows_kept", stage, checks.untouched_rows_kept(before, seen, first_load))
        if before and stage is Stage.REPLAY:
            self._found("replay_is_idempotent", stage, checks.replay_is_idempotent(before, seen))
        if self.strategy.keeps_history:
            live = {number: expected[s].live_keys for number, s in enumerate(list(Stage)[: list(Stage).index(stage) + 1], 1)}
            self._found("history_valid", stage, checks.history_valid(seen, live))

    # ------------------------------------------------------------------ loads

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

    def _read_back(self) -> checks.Seen:
        with self.stopwatch("read_back"):
            rows = self.sink.read(self.target)
        with self.stopwatch("compare"):
            if rows.schema.types != self.target.schema.types or rows.column_names != self.target.schema.names:
                raise LoadError(f"the target reads back as {_schema_difference(rows.schema, self.target.schema)}")
            made = Loads(tuple(load.load_id for load in self.loads), tuple(load.loaded_at for load in self.loads))
            told = with_ordinals(rows, made, self._columns)
        return checks.Seen(told, self.workload.table, self.key, self.strategy)

    def _release(self, stage: Stage, committed: Position) -> None:
        self.source.release(committed)
        released = self.source.released()
        wrong = released is not None and released != committed
        detail = f"the source was released up to {released}, the sink committed {committed}" if wrong else ""
        self._found("position_committed", stage, detail)

    # ------------------------------------------------------------------ what is checked besides

    def _refuses_null_key(self, before: checks.Seen) -> bool:
        """Hand the sink one batch with a NULL key: it must name the column, and nothing may change.

        The target still holds rows and has a load before it, so that a refusal which costs them is seen.
        """
        position = self.sink.position(self.target)
        column = self.target.table.key[-1]
        row = self.workload.baseline.slice(0, 1)
        row = row.set_column(row.column_names.index(column), column, pa.nulls(1, row.schema.field(column).type))
        batch = Batch(row.schema, iter(row.to_batches()), lambda: ReadEnd(Position({"refused": True})))
        scope = next(iter(scopes(self.strategy, Stage.BASELINE, self.workload)))
        load = Load(f"{self.run}-null", self._next_instant(), scope)
        detail = "a batch with a NULL key was loaded"
        try:
            self.sink.load(self.target, load, batch, self.strategy.steps)
        except LoadError as error:
            detail = "" if column in str(error) else f"the refusal does not name the column {column}: {error}"
        after = self._read_back()
        if not detail and not np.array_equal(np.sort(before.fingerprints), np.sort(after.fingerprints)):
            detail = "the refused batch changed the target"
        if not detail and self.sink.position(self.target) != position:
            detail = "the refused batch moved the position"
        if not detail:
            detail = _listed("the refused batch left", self.sink.leftovers(self.target))
        self._found("null_key_refused", Stage.RETURNS, detail)
        return not detail

    def _represent(self) -> Represent | None:
        """How source and sink together hold a row; None where every value survives both."""
        baseline = self.workload.baseline
        table = self.workload.table

        def represent(rows: pa.Table) -> pa.Table:
            return self.sink.represent(table, self.source.represent(table, rows))

        held = represent(baseline)
        if held is baseline:
            return None
        self.altered_cells = altered_cells(baseline, held)
        return represent

    def _found(self, name: str, stage: Stage, detail: str) -> None:
        """Note what a check found; the first failure stays."""
        if name not in self.found or self.found[name].passed:
            self.found[name] = Check(name, not detail, f"after {stage}: {detail}" if detail else "")

    def close(self, *, keep: bool) -> str:
        """Remove what the case made, unless it is to be kept; return why that failed, else nothing."""
        undo = [self._held.rollback] if self._held else []
        if not keep:
            undo += [self.source.drop, lambda: self.sink.drop(self.target)]
        problems = []
        with self.stopwatch("drop"):
            for act in undo:
                try:
                    act()
                except Exception as error:
                    log.exception("%s: cleaning up failed", self.case.case_id)
                    problems.append(f"cleaning up failed: {error}")
        return "; ".join(problems)


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


def _listed(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


def _schema_difference(got: pa.Schema, wanted: pa.Schema) -> str:
    wrong = [f"{f.name} {f.type}" for f in got if f.name not in wanted.names or wanted.field(f.name).type != f.type]
    missing = [name for name in wanted.names if name not in got.names]
    return f"other columns than it was made with: {', '.join(wrong + [f'{name} missing' for name in missing]) or 'order differs'}"
