"""Judging one case: what every stage must result in, what the checks found, and the rows that differ.

Here live the verdicts of one case as they gather; each check's meaning lives in `checks`, what must result in `oracle`.
It may import `checks`, `compare`, `oracle`, `result`, `story` and what they import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from matrix_defs import checks
from matrix_defs.compare import Diff, altered_cells, diff
from matrix_defs.oracle import Expectation, expectations, fold
from matrix_defs.ports import LoadReport, LoadTarget, Position, Sink, Source
from matrix_defs.result import Check
from matrix_defs.story import Stage, finds_nothing_new
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import SourceKind
from matrix_defs.workload import Workload


@dataclass
class Judge:
    """The checks of one case. A check that fails once has failed; its first finding is kept."""

    strategy: Strategy
    kind: SourceKind
    workload: Workload
    target: LoadTarget
    found: dict[str, Check] = field(default_factory=dict)
    diffs: dict[str, Diff] = field(default_factory=dict)
    """The differing rows, by stage."""
    altered_cells: int = 0
    """Cells of the baseline that a declared loss of source or sink changes."""
    _expected: Mapping[Stage, Expectation] = field(default_factory=dict)
    _held: Workload | None = None
    """The workload as source and sink together hold its rows."""

    @property
    def passed(self) -> bool:
        """Whether nothing was found so far."""
        return all(check.passed for check in self.found.values())

    def note(self, name: str, stage: Stage, detail: str) -> None:
        """Note what a check found after a stage; nothing found passes."""
        if name not in self.found or self.found[name].passed:
            self.found[name] = Check(name, not detail, f"after {stage}: {detail}" if detail else "")

    def prepare(self, source: Source, sink: Sink) -> None:
        """Learn how source and sink together can hold a row, and from that what every stage must result in."""
        table, baseline = self.workload.table, self.workload.baseline

        def represent(rows: pa.Table) -> pa.Table:
            return sink.represent(table, source.represent(table, rows))

        self._held = self.workload.held_as(represent)
        if self._held is not self.workload:
            self.altered_cells = altered_cells(baseline, self._held.baseline)
        self._expected = expectations(self.strategy, self.kind, self._held)

    def rows(
        self,
        stage: Stage,
        before: checks.Seen | None,
        seen: checks.Seen,
        reports: Sequence[LoadReport],
        first_load: int,
    ) -> None:
        """Judge what a stage's loads, of which `first_load` was the first, made of the target and reported."""
        wanted, strategy = self._expected[stage], self.strategy
        self.note("rows_match", stage, self._rows_match(stage, seen))
        self.note("wide_columns_kept", stage, checks.wide_columns_kept(seen, wanted))
        counted = checks.counts_reported(reports, wanted.counts, rereads=strategy.rereads)
        self.note("counts_reported", stage, counted)
        if not strategy.appends:
            self.note("keys_unique", stage, checks.keys_unique(seen))
            self.note("deletes_applied", stage, checks.deletes_applied(seen, wanted))
        if before and reports:
            self.note("untouched_rows_kept", stage, checks.untouched_rows_kept(before, seen, first_load))
        if before and stage is Stage.REPLAY:
            self.note("replay_is_idempotent", stage, checks.replay_is_idempotent(before, seen))
        if strategy.keeps_history:
            so_far = list(Stage)[: list(Stage).index(stage) + 1]
            live = {ordinal: self._expected[told].live_keys for ordinal, told in enumerate(so_far, 1)}
            self.note("history_valid", stage, checks.history_valid(seen, live))

    def _rows_match(self, stage: Stage, seen: checks.Seen) -> str:
        detail = checks.rows_match(seen, self._expected[stage])
        if detail:
            told = fold(self.strategy, self.kind, self._held or self.workload)[stage].rows
            must = told.select(seen.rows.column_names).cast(seen.rows.schema)
            self.diffs[stage.value] = diff(must, seen.rows, self.target.table.key)
            detail = f"{detail}: {self.diffs[stage.value].counts}"
        return detail

    def position(
        self,
        stage: Stage,
        reports: Sequence[LoadReport],
        *,
        before: Position | None,
        reached: Position | None,
        committed: Position | None,
        released: Position | None,
    ) -> None:
        """Judge what the sink committed after a stage, and up to where the source was then released."""
        stays = finds_nothing_new(self.strategy, self.kind, stage)
        detail = checks.position_committed(reports, committed=committed, reached=reached, before=before, stays=stays)
        if not detail and released is not None and released != committed:
            detail = f"the source was released up to {released}, the sink committed {committed}"
        self.note("position_committed", stage, detail)

    def leftovers(self, stage: Stage, names: list[str]) -> None:
        """Judge what a stage left in the namespace."""
        self.note("nothing_left_behind", stage, f"left in the namespace: {', '.join(names)}" if names else "")
