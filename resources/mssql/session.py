"""One case's connections to SQL Server: pyodbc for statements, mssql-python for Arrow both ways.

Here lives how a connection is made and how rows stream through it; what is asked lives in `source` and `sink`, how rows
are written in `writers`. It may import those, `driver`, `arrow` and the drivers: it is imported once they were found.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import Any

import mssql_python
import pyarrow as pa
import pyodbc

from matrix_defs.errors import MatrixError, ReadError
from matrix_defs.table import Column
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.probe import unavailable
from resources.mssql import driver
from resources.mssql.arrow import from_driver
from resources.mssql.writers import WriteError, choose
from resources.relay import Relay

CONNECT_SECONDS = 10

STATEMENT_SECONDS = 600
"""How long the drivers wait for one statement before they have the server cancel it, unless the endpoint says."""

LOCK_SECONDS = 60
"""How long the server lets a statement wait for a lock (error 1222). It has no limit for a statement as a whole."""

BATCH_ROWS = 8192


DRIVER_ERRORS = (pyodbc.Error, mssql_python.Error, WriteError, pa.ArrowException)

# A pooled connection would keep the isolation level that the one before it had set.
pyodbc.pooling = False
mssql_python.pooling(enabled=False)


class Session:
    """Connections that open when first used and close with `close`; afterwards they may open again.

    Making a session raises SystemUnavailableError where the writer asked for is missing, opening a connection where
    nobody answers or the login is refused.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.statement_seconds = int(endpoint.options.get("statement_seconds", STATEMENT_SECONDS))
        self.writer = choose(endpoint.options.get("writer", "fastest"))

    @cached_property
    def sql(self) -> pyodbc.Connection:
        """The connection for statements, in autocommit: transactions are begun and ended by statements."""
        return self.connect()

    @cached_property
    def arrow(self) -> mssql_python.Connection:
        """The connection for Arrow, in autocommit."""
        driver.knock(self.endpoint, CONNECT_SECONDS)
        try:
            connection = mssql_python.connect(driver.settings(self.endpoint), autocommit=True, timeout=CONNECT_SECONDS)
        except mssql_python.Error as error:
            raise unavailable(self.endpoint, driver.explain(error)) from None
        connection.timeout = self.statement_seconds
        return connection

    def connect(self) -> pyodbc.Connection:
        """A connection of the caller's own, in autocommit, to be closed by the caller."""
        connection = driver.connect(self.endpoint, CONNECT_SECONDS)
        connection.timeout = self.statement_seconds
        connection.execute(f"SET LOCK_TIMEOUT {LOCK_SECONDS * 1000}")
        return connection

    def close(self) -> None:
        """Close what is open; safe to call twice."""
        for name in ("sql", "arrow"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                with suppress(*DRIVER_ERRORS):
                    connection.close()

    # ------------------------------------------------------------------ statements

    def execute(self, text: str) -> int:
        """Run one statement; return the rows it affected."""
        return run(self.sql, text)

    def value(self, text: str) -> Any:
        """Return the first column of the first row; None where there is none."""
        with closing(self.sql.execute(text)) as cursor:
            row = cursor.fetchone()
        return row[0] if row else None

    def names(self, text: str) -> list[str]:
        """Return the first column of all rows."""
        with closing(self.sql.execute(text)) as cursor:
            return [row[0] for row in cursor.fetchall()]

    # ------------------------------------------------------------------ rows

    def write(self, relation: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append canonical rows to a table that nobody else writes to; return how many the server then holds more.

        Raises WriteError where that is another number than was sent.
        """
        schema = pa.schema([column.field for column in columns])
        relay = Relay(chunk.select(schema.names).cast(schema) for chunk in chunks)
        count = f"SELECT COUNT_BIG(*) FROM {relation}"
        before = self.value(count)
        with relay.errors_first():
            self.writer.write(self, relation, pa.RecordBatchReader.from_batches(schema, relay))
        arrived = int(self.value(count)) - int(before)
        if arrived != relay.rows:
            raise WriteError(f"{self.writer.name} sent {relay.rows} row(s) to {relation}, the server holds {arrived}")
        return arrived

    def rows(self, query: str, columns: Sequence[Column]) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a query of these columns in canonical form, batch by batch."""
        with self.arrow.cursor() as cursor:
            cursor.execute(query)
            with closing(cursor.arrow_reader(BATCH_ROWS)) as reader:
                for batch in reader:
                    yield from_driver(batch, columns)

    def arrow_value(self, text: str) -> Any:
        """Return the first column of the first row of a query on the connection for Arrow, in its transaction."""
        with self.arrow.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchval()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One snapshot for all queries of the block on the connection for Arrow; they neither wait nor are waited for.

        https://learn.microsoft.com/sql/t-sql/statements/set-transaction-isolation-level-transact-sql
        """
        for text in ("SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION"):
            self._arrow_run(text)
        try:
            yield
        except BaseException:
            with suppress(*DRIVER_ERRORS):  # what went wrong first is what is told
                self._leave_snapshot()
            raise
        self._leave_snapshot()

    def _leave_snapshot(self) -> None:
        """End the transaction, if no error has ended it already."""
        for text in ("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"):
            self._arrow_run(text)

    def _arrow_run(self, text: str) -> None:
        with self.arrow.cursor() as cursor:
            cursor.execute(text)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn a driver's error into ReadError of one line."""
    try:
        yield
    except MatrixError:
        raise
    except DRIVER_ERRORS as error:
        raise ReadError(f"SQL Server, {doing}: {driver.explain(error)}") from error


def run(connection: pyodbc.Connection, text: str) -> int:
    """Run one statement on a connection of pyodbc; return the rows it affected.

    Every result is asked for: an error after the first one would be missed otherwise.
    """
    with closing(connection.execute(text)) as cursor:
        affected: int = cursor.rowcount
        while cursor.nextset():
            pass
    return max(0, affected)
