"""The local BigQuery emulator for tests: opened for one test module, closed behind it; and a small table for its sinks.

Here live no tests. It may import `resources` and `matrix_defs`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from matrix_defs.ports import Batch, Load, LoadTarget, Partitions, Position, ReadEnd, Step
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import Endpoints

NAMESPACE = "m_00000000abcd_postgres_to_bigquery__replace"
TABLE = TableSpec(
    "t",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("note", LogicalType.TEXT),
    ),
    key=("id",),
    cursor="id",
    partition="day",
)
DAY, NEXT_DAY, THIRD_DAY = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
APPEND, BY_DAY = (Step.INSERT_STAGED,), (Step.REPLACE_PARTITIONS,)
MERGE = (Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED)


@contextmanager
def local_bigquery() -> Iterator[Endpoint]:
    """Yield the endpoint of an emulator of its own."""
    endpoints = Endpoints()
    try:
        yield endpoints.endpoint(System.BIGQUERY)
    finally:
        endpoints.stop_all()


def target(*, partitioned: bool = False, table: TableSpec = TABLE) -> LoadTarget:
    """The target of the small table."""
    return LoadTarget(NAMESPACE, table, partitioned=partitioned)


def batch(*rows: tuple[Any, ...], position: Position | None = None, table: TableSpec = TABLE) -> Batch:
    """One read of rows, given as the values of the table's columns in their order."""
    names = [column.name for column in table.columns]
    read = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], table.schema)
    return Batch(table.schema, iter(read.to_batches()), lambda: ReadEnd(position))


def load(number: int, *days: date) -> Load:
    """The identity of a load, and the days that it replaces."""
    return Load(
        f"load '{number}' \\", datetime(2026, 3, 1, 0, 0, number, tzinfo=UTC), Partitions(days) if days else None
    )
