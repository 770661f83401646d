"""A result as Dagster sees it: the events of one case and their metadata.

Here lives the rendering alone, small on purpose; everything else about a case is in its artifact.
It may import Dagster and `matrix_defs`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from matrix_defs.cases import Case
from matrix_defs.jobs import CASE_RESULT
from matrix_defs.result import CaseResult, Check, LoadResult, Verdict

CaseEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

_KEY = dg.AssetKey(CASE_RESULT)


def events(result: CaseResult, artifact: str, report: str) -> Iterator[CaseEvent]:
    """Return what is logged for a case: only a passed one is materialized, so that any other shows no green.

    `artifact` and `report` are where its evidence lies and where the report is written.
    """
    yield from (_evaluation(result, check) for check in result.checks)
    seen: dict[str, Any] = {
        "asset_key": _KEY,
        "partition": result.case.case_id,
        "description": result.reason or None,
        "metadata": metadata(result, artifact, report),
    }
    yield dg.AssetMaterialization(**seen) if result.verdict is Verdict.PASSED else dg.AssetObservation(**seen)


def case_tags(cases: Iterable[Case]) -> dict[str, str]:
    """Return what the search of the Dagster UI finds the run of these cases by: each name once, in order."""
    found = list(cases)
    names = {
        "source": dict.fromkeys(str(case.source) for case in found),
        "sink": dict.fromkeys(str(case.sink) for case in found),
        "strategy": dict.fromkeys(case.strategy_name for case in found),
    }
    return {tag: ",".join(values) for tag, values in names.items()}


def link(place: str) -> dg.MetadataValue:
    """Return a place as the UI can show it: browsers follow no link to a local file, so that is a text to copy."""
    bucket = place.removeprefix("gs://")
    if bucket != place:
        return dg.MetadataValue.url(f"https://storage.cloud.google.com/{bucket}")
    return dg.MetadataValue.path(place)


def metadata(result: CaseResult, artifact: str, report: str) -> dict[str, dg.MetadataValue]:
    """Return the metadata of a verdict: what fits on a screen first, the long entries after it.

    `matrix launch` reads verdict, reason, seconds, rows, checks and endpoints back.
    """
    summary, differences = result.to_summary(), _differences(result)
    shown: dict[str, dg.MetadataValue | None] = {
        "verdict": dg.MetadataValue.text(summary["verdict"]),
        "reason": dg.MetadataValue.text(summary["reason"]),
        "report": link(f"{report}#case={result.case.case_id}"),
        "artifact": link(artifact),
        "run_mode": dg.MetadataValue.text(str(result.run_mode)),
        "seconds": dg.MetadataValue.float(summary["seconds"]),
        "rows": dg.MetadataValue.int(summary["rows"]),
        "rows_per_second": dg.MetadataValue.float(round(result.rows_per_second, 1)) if result.loads else None,
        "loads": dg.MetadataValue.table(_loads(result.loads)) if result.loads else None,
        "differences": dg.MetadataValue.table(differences) if differences else None,
        "declared_losses": _losses(result) if result.losses else None,
        "checks": dg.MetadataValue.json(summary["checks"]),
        "endpoints": dg.MetadataValue.json(summary["endpoints"]),
        "seconds_by_stage": _seconds(result) if result.loads else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _losses(result: CaseResult) -> dg.MetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {loss}" for loss in result.losses))


def _seconds(result: CaseResult) -> dg.MetadataValue:
    return dg.MetadataValue.json({stage: round(value, 3) for stage, value in result.seconds.items()})


def _evaluation(result: CaseResult, check: Check) -> dg.AssetCheckEvaluation:
    found: dict[str, Any] = {}
    if not check.passed:
        found["detail"] = dg.MetadataValue.text(check.detail)
        differences = _differences(result)
        if differences:
            found["differences"] = dg.MetadataValue.table(differences)
    return dg.AssetCheckEvaluation(
        asset_key=_KEY, check_name=check.name, passed=check.passed, metadata=found, partition=result.case.case_id
    )


def _loads(loads: Sequence[LoadResult]) -> list[dg.TableRecord]:
    """One line per stage: a backfill makes a load per day, which would not fit on a screen."""
    stages = {load.stage: [other for other in loads if other.stage == load.stage] for load in loads}
    counts = ("staged", "inserted", "updated", "deleted")
    return [
        dg.TableRecord(
            {
                "stage": stage,
                "loads": len(made),
                **{name: sum(getattr(load, name) for load in made) for name in counts},
                "seconds": round(sum(sum(load.seconds.values()) for load in made), 3),
            }
        )
        for stage, made in stages.items()
    ]


def _differences(result: CaseResult, limit: int = 20) -> list[dg.TableRecord]:
    """The first differing rows over all stages."""
    rows = [(stage, row) for stage, diff in result.diffs.items() for row in diff.first(limit)]
    return [
        dg.TableRecord({"stage": stage, "difference": row["kind"], "row": row["row"], "cells": row.get("cells", "")})
        for stage, row in rows[:limit]
    ]
