"""The verdicts of many cases as counts and as the 5 x 5 grid.

Here lives arithmetic alone; the terminal's and the report's pictures of it are drawn where they are shown.
It may import `cases`, `strategies`, `systems` and `result`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from matrix_defs.cases import CASES_BY_ID, Case
from matrix_defs.result import Verdict
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import System


@dataclass(frozen=True)
class Totals:
    """Counts by verdict; over the whole matrix passed, failed, not_run and excluded add up to 250."""

    passed: int
    emulated: int
    """Those of the passed in which an emulator stood in for a real engine."""
    failed: int
    not_run: int
    excluded: int

    @classmethod
    def of(cls, outcomes: Iterable[tuple[Verdict, bool]], excluded: int) -> "Totals":
        """Count verdicts, each given with whether an emulator took part."""
        pairs = list(outcomes)
        found = [verdict for verdict, _ in pairs]
        return cls(
            passed=found.count(Verdict.PASSED),
            emulated=pairs.count((Verdict.PASSED, True)),
            failed=found.count(Verdict.FAILED),
            not_run=found.count(Verdict.NOT_RUN),
            excluded=excluded,
        )


class Mark(StrEnum):
    """What one combination shows in the grid."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"
    NOT_SELECTED = "not selected"
    EXCLUDED = "excluded"


def marks(source: System, sink: System, verdicts: Mapping[str, Verdict]) -> list[Mark]:
    """Return a cell of the grid: one mark per strategy, in canonical order. `verdicts` are by case_id."""
    return [_mark(Case(source, sink, name), verdicts) for name in STRATEGIES]


def _mark(case: Case, verdicts: Mapping[str, Verdict]) -> Mark:
    if case.case_id not in CASES_BY_ID:
        return Mark.EXCLUDED
    verdict = verdicts.get(case.case_id)
    return Mark(verdict.value) if verdict else Mark.NOT_SELECTED
