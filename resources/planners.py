"""The registries of what can be told of a system without its driver: its dialect, its types, its plans.

Here live the lists alone. They may import `matrix_defs`, the dialects, the types tables and `plan_check`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from matrix_defs.contract_plans import Planner
from matrix_defs.systems import System
from resources import json_rows
from resources.bigquery.dialect import BigQueryDialect
from resources.clickhouse.dialect import ClickHouseDialect
from resources.kafka.plan import KafkaDialect
from resources.mssql.dialect import MssqlDialect
from resources.plan_check import KafkaPlanner, SqlPlanner
from resources.postgres.dialect import PostgresDialect
from resources.sql import Dialect
from resources.types_table import TypesTable

SQL_DIALECTS: Mapping[System, Dialect] = {
    System.MSSQL: MssqlDialect(),
    System.POSTGRES: PostgresDialect(),
    System.CLICKHOUSE: ClickHouseDialect(),
    System.BIGQUERY: BigQueryDialect(),
}
"""How each sink that speaks SQL says the steps."""

DIALECTS: Mapping[System, Dialect | KafkaDialect] = {**SQL_DIALECTS, System.KAFKA: KafkaDialect()}
"""How every sink says the steps."""

TYPES: Mapping[System, TypesTable] = {
    **{system: dialect.types for system, dialect in DIALECTS.items()},
    System.REST: json_rows.STORED,
}
"""The types table of every system."""


def planners(docs: Path) -> dict[System, Planner]:
    """Return the planner of every sink; `docs` holds the published schema of Kafka's events."""
    events = json.loads((docs / "kafka-event.schema.json").read_text(encoding="utf-8"))
    kafka = KafkaPlanner(KafkaDialect(), events)
    return {**{system: SqlPlanner(dialect) for system, dialect in SQL_DIALECTS.items()}, System.KAFKA: kafka}
