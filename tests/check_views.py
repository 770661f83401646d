"""Targets as checks see them, made from a few literal rows or versions.

Here live no tests. It may import the pure core.
"""

import numpy as np
import pyarrow as pa

from matrix_defs.checks import Seen
from matrix_defs.compare import digests, fingerprints
from matrix_defs.oracle import Expectation
from matrix_defs.row_hash import row_hash
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy, marks
from matrix_defs.table import Column, LogicalType, TableSpec

TABLE = TableSpec(
    "orders",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("value", LogicalType.TEXT),
        Column("at", LogicalType.INSTANT),
        Column("day", LogicalType.DATE),
    ),
    key=("id",),
    cursor="at",
    partition="day",
)
SCD2 = STRATEGIES["scd2"]

Row = tuple[int, str | None, int]
"""Key, value, ordinal of the load."""
Version = tuple[int, str | None, int, int | None]
"""Key, value, ordinals of the loads that opened and closed it."""


def table(rows: list[tuple]) -> pa.Table:
    ids, values = [row[0] for row in rows], [row[1] for row in rows]
    columns = {"id": ids, "value": values, "at": [None] * len(rows), "day": [None] * len(rows)}
    return pa.table([pa.array(columns[field.name], field.type) for field in TABLE.schema], schema=TABLE.schema)


def seen(*rows: Row, strategy: Strategy = STRATEGIES["incremental_merge"]) -> Seen:
    """A target of rows."""
    loads = pa.array([row[2] for row in rows], pa.int64())
    return Seen(table([*rows]).append_column("load", loads), TABLE, TABLE.key, strategy)


def history(*versions: Version) -> Seen:
    """A target of versions."""
    rows = table([*versions])
    made = {
        "row_hash": row_hash(rows, TABLE.hashed),
        "load": pa.array([v[2] for v in versions], pa.int64()),
        "valid_from": pa.array([v[2] for v in versions], pa.int64()),
        "valid_to": pa.array([v[3] for v in versions], pa.int64()),
    }
    for name, column in made.items():
        rows = rows.append_column(name, column)
    return Seen(rows, TABLE, TABLE.key, SCD2)


def expected(target: Seen, live: tuple[int, ...] = (), gone: tuple[int, ...] = ()) -> Expectation:
    """What must result, when that is what the target holds."""
    content, kept = row_hash(target.rows, TABLE.hashed), marks(target.strategy)
    without_load = [name for name in kept if name != "load"]
    return Expectation(
        fingerprints=np.sort(fingerprints(target.rows, TABLE.key, content, kept)),
        fingerprints_without_load=np.sort(fingerprints(target.rows, TABLE.key, content, without_load)),
        null_counts={name: target.rows.column(name).null_count for name in TABLE.names},
        rows=target.rows.num_rows,
        counts=(),
        live_keys=key_hashes(*live),
        gone_keys=key_hashes(*gone),
        open_keys=digests(target.current, TABLE.key),
    )


def key_hashes(*ids: int) -> np.ndarray:
    return digests(pa.table({"id": pa.array(ids, pa.int64())}), ["id"])
