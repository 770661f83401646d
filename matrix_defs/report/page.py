"""What the page shows: the grid, the cases, where the time went, what changed. All values, no markup.

Here lives which facts are shown in which order; how they look is in `resources/templates/report`.
It may import the pure parts of `matrix_defs`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from matrix_defs.cases import CASES, EXCLUSIONS, Case
from matrix_defs.namespace import began
from matrix_defs.report.differences import Difference
from matrix_defs.report.history import Change, Changes
from matrix_defs.report.records import Record, Records, engines, not_run_reasons, repeat_command, totals
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.strategies import STRATEGIES
from matrix_defs.summary import Mark
from matrix_defs.systems import FACTS, SINKS, SOURCES

_EXCLUSIONS = {exclusion.case.case_id: exclusion for exclusion in EXCLUSIONS}
_SUM = (Mark.PASSED, Mark.FAILED, Mark.NOT_RUN, Mark.EXCLUDED)
"""The totals, in the order in which they are added up."""
_LIST = (Mark.FAILED, Mark.PASSED, Mark.NOT_RUN, Mark.EXCLUDED)
"""Cases are listed by what people look for first."""


@dataclass(frozen=True)
class Square:
    """One combination of the grid, as hover, focus and the list tell it."""

    case_id: str
    source: str
    sink: str
    strategy: str
    mark: str
    emulated: bool
    reason: str
    """Why it failed, was not run or is no case; empty when it passed."""
    seconds: Mapping[str, float]
    """By stage; empty where nothing was measured."""
    total: float
    rows_per_second: float
    words: str
    """What the free text of the filter is searched in, in lower case."""

    @property
    def label(self) -> str:
        """What a screen reader says of it."""
        pair = f"{FACTS[_system(self.source)].label} to {FACTS[_system(self.sink)].label}, {self.strategy}"
        note = f"{self.total:.2f} seconds" if self.total else self.reason
        return f"{pair}: {words_of(self)}" + (f". {note}" if note else "")

    @property
    def brief(self) -> dict[str, Any]:
        """What the page's script is given."""
        kept = {name: value for name, value in asdict(self).items() if value or name in ("case_id", "mark")}
        return kept | {"mark_words": words_of(self)}


def words_of(square: Square) -> str:
    """Return what became of the combination, in words."""
    return square.mark.replace("_", " ") + (" on an emulator" if square.emulated else "")


def squares(records: Records) -> list[Square]:
    """Return the 250 combinations by source, sink and strategy."""
    cases = (Case(source, sink, name) for source in SOURCES for sink in SINKS for name in STRATEGIES)
    return [_square(case, records.get(case.case_id)) for case in cases]


def _square(case: Case, record: Record | None) -> Square:
    if record is None:
        exclusion = _EXCLUSIONS[case.case_id]
        mark, reason, record = Mark.EXCLUDED, f"{exclusion.kind.replace('_', ' ')}: {exclusion.reason}", {}
    else:
        mark, reason = Mark(record["verdict"]), record["reason"]
    failed = " ".join(check["name"] for check in record.get("checks", ()) if not check["passed"])
    labels = f"{FACTS[case.source].label} {FACTS[case.sink].label}"
    versions = " ".join(engines(record).values()) if record else ""
    return Square(
        case_id=case.case_id,
        source=str(case.source),
        sink=str(case.sink),
        strategy=case.strategy_name,
        mark=str(mark),
        emulated=record.get("emulated", False),
        reason=reason,
        seconds=stages(record),
        total=round(record.get("seconds", {}).get("total", 0.0), 3),
        rows_per_second=record.get("rows_per_second", 0.0),
        words=" ".join(f"{case.case_id} {labels} {mark} {failed} {reason} {versions}".lower().split()),
    )


def stages(record: Record) -> dict[str, float]:
    """Return the measured seconds of a case by stage, and as `other` what lies between them."""
    seconds = record.get("seconds", {})
    found = {stage: round(value, 3) for stage, value in seconds.items() if stage != "total"}
    rest = round(seconds.get("total", 0.0) - sum(found.values()), 3)
    return found | ({"other": rest} if found and rest > 0 else {})


def grid(found: Sequence[Square]) -> list[dict[str, Any]]:
    """Return the rows of the grid: a source and, for each sink, its squares."""
    by_pair: dict[tuple[str, str], list[Square]] = {}
    for square in found:
        by_pair.setdefault((square.source, square.sink), []).append(square)
    return [
        {
            "label": FACTS[source].label,
            "cells": [{"label": FACTS[sink].label, "squares": by_pair[source, sink]} for sink in SINKS],
        }
        for source in SOURCES
    ]


def listed(found: Sequence[Square]) -> list[Square]:
    """Return the combinations as the list shows them: failed ones first."""
    return sorted(found, key=lambda square: _LIST.index(Mark(square.mark)))


def timed(found: Sequence[Square]) -> list[Square]:
    """Return the cases of which seconds are known, the longest first."""
    return sorted((square for square in found if square.total), key=lambda square: -square.total)


def stage_names(found: Sequence[Square]) -> list[str]:
    """Return the stages in the order in which they come in a case."""
    names = list(dict.fromkeys(stage for square in found for stage in square.seconds if stage != "other"))
    return [*names, "other"] if names else []


def stage_totals(found: Sequence[Square]) -> dict[str, float]:
    """Return the seconds of all cases by stage."""
    spent: Counter[str] = Counter()
    for square in found:
        spent.update(square.seconds)
    return {stage: spent[stage] for stage in stage_names(found)}


def head(records: Records, run_mode: RunMode, now: datetime) -> dict[str, Any]:
    """Return what the top of the page says: totals, when, with which settings."""
    counts = totals(records)
    ran = [record for record in records.values() if record["verdict"] != Verdict.NOT_RUN]
    instants = sorted(filter(None, (began(record.get("run", "")) for record in ran)))
    settings = Counter(tuple(record["settings"].items()) for record in ran if record["settings"])
    return {
        "run_mode": str(run_mode),
        "totals": {str(mark): getattr(counts, str(mark)) for mark in _SUM},
        "emulated": counts.emulated,
        "all": len(CASES) + len(EXCLUSIONS),
        "written": now.astimezone(UTC),
        "first_run": instants[0] if instants else None,
        "last_run": instants[-1] if instants else None,
        "settings": [dict(found) for found, _ in settings.most_common()],
        "reasons": not_run_reasons(records),
    }


def changed(found: Changes | None) -> list[dict[str, Any]] | None:
    """Return the lists of what changed, with a heading each; None where no history was given."""
    if found is None:
        return None
    lists = {
        "Newly failing": found.newly_failing,
        "Newly passing": found.newly_passing,
        "More than 1.5 x slower": found.slower,
    }
    return [{"title": title, "cases": [_change(change) for change in cases]} for title, cases in lists.items()]


def _change(change: Change) -> dict[str, Any]:
    roles = change.before.versions.keys() & change.now.versions.keys()
    moved = {role: (change.before.versions[role], change.now.versions[role]) for role in sorted(roles)}
    return {
        "case_id": change.now.case_id,
        "mark": change.now.verdict,
        "before": change.before,
        "now": change.now,
        "times": change.times,
        "versions": {role: pair for role, pair in moved.items() if pair[0] != pair[1]},
    }


def case_view(
    square: Square, record: Record | None, differences: Sequence[Difference], evidence: str
) -> dict[str, Any]:
    """Return what an opened case shows; `record` is None where the combination is excluded."""
    case = Case(_system(square.source), _system(square.sink), square.strategy)
    return {
        "square": square,
        "mark_words": words_of(square),
        "reason": "" if record and _told_by_checks(record) else square.reason,
        "source": FACTS[case.source].label,
        "sink": FACTS[case.sink].label,
        "promise": case.strategy.promise,
        "record": record,
        "ran": bool(record and record.get("run")),
        "began": began(record.get("run", "")) if record else None,
        "command": repeat_command(record) if record else "",
        "differences": differences,
        "differing": _differing(record) if record else 0,
        "evidence": evidence,
        "stages": [{"name": stage, "seconds": value} for stage, value in square.seconds.items()],
    }


def _told_by_checks(record: Record) -> bool:
    """Whether the reason only joins what the failed checks say, which are shown below it."""
    failed = [f"{check['name']}: {check['detail']}" for check in record["checks"] if not check["passed"]]
    return bool(failed) and "; ".join(failed).startswith(record["reason"].rstrip(". …"))


def _differing(record: Record) -> int:
    found = record["differences"].values()
    return sum(stage[kind] for stage in found for kind in ("missing", "unexpected", "changed"))


def _system(name: str) -> Any:
    return next(system for system in FACTS if system == name)
