"""The report as Markdown: the grid and the lists that `summary.md` and the Dagster UI show.

Here lives text alone, short enough for a pull request. It may import the pure parts of `matrix_defs`.
"""

from collections.abc import Iterable, Mapping

from matrix_defs.cases import CASES, EXCLUSIONS
from matrix_defs.report.history import SLOWER, Change, Changes
from matrix_defs.report.records import Records, not_run_reasons, of_verdict, skipped, totals, verdicts
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.strategies import STRATEGIES
from matrix_defs.summary import Mark, marks
from matrix_defs.systems import FACTS, SINKS, SOURCES

SQUARES: Mapping[Mark, str] = {
    Mark.PASSED: "🟩",
    Mark.FAILED: "❌",
    Mark.NOT_RUN: "⚪",
    Mark.NOT_SELECTED: "⚪",
    Mark.EXCLUDED: "▫️",
}
"""What a combination looks like: apart by shape as well as by colour."""
_LIMIT = 20
"""Cases that a list names before it only counts."""


def summary(records: Records, run_mode: RunMode, changed: Changes | None = None) -> str:
    """Return the whole summary; what changed is part of it where an earlier run is known."""
    parts = [
        f"## Integration matrix, {run_mode}",
        equation(records),
        grid(records),
        f"### Failed\n\n{failed(records)}" if of_verdict(records, Verdict.FAILED) else "",
        f"### Not run\n\n{reasons(records)}" if of_verdict(records, Verdict.NOT_RUN) else "",
        f"### Skipped capabilities\n\n{lacking(records)}" if skipped(records) else "",
        f"### Since the previous run\n\n{since(changed)}" if changed else "",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def equation(records: Records) -> str:
    """Return the totals as a sum."""
    counts = totals(records)
    return (
        f"**{counts.passed} passed** + **{counts.failed} failed** + {counts.not_run} not run"
        f" + {counts.excluded} excluded = {len(CASES) + len(EXCLUSIONS)}"
    ) + (f"; {counts.emulated} of the passed on an emulator" if counts.emulated else "")


def grid(records: Records) -> str:
    """Return the 5 x 5 grid with its legend."""
    found = verdicts(records)
    lines = ["| source \\ sink | " + " | ".join(FACTS[sink].label for sink in SINKS) + " |", "|---" * 6 + "|"]
    for source in SOURCES:
        cells = ["".join(SQUARES[mark] for mark in marks(source, sink, found)) for sink in SINKS]
        lines.append(f"| **{FACTS[source].label}** | " + " | ".join(cells) + " |")
    shown = (Mark.PASSED, Mark.FAILED, Mark.NOT_RUN, Mark.EXCLUDED)
    legend = ", ".join(f"{SQUARES[mark]} {mark.replace('_', ' ')}" for mark in shown)
    return "\n".join([*lines, "", f"{legend}. From left to right: {', '.join(STRATEGIES)}"])


def failed(records: Records) -> str:
    """Return what failed and why, or `none`."""
    return _list(f"`{case_id}`: {_text(r['reason'])}" for case_id, r in of_verdict(records, Verdict.FAILED).items())


def reasons(records: Records) -> str:
    """Return why cases were not run, or `none`."""
    return _list(f"{count} x {_text(reason)}" for reason, count in not_run_reasons(records))


def lacking(records: Records) -> str:
    """Return what each engine lacks of the system that it stands for."""
    found = {engine: ", ".join(_text(name) for name in lacks) for engine, lacks in skipped(records).items()}
    return _list(f"{_text(engine)}: {names}" for engine, names in found.items())


def since(changed: Changes) -> str:
    """Return what changed, or that nothing did."""
    lines = [
        *(f"newly failing: {_verdicts(change)}" for change in changed.newly_failing),
        *(f"newly passing: {_verdicts(change)}" for change in changed.newly_passing),
        *(f"{change.times:.1f} x slower: {_seconds(change)}" for change in changed.slower),
    ]
    if not lines:
        return f"{changed.compared} cases compared: none newly failing or passing, none over {SLOWER} x slower."
    return _list(lines)


def _verdicts(change: Change) -> str:
    return f"`{change.now.case_id}`, was {change.before.verdict.replace('_', ' ')}"


def _seconds(change: Change) -> str:
    return f"`{change.now.case_id}`, {change.before.seconds:.2f} s -> {change.now.seconds:.2f} s"


def _list(lines: Iterable[str]) -> str:
    found = list(lines)
    shown = [f"- {line}" for line in found[:_LIMIT]]
    return "\n".join([*shown, *([f"- ... and {len(found) - _LIMIT} more"] if len(found) > _LIMIT else [])]) or "none"


def _text(text: str) -> str:
    """Return the text so that nothing in it is taken for Markdown or HTML."""
    return "".join(f"\\{char}" if char in r"\`*_[]|~" else {"<": "&lt;", "&": "&amp;"}.get(char, char) for char in text)
