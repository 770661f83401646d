"""`case_result`: one asset over 200 partitions, each the verdict of one case.

Here lives how one run carries many cases and gives each its own verdict; how they come to it lives in `verdicts`.
It may import Dagster, `matrix_defs` and `resources`.

A skippable multi-asset that logs its events itself is the one form in which a range run can leave single partitions
unmaterialized: with a returned or yielded MaterializeResult Dagster marks every partition of the range.
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from assets.certify import Services
from assets.config import CaseConfig
from assets.events import case_tags, events
from assets.verdicts import Verdicts
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.errors import UsageError
from matrix_defs.jobs import CASE_RESULT, check_names
from matrix_defs.partitions import CASE_PARTITIONS
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.systems import System
from resources.artifacts import ArtifactStore
from resources.report import PAGE

_CHECK_NAMES = dict.fromkeys(name for mode in RunMode for name in check_names(mode))

with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.PreviewWarning)  # partitioned checks are a preview in Dagster 1.13
    _CHECK_SPECS = [dg.AssetCheckSpec(n, asset=CASE_RESULT, partitions_def=CASE_PARTITIONS) for n in _CHECK_NAMES]


@dg.multi_asset(
    name=CASE_RESULT,
    specs=[
        dg.AssetSpec(
            CASE_RESULT,
            description="Green passed, red failed; what could not run is observed, with its reason.",
            partitions_def=CASE_PARTITIONS,
            skippable=True,
        )
    ],
    partitions_def=CASE_PARTITIONS,
    check_specs=_CHECK_SPECS,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={*(system.value for system in System), "artifacts", "verdicts"},
)
def case_result(context: dg.AssetExecutionContext, config: CaseConfig) -> Iterator[dg.Output[None]]:
    """Certify every case of the run, then fail the run if any of them failed."""
    store: ArtifactStore = context.resources.artifacts
    try:
        settings = config.settings()
        resources = {system: getattr(context.resources, system.value) for system in System}
        services = Services(resources, settings, config.endpoints)
        store.check_writable()
    except UsageError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.instance.add_run_tags(context.run.run_id, case_tags(CASES_BY_ID[key] for key in context.partition_keys))
    verdicts: Verdicts = context.resources.verdicts
    failed = []
    for result in verdicts.of([CASES_BY_ID[case_id] for case_id in context.partition_keys], settings, services):
        artifact = store.write(result)
        for event in events(result, artifact, store.place(PAGE)):
            context.log_event(event)
        if result.verdict is Verdict.FAILED:
            failed.append(result.case.case_id)
    if failed:
        shown = ", ".join(failed[:5]) + (" ..." if len(failed) > 5 else "")
        raise dg.Failure(f"{len(failed)} of {len(context.partition_keys)} cases failed: {shown}", allow_retries=False)
    yield from ()
