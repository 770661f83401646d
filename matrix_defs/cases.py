"""The canonical matrix: which (source, sink, strategy) are certified, which are excluded and why, and how to select.

Here lives the list; how a case runs lives in `runner`, what it needs in `run_modes`.
It may import `systems`, `strategies` and `errors`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property

from matrix_defs.errors import UsageError
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import FACTS, SINKS, SOURCES, System


@dataclass(frozen=True)
class Case:
    """One source, one sink, one strategy."""

    source: System
    sink: System
    strategy_name: str

    @cached_property
    def case_id(self) -> str:
        """Partition key, pytest id and artifact name alike."""
        return f"{self.source}_to_{self.sink}__{self.strategy_name}"

    @property
    def strategy(self) -> Strategy:
        """The strategy itself."""
        return STRATEGIES[self.strategy_name]


class ExclusionKind(StrEnum):
    """Why a combination is no case: `never` makes sense, or is `not_yet` certified."""

    NEVER = "never"
    NOT_YET = "not_yet"


@dataclass(frozen=True)
class Exclusion:
    """A combination that is no case, with the reason in one sentence."""

    case: Case
    kind: ExclusionKind
    reason: str


def _exclusion(case: Case) -> Exclusion | None:
    """Return why the combination is no case; None if it is one."""
    source, sink = FACTS[case.source].label, FACTS[case.sink].label
    log_sink, no_postgres = case.sink is System.KAFKA, case.source is not System.POSTGRES
    never = ExclusionKind.NEVER
    rules: dict[str, tuple[bool, ExclusionKind, str]] = {
        "partition_replace": (log_sink, never, f"{sink} is a log: it has no partitions by value to exchange."),
        "scd2": (log_sink, never, f"{sink} is a log: it keeps every event, and no version can be closed in place."),
        "backfill": (log_sink, never, f"{sink} is a log: a chunk that was published cannot be exchanged."),
        "xmin": (no_postgres, never, f"{source} has no xmin: it is a system column of PostgreSQL."),
        "cdc": _cdc_rule(case, source),
    }
    excluded, kind, reason = rules.get(case.strategy_name, (False, ExclusionKind.NEVER, ""))
    return Exclusion(case, kind, reason) if excluded else None


def _cdc_rule(case: Case, source: str) -> tuple[bool, ExclusionKind, str]:
    if case.source is System.KAFKA:
        reason = f"{source} is a change stream itself: incremental_merge reads its tombstones and loses nothing."
        return True, ExclusionKind.NEVER, reason
    if case.source is System.REST:
        return (
            True,
            ExclusionKind.NOT_YET,
            f"{source} has no common change feed; webhooks and event APIs differ by vendor.",
        )
    reason = f"{source} offers no change stream that can be read from a position."
    return case.source is System.CLICKHOUSE, ExclusionKind.NEVER, reason


_ALL = tuple(Case(source, sink, name) for source in SOURCES for sink in SINKS for name in STRATEGIES)

EXCLUSIONS: tuple[Exclusion, ...] = tuple(e for case in _ALL if (e := _exclusion(case)))
"""The 50 combinations that are no cases, in canonical order."""

_EXCLUDED = {exclusion.case for exclusion in EXCLUSIONS}

CASES: tuple[Case, ...] = tuple(case for case in _ALL if case not in _EXCLUDED)
"""The 200 cases, ordered by source, sink, strategy."""

CASES_BY_ID: dict[str, Case] = {case.case_id: case for case in CASES}


@dataclass(frozen=True)
class Filters:
    """Comma lists of names; an empty text or `*` selects everything."""

    source: str = ""
    sink: str = ""
    strategy: str = ""
    case_id: str = ""


def select(filters: Filters) -> tuple[Case, ...]:
    """Return the cases that pass every filter, in canonical order.

    Raises UsageError naming the valid names for an unknown one, and for filters that exclude each other.
    """
    passes = _predicate(filters)
    selected = tuple(case for case in CASES if passes(case))
    if not selected:
        shown = ", ".join(f"{name}={value}" for name, value in vars(filters).items() if value)
        raise UsageError(f"no case matches {shown}: each name exists, but the matrix excludes their combination")
    return selected


def select_excluded(filters: Filters) -> tuple[Exclusion, ...]:
    """Return the exclusions that pass every filter: with `select`, all combinations that the filters name."""
    passes = _predicate(filters)
    return tuple(exclusion for exclusion in EXCLUSIONS if passes(exclusion.case))


def _predicate(filters: Filters) -> Callable[[Case], bool]:
    wanted: list[tuple[set[str] | None, Callable[[Case], str]]] = [
        (_names("source", filters.source, SOURCES), lambda case: case.source),
        (_names("sink", filters.sink, SINKS), lambda case: case.sink),
        (_names("strategy", filters.strategy, STRATEGIES), lambda case: case.strategy_name),
        (_names("case_id", filters.case_id, CASES_BY_ID), lambda case: case.case_id),
    ]
    return lambda case: all(names is None or of(case) in names for names, of in wanted)


def _names(what: str, text: str, valid: Iterable[str]) -> set[str] | None:
    """Parse a comma list; None means everything."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [str(name) for name in valid]
    unknown = [name for name in names if name not in known and name != "*"]
    if unknown:
        raise UsageError(f"unknown {what} {', '.join(map(repr, unknown))}; valid: {_hint(unknown, known)}")
    return set(names) if names and "*" not in names else None


def _hint(unknown: list[str], known: list[str]) -> str:
    """The valid names; where they are too many for a line those that come near, and where all are listed."""
    if len(known) <= 25:
        return ", ".join(known)
    near = get_close_matches(unknown[0], known)
    return ", ".join([*near, f"... (`matrix list` prints all {len(known)})"])
