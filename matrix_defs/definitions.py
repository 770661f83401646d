"""The composition root: assets, jobs and resources as one Dagster code location, and what the command does with it.

Here lives what is put together, for Dagster as `defs`, for tests and the command as functions; nothing is decided here.
It is the only module of this package that may import `assets` and `resources`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import ValidationError

from assets.case_inventory import case_inventory
from assets.case_result import case_result
from assets.certify import Services, certify
from assets.cleanup import Search, older_than, search
from assets.cleanup import remove as remove  # what `matrix cleanup --yes` calls
from assets.config import config_of
from assets.doctor import examine
from assets.in_process import OnResult, ToldStore, run_in_process, sort_out
from assets.instance import open_instance
from assets.matrix_report import matrix_report
from assets.verdicts import Verdicts, ahead, in_turn
from matrix_defs.cases import Case
from matrix_defs.errors import UsageError
from matrix_defs.jobs import CASE_RESULT, JOBS
from matrix_defs.namespace import new_run
from matrix_defs.partitions import ranges
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from resources.artifacts import ArtifactStore
from resources.docs import write_docs as write_docs  # what `matrix docs` calls
from resources.endpoints.external import VARIABLES
from resources.endpoints.registry import ENDPOINTS, environment_lines
from resources.registry import RESOURCES
from resources.report import PAGE, read_history
from resources.report import write_report as write_report  # what `matrix report` calls
from resources.system import SystemResource

ARTIFACT_VARIABLE = "MATRIX_ARTIFACT_DIR"


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return everything that Dagster sees; `resource_overrides` replaces resources by key, such as `postgres`."""
    systems = {system.value: system_resource(system) for system in System}
    return dg.Definitions(
        assets=[case_result, case_inventory, matrix_report],
        jobs=JOBS,
        resources={**systems, "artifacts": artifact_store(), "verdicts": Verdicts(), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


def system_resource(system: System, value_of: Callable[[str], str] = dg.EnvVar) -> SystemResource:
    """Return the system's resource, its fields taken from the variables that are set; others keep their default.

    A text refers to its variable, so that Dagster neither shows nor stores a password; numbers and flags are read now.
    (A reference to an unset variable would make every launch fail, also of cases that do not need the system.)
    Raises UsageError for a value that the field does not take.
    """
    kind = RESOURCES[system]
    known = [v for v in VARIABLES if v.system is system and v.field in kind.model_fields]
    names = {v.field: v.name for v in known if os.environ.get(v.name)}
    texts = {field for field in names if kind.model_fields[field].annotation is str}
    try:
        return kind(**{f: value_of(name) if f in texts else os.environ[name] for f, name in names.items()})
    except ValidationError as error:
        flaw = error.errors()[0]
        raise UsageError(f"{names[str(flaw['loc'][0])]} is {flaw['input']!r}: {flaw['msg']}") from None


def artifact_store(folder: str = "") -> ArtifactStore:
    """Return the store of artifacts in `folder`, else where MATRIX_ARTIFACT_DIR says, else in `artifacts`."""
    chosen = folder or os.environ.get(ARTIFACT_VARIABLE)
    return ArtifactStore(folder=chosen or "artifacts")


class Session:
    """What one command does with the matrix. Services that it starts end with it."""

    def __init__(self, settings: RunSettings, endpoints: str, artifacts: str, history: str = "") -> None:
        """Raises UsageError, before anything starts, for a folder or a history that cannot be written, and for unknown
        endpoints.
        """
        self._settings, self._endpoints, self._artifacts, self._history = settings, endpoints, artifacts, history
        self._store = artifact_store(artifacts)
        self._store.check_writable()
        if history:
            read_history(history)
        self._services = services(settings, endpoints)
        self._run = new_run()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        stop_services()

    def run(self, cases: Sequence[Case], on_result: OnResult) -> dict[Case, CaseResult]:
        """Certify the cases in this process; those that cannot run are told and kept with the reason."""
        told = ToldStore(self._store, on_result)
        with open_instance() as instance:
            runs = in_turn(ranges(sort_out(cases, self._settings, self._services, told)))
            with ahead(runs, self._settings, self._services) as verdicts:
                defs = build_defs({"artifacts": told, "verdicts": verdicts})
                chosen = {"endpoints": self._endpoints, "history": self._history}
                run_in_process(defs, runs, self._settings, told=told, instance=instance, **chosen)
        return told.results

    @property
    def report(self) -> str:
        """Where `run` has the report written."""
        return self._store.place(PAGE)

    def certify(self, case: Case) -> CaseResult:
        """Certify one case here, without a Dagster run, and keep its result."""
        result = certify(case, self._settings, self._services, self._run)
        self._store.write(result)
        return result

    def sort_out(self, cases: Sequence[Case], on_result: OnResult) -> tuple[list[Case], dict[Case, CaseResult]]:
        """Return the cases that can run here, and the results of the others, told and kept."""
        told = ToldStore(self._store, on_result)
        return sort_out(cases, self._settings, self._services, told), told.results

    def run_config(self) -> dict[str, Any]:
        """Return the run config by which a running Dagster certifies as this session would."""
        config: dict[str, Any] = {"ops": {CASE_RESULT: {"config": config_of(self._settings, self._endpoints)}}}
        if self._artifacts:
            config["resources"] = {"artifacts": {"config": {"folder": self._store.absolute}}}
        return config


def services(settings: RunSettings, endpoints: str = "") -> Services:
    """Return the systems outside of a Dagster run. Raises UsageError for endpoints that do not exist."""
    resources = {system: system_resource(system, os.environ.__getitem__) for system in System}
    return Services(resources, settings, endpoints)


def look_at(cases: Sequence[Case], settings: RunSettings, endpoints: str) -> dict[str, Any]:
    """Return what `matrix doctor` finds, as JSON-able values. Raises UsageError for endpoints that do not exist."""
    return examine(cases, settings, services(settings, endpoints)).to_json()


def leftovers(age: str, endpoints: str) -> Search:
    """Return what runs have left on external endpoints. Raises UsageError for an age or endpoints that cannot be."""
    return search(services(RunSettings(RunMode.VENDOR_LIVE), endpoints), older_than(age))


def share_services() -> list[str]:
    """Start the services that other processes can use and return what they need to know, as lines for a shell."""
    shared, remarks = [], []
    for row in ENDPOINTS.status():
        if row["state"] == "unavailable":
            remarks.append(f"# {row['reason']}")
        elif row["in_process"]:
            remarks.append(f"# {row['system']}: lives inside the process that uses it; every command starts its own")
        else:
            shared.append(ENDPOINTS.endpoint(System(row["system"]), row["kind"]))
    return [*environment_lines(shared), *remarks]


def service_status() -> list[dict[str, Any]]:
    """Return a row per system: kind, state, reason, whether it lives in its user's process, address."""
    return ENDPOINTS.status()


def stop_services() -> None:
    """Stop every service that this process started."""
    ENDPOINTS.stop_all()


defs = build_defs()
"""What `workspace.yaml` loads."""
