"""One case's connections to a PostgreSQL server: psycopg for statements and COPY, ADBC for Arrow.

Here lives how a connection is made and how rows stream through it; what is asked lives in `source` and `sink`.
It may import the drivers, `types` and the endpoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from matrix_defs.errors import MatrixError, ReadError
from matrix_defs.table import Column
from resources.endpoints.endpoint import Endpoint
from resources.postgres.login import conninfo, limits, refused
from resources.postgres.types import from_driver, to_driver
from resources.relay import Relay

DRIVER_ERRORS = (psycopg.Error, adbc_driver_manager.Error, pa.ArrowException, OSError)
"""What the drivers raise; OSError is what Arrow's C stream makes of an error in the middle of a result."""

CONNECT_SECONDS = 10
_KEPT: Any = SimpleNamespace(close=lambda: None)
"""What a connection closes in place of the database that it shares."""


class Session:
    """Connections that open when first used and close with `close`; afterwards they may open again.

    Opening one raises SystemUnavailableError where nobody answers or the login is refused.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._limits = limits(endpoint)

    @cached_property
    def sql(self) -> psycopg.Connection:
        """The connection for statements, in autocommit: transactions are begun and ended by statements."""
        return self.connect(autocommit=True)

    @cached_property
    def arrow(self) -> dbapi.Connection:
        """The connection for Arrow, in autocommit."""
        try:
            database = _arrow_database(conninfo(self._endpoint, CONNECT_SECONDS))
            connection = dbapi.Connection(_KEPT, adbc_driver_manager.AdbcConnection(database), autocommit=True)
        except adbc_driver_manager.Error as error:
            raise refused(self._endpoint, error) from None
        if self._limits:
            with connection.cursor() as cursor:
                cursor.execute(self._limits)
        return connection

    def connect(self, *, autocommit: bool = False, **extra: str) -> psycopg.Connection:
        """A connection of the caller's own, to be closed by the caller; `extra` are words of the connection string."""
        try:
            connection = psycopg.connect(conninfo(self._endpoint, CONNECT_SECONDS, **extra), autocommit=True)
        except psycopg.OperationalError as error:
            raise refused(self._endpoint, error) from None
        if self._limits:
            connection.execute(self._limits)
        connection.autocommit = autocommit
        return connection

    def close(self) -> None:
        """Close what is open; safe to call twice."""
        self._close("sql")
        self._close("arrow")

    def _close(self, name: str) -> None:
        connection = self.__dict__.pop(name, None)
        if connection is not None:
            connection.close()

    def execute(self, text: str) -> int:
        """Run one statement; return the rows it affected."""
        return max(0, self.sql.execute(text).rowcount)

    def value(self, text: str) -> str | int | None:
        """Return the first column of the first row; None where there is none."""
        row = self.sql.execute(text).fetchone()
        return row[0] if row else None

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append canonical rows by one binary COPY; return how many the server took."""
        schema = _driver_schema(columns)
        relay = Relay(to_driver(chunk, columns) for chunk in chunks)
        try:
            with relay.errors_first(), self.arrow.cursor() as cursor:
                reader = pa.RecordBatchReader.from_batches(schema, relay)
                cursor.adbc_ingest(table, reader, mode="append", db_schema_name=namespace)
        except BaseException:
            # ADBC leaves the broken COPY open, and its lock would block whoever drops the table.
            self._close("arrow")
            raise
        return relay.rows

    def rows(self, query: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in canonical form, batch by batch."""
        with self.arrow.cursor() as cursor:
            cursor.execute(query)
            for batch in cursor.fetch_record_batch():
                if batch.num_rows:
                    yield from_driver(batch, columns)


@lru_cache(8)
def _arrow_database(words: str) -> adbc_driver_manager.AdbcDatabase:
    """Return what ADBC knows of a server. It reads the whole catalog of types first, which takes eight times as long
    as a connection does, so one is kept for all connections by the same words.
    """
    database: adbc_driver_manager.AdbcDatabase = adbc_driver_postgresql.connect(words)
    return database


def explain(error: BaseException) -> str:
    """Return one line of what the server said. Its DETAIL is left out, because it may show rows."""
    if isinstance(error, psycopg.Error):
        said, state = error.diag.message_primary, error.sqlstate
        if isinstance(error, psycopg.errors.DependentObjectsStillExist):
            said = f"{said}: {error.diag.message_detail}"
    else:
        details: dict[str | bytes, bytes] = dict(getattr(error, "details", None) or ())
        said, state = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode(), getattr(error, "sqlstate", None)
    if said:
        return f"{' '.join(said.split())} ({state})"
    return " ".join(str(error).split("\n")[0].split())


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn a driver's error into ReadError of one line."""
    try:
        yield
    except MatrixError:
        raise
    except DRIVER_ERRORS as error:
        raise ReadError(f"PostgreSQL, {doing}: {explain(error)}") from error


def _driver_schema(columns: Sequence[Column]) -> pa.Schema:
    empty = pa.record_batch([pa.array([], column.field.type) for column in columns], names=[c.name for c in columns])
    return to_driver(empty, columns).schema
