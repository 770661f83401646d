"""Certifying chosen cases in this process through Dagster's own machinery: no daemon, verdicts seen in the UI.

Here lives what `matrix run` does between its options and its output; the assets that it runs are defined beside it.
It may import Dagster, `matrix_defs` and `resources`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.execution.plan.objects import ErrorSource

from assets.certify import Services, failed, not_run
from assets.config import config_of
from assets.lost_runs import holding
from assets.matrix_report import matrix_report
from matrix_defs.cases import Case
from matrix_defs.jobs import CASE_RESULT, job_name
from matrix_defs.namespace import new_run
from matrix_defs.partitions import range_tags
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunMode, RunSettings
from resources.artifacts import ArtifactStore

log = logging.getLogger(__name__)

OnResult = Callable[[CaseResult], None]


class ToldStore:
    """An artifact store that keeps every result that passes through it, and tells a listener once it is written."""

    def __init__(self, store: ArtifactStore, on_result: OnResult) -> None:
        self.results: dict[Case, CaseResult] = {}
        self._store = store
        self._on_result = on_result

    def check_writable(self) -> None:
        """As the store."""
        self._store.check_writable()

    def write(self, result: CaseResult) -> str:
        """As the store, then tell."""
        path = self._store.write(result)
        self.results[result.case] = result
        self._on_result(result)
        return path

    def read(self, run_mode: RunMode) -> Mapping[str, dict[str, Any]]:
        """As the store."""
        return self._store.read(run_mode)

    def read_rows(self, run_mode: RunMode, case_id: str) -> pa.Table | None:
        """As the store."""
        return self._store.read_rows(run_mode, case_id)

    def place(self, name: str) -> str:
        """As the store."""
        return self._store.place(name)

    def write_text(self, name: str, text: str) -> str:
        """As the store."""
        return self._store.write_text(name, text)


def sort_out(cases: Sequence[Case], settings: RunSettings, services: Services, told: ToldStore) -> list[Case]:
    """Return the cases that can run; the others get their result, with the reason."""
    run = new_run()
    services.look_at_all(cases)
    refusals = {case: services.refusal(case) for case in cases}
    for case, refusal in refusals.items():
        if refusal:
            told.write(not_run(case, settings, refusal, run))
    return [case for case, refusal in refusals.items() if not refusal]


def run_in_process(
    defs: dg.Definitions,
    runs: Sequence[Sequence[Case]],
    settings: RunSettings,
    *,
    endpoints: str,
    told: ToldStore,
    instance: dg.DagsterInstance,
    history: str = "",
) -> None:
    """Bring every case of the runs to a verdict in `told`, the store that `defs` were built with.

    A run holds neighbours. At the end the report is drawn anew; that it could not be written costs no verdict, so it is
    only logged.
    """
    job = defs.resolve_job_def(job_name(settings.run_mode))
    config = {"ops": {CASE_RESULT: {"config": config_of(settings, endpoints)}}}
    with holding(instance) as held:
        for neighbours in runs:
            outcome = _execute(job, config, instance, {**range_tags(neighbours), **held})
            for case in neighbours:
                if case not in told.results:
                    reason = f"Dagster run {outcome.run_id} ended before the case had a verdict"
                    told.write(failed(case, settings, reason, new_run()))
        report = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={matrix_report.key})
        wanted = {"run_mode": settings.run_mode.value, "history": history}
        outcome = _execute(report, {"ops": {matrix_report.op.name: {"config": wanted}}}, instance, held)
    for event in outcome.all_events:
        if event.is_step_failure:
            log.error("the report was not written: %s", event.step_failure_data.error_display_string.splitlines()[0])


def _execute(
    job: dg.JobDefinition, config: dict[str, Any], instance: dg.DagsterInstance, tags: Mapping[str, str]
) -> dg.ExecuteInProcessResult:
    """Run a job here. The terminal belongs to the command, so Dagster logs to its instance alone.

    Raises KeyboardInterrupt when the run was interrupted: Dagster takes the signal for itself and fails the step.
    """
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    outcome = job.execute_in_process(
        run_config={**config, **quiet}, instance=instance, tags=dict(tags), raise_on_error=False
    )
    failures = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    if any(failure.error_source is ErrorSource.INTERRUPT for failure in failures):
        raise KeyboardInterrupt
    return outcome
