"""ClickHouse as a sink.

Here lives how rows and statements reach the server, and how a load that was killed midway is undone; what is said lives
in `dialect`, the course of a load in `sql_sink`. It may import `sql_sink`, `server` and `dialect`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC

import pyarrow as pa

from matrix_defs.ports import LoadTarget
from matrix_defs.table import Column
from resources.clickhouse.dialect import ClickHouseDialect
from resources.clickhouse.server import DRIVER_ERRORS, Server, explain
from resources.sql_plan import Plan, Statement
from resources.sql_sink import SqlSink


class ClickHouseSink(SqlSink):
    """Targets in one database a case. A load that stops midway is undone by the next load of its target."""

    dialect = ClickHouseDialect()
    label = "ClickHouse"
    driver_errors = DRIVER_ERRORS

    def __init__(self, server: Server) -> None:
        self._server = server

    def execute(self, text: str) -> int:
        """Run one statement; the server does not tell how many rows it affected."""
        self._server.execute(text)
        return 0

    def select(self, text: str) -> str | int | None:
        """Run a query for one value."""
        rows = self._server.rows(text)
        return rows[0][0] if rows else None

    def rollback(self) -> None:
        """Nothing can be rolled back; see `recover`."""

    def recover(self, plan: Plan) -> list[Statement]:
        """Render what undoes the load that was begun last, if it never ended."""
        statements: list[Statement] = []
        for load_id, loaded_at in self._server.rows(self.dialect.unfinished(plan.target)):
            statements += self.dialect.undo(plan, load_id, loaded_at.replace(tzinfo=UTC))
        return statements

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append record batches as Arrow streams."""
        return self._server.insert(self.dialect.relation(namespace, table), columns, chunks)

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target."""
        query = f"SELECT {self.dialect.names(target.schema.names)} FROM {self.dialect.table(target)}"
        with self._explained("reading the target back"):
            return pa.Table.from_batches(list(self._server.batches(query, target.columns)), target.schema)

    def tables(self, namespace: str) -> list[str]:
        """Names of the tables in a database."""
        rows = self._server.rows(f"SELECT name FROM system.tables WHERE database = {self.dialect.literal(namespace)}")
        return [row[0] for row in rows]

    def explain(self, error: BaseException) -> str:
        """The server's code and message."""
        return explain(error)
