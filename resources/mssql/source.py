"""SQL Server as a source: one table of one schema, changed and read the ways that a database can be.

Here live seeding, changing and the reads by query; the change streams live in `tracking` and `cdc`. It may import
those, `session`, `dialect` and `cursor_read`.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from datetime import datetime

import pyarrow as pa
import pyodbc

from matrix_defs.errors import ReadError
from matrix_defs.ports import (
    Batch,
    Changes,
    Op,
    Position,
    ReadEnd,
    ReadMode,
    ReadRequest,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from resources.cursor_read import CursorRead
from resources.endpoints.endpoint import Endpoint
from resources.mssql.cdc import LogCapture
from resources.mssql.dialect import MssqlDialect
from resources.mssql.kept_rows import KEPT
from resources.mssql.session import DRIVER_ERRORS, Session, explained, run
from resources.mssql.tracking import ChangeTracking
from resources.types_table import represent

CHANGE_STREAMS: dict[str, type[ChangeTracking] | type[LogCapture]] = {
    "change_tracking": ChangeTracking,
    "cdc": LogCapture,
}
"""How changes are read, by the value of MATRIX_MSSQL_CDC_MODE."""

_DBO = "dbo"
"""The schema that every database has."""

_IN_SNAPSHOT = ("SET XACT_ABORT ON", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION")
"""Changes are made by the versions of the rows that are committed: under locks they would wait for a held row."""


class MssqlSource:
    """One table in a schema of its own. Rows and key list of a read come from one snapshot."""

    kind = SourceKind.STATE
    dialect = MssqlDialect(partition_switch=False)

    def __init__(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> None:
        self._session = Session(endpoint)
        self._namespace = namespace
        self._table = table
        self._name = self.dialect.relation(namespace, table.name)
        self._columns = self.dialect.names(table.names)
        self._own_staged: set[str] = set()
        stream = CHANGE_STREAMS[endpoint.options.get("cdc_mode", "change_tracking")]
        self._stream = stream(self._session, namespace, table)

    # ------------------------------------------------------------------ what the workload does to it

    def seed(self, rows: pa.Table) -> None:
        """Create schema and table, and copy the rows in."""
        with explained("seeding"):
            self._session.execute(f"CREATE SCHEMA {self.dialect.quote(self._namespace)}")
            self._session.execute(self.dialect.create_keyed(self._namespace, self._table))
            kept = self._kept(rows)
            if kept:
                self._session.execute(self._statement(Op.INSERT, kept))
            else:
                self._session.write(self._name, self._table.columns, rows.to_batches())

    def apply(self, changes: Changes) -> None:
        """Stage the rows of every change, then run one statement per change in one transaction."""
        with explained("changing"):
            staged = [self._staged(f"change_{number}", change.rows) for number, change in enumerate(changes)]
            with closing(self._session.connect()) as connection:
                for text in _IN_SNAPSHOT:
                    run(connection, text)
                for change, name in zip(changes, staged, strict=True):
                    run(connection, self._statement(change.op, name))
                run(connection, "COMMIT TRANSACTION")
            for name in staged:
                self._unstage(name)

    def hold(self, rows: pa.Table) -> "HeldTransaction":
        """Insert the rows in a transaction on a connection of its own, which stays open."""
        with explained("holding a transaction open"):
            staged = self._staged("held", rows)
            connection = self._session.connect()
            for text in ("SET XACT_ABORT ON", "BEGIN TRANSACTION", self._statement(Op.INSERT, staged)):
                run(connection, text)
        return HeldTransaction(connection, lambda: self._unstage(staged))

    def drop(self) -> None:
        """Drop the schema and what watches the table, and close the connections."""
        with explained("dropping"):
            self._stream.drop()
            for statement in self.dialect.drop_namespace(self._namespace):
                self._session.execute(statement.text)
            self._session.close()

    def _kept(self, rows: pa.Table) -> str | None:
        """Return the table in which the server keeps these rows for every case; None where it keeps none."""

        def write(name: str) -> None:
            self._write_new(self.dialect.relation(_DBO, name), rows)

        name = KEPT.name(self._session.endpoint, self._table, rows, write)
        return name and self.dialect.relation(_DBO, name)

    def _staged(self, table: str, rows: pa.Table) -> str:
        """Return a table that holds these rows: the kept one, else one of the case's own, until `_unstage`."""
        kept = self._kept(rows)
        if kept:
            return kept
        own = self.dialect.relation(self._namespace, table)
        self._own_staged.add(own)
        self._write_new(own, rows)
        return own

    def _unstage(self, name: str) -> None:
        if name in self._own_staged:
            self._own_staged.remove(name)
            self._session.execute(f"DROP TABLE IF EXISTS {name}")

    def _write_new(self, name: str, rows: pa.Table) -> None:
        by_name = {column.name: column for column in self._table.columns}
        columns = [by_name[name] for name in rows.column_names]
        self._session.execute(f"DROP TABLE IF EXISTS {name}")
        self._session.execute(self.dialect.create(name, columns))
        self._session.write(name, columns, rows.to_batches())

    def _statement(self, op: Op, staged: str) -> str:
        key, quote = self._table.key, self.dialect.quote
        match op:
            case Op.INSERT:
                return f"INSERT INTO {self._name} ({self._columns}) SELECT {self._columns} FROM {staged}"
            case Op.UPDATE:
                changed = ", ".join(f"{quote(name)} = o.{quote(name)}" for name in self._table.hashed)
                same = self.dialect.same(key)
                return f"UPDATE t SET {changed} FROM {self._name} AS t JOIN {staged} AS o ON {same}"
            case Op.DELETE:
                [statement] = self.dialect.delete(self._name, self.dialect.holds(staged, key))
                return statement.text

    # ------------------------------------------------------------------ reading

    def read(self, request: ReadRequest) -> Batch:
        """Begin one read; its rows and its key list come from one snapshot.

        Raises ReadError for a mode that SQL Server has no means for.
        """
        match request.mode:
            case ReadMode.INCREMENTAL | ReadMode.INCREMENTAL_AND_DELETES:
                return self._incremental(request)
            case ReadMode.CHANGES:
                with explained("reading changes"):
                    return self._stream.read(request.position)
            case ReadMode.SNAPSHOT | ReadMode.WINDOW | ReadMode.PARTITIONS:
                within = self.dialect.within(self._table, request.scope)
                return self._batch(self._present(within), lambda: ReadEnd(None))
        raise ReadError(f"SQL Server cannot be read by {request.mode}: its rows bear no transaction")

    def _present(self, where: str) -> Iterator[pa.RecordBatch]:
        with self._session.snapshot(), closing(self._rows(where)) as batches:
            yield from batches

    def _incremental(self, request: ReadRequest) -> Batch:
        cursor = CursorRead(self._table, request.position)
        where = ""
        if cursor.lower_bound:
            bound = self.dialect.literal(datetime.fromisoformat(cursor.lower_bound))
            where = f" WHERE {self.dialect.quote(self._table.cursor)} >= {bound}"
        listed: list[pa.Table] = []

        def chunks() -> Iterator[pa.RecordBatch]:
            with self._session.snapshot():
                with closing(self._rows(where)) as batches:
                    for batch in batches:
                        yield from cursor.new_rows(pa.Table.from_batches([batch])).to_batches()
                if request.mode is ReadMode.INCREMENTAL_AND_DELETES:
                    listed.append(self._keys())

        return self._batch(chunks(), lambda: ReadEnd(cursor.position(), listed[0] if listed else None))

    def _batch(self, chunks: Iterator[pa.RecordBatch], end: Callable[[], ReadEnd]) -> Batch:
        """Closing the batch ends its transaction at once, also in the middle."""
        stream = _read_errors(chunks)
        return Batch(self._table.schema, stream, end, close=stream.close)

    def _rows(self, where: str) -> Generator[pa.RecordBatch, None, None]:
        return self._session.rows(f"SELECT {self._columns} FROM {self._name}{where}", self._table.columns)

    def _keys(self) -> pa.Table:
        columns = self._table.key_columns
        query = f"SELECT {self.dialect.names(self._table.key)} FROM {self._name}"
        schema = pa.schema([column.field for column in columns])
        return pa.Table.from_batches(list(self._session.rows(query, columns)), schema)

    # ------------------------------------------------------------------ position

    def release(self, position: Position) -> None:
        """Nothing is kept for a reader, so nothing is released: the server forgets changes when they are old enough."""

    def released(self) -> Position | None:
        """None: nothing is kept for a reader."""
        return None

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as SQL Server can hold them."""
        return represent(self.dialect.types, table, rows)


class HeldTransaction:
    """An open transaction of SQL Server."""

    def __init__(self, connection: pyodbc.Connection, cleaned: Callable[[], object]) -> None:
        self._connection: pyodbc.Connection | None = connection
        self._cleaned = cleaned

    def commit(self) -> None:
        """Commit and close."""
        with explained("committing a held transaction"):
            if self._connection is not None:
                run(self._connection, "COMMIT TRANSACTION")
                self.rollback()
                self._cleaned()

    def rollback(self) -> None:
        """Close, which rolls back what was not committed; nothing to do once committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*DRIVER_ERRORS):
                connection.close()


def _read_errors(chunks: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    with explained("reading"):
        yield from chunks
