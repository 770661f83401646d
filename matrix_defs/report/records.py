"""A record is what the artifact of one case says; here lives what every form of the report asks of it.

How records are kept is the matter of `resources.artifacts`, how they are shown that of the modules beside this one.
It may import the pure parts of `matrix_defs`.
"""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from matrix_defs.cases import CASES, CASES_BY_ID, EXCLUSIONS
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import DEFAULT_ENDPOINTS, RunMode
from matrix_defs.summary import Totals
from matrix_defs.workload import WorkloadSpec

Record = Mapping[str, Any]
Records = Mapping[str, Record]
"""By case_id, in canonical order."""

NEVER_RUN = "has not been run"
"""The reason of a case that has no artifact."""

_DEFAULT = WorkloadSpec()


def complete(found: Records, run_mode: RunMode) -> dict[str, Record]:
    """Return a record of every one of the 200 cases; one without an artifact is `not_run`."""
    return {case.case_id: found.get(case.case_id) or _absent(case.case_id, run_mode) for case in CASES}


def _absent(case_id: str, run_mode: RunMode) -> Record:
    return CaseResult(CASES_BY_ID[case_id], run_mode, Verdict.NOT_RUN, NEVER_RUN).to_json()


def verdicts(records: Records) -> dict[str, Verdict]:
    """Return the verdict of each case."""
    return {case_id: Verdict(record["verdict"]) for case_id, record in records.items()}


def totals(records: Records) -> Totals:
    """Return the counts, which over all 200 cases and the exclusions add up to 250."""
    outcomes = ((Verdict(record["verdict"]), record["emulated"]) for record in records.values())
    return Totals.of(outcomes, len(EXCLUSIONS))


def of_verdict(records: Records, verdict: Verdict) -> dict[str, Record]:
    """Return the records with that verdict."""
    return {case_id: record for case_id, record in records.items() if record["verdict"] == verdict}


def not_run_reasons(records: Records) -> list[tuple[str, int]]:
    """Return why cases were not run and how many cases each reason keeps back, most first."""
    return Counter(record["reason"] for record in of_verdict(records, Verdict.NOT_RUN).values()).most_common()


def engines(record: Record) -> dict[str, str]:
    """Return engine and version of the record's endpoints by role; an emulator says that it is one."""
    return {
        role: f"{facts['engine']} {facts['version']}".strip() + (" (emulator)" if facts["emulator"] else "")
        for role, facts in record["endpoints"].items()
    }


def skipped(records: Records) -> dict[str, dict[str, str]]:
    """Return by engine what it lacks of the system that it stands for, and why; one that lacks nothing is absent."""
    found: dict[str, dict[str, str]] = {}
    for record in records.values():
        told = engines(record)
        for role, facts in record["endpoints"].items():
            if facts.get("lacks"):  # artifacts of older versions do not say it
                found.setdefault(told[role], {}).update(facts["lacks"])
    return found


def repeat_command(record: Record) -> str:
    """Return the command that repeats the case as it was run: settings are named where they are not the default."""
    words = ["matrix", "run", "--run-mode", record["run_mode"], "--case-id", record["case_id"]]
    if record["run_mode"] != RunMode.MOCK_CONTRACT:  # its workload is fixed
        words += _settings(record["settings"])
        words += _endpoints(record)
    return shlex.join(words)


def _settings(settings: Mapping[str, Any]) -> Iterator[str]:
    for field in fields(WorkloadSpec):
        default = getattr(_DEFAULT, field.name)
        if settings.get(field.name, default) != default:
            yield from (f"--{field.name.replace('_', '-')}", str(settings[field.name]))


def _endpoints(record: Record) -> list[str]:
    usual = DEFAULT_ENDPOINTS.get(RunMode(record["run_mode"]))
    kinds = {facts["system"]: facts["kind"] for facts in record["endpoints"].values()}
    unusual = [f"{system}={kind}" for system, kind in kinds.items() if kind != usual]
    return ["--endpoints", ",".join([*filter(None, [usual]), *unusual])] if unusual else []
