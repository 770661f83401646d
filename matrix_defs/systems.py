"""The six systems, what each can be in the matrix, and which optional dependencies it needs.

Here live names and facts known without talking to a system; connections, types and SQL live in `resources`.
It imports nothing but the standard library.
"""

from dataclasses import dataclass
from enum import StrEnum


class System(StrEnum):
    """A data system of the matrix. The value is its name in case ids, filters and environment variables."""

    POSTGRES = "postgres"
    MSSQL = "mssql"
    CLICKHOUSE = "clickhouse"
    REST = "rest"
    KAFKA = "kafka"
    BIGQUERY = "bigquery"


class SourceKind(StrEnum):
    """What a source shows: its present rows (`state`) or everything that happened to them (`log`)."""

    STATE = "state"
    LOG = "log"


class Profile(StrEnum):
    """What a case needs to be runnable: one profile per system, probed before a case is called runnable."""

    POSTGRES_LIVE = "postgres_live"
    MSSQL_LIVE = "mssql_live"
    CLICKHOUSE_LIVE = "clickhouse_live"
    BIGQUERY_LIVE = "bigquery_live"
    KAFKA_LIVE = "kafka_live"
    REST_MOCK = "rest_mock"


@dataclass(frozen=True)
class SystemFacts:
    """What is known of a system without talking to it."""

    label: str
    """The name that people know it by."""
    profile: Profile
    """What a case with this system needs."""
    extras: tuple[str, ...]
    """Extras of pyproject.toml that bring its drivers."""
    source_kind: SourceKind | None
    """How it behaves as a source; None where it is no source of the matrix."""


FACTS: dict[System, SystemFacts] = {
    System.POSTGRES: SystemFacts("PostgreSQL", Profile.POSTGRES_LIVE, ("postgres",), SourceKind.STATE),
    System.MSSQL: SystemFacts("SQL Server", Profile.MSSQL_LIVE, ("mssql",), SourceKind.STATE),
    System.CLICKHOUSE: SystemFacts("ClickHouse", Profile.CLICKHOUSE_LIVE, ("clickhouse",), SourceKind.STATE),
    System.REST: SystemFacts("REST", Profile.REST_MOCK, (), SourceKind.STATE),
    System.KAFKA: SystemFacts("Kafka", Profile.KAFKA_LIVE, ("kafka",), SourceKind.LOG),
    System.BIGQUERY: SystemFacts("BigQuery", Profile.BIGQUERY_LIVE, ("gcp",), None),
}

SOURCES: tuple[System, ...] = (System.POSTGRES, System.MSSQL, System.CLICKHOUSE, System.REST, System.KAFKA)
"""The sources in canonical order."""

SINKS: tuple[System, ...] = (System.MSSQL, System.POSTGRES, System.CLICKHOUSE, System.BIGQUERY, System.KAFKA)
"""The sinks in canonical order."""


def source_kind(system: System) -> SourceKind:
    """Return how a source of the matrix behaves. Raises ValueError for a system that is none."""
    kind = FACTS[system].source_kind
    if kind is None:
        raise ValueError(f"{system} is not a source of the matrix")
    return kind
