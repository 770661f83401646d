"""SQL Server as a sink.

Here lives how rows and statements reach the server, and that a deadlock is no failure; what is said lives in `dialect`,
the course of a load in `sql_sink`. It may import `sql_sink`, `session` and `dialect`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from matrix_defs.ports import Batch, Load, LoadReport, LoadTarget, Step
from matrix_defs.table import Column
from resources.endpoints.endpoint import Endpoint
from resources.mssql import driver
from resources.mssql.dialect import MssqlDialect
from resources.mssql.session import DRIVER_ERRORS, Session
from resources.sql_plan import Statement, Tally
from resources.sql_sink import SqlSink

DEADLOCK = 1205
"""The number of the error by which the server ends one of two transactions that wait for each other."""

ATTEMPTS = 5


class MssqlSink(SqlSink):
    """Targets in one schema a case; steps and position are one transaction."""

    dialect: MssqlDialect
    label = "SQL Server"
    driver_errors = DRIVER_ERRORS

    def __init__(self, endpoint: Endpoint) -> None:
        self.dialect = MssqlDialect(partition_switch=endpoint.options.get("partition_switch") == "yes")
        self._session = Session(endpoint)

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Load as every SQL sink does; the statements begin with the writer that filled the staging table."""
        report = super().load(target, load, batch, steps)
        written = f"-- rows were staged by {self._session.writer.name}"
        return replace(report, statements=(written, *report.statements))

    def execute(self, text: str) -> int:
        """Run one statement and return the number of rows it affected."""
        return self._session.execute(text)

    def select(self, text: str) -> str | int | None:
        """Run a query for one value."""
        value: str | int | None = self._session.value(text)
        return value

    def rollback(self) -> None:
        """Undo what an open transaction has done; most errors have done so already."""
        if self._session.value("SELECT @@TRANCOUNT"):
            self._session.execute("ROLLBACK TRANSACTION")

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append record batches in bulk and return by how many rows the server's count has grown."""
        return self._session.write(self.dialect.relation(namespace, table), columns, chunks)

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target."""
        columns = target.columns
        query = f"SELECT {self.dialect.names([c.name for c in columns])} FROM {self.dialect.table(target)}"
        with self._explained("reading the target back"):
            return pa.Table.from_batches(list(self._session.rows(query, columns)), target.schema)

    def tables(self, namespace: str) -> list[str]:
        """Names of the tables and views in a schema."""
        return self._session.names(self.dialect.relations(namespace))

    def drop(self, target: LoadTarget) -> None:
        """Drop the schema and close the connections."""
        super().drop(target)
        self._session.close()

    def explain(self, error: BaseException) -> str:
        """The server's own sentence and number, without rows."""
        return driver.explain(error)

    def _finish(self, statements: Sequence[Statement]) -> dict[Tally, int]:
        """Run the steps and the position; a transaction that was chosen as a deadlock's victim is run anew."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: driver.number(error) == DEADLOCK),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        return attempts(super()._finish, statements)
