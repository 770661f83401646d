"""PostgreSQL as a sink.

Here lives how rows and statements reach the server; what is said lives in `dialect`, the course of a load in
`sql_sink`. It may import `sql_sink`, `session` and `dialect`.
"""

from collections.abc import Iterable, Sequence

import psycopg
import pyarrow as pa

from matrix_defs.ports import Batch, Encoding, LoadTarget
from matrix_defs.staging import null_key_error
from matrix_defs.table import Column
from resources.endpoints.endpoint import Endpoint
from resources.postgres.dialect import PostgresDialect
from resources.postgres.session import DRIVER_ERRORS, Session, explain
from resources.sql_plan import Plan
from resources.sql_sink import SqlSink

_TABLES = """
SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
"""


class PostgresSink(SqlSink):
    """Targets in one schema a case; steps and position are one transaction."""

    dialect = PostgresDialect()
    label = "PostgreSQL"
    encodings = frozenset({Encoding.ARROW, Encoding.POSTGRES_COPY_BINARY})
    driver_errors = DRIVER_ERRORS

    def __init__(self, endpoint: Endpoint) -> None:
        self._session = Session(endpoint)

    def execute(self, text: str) -> int:
        """Run one statement and return the number of rows it affected."""
        return self._session.execute(text)

    def select(self, text: str) -> str | int | None:
        """Run a query for one value."""
        return self._session.value(text)

    def rollback(self) -> None:
        """Undo what an open transaction has done."""
        self._session.sql.rollback()

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append record batches by binary COPY; ADBC's was the faster of the two Arrow ways that were measured."""
        return self._session.write(namespace, table, columns, chunks)

    def write_encoded(self, plan: Plan, batch: Batch) -> int:
        """Pass another PostgreSQL's binary COPY through, undecoded; the staging table refuses NULL keys."""
        names = self.dialect.names([column.name for column in plan.written])
        statement = f"COPY {self.dialect.staged(plan.target)} ({names}) FROM STDIN (FORMAT BINARY)"
        with self._session.sql.cursor() as cursor:
            try:
                with cursor.copy(statement) as copy:
                    for chunk in batch:
                        copy.write(chunk)
            except psycopg.errors.NotNullViolation as error:
                column = error.diag.column_name
                if column in plan.target.table.key:
                    raise null_key_error(column) from None
                raise
            return cursor.rowcount

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target."""
        columns = target.columns
        query = f"SELECT {self.dialect.selected(columns)} FROM {self.dialect.table(target)}"
        with self._explained("reading the target back"):
            return pa.Table.from_batches(list(self._session.rows(query, columns)), target.schema)

    def tables(self, namespace: str) -> list[str]:
        """Names of the tables in a schema, partitions left out."""
        return [row[0] for row in self._session.sql.execute(_TABLES, (namespace,)).fetchall()]

    def drop(self, target: LoadTarget) -> None:
        """Drop the schema and close the connections."""
        super().drop(target)
        self._session.close()

    def explain(self, error: BaseException) -> str:
        """The server's own sentence, without rows."""
        return explain(error)
