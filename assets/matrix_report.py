"""`matrix_report`: the latest verdicts of a run mode as counts that add up to 250, as the 5 x 5 grid and as a page.

Here lives what the Dagster UI shows of the report; what it says is in `matrix_defs.report`, its files are written by
`resources.report`. It may import Dagster, `matrix_defs` and `resources`.
"""

import dagster as dg
from pydantic import Field

from assets.case_result import case_result
from assets.config import RunModeName
from assets.events import link
from matrix_defs.errors import UsageError
from matrix_defs.report import markdown
from matrix_defs.report.records import totals
from matrix_defs.run_modes import RunMode
from resources.artifacts import ArtifactStore
from resources.report import write_report


class ReportConfig(dg.Config):
    """Which verdicts to report."""

    run_mode: RunModeName = Field("mock_local", description="The run mode whose artifacts are read.")
    history: str = Field("", description="A file that results are appended to; the report then shows what changed.")


@dg.asset(deps=[case_result])
def matrix_report(config: ReportConfig, artifacts: dg.ResourceParam[ArtifactStore]) -> dg.MaterializeResult[None]:
    """Where the whole matrix stands: passed + failed + not_run + excluded = 250."""
    try:
        written = write_report(artifacts, RunMode(config.run_mode), config.history)
    except UsageError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    shown: dict[str, dg.MetadataValue | int | str] = {
        **vars(totals(written.records)),
        "run_mode": config.run_mode,
        "grid": dg.MetadataValue.md(markdown.grid(written.records)),
        "failed_cases": dg.MetadataValue.md(markdown.failed(written.records)),
        "not_run_reasons": dg.MetadataValue.md(markdown.reasons(written.records)),
        "report": link(written.page),
        "junit": link(written.junit),
        "summary": link(written.summary),
    }
    if written.changes:
        shown["since_the_previous_run"] = dg.MetadataValue.md(markdown.since(written.changes))
    return dg.MaterializeResult(metadata=shown)
