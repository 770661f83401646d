"""Run modes, the settings of a run, and what each case needs in each mode.

Here live names and validation; whether a need is met is probed by `resources.endpoints`.
It may import `cases`, `systems`, `workload` and `errors`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from matrix_defs.cases import Case
from matrix_defs.errors import UsageError
from matrix_defs.systems import FACTS, Profile, System
from matrix_defs.workload import WorkloadSpec


class RunMode(StrEnum):
    """How far a case goes."""

    MOCK_CONTRACT = "mock_contract"
    """Nothing starts: definitions, plans and the oracle's own invariants are checked."""
    MOCK_LOCAL = "mock_local"
    """Local services without credentials; rows really move."""
    VENDOR_LIVE = "vendor_live"
    """The caller's own services, found through the environment."""


class Engines(StrEnum):
    """Which engines may serve a case."""

    ANY = "any"
    """Emulators too; their results say so."""
    REAL = "real"
    """A case that would need an emulator is not run."""


DEFAULT_ENDPOINTS: dict[RunMode, str] = {RunMode.MOCK_LOCAL: "embedded", RunMode.VENDOR_LIVE: "external"}
"""The kind of endpoint that a mode uses unless told otherwise."""


@dataclass(frozen=True)
class RunSettings:
    """What a user chooses for a run; equal for all cases of it."""

    run_mode: RunMode = RunMode.MOCK_LOCAL
    workload: WorkloadSpec = field(default_factory=WorkloadSpec)
    keep_on_failure: bool = False
    """Leave the namespace of a failed case in place for inspection."""
    engines: Engines = Engines.ANY
    jobs: int = 1
    """How many cases are under way at a time. They share the machine, so that each takes longer."""

    allow_rows: int = 100_000
    """The most rows that `vendor_live` takes: what they cost, in time and money, is not ours."""

    def __post_init__(self) -> None:
        if self.run_mode is RunMode.VENDOR_LIVE and self.workload.rows > self.allow_rows:
            raise UsageError(
                f"rows is {self.workload.rows}; vendor_live takes at most {self.allow_rows}:"
                f" give fewer, or --allow-rows {self.workload.rows} if the services are yours to burden"
            )
        if self.jobs < 1:
            raise UsageError(f"jobs is {self.jobs}; at least 1 case must be under way at a time")


def systems(case: Case) -> tuple[System, ...]:
    """The distinct systems of a case, source first."""
    return tuple(dict.fromkeys((case.source, case.sink)))


def profiles(case: Case, mode: RunMode) -> tuple[Profile, ...]:
    """The profiles that a case needs in a mode: none in `mock_contract`."""
    if mode is RunMode.MOCK_CONTRACT:
        return ()
    return tuple(FACTS[system].profile for system in systems(case))


def extras(case: Case) -> tuple[str, ...]:
    """The extras of pyproject.toml that bring the case's drivers."""
    return tuple(dict.fromkeys(extra for system in systems(case) for extra in FACTS[system].extras))
