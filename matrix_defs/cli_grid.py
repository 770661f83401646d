"""What the terminal shows of a run: verdicts as they come, then the grid, the totals and where the time went.

Here lives drawing alone: progress on stderr, the picture on stdout.
It may import rich, `cases`, `result` and `summary`.
"""

import os
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from matrix_defs.cases import CASES, EXCLUSIONS
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.strategies import STRATEGIES
from matrix_defs.summary import Mark, Totals, marks
from matrix_defs.systems import FACTS, SINKS, SOURCES

_GLYPHS: dict[Mark, tuple[str, str, str]] = {
    Mark.PASSED: ("■", "#", "green"),
    Mark.FAILED: ("✗", "X", "bold red"),
    Mark.NOT_RUN: ("□", "o", "yellow"),
    Mark.NOT_SELECTED: ("·", ".", "dim"),
    Mark.EXCLUDED: (" ", " ", "dim"),
}
"""A mark's glyph, its stand-in where the terminal knows no Unicode, its colour."""


class Ticker:
    """A progress bar on stderr, and one line for every case that ran."""

    def __init__(self, cases: int) -> None:
        # A descriptor of its own: Dagster captures 1 and 2 while a step runs.
        self._file = os.fdopen(os.dup(2), "w")
        console = Console(file=self._file, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("certifying", total=cases)

    def __enter__(self) -> "Ticker":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()
        self._file.close()

    def tick(self, result: CaseResult) -> None:
        """Count a case; cases that could not run are listed together at the end."""
        self._progress.advance(self._task)
        if result.verdict is Verdict.NOT_RUN:
            return
        colour = "green" if result.verdict is Verdict.PASSED else "bold red"
        line = Text.assemble((f"{result.verdict:<7}", colour), f" {result.case.case_id}")
        line.append(f"  {result.seconds.get('total', 0.0):.2f} s", "dim")
        if result.emulated:
            line.append("  emulator", "yellow")
        if result.reason:
            line.append(f"\n        {result.reason}")
        self._progress.console.print(line, soft_wrap=True)


def show(results: Sequence[CaseResult], seconds: float) -> None:
    """Print the grid, what failed, what could not run and why, the seconds per stage and the totals."""
    console = Console(highlight=False)
    console.print(_grid(results, plain=not console.encoding.lower().startswith("utf")))
    for result in results:
        if result.verdict is Verdict.FAILED:
            console.print(
                Text.assemble(("failed", "bold red"), f" {result.case.case_id}: {result.reason}"), soft_wrap=True
            )
    reasons = Counter(result.reason for result in results if result.verdict is Verdict.NOT_RUN)
    for reason, count in reasons.most_common():
        console.print(Text.assemble((f"{count:>4} not run", "yellow"), f": {reason}"), soft_wrap=True)
    console.print(_stages(results, seconds), soft_wrap=True)
    console.print(_totals(results), style="bold", soft_wrap=True)


def _grid(results: Sequence[CaseResult], *, plain: bool) -> Table:
    verdicts = {result.case.case_id: result.verdict for result in results}
    legend = "  ".join(f"{_GLYPHS[mark][plain]} {mark.replace('_', ' ')}" for mark in Mark if mark is not Mark.EXCLUDED)
    table = Table(caption=f"{legend}  (blank: excluded)\n{', '.join(STRATEGIES)}", caption_justify="left")
    table.add_column("from \\ to")
    for sink in SINKS:
        table.add_column(FACTS[sink].label)
    for source in SOURCES:
        cells = [
            Text.assemble(*((_GLYPHS[m][plain], _GLYPHS[m][2]) for m in marks(source, sink, verdicts)))
            for sink in SINKS
        ]
        table.add_row(FACTS[source].label, *cells)
    return table


def _stages(results: Sequence[CaseResult], seconds: float) -> str:
    spent: Counter[str] = Counter()
    for result in results:
        spent.update(result.seconds)
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in spent.items() if stage != "total")
    return f"{seconds:.1f} s" + (f" (in stages: {stages})" if stages else "")


def _totals(results: Sequence[CaseResult]) -> str:
    totals = Totals.of(((result.verdict, result.emulated) for result in results), len(EXCLUSIONS))
    others = len(CASES) - len(results)
    emulated = f" ({totals.emulated} by an emulator)" if totals.emulated else ""
    parts = [f"{totals.passed} passed{emulated}", f"{totals.failed} failed", f"{totals.not_run} not run"]
    parts += [f"{others} not selected"] if others else []
    return " + ".join([*parts, f"{totals.excluded} excluded"]) + f" = {len(CASES) + len(EXCLUSIONS)}"
