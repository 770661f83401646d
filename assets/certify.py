"""How one case is brought to a verdict: its endpoints are had, then it runs; whatever happens becomes a result.

Here lives what Dagster, the command and the pytest gate share; how a case runs lives in `matrix_defs.runner`, how many
are under way at a time in `verdicts`.
It may import `matrix_defs` and `resources`.
"""

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from matrix_defs.cases import Case
from matrix_defs.contract import check_case
from matrix_defs.errors import SystemUnavailableError
from matrix_defs.namespace import source_namespace
from matrix_defs.requirements import DRIVER, REACHABLE, requirements
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import DEFAULT_ENDPOINTS, Engines, RunMode, RunSettings, systems
from matrix_defs.runner import run_case
from matrix_defs.systems import System
from matrix_defs.workload import build_workload
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import KIND_VARIABLE, kind_of
from resources.memory import give_back
from resources.project import project
from resources.system import SystemResource

log = logging.getLogger(__name__)


class Services:
    """The systems of one run. Each is asked once, when first needed, for its endpoint and what it offers.

    Whether a case can run, and the reason where it cannot, is said here and nowhere else.
    """

    def __init__(self, resources: Mapping[System, SystemResource], settings: RunSettings, endpoints: str = "") -> None:
        """Choose each system's kind of endpoint: by `endpoints`, else by MATRIX_ENDPOINTS, else by the run mode.

        Raises UsageError for a kind or a system that does not exist.
        """
        self.resources = resources
        self._settings = settings
        chosen = endpoints or os.environ.get(KIND_VARIABLE) or DEFAULT_ENDPOINTS.get(settings.run_mode, "")
        self.kinds = {system: kind_of(system, {KIND_VARIABLE: chosen}) for system in System}
        self._endpoints: dict[System, Endpoint | SystemUnavailableError] = {}
        self._findings: dict[System, dict[str, str]] = {}
        self._looking = {system: threading.RLock() for system in System}

    def endpoint(self, system: System) -> Endpoint:
        """Return the system's running service. Raises SystemUnavailableError with the reason where it cannot be had."""
        if system not in self._endpoints:
            try:
                self._endpoints[system] = self.resources[system].endpoint(self.kinds[system])
            except SystemUnavailableError as refusal:
                self._endpoints[system] = refusal
        held = self._endpoints[system]
        if isinstance(held, SystemUnavailableError):
            raise held
        return held

    def findings(self, system: System) -> Mapping[str, str]:
        """Return by requirement why it is not met, in one line; empty where it is met. What was not asked is absent."""
        with self._looking[system]:
            if system not in self._findings:
                self._findings[system] = self._look(system)
            return self._findings[system]

    def look_at_all(self, cases: Iterable[Case]) -> None:
        """Look at every system of the cases, all at a time: what they start, they start beside one another."""
        if self._settings.run_mode is RunMode.MOCK_CONTRACT:
            return
        with ThreadPoolExecutor(len(System)) as pool:
            list(pool.map(self.findings, {system for case in cases for system in systems(case)}))

    def _look(self, system: System) -> dict[str, str]:
        """Look at one thing after the other; behind a service that cannot be had nothing can be asked."""
        resource = self.resources[system]
        found = {DRIVER: "", **resource.check_here(self.kinds[system])}
        if any(found.values()):
            return found
        try:
            endpoint = self.endpoint(system)
            facts = resource.check(endpoint)
        except SystemUnavailableError as refusal:
            return found | {REACHABLE: _one_line(refusal)}
        told = {name: _told(system, name, fact, endpoint) for name, fact in facts.items()}
        return found | {REACHABLE: ""} | told

    def absence(self, system: System) -> str:
        """Return why the system cannot be had at all, in one line; empty where its service has answered."""
        found = self.findings(system)
        return "" if found.get(REACHABLE) == "" else "; ".join(filter(None, found.values()))

    def unmet(self, case: Case) -> list[str]:
        """Return why the case cannot run here and now, a line for each requirement that is not met."""
        if self._settings.run_mode is RunMode.MOCK_CONTRACT:
            return []
        return [line for system in systems(case) for line in self._unmet(system, case) if line]

    def refusal(self, case: Case) -> str:
        """Return why the case cannot run here and now, in one line; empty if it can."""
        return "; ".join(self.unmet(case))

    def _unmet(self, system: System, case: Case) -> list[str]:
        absence = self.absence(system)
        if absence:
            return [absence]
        found = self.findings(system)
        needed = [requirement.name for requirement in requirements(system) if requirement.needed(case)]
        return [*(found.get(name, "") for name in needed), self._imitation(system)]

    def _imitation(self, system: System) -> str:
        """Return why the system's engine is none that was asked for; empty where it is one, or cannot be had."""
        endpoint = self._endpoints.get(system)
        if self._settings.engines is Engines.REAL and isinstance(endpoint, Endpoint) and endpoint.emulator:
            engine = f"{endpoint.engine} {endpoint.version}"
            return f"{system}: {engine} is an emulator, and only real engines were asked for (--engines real)"
        return ""


def _told(system: System, name: str, fact: str, endpoint: Endpoint) -> str:
    """Return the reason of a requirement that is not met: what is wrong and what to do about it; else nothing."""
    if not fact:
        return ""
    requirement = next(requirement for requirement in requirements(system) if requirement.name == name)
    line = " ".join(fact.split()).removeprefix(f"{system}: ")
    return f"{system}: {line}; {requirement.remedy(**endpoint.names)}"


def certify(case: Case, settings: RunSettings, services: Services, run: str) -> CaseResult:
    """Return the verdict of one case. Only interrupts pass through: any error becomes part of the result."""
    return replace(_certify(case, settings, services, run), run=run)


def _certify(case: Case, settings: RunSettings, services: Services, run: str) -> CaseResult:
    refusal = services.refusal(case)
    if refusal:
        return not_run(case, settings, refusal)
    try:
        if settings.run_mode is RunMode.MOCK_CONTRACT:
            return check_case(case, project())
        return _run(case, settings, services, run)
    except SystemUnavailableError as error:
        return not_run(case, settings, _one_line(error))
    except Exception as error:  # a defect met in one case must not cost the verdicts of the others
        log.exception("%s: no verdict but an error", case.case_id)
        return failed(case, settings, f"{type(error).__name__}: {_one_line(error)}")


def not_run(case: Case, settings: RunSettings, reason: str, run: str = "") -> CaseResult:
    """Return the result of a case that could not run."""
    return _result(case, settings, Verdict.NOT_RUN, reason, run)


def failed(case: Case, settings: RunSettings, reason: str, run: str = "") -> CaseResult:
    """Return the result of a case that broke before it could be judged."""
    return _result(case, settings, Verdict.FAILED, reason, run)


def _run(case: Case, settings: RunSettings, services: Services, run: str) -> CaseResult:
    try:
        return _run_on(case, settings, services, run)
    finally:
        give_back()


def _run_on(case: Case, settings: RunSettings, services: Services, run: str) -> CaseResult:
    source_resource, sink_resource = services.resources[case.source], services.resources[case.sink]
    source_endpoint, sink_endpoint = services.endpoint(case.source), services.endpoint(case.sink)
    table = build_workload(settings.workload).table
    return run_case(
        case,
        source_resource.own_source(source_endpoint, source_namespace(run, case), table),
        sink_resource.own_sink(sink_endpoint),
        settings,
        run=run,
        endpoints={"source": source_endpoint.describe(), "sink": sink_endpoint.describe()},
        losses=tuple(dict.fromkeys((*source_resource.declared_losses(), *sink_resource.declared_losses()))),
    )


def _result(case: Case, settings: RunSettings, verdict: Verdict, reason: str, run: str = "") -> CaseResult:
    return CaseResult(case, settings.run_mode, verdict, reason, settings=vars(settings.workload), run=run)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
