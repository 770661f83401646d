"""The run config of `case_result`: what a user sets in the Launchpad, in a backfill or on the command line.

Here lives the form that Dagster shows and checks; what the values mean lives in `matrix_defs.workload` and `run_modes`.
It may import Dagster and `matrix_defs`.
"""

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from matrix_defs.run_modes import Engines, RunMode, RunSettings
from matrix_defs.workload import WorkloadSpec

RunModeName = Literal["mock_contract", "mock_local", "vendor_live"]
"""The run modes once more: an enum field with a default would take member names in place of the values."""

EnginesName = Literal["any", "real"]

_DEFAULT = WorkloadSpec()


class CaseConfig(dg.Config):
    """Dagster checks names, types and enum values at launch; ranges are checked when the step starts."""

    run_mode: RunModeName = Field("mock_local", description="How far a case goes.")
    endpoints: str = Field(
        "",
        description="`embedded`, `compose`, `external` or `postgres=external,...`; empty: MATRIX_ENDPOINTS, else by run"
        " mode.",
    )
    rows: int = Field(_DEFAULT.rows, description="Ordinary rows of the baseline, at least 50.")
    changed_ratio: float = Field(_DEFAULT.changed_ratio, description="Share of the rows that changes, 0 to 1.")
    deleted_ratio: float = Field(_DEFAULT.deleted_ratio, description="Share of those changes that are deletes, 0 to 1.")
    wide_columns: int = Field(_DEFAULT.wide_columns, description="Sparse columns beside the ordinary ones, 0 to 120.")
    seed: int = Field(_DEFAULT.seed, description="The workload is the same for the same seed.")
    keep_on_failure: bool = Field(False, description="Leave the tables of a failed case in place.")

    engines: EnginesName = Field("any", description="`real`: a case that would need an emulator is not run.")

    jobs: int = Field(RunSettings.jobs, description="Cases under way at a time; each takes longer then.")

    allow_rows: int = Field(RunSettings.allow_rows, description="Most rows that vendor_live takes.")

    def settings(self) -> RunSettings:
        """Return the validated settings. Raises UsageError for a value that no workload can have."""
        workload = WorkloadSpec(
            rows=self.rows,
            changed_ratio=self.changed_ratio,
            deleted_ratio=self.deleted_ratio,
            wide_columns=self.wide_columns,
            seed=self.seed,
        )
        engines, mode = Engines(self.engines), RunMode(self.run_mode)
        return RunSettings(mode, workload, self.keep_on_failure, engines, self.jobs, self.allow_rows)


def config_of(settings: RunSettings, endpoints: str) -> dict[str, Any]:
    """Return the config that a run with these settings is given: what `CaseConfig` reads back."""
    return {
        "run_mode": settings.run_mode.value,
        "endpoints": endpoints,
        "keep_on_failure": settings.keep_on_failure,
        "engines": settings.engines.value,
        "jobs": settings.jobs,
        "allow_rows": settings.allow_rows,
        **vars(settings.workload),
    }
