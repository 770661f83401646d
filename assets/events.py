"""A result as Dagster sees it: the events of one case and their metadata.

Here lives the rendering alone, small on purpose; everything else about a case is in its artifact.
It may import Dagster and `matrix_defs`.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from matrix_defs.jobs import CASE_RESULT
from matrix_defs.result import CaseResult, Check, LoadResult, Verdict

CaseEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

_KEY = dg.AssetKey(CASE_RESULT)


def events(result: CaseResult, artifact: str) -> Iterator[CaseEvent]:
    """Return what is logged for a case: only a passed one is materialized, so that any other shows no green."""
    yield from (_evaluation(result, check) for check in result.checks)
    seen: dict[str, Any] = {
        "asset_key": _KEY,
        "partition": result.case.case_id,
        "description": result.reason or None,
        "metadata": metadata(result, artifact),
    }
    yield dg.AssetMaterialization(**seen) if result.verdict is Verdict.PASSED else dg.AssetObservation(**seen)


def metadata(result: CaseResult, artifact: str) -> dict[str, dg.MetadataValue]:
    """Return the metadata of a verdict; `matrix launch` reads the first seven entries back."""
    summary = result.to_summary()
    shown: dict[str, dg.MetadataValue] = {
        "verdict": dg.MetadataValue.text(summary["verdict"]),
        "reason": dg.MetadataValue.text(summary["reason"]),
        "seconds": dg.MetadataValue.float(summary["seconds"]),
        "checks": dg.MetadataValue.json(summary["checks"]),
        "rows": dg.MetadataValue.int(summary["rows"]),
        "endpoints": dg.MetadataValue.json(summary["endpoints"]),
        "run_mode": dg.MetadataValue.text(str(result.run_mode)),
        "artifact": dg.MetadataValue.path(artifact),
    }
    if result.loads:
        shown["rows_per_second"] = dg.MetadataValue.float(round(result.rows_per_second, 1))
        shown["seconds_by_stage"] = dg.MetadataValue.json({k: round(v, 3) for k, v in result.seconds.items()})
        shown["loads"] = dg.MetadataValue.table([_load(load) for load in result.loads])
    if result.losses:
        shown["declared_losses"] = dg.MetadataValue.md("\n".join(f"- {loss}" for loss in result.losses))
    differences = _differences(result)
    if differences:
        shown["differences"] = dg.MetadataValue.table(differences)
    return shown


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


def _load(load: LoadResult) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "stage": load.stage,
            "staged": load.staged,
            "inserted": load.inserted,
            "updated": load.updated,
            "deleted": load.deleted,
            "seconds": round(sum(load.seconds.values()), 3),
        }
    )


def _differences(result: CaseResult, limit: int = 20) -> list[dg.TableRecord]:
    """The first differing rows over all stages."""
    rows = [(stage, row) for stage, diff in result.diffs.items() for row in diff.first(limit)]
    return [
        dg.TableRecord({"stage": stage, "difference": row["kind"], "row": row["row"], "cells": row.get("cells", "")})
        for stage, row in rows[:limit]
    ]
