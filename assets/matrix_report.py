"""`matrix_report`: the latest verdicts of a run mode as counts that add up to 250 and as the 5 x 5 grid.

Here lives the picture for the Dagster UI, drawn from the artifacts; the terminal's is in `matrix_defs.cli_grid`.
It may import Dagster, `matrix_defs` and `resources`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from assets.case_result import case_result
from assets.config import RunModeName
from matrix_defs.cases import CASES, EXCLUSIONS
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.strategies import STRATEGIES
from matrix_defs.summary import Mark, Totals, marks
from matrix_defs.systems import FACTS, SINKS, SOURCES
from resources.artifacts import ArtifactStore

_SQUARES = {Mark.PASSED: "🟩", Mark.FAILED: "🟥", Mark.NOT_RUN: "⬜", Mark.NOT_SELECTED: "⬜", Mark.EXCLUDED: "▫️"}
_NEVER_RUN = {"verdict": Verdict.NOT_RUN, "emulated": False, "reason": "has not been run"}


class ReportConfig(dg.Config):
    """Which verdicts to report."""

    run_mode: RunModeName = Field("mock_local", description="The run mode whose artifacts are read.")


@dg.asset(deps=[case_result])
def matrix_report(config: ReportConfig, artifacts: dg.ResourceParam[ArtifactStore]) -> dg.MaterializeResult[None]:
    """Where the whole matrix stands: passed + failed + not_run + excluded = 250."""
    found = artifacts.read(RunMode(config.run_mode))
    records = {case.case_id: found.get(case.case_id, _NEVER_RUN) for case in CASES}
    verdicts = {case_id: Verdict(record["verdict"]) for case_id, record in records.items()}
    outcomes = ((Verdict(record["verdict"]), record["emulated"]) for record in records.values())
    totals = Totals.of(outcomes, len(EXCLUSIONS))
    return dg.MaterializeResult(
        metadata={
            **vars(totals),
            "run_mode": config.run_mode,
            "grid": dg.MetadataValue.md(_grid(verdicts)),
            "failed_cases": dg.MetadataValue.md(_failed(records)),
            "not_run_reasons": dg.MetadataValue.md(_reasons(records)),
        }
    )


def _grid(verdicts: Mapping[str, Verdict]) -> str:
    lines = ["| source \\ sink | " + " | ".join(FACTS[sink].label for sink in SINKS) + " |", "|---" * 6 + "|"]
    for source in SOURCES:
        cells = ["".join(_SQUARES[mark] for mark in marks(source, sink, verdicts)) for sink in SINKS]
        lines.append(f"| **{FACTS[source].label}** | " + " | ".join(cells) + " |")
    legend = "🟩 passed, 🟥 failed, ⬜ not run, ▫️ excluded. Squares from left to right: " + ", ".join(STRATEGIES)
    return "\n".join([*lines, "", legend])


def _failed(records: Mapping[str, Mapping[str, Any]]) -> str:
    failed = [f"- `{case_id}`: {r['reason']}" for case_id, r in records.items() if r["verdict"] == Verdict.FAILED]
    return "\n".join(failed) or "none"


def _reasons(records: Mapping[str, Mapping[str, Any]]) -> str:
    reasons = Counter(record["reason"] for record in records.values() if record["verdict"] == Verdict.NOT_RUN)
    return "\n".join(f"- {count} x {reason}" for reason, count in reasons.most_common()) or "none"
