"""The manual jobs: one per run mode, over the partitions of `case_result`.

Here lives what a job presets; nothing schedules one and no sensor starts one. What a case does lives in `assets`.
It may import Dagster, `run_modes` and the names of the checks.
"""

import dagster as dg

from matrix_defs.checks import CHECK_NAMES
from matrix_defs.result import CONTRACT_CHECK_NAMES
from matrix_defs.run_modes import RunMode

CASE_RESULT = "case_result"
"""The name of the asset, of its op and so of its place in run config."""


def check_names(mode: RunMode) -> tuple[str, ...]:
    """The checks that cases can have in a mode: others would stay unanswered in its runs."""
    return CONTRACT_CHECK_NAMES if mode is RunMode.MOCK_CONTRACT else CHECK_NAMES


def job_name(mode: RunMode) -> str:
    """The name of a run mode's job."""
    return f"{mode}_job"


def _selection(mode: RunMode) -> dg.AssetSelection:
    checks = [dg.AssetCheckKey(dg.AssetKey(CASE_RESULT), name) for name in check_names(mode)]
    return dg.AssetSelection.assets(CASE_RESULT).without_checks() | dg.AssetSelection.checks(*checks)


JOBS = tuple(
    dg.define_asset_job(
        job_name(mode),
        _selection(mode),
        config={"ops": {CASE_RESULT: {"config": {"run_mode": mode.value}}}},
        tags={"run_mode": mode.value},
        executor_def=dg.in_process_executor,
        description=f"Certify the chosen cases in run mode {mode}.",
    )
    for mode in RunMode
)
"""One job per run mode, started by hand."""
