"""PostgreSQL as a source: one table of one schema, changed and read the ways that a database can be.

Here live seeding, changing and the reads by query; the change stream lives in `cdc`. It may import `session`, `cdc`,
`dialect` and `cursor_read`.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
import pyarrow as pa

from matrix_defs.ports import (
    Batch,
    Changes,
    Encoding,
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
from resources.postgres.cdc import ChangeStream
from resources.postgres.dialect import PostgresDialect
from resources.postgres.session import Session, explained
from resources.types_table import represent

COPY_CHUNK_BYTES = 1 << 20

Chunk = TypeVar("Chunk")

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_XID_CYCLE, _XID_HORIZON = 1 << 32, 1 << 31


class PostgresSource:
    """One table in a schema of its own. Rows and key list of a read come from one snapshot."""

    kind = SourceKind.STATE
    dialect = PostgresDialect()

    def __init__(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> None:
        self._session = Session(endpoint)
        self._namespace = namespace
        self._table = table
        self._name = self.dialect.relation(namespace, table.name)
        self._columns = self.dialect.names(table.names)
        self._stream = ChangeStream(self._session, namespace, table)

    # ------------------------------------------------------------------ what the workload does to it

    def seed(self, rows: pa.Table) -> None:
        """Create schema and table, and copy the rows in."""
        with explained("seeding"):
            self._session.execute(f"CREATE SCHEMA {self.dialect.quote(self._namespace)}")
            columns = ", ".join(self.dialect.definition(column) for column in self._table.columns)
            key = self.dialect.names(self._table.key)
            self._session.execute(f"CREATE TABLE {self._name} ({columns}, PRIMARY KEY ({key}))")
            self._session.write(self._namespace, self._table.name, self._table.columns, rows.to_batches())

    def apply(self, changes: Changes) -> None:
        """Stage the rows of every change, then run one statement per change in one transaction."""
        with explained("changing"):
            staged = [self._staged(f"change_{number}", change.rows) for number, change in enumerate(changes)]
            with self._session.sql.transaction():
                for change, name in zip(changes, staged, strict=True):
                    self._session.execute(self._statement(change.op, name))
            for name in staged:
                self._session.execute(f"DROP TABLE {name}")

    def hold(self, rows: pa.Table) -> "HeldTransaction":
        """Insert the rows in a transaction on a connection of its own, which stays open."""
        with explained("holding a transaction open"):
            staged = self._staged("held", rows)
            connection = self._session.connect()
            connection.execute(self._statement(Op.INSERT, staged))
        return HeldTransaction(connection, lambda: self._session.execute(f"DROP TABLE IF EXISTS {staged}"))

    def drop(self) -> None:
        """Drop slot, publication and schema, and close the connections."""
        with explained("dropping"):
            self._stream.drop()
            self._session.execute(f"DROP SCHEMA IF EXISTS {self.dialect.quote(self._namespace)} CASCADE")
            self._session.close()

    def _staged(self, table: str, rows: pa.Table) -> str:
        by_name = {column.name: column for column in self._table.columns}
        columns = [by_name[name] for name in rows.column_names]
        name = self.dialect.relation(self._namespace, table)
        definitions = ", ".join(self.dialect.definition(column) for column in columns)
        self._session.execute(f"DROP TABLE IF EXISTS {name}")
        self._session.execute(f"CREATE UNLOGGED TABLE {name} ({definitions})")
        self._session.write(self._namespace, table, columns, rows.to_batches())
        return name

    def _statement(self, op: Op, staged: str) -> str:
        key = map(self.dialect.quote, self._table.key)
        same_key = " AND ".join(f"t.{name} = c.{name}" for name in key)
        match op:
            case Op.INSERT:
                return f"INSERT INTO {self._name} ({self._columns}) SELECT {self._columns} FROM {staged}"
            case Op.UPDATE:
                columns, values = self.dialect.names(self._table.hashed), self.dialect.names(self._table.hashed, "c")
                return f"UPDATE {self._name} AS t SET ({columns}) = ROW({values}) FROM {staged} AS c WHERE {same_key}"
            case Op.DELETE:
                return f"DELETE FROM {self._name} AS t USING {staged} AS c WHERE {same_key}"

    # ------------------------------------------------------------------ reading

    def read(self, request: ReadRequest) -> Batch:
        """Begin one read; its rows and its key list come from one snapshot."""
        match request.mode:
            case ReadMode.INCREMENTAL | ReadMode.INCREMENTAL_AND_DELETES:
                return self._incremental(request)
            case ReadMode.XMIN:
                return self._xmin(request.position)
            case ReadMode.CHANGES:
                with explained("reading changes"):
                    return self._stream.read(request.position)
            case _ if Encoding.POSTGRES_COPY_BINARY in request.encodings:
                query = f"SELECT {self._columns} FROM {self._name}{self.dialect.within(self._table, request.scope)}"
                return self._batch(self._copy(query), lambda: ReadEnd(None), Encoding.POSTGRES_COPY_BINARY)
            case _:
                return self._batch(self._rows(self.dialect.within(self._table, request.scope)), lambda: ReadEnd(None))

    def _incremental(self, request: ReadRequest) -> Batch:
        cursor = CursorRead(self._table, request.position)
        where = ""
        if cursor.lower_bound:
            bound = self.dialect.literal(cursor.lower_bound)
            where = f" WHERE {self.dialect.quote(self._table.cursor)} >= CAST({bound} AS timestamptz)"
        listed: list[pa.Table] = []

        def chunks() -> Iterator[pa.RecordBatch]:
            with self._snapshot():
                for batch in self._rows(where):
                    yield from cursor.new_rows(pa.Table.from_batches([batch])).to_batches()
                if request.mode is ReadMode.INCREMENTAL_AND_DELETES:
                    listed.append(self._keys())

        return self._batch(chunks(), lambda: ReadEnd(cursor.position(), listed[0] if listed else None))

    def _xmin(self, position: Position | None) -> Batch:
        """Rows of every transaction that the bound's snapshot did not see as finished, and the complete key list.

        The bound is the oldest transaction still running in the snapshot of the rows, with its epoch: the highest
        xmin seen would lose a transaction that began earlier and commits later. xmin holds the low 32 bits only, so
        the comparison is modulo 2^32 and holds for bounds less than 2^31 transactions old; an older bound reads all,
        and so does one from the future, which another server must have set.
        https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
        """
        reached: list[int] = []
        listed: list[pa.Table] = []

        def chunks() -> Iterator[pa.RecordBatch]:
            with self._snapshot():
                oldest, following = self._running()
                reached.append(oldest)
                yield from self._rows(unseen_since(position, oldest, following))
                listed.append(self._keys())

        return self._batch(chunks(), lambda: ReadEnd(Position({"xmin": reached[0]}), listed[0]))

    def _batch(self, chunks: Iterator[Chunk], end: Callable[[], ReadEnd], encoding: Encoding = Encoding.ARROW) -> Batch:
        """Closing the batch ends its transaction at once, also in the middle: its locks would block a DROP."""
        stream = _read_errors(chunks)
        return Batch(self._table.schema, stream, end, encoding=encoding, close=stream.close)

    def _rows(self, where: str) -> Iterator[pa.RecordBatch]:
        columns = self._table.columns
        return self._session.rows(f"SELECT {self.dialect.selected(columns)} FROM {self._name}{where}", columns)

    def _keys(self) -> pa.Table:
        columns = self._table.key_columns
        query = f"SELECT {self.dialect.selected(columns)} FROM {self._name}"
        schema = pa.schema([column.field for column in columns])
        return pa.Table.from_batches(list(self._session.rows(query, columns)), schema)

    def _copy(self, query: str) -> Iterator[bytes]:
        """Bytes of a binary COPY, joined so that Python touches chunks and not rows."""
        buffered: list[bytes | bytearray | memoryview] = []
        size = 0
        with self._session.sql.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
            for row in copy:
                buffered.append(row)
                size += len(row)
                if size >= COPY_CHUNK_BYTES:
                    yield b"".join(buffered)
                    buffered, size = [], 0
        if buffered:
            yield b"".join(buffered)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """One snapshot for all queries of the block, on the Arrow connection."""
        self._arrow_run(_SNAPSHOT)
        try:
            yield
        finally:
            self._arrow_run("ROLLBACK")

    def _arrow_run(self, text: str) -> None:
        with self._session.arrow.cursor() as cursor:
            cursor.execute(text)

    def _running(self) -> tuple[int, int]:
        """The oldest transaction still running in this snapshot and the first not yet begun, with their epochs."""
        with self._session.arrow.cursor() as cursor:
            columns = "pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
            cursor.execute(f"SELECT {columns} FROM pg_current_snapshot() AS s")
            oldest, following = cursor.fetchone()
        return oldest, following

    # ------------------------------------------------------------------ position

    def release(self, position: Position) -> None:
        """Advance the slot to a position that the sink has committed; other positions keep nothing here."""
        with explained("releasing the slot"):
            self._stream.release(position)

    def released(self) -> Position | None:
        """The position up to which the slot was released; None without a slot."""
        with explained("asking for the slot"):
            return self._stream.released()

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as PostgreSQL can hold them."""
        return represent(self.dialect.types, table, rows)


class HeldTransaction:
    """An open transaction of PostgreSQL."""

    def __init__(self, connection: psycopg.Connection, cleaned: Callable[[], object]) -> None:
        self._connection = connection
        self._cleaned = cleaned

    def commit(self) -> None:
        """Commit and close."""
        self._connection.commit()
        self._connection.close()
        self._cleaned()

    def rollback(self) -> None:
        """Roll back and close; nothing to do once committed."""
        self._connection.close()


def unseen_since(position: Position | None, oldest: int, following: int) -> str:
    """Return the WHERE that holds for every row written at or after the position's bound; empty = read all rows.

    `oldest` is the oldest transaction still running, `following` the first not yet begun; a row's lies before it.
    """
    if position is None:
        return ""
    bound = position.value["xmin"]
    if bound > oldest or following - bound > _XID_HORIZON:
        return ""
    low = bound % _XID_CYCLE
    return f" WHERE mod(xmin::text::bigint - {low} + {_XID_CYCLE}, {_XID_CYCLE}) < {_XID_HORIZON}"


def _read_errors(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    with explained("reading"):
        yield from chunks
