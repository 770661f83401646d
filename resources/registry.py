"""The registry of systems: which Dagster resource speaks to each of the six.

Here lives the list alone, and what stands in for a resource whose driver is not installed.
It may import `matrix_defs`, Dagster and the resource modules.
"""

from collections.abc import Mapping
from importlib import import_module

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.requirements import DRIVER
from matrix_defs.systems import FACTS, System
from resources.endpoints.endpoint import Endpoint
from resources.system import SystemResource

_CLASSES: dict[System, tuple[str, str]] = {
    System.POSTGRES: ("resources.postgres.resource", "PostgresResource"),
    System.MSSQL: ("resources.mssql.resource", "MssqlResource"),
    System.CLICKHOUSE: ("resources.clickhouse.resource", "ClickHouseResource"),
    System.REST: ("resources.rest.resource", "RestResource"),
    System.KAFKA: ("resources.kafka.resource", "KafkaResource"),
    System.BIGQUERY: ("resources.bigquery.resource", "BigQueryResource"),
}
_OWN = ("matrix_defs", "resources")


def resource_class(system: System) -> type[SystemResource]:
    """Return the system's resource; without its driver one that has no endpoint and says what to install."""
    module, name = _CLASSES[system]
    try:
        kind: type[SystemResource] = getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in _OWN:
            raise
        return _without_driver(system, package)
    return kind


def _without_driver(of: System, package: str) -> type[SystemResource]:
    class WithoutDriver(SystemResource):
        """Stands in for a system whose driver is not installed."""

        system = of

        def check_here(self, kind: str) -> Mapping[str, str]:
            """Say which package is missing."""
            extra = ",".join(FACTS[of].extras)
            return {DRIVER: f"{FACTS[of].label}: {package} is not installed; install integration-matrix[{extra}]"}

        def endpoint(self, kind: str) -> Endpoint:
            """Raise SystemUnavailableError: there is no driver to talk through."""
            raise SystemUnavailableError(self.check_here(kind)[DRIVER])

    return WithoutDriver


RESOURCES: dict[System, type[SystemResource]] = {system: resource_class(system) for system in System}
"""The resource of every system, by system."""
