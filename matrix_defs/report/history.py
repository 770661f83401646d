"""The history of verdicts: one JSON line per case and run, and what separates two runs of a case.

Here live the form of a line and the comparison; the file is appended to in `resources.report`.
It may import the pure parts of `matrix_defs`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from matrix_defs.errors import UsageError
from matrix_defs.namespace import began
from matrix_defs.report.records import Record, Records, engines
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode

SLOWER = 1.5
"""A case is called slower when it took more than this many times the seconds of its previous run."""


@dataclass(frozen=True)
class Entry:
    """One line: what one run said of one case."""

    at: str
    """When the run began, ISO 8601 in UTC, whole seconds."""
    run: str
    """The run's name; with it a result is recorded once, however often the report is written."""
    run_mode: str
    case_id: str
    verdict: str
    seconds: float
    """All of the case; 0 where nothing ran."""
    rows_per_second: float
    versions: Mapping[str, str]
    """Engine and version of `source` and `sink`; empty where no service took part."""
    settings: Mapping[str, Any]
    """The workload's size and seed: seconds compare only where these are equal."""

    @classmethod
    def of(cls, record: Record) -> "Entry":
        """Return the line of a result."""
        run = record.get("run", "")
        instant = began(run)
        return cls(
            at=instant.isoformat() if instant else "",
            run=run,
            run_mode=record["run_mode"],
            case_id=record["case_id"],
            verdict=record["verdict"],
            seconds=round(record["seconds"].get("total", 0.0), 3),
            rows_per_second=record["rows_per_second"],
            versions=engines(record),
            settings=record["settings"],
        )

    def to_line(self) -> str:
        """Return the line, with its end."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True)
class Change:
    """A case whose result differs from that of its previous run."""

    before: Entry
    now: Entry

    @property
    def times(self) -> float:
        """How many times as long as before it took."""
        return self.now.seconds / self.before.seconds if self.before.seconds else 0.0


@dataclass(frozen=True)
class Changes:
    """What changed since the previous run of each case."""

    newly_failing: list[Change] = field(default_factory=list)
    newly_passing: list[Change] = field(default_factory=list)
    slower: list[Change] = field(default_factory=list)
    """Passed both times, with equal settings, and took more than SLOWER times as long."""
    compared: int = 0
    """Cases of which an earlier run is known."""


def parse(text: str, name: str) -> list[Entry]:
    """Return the lines of a history. Raises UsageError naming file and line for one that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found.append(Entry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"history: line {number} of {name!r} is no result of a case ({error}); remove it or name another file"
            ) from None
    return found


def unrecorded(records: Records, known: Iterable[Entry]) -> list[Entry]:
    """Return the lines that the history lacks: results of runs that it does not know yet for their case."""
    seen = {(entry.run_mode, entry.case_id, entry.run) for entry in known}
    entries = (Entry.of(record) for record in records.values())
    return [entry for entry in entries if entry.run and (entry.run_mode, entry.case_id, entry.run) not in seen]


def changes(records: Records, known: Sequence[Entry], run_mode: RunMode) -> Changes:
    """Compare each result with the last line of an earlier run of the same case in the same run mode."""
    found = Changes()
    current = {case_id: Entry.of(record) for case_id, record in records.items()}
    pairs = [Change(before, current[before.case_id]) for before in _previous(current, known, run_mode)]
    for change in pairs:
        was, now = change.before.verdict, change.now.verdict
        if now == Verdict.FAILED != was:
            found.newly_failing.append(change)
        elif now == Verdict.PASSED != was:
            found.newly_passing.append(change)
        elif now == was == Verdict.PASSED and _is_slower(change):
            found.slower.append(change)
    slowest_first = sorted(found.slower, key=lambda change: change.times, reverse=True)
    return Changes(found.newly_failing, found.newly_passing, slowest_first, len(pairs))


def _is_slower(change: Change) -> bool:
    same_work = change.before.settings == change.now.settings and change.now.rows_per_second > 0
    return same_work and change.times > SLOWER


def _previous(current: Mapping[str, Entry], known: Sequence[Entry], run_mode: RunMode) -> list[Entry]:
    last: dict[str, Entry] = {}
    for entry in known:
        now = current.get(entry.case_id)
        if now and now.run and entry.run_mode == run_mode and entry.run != now.run:
            last[entry.case_id] = entry
    return [last[case_id] for case_id in current if case_id in last]
