"""The checks of `mock_contract`: what must be true of every case before any service is started.

Here live the seven checks; plans are looked at in `contract_plans`, expectations in `contract_expectation`. What lies
outside of the definitions comes as `Project`. It may import the pure modules of this package.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from matrix_defs.cases import CASES, CASES_BY_ID, Case
from matrix_defs.contract_expectation import expectation_flaw
from matrix_defs.contract_plans import Planner, plan_flaw
from matrix_defs.manifest import manifest
from matrix_defs.result import CONTRACT_CHECK_NAMES, CaseResult, Check, Verdict
from matrix_defs.run_modes import RunMode, extras, profiles
from matrix_defs.systems import Profile, System
from matrix_defs.workload import WorkloadSpec, build_workload

CONTRACT_SPEC = WorkloadSpec(rows=50, wide_columns=15)
"""The workload of `mock_contract`: every trap, every logical type, and few rows, because none of them is moved."""


@dataclass(frozen=True)
class Project:
    """What the checks look at besides the definitions."""

    planners: Mapping[System, Planner]
    """The plans of each sink."""
    profiles: frozenset[Profile]
    """The profiles that some system's resource answers for."""
    guides: frozenset[str]
    """File names of the guides that exist."""
    extra_flaws: Mapping[str, str]
    """For each declared extra why it could not be installed; empty where it could."""
    manifest_flaw: Callable[[Mapping[str, Any]], str]
    """Returns why a manifest does not fit its published schema; empty where it does."""


def guide_name(source: System, sink: System) -> str:
    """Return the file name of a pair's guide."""
    return f"{source}-to-{sink}.md"


def check_case(case: Case, project: Project) -> CaseResult:
    """Return the verdict on a case's contract: every check has run, nothing was started."""
    started = perf_counter()
    checks = tuple(Check(name, not detail, detail) for name, detail in _details(case, project))
    reason = "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)
    return CaseResult(
        case=case,
        run_mode=RunMode.MOCK_CONTRACT,
        verdict=Verdict.FAILED if reason else Verdict.PASSED,
        reason=reason,
        checks=checks,
        seconds={"total": perf_counter() - started},
        settings=vars(CONTRACT_SPEC),
    )


def _details(case: Case, project: Project) -> Iterator[tuple[str, str]]:
    """Yield each check with what it found. On a case that is none the other checks have nothing to say."""
    for name in CONTRACT_CHECK_NAMES:
        detail = _CHECKS[name](case, project)
        yield name, detail
        if detail and name == "case_is_canonical":
            return


def _case_is_canonical(case: Case, project: Project) -> str:
    known = CASES_BY_ID.get(case.case_id)
    return "" if known == case and case in CASES else f"{case.case_id} is none of the {len(CASES)} cases of the matrix"


def _guide_exists(case: Case, project: Project) -> str:
    name = guide_name(case.source, case.sink)
    return "" if name in project.guides else f"docs/source-sink/{name} does not exist; run `matrix docs`"


def _extras_installable(case: Case, project: Project) -> str:
    flaws = {extra: project.extra_flaws.get(extra, "not declared in pyproject.toml") for extra in extras(case)}
    return "; ".join(f"extra {extra}: {flaw}" for extra, flaw in flaws.items() if flaw)


def _profiles_known(case: Case, project: Project) -> str:
    needed = {str(profile): profile for mode in RunMode for profile in profiles(case, mode)}
    unknown = [name for name, profile in needed.items() if profile not in project.profiles]
    return f"no system answers for {', '.join(unknown)}" if unknown else ""


def _manifest_valid(case: Case, project: Project) -> str:
    return project.manifest_flaw(manifest(case))


def _plan_renders(case: Case, project: Project) -> str:
    return plan_flaw(case, build_workload(CONTRACT_SPEC), project.planners[case.sink])


def _expectation_holds(case: Case, project: Project) -> str:
    return expectation_flaw(case, CONTRACT_SPEC)


_CHECKS: dict[str, Callable[[Case, Project], str]] = {
    "case_is_canonical": _case_is_canonical,
    "guide_exists": _guide_exists,
    "extras_installable": _extras_installable,
    "profiles_known": _profiles_known,
    "manifest_valid": _manifest_valid,
    "plan_renders": _plan_renders,
    "expectation_holds": _expectation_holds,
}
