"""The result of one case: verdict, checks, counts, evidence, and its two renderings.

Here lives what is reported; how a case is run lives in `runner`, where results are kept in `resources.artifacts`.
It may import `cases`, `compare` and `run_modes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from matrix_defs.cases import Case
from matrix_defs.compare import Diff
from matrix_defs.run_modes import RunMode


class Verdict(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


CONTRACT_CHECK_NAMES = (
    "case_is_canonical",
    "guide_exists",
    "extras_installable",
    "profiles_known",
    "manifest_valid",
    "plan_renders",
    "expectation_holds",
)
"""The checks of `mock_contract`, in the order in which they are shown; those of a case that really runs: `checks`."""


@dataclass(frozen=True)
class Check:
    """One promise that was examined; a check that does not apply to a case is absent from its result."""

    name: str
    passed: bool
    detail: str = ""
    """What was found, in one line; empty when passed."""


@dataclass(frozen=True)
class LoadResult:
    """What one load of a case did."""

    stage: str
    """baseline, changes, replay, returns or emptied."""
    load_id: str
    loaded_at: datetime
    staged: int
    inserted: int
    updated: int
    deleted: int
    position: str | None
    """The committed position as JSON text."""
    statements: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class CaseResult:
    """Everything that is known about one run of one case."""

    case: Case
    run_mode: RunMode
    verdict: Verdict
    reason: str = ""
    """Why it was not run or how it failed, in one line; empty when passed."""
    checks: tuple[Check, ...] = ()
    loads: tuple[LoadResult, ...] = ()
    diffs: Mapping[str, Diff] = field(default_factory=dict)
    """The differences found after a stage, by stage; empty where all rows matched."""
    rows: int = 0
    """Rows moved: staged over all loads."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds per stage of the work: seed, read, stage, steps, read_back, compare; and `total`."""
    endpoints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For `source` and `sink`: system, kind, engine, version, emulator, address. No secret."""
    losses: tuple[str, ...] = ()
    """Declared losses of the two types tables, in words."""
    altered_cells: int = 0
    """Cells of the workload that a declared loss changes."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """rows, changed_ratio, deleted_ratio, wide_columns, seed of the workload."""
    namespace: str = ""
    run: str = ""
    """The name of the run that came to this result; the history tells runs apart by it."""
    started_at: datetime | None = None

    @property
    def emulated(self) -> bool:
        """Whether an emulator stood in for a real engine."""
        return any(endpoint.get("emulator") for endpoint in self.endpoints.values())

    @property
    def rows_per_second(self) -> float:
        """Rows staged per second of loading (reading, staging and steps)."""
        loading = sum(self.seconds.get(stage, 0.0) for stage in ("read", "stage", "steps"))
        return self.rows / loading if loading else 0.0

    def to_json(self) -> dict[str, Any]:
        """The artifact of the case, valid against docs/result.schema.json. Differing rows stay out: see `diffs`."""
        return {
            "case_id": self.case.case_id,
            "source": str(self.case.source),
            "sink": str(self.case.sink),
            "strategy": self.case.strategy_name,
            "run_mode": str(self.run_mode),
            "verdict": str(self.verdict),
            "reason": self.reason,
            "emulated": self.emulated,
            "run": self.run,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "namespace": self.namespace,
            "settings": dict(self.settings),
            "endpoints": {role: dict(facts) for role, facts in self.endpoints.items()},
            "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in self.checks],
            "rows": self.rows,
            "rows_per_second": round(self.rows_per_second, 1),
            "seconds": {stage: round(value, 6) for stage, value in self.seconds.items()},
            "losses": list(self.losses),
            "altered_cells": self.altered_cells,
            "loads": [_load_json(load) for load in self.loads],
            "differences": {stage: diff.summary() for stage, diff in self.diffs.items()},
        }

    def to_summary(self) -> dict[str, Any]:
        """One entry of `matrix run --format json`."""
        return {
            "case_id": self.case.case_id,
            "verdict": str(self.verdict),
            "emulated": self.emulated,
            "reason": self.reason,
            "seconds": round(self.seconds.get("total", 0.0), 3),
            "checks": {check.name: check.passed for check in self.checks},
            "rows": self.rows,
            "endpoints": {role: dict(facts) for role, facts in self.endpoints.items()},
        }


def _load_json(load: LoadResult) -> dict[str, Any]:
    return {
        "stage": load.stage,
        "load_id": load.load_id,
        "loaded_at": load.loaded_at.isoformat(timespec="microseconds"),
        "staged": load.staged,
        "inserted": load.inserted,
        "updated": load.updated,
        "deleted": load.deleted,
        "position": load.position,
        "statements": list(load.statements),
        "seconds": {stage: round(value, 6) for stage, value in load.seconds.items()},
    }
