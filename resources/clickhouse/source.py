"""ClickHouse as a source: one table of one database, changed and read.

Here lives what the workload does to the table and how it is read; streams live in `server`, statements of tables in
`dialect`. It may import `server`, `dialect` and `cursor_read`.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pyarrow as pa

from matrix_defs.errors import MatrixError, ReadError
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
from matrix_defs.table import Column, TableSpec
from matrix_defs.workload import apply_changes
from resources.clickhouse.dialect import ClickHouseDialect
from resources.clickhouse.server import DRIVER_ERRORS, Server, explain
from resources.cursor_read import CursorRead
from resources.types_table import represent


class ClickHouseSource:
    """One table in a database of its own. A query sees the parts that exist when it begins: its rows are one snapshot.

    Two queries are two snapshots, so a complete key list is taken after the rows.
    """

    kind = SourceKind.STATE
    dialect = ClickHouseDialect()

    def __init__(self, server: Server, namespace: str, table: TableSpec) -> None:
        self._server = server
        self._namespace = namespace
        self._table = table
        self._name = self.dialect.relation(namespace, table.name)

    # ------------------------------------------------------------------ what the workload does to it

    def seed(self, rows: pa.Table) -> None:
        """Create database and table, and insert the rows."""
        with _explained("seeding"):
            self._server.execute(f"CREATE DATABASE {self.dialect.quote(self._namespace)}")
            self._create(self._name, self._table.columns)
            self._insert(rows)

    def apply(self, changes: Changes) -> None:
        """Delete every key that is updated or deleted, then insert the rows that the changes leave: one statement each.

        There is no UPDATE of whole rows and no transaction to hide what lies between, so the changes are folded first.
        """
        key = self._table.key
        touched = [change.rows.select(list(key)) for change in changes if change.op is not Op.INSERT]
        with _explained("changing"):
            if touched:
                self._delete(pa.concat_tables(touched))
            self._insert(apply_changes(self._table.schema.empty_table(), changes, key))

    def hold(self, rows: pa.Table) -> "HeldRows":
        """ClickHouse has no transactions: the rows are inserted when they are committed."""
        return HeldRows(lambda: self._insert(rows))

    def drop(self) -> None:
        """Drop the database."""
        with _explained("dropping"):
            self._server.execute(f"DROP DATABASE IF EXISTS {self.dialect.quote(self._namespace)} SYNC")

    def _create(self, name: str, columns: tuple[Column, ...]) -> None:
        definitions = ", ".join(self.dialect.definition(column) for column in columns)
        self._server.execute(f"CREATE TABLE {name} ({definitions}){self.dialect.merge_tree(self._table.key)}")

    def _insert(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._server.insert(self._name, self._table.columns, rows.to_batches())

    def _delete(self, keys: pa.Table) -> None:
        if not keys.num_rows:
            return
        gone = self.dialect.relation(self._namespace, f"{self._table.name}__gone")
        self._create(gone, self._table.key_columns)
        self._server.insert(gone, self._table.key_columns, keys.to_batches())
        self._server.execute(f"DELETE FROM {self._name} WHERE {self.dialect.holds(gone, self._table.key)}")
        self._server.execute(f"DROP TABLE {gone} SYNC")

    # ------------------------------------------------------------------ reading

    def read(self, request: ReadRequest) -> Batch:
        """Begin one read. Raises ReadError for a mode that ClickHouse has no means for."""
        match request.mode:
            case ReadMode.INCREMENTAL | ReadMode.INCREMENTAL_AND_DELETES:
                return self._incremental(request)
            case ReadMode.SNAPSHOT | ReadMode.WINDOW | ReadMode.PARTITIONS:
                return self._batch(
                    self._rows(self._table.columns, self.dialect.within(self._table, request.scope)),
                    lambda: ReadEnd(None),
                )
        raise ReadError(f"ClickHouse cannot be read by {request.mode}: it keeps neither transaction ids nor changes")

    def _incremental(self, request: ReadRequest) -> Batch:
        cursor = CursorRead(self._table, request.position)
        where = ""
        if cursor.lower_bound:
            bound = f"parseDateTime64BestEffort({self.dialect.literal(cursor.lower_bound)}, 6, 'UTC')"
            where = f" WHERE {self.dialect.quote(self._table.cursor)} >= {bound}"
        keys: list[pa.RecordBatch] = []
        with_keys = request.mode is ReadMode.INCREMENTAL_AND_DELETES

        def chunks() -> Iterator[pa.RecordBatch]:
            for batch in self._rows(self._table.columns, where):
                yield from cursor.new_rows(pa.Table.from_batches([batch])).to_batches()
            if with_keys:
                keys.extend(self._rows(self._table.key_columns))

        def end() -> ReadEnd:
            schema = pa.schema([column.field for column in self._table.key_columns])
            return ReadEnd(cursor.position(), pa.Table.from_batches(keys, schema) if with_keys else None)

        return self._batch(chunks(), end)

    def _batch(self, chunks: Iterator[pa.RecordBatch], end: Callable[[], ReadEnd]) -> Batch:
        rows = _read_errors(chunks)
        return Batch(self._table.schema, rows, end, close=rows.close)

    def _rows(self, columns: tuple[Column, ...], where: str = "") -> Iterator[pa.RecordBatch]:
        names = self.dialect.names([column.name for column in columns])
        return self._server.batches(f"SELECT {names} FROM {self._name}{where}", columns)

    # ------------------------------------------------------------------ position

    def release(self, position: Position) -> None:
        """Nothing is kept for a reader, so nothing is released."""

    def released(self) -> Position | None:
        """None: nothing is kept for a reader."""
        return None

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as ClickHouse can hold them."""
        return represent(self.dialect.types, table, rows)


class HeldRows:
    """Rows that wait to be inserted. Committing or rolling back ends the wait; either is safe afterwards."""

    def __init__(self, insert: Callable[[], None]) -> None:
        self._insert: Callable[[], None] | None = insert

    def commit(self) -> None:
        """Make the rows visible."""
        insert, self._insert = self._insert, None
        if insert:
            with _explained("inserting late rows"):
                insert()

    def rollback(self) -> None:
        """Forget the rows."""
        self._insert = None


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn a driver's error into ReadError of one line."""
    try:
        yield
    except MatrixError:
        raise
    except DRIVER_ERRORS as error:
        raise ReadError(f"ClickHouse, {doing}: {explain(error)}") from error


def _read_errors(chunks: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    with _explained("reading"):
        yield from chunks
