"""REST as a source of the matrix: reads through the generic client, changes through the local service's admin side.

Here live the read modes of one table; what a page or a request is, is said in `client`. The paths and parameters named
here are the contract that `endpoints/rest_service.py` serves. It may import `matrix_defs`, pyarrow and `resources`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import ReadError
from matrix_defs.ports import (
    Batch,
    Change,
    Changes,
    Op,
    Partitions,
    Position,
    ReadEnd,
    ReadMode,
    ReadRequest,
    Window,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from resources.cursor_read import CursorRead
from resources.json_rows import represent
from resources.rest.client import RestClient

_NOTHING = ReadEnd(None)


class RestSource:
    """One table of one namespace. Reads are made of pages taken one after the other: a read is no snapshot."""

    kind = SourceKind.STATE

    def __init__(self, client: RestClient, table: TableSpec, namespace: str) -> None:
        self._client = client
        self._table = table
        self._rows = f"/v1/{quote(namespace, safe='')}/{quote(table.name, safe='')}"
        self._admin = f"/admin/{quote(namespace, safe='')}"

    def seed(self, rows: pa.Table) -> None:
        """Put the table in place with these rows, whatever was there before."""
        table = {
            "columns": [[column.name, column.type, column.nullable] for column in self._table.columns],
            "key": self._table.key,
            "cursor": self._table.cursor,
            "partition": self._table.partition,
        }
        self._client.send("PUT", self._admin_table, _stream(rows, {"table": orjson.dumps(table)}))

    def apply(self, changes: Changes) -> None:
        """Send the changes in one request: readers see all of them or none."""
        streams = [_stream(change.rows, {"op": change.op.encode()}) for change in changes]
        self._client.send("POST", self._admin_table, b"".join(streams))

    def hold(self, rows: pa.Table) -> "HeldRows":
        """The service knows no transactions: the rows are sent when they are committed."""
        return HeldRows(lambda: self.apply([Change(Op.INSERT, rows)]))

    def read(self, request: ReadRequest) -> Batch:
        """Begin a read. Raises ReadError for a mode that a REST service has no means for.

        Pages are fetched as the batch is iterated, and a read that proves incomplete raises ReadError there.
        """
        match request.mode, request.scope:
            case ReadMode.SNAPSHOT, _:
                return Batch(self._table.schema, self._fetch({}), lambda: _NOTHING)
            case ReadMode.INCREMENTAL | ReadMode.INCREMENTAL_AND_DELETES, _:
                return self._incremental(request)
            case (ReadMode.WINDOW, Window() as scope) | (ReadMode.PARTITIONS, Partitions() as scope):
                return Batch(self._table.schema, self._scoped(scope), lambda: _NOTHING)
        raise ReadError(f"rest: a read by {request.mode} with scope {request.scope} is not possible")

    def release(self, position: Position) -> None:
        """Nothing is kept for a reader, so nothing is released."""

    def released(self) -> Position | None:
        """None: nothing is kept for a reader."""
        return None

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as they come back through JSON: the same object but for declared losses."""
        return represent(rows, table.columns)

    def drop(self) -> None:
        """Remove the namespace from the service."""
        self._client.send("DELETE", self._admin)

    @property
    def _admin_table(self) -> str:
        return f"{self._admin}/{quote(self._table.name, safe='')}"

    def _fetch(self, params: Mapping[str, str], **options: Any) -> Iterator[pa.RecordBatch]:
        return self._client.rows(self._rows, self._table.columns, self._table.key, params=params, **options)

    def _incremental(self, request: ReadRequest) -> Batch:
        cursor = CursorRead(self._table, request.position)
        with_keys = request.mode is ReadMode.INCREMENTAL_AND_DELETES
        keys: list[pa.RecordBatch] = []

        def chunks() -> Iterator[pa.RecordBatch]:
            bound = cursor.lower_bound
            for batch in self._fetch({}, since=bound, version=self._table.cursor):
                if bound:
                    self._expect(batch, lambda column: pc.greater_equal(column, _instant(bound)), self._table.cursor)
                yield from cursor.new_rows(pa.Table.from_batches([batch])).to_batches()
            if with_keys:  # after the rows: taken before, the list would lack a key inserted in between
                columns = self._table.key_columns
                keys.extend(self._client.rows(self._rows, columns, self._table.key, select=True))

        def end() -> ReadEnd:
            schema = pa.schema([column.field for column in self._table.key_columns])
            return ReadEnd(cursor.position(), pa.Table.from_batches(keys, schema) if with_keys else None)

        return Batch(self._table.schema, chunks(), end)

    def _scoped(self, scope: Window | Partitions) -> Iterator[pa.RecordBatch]:
        name = self._table.partition
        for batch in self._fetch(_params(name, scope)):
            self._expect(batch, lambda days: _inside(days, scope), name)
            yield batch

    def _expect(self, batch: pa.RecordBatch, inside: Callable[[pa.Array], pa.Array], name: str) -> None:
        """A service that ignores a parameter answers with all rows; loaded, they would replace what is not theirs."""
        if not pc.all(inside(batch.column(name)), min_count=0).as_py():
            raise ReadError(f"GET {self._rows}: rows came whose {name} was not asked for; is its filter supported?")


class HeldRows:
    """Rows that wait to be sent. Committing or rolling back ends the wait; either is safe afterwards."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send: Callable[[], None] | None = send

    def commit(self) -> None:
        """Make the rows visible."""
        send, self._send = self._send, None
        if send:
            send()

    def rollback(self) -> None:
        """Forget the rows."""
        self._send = None


def _params(name: str, scope: Window | Partitions) -> dict[str, str]:
    if isinstance(scope, Window):
        return {f"{name}_from": scope.start.isoformat(), f"{name}_to": scope.end.isoformat()}
    return {f"{name}_in": ",".join(day.isoformat() for day in scope.days)}


def _inside(days: pa.Array, scope: Window | Partitions) -> pa.Array:
    if isinstance(scope, Window):
        return pc.and_(pc.greater_equal(days, scope.start), pc.less(days, scope.end))
    return pc.is_in(days, value_set=pa.array(scope.days, pa.date32()))


def _instant(text: str) -> pa.Scalar:
    return pa.scalar(text).cast(pa.timestamp("us", tz="UTC"))


def _stream(rows: pa.Table, metadata: Mapping[str, bytes]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema.with_metadata(metadata)) as writer:
        writer.write_table(rows.replace_schema_metadata(metadata))
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
