"""How a statement that is said in PostgreSQL's SQL runs: its rows, its count, and bulk loads.

Here live results; transactions live in `postgres_connection`, the order of statements in `postgres_session`. It may
import `postgres_connection`, `engine`, `tsql`, its siblings below it and psycopg.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import psycopg
import pyarrow as pa
from psycopg import pq
from psycopg.errors import error_from_result

from resources.endpoints.mssql_emulator.engine import (
    Affected,
    CopiedRows,
    Kind,
    Outcome,
    ResultColumn,
    ResultSet,
    Rows,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.forms import comes_as
from resources.endpoints.mssql_emulator.postgres_catalog import plain_type
from resources.endpoints.mssql_emulator.postgres_connection import PostgresConnection, Values, plain
from resources.endpoints.mssql_emulator.postgres_errors import sql_error
from resources.endpoints.mssql_emulator.postgres_fitting import stored
from resources.endpoints.mssql_emulator.postgres_results import Decoder, as_binary, copied, encoded
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.query import UNNAMED
from resources.endpoints.mssql_emulator.tsql.scope import Column, Piece, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Made, Said
from resources.endpoints.mssql_emulator.tsql.storing import stored as to_column
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, tokenize

_WIDE = 16
"""Columns of a result that is worth to be read in binary."""


class PostgresStatements(PostgresConnection):
    """Runs statements on a connection."""

    takes_copies = True

    def run(self, said: Said, values: Values, line: int = 1) -> Iterator[Outcome]:
        """Run a statement and yield what it comes to. Raises SqlError."""
        if said.rows:
            yield from self._rows(said, values, line)
            return
        block = bool(said.before or said.after or said.made)
        with self.guarded(block=block, verb=said.verb, line=line):
            for before in said.before:
                self.connection.execute(before.encode(), {})
            after = said.after
            if said.made is not None:
                making, after = self._making(said, said.made, values)
                done = self.connection.execute(making)
            elif not said.used:
                done = self.connection.execute(self._bound(said.sql, values))
            else:
                done = self.connection.execute(said.sql.encode(), {name: values[name] for name in said.used})
            rows = max(0, done.rowcount)
            for statement in after:
                self.connection.execute(statement.encode(), {})
        if said.counted:
            self.rowcount = rows
        yield Affected(rows if said.counted and not self.settings.nocount else None)

    def _making(self, said: Said, made: Made, values: Values) -> tuple[bytes, list[str]]:
        """Return what makes a table of a query's rows, its columns of the query's types, and what goes on with it."""
        bound = self._bound(said.sql, values)
        query = replace(said, counted=False)
        columns, unscaled, _ = self.described(bound, query)
        if unscaled:
            columns = self._scaled(bound, columns, unscaled, query)
        self._shared.ensure({column.type for column in columns})
        own = made.identity[1] if made.identity else ""
        names = [f"c{place}" for place in range(len(columns))]
        kept = ", ".join(
            _as_column(name, column, identity=column.name == own) for name, column in zip(names, columns, strict=True)
        )
        temporary = "TEMPORARY " if made.table.schema == "pg_temp" else ""
        head = f"CREATE {temporary}TABLE {made.table.sql} AS SELECT {kept} FROM ("
        after = [
            f"ALTER TABLE {made.table.sql} ALTER COLUMN {quote(column.name)} SET NOT NULL"
            for column in columns
            if column.name in made.filled or (made.inherits and not column.nullable)
        ]
        if made.identity:
            places = (made.table.schema, made.table.name, own, made.identity[0].schema, made.identity[0].name)
            after.append(f"SELECT tsql.inherit_identity({', '.join(map(text, places))})")
        return plain(head).encode() + bound + f') AS "__v" ({", ".join(names)})'.encode(), after

    def _bound(self, sql: str, values: Values) -> bytes:
        """Return the text with its placeholders filled in: for COPY and others that take no parameters."""
        return psycopg.ClientCursor(self.connection).mogrify(sql, values).encode()

    def _rows(self, said: Said, values: Values, line: int) -> Iterator[Outcome]:
        with self.guarded(block=bool(said.before), writes=said.counted, verb=said.verb, line=line):
            for before in said.before:
                self.connection.execute(before.encode(), {})
            bound = self._bound(said.sql, values)
            columns, unscaled, binary = self.described(bound, said)
            if unscaled:
                columns = self._scaled(bound, columns, unscaled, said)
            if self.settings.format_only:
                yield ResultSet(columns, iter(()))
                return
            stream = _Stream(self.connection, bound, columns, binary=binary and not unscaled)
            try:
                yield ResultSet(columns, stream, lambda: stream.failed is not None)
            finally:
                stream.close()
            if stream.failed is not None:
                raise stream.failed
            self.rowcount = stream.rows

    def _scaled(
        self, bound: bytes, columns: tuple[ResultColumn, ...], unscaled: list[int], said: Said
    ) -> tuple[ResultColumn, ...]:
        """Give numerics of no declared scale, from expressions whose parts are not known, the scale of their values."""
        if said.counted:
            raise SqlError(
                102, "Incorrect syntax near 'OUTPUT of a numeric expression whose scale is not known': CAST it."
            )
        names = ", ".join(f"c{place}" for place in range(len(columns)))
        scales = ", ".join(f"coalesce(max(scale(c{place})), 0)" for place in unscaled)
        found = self.connection.execute(
            f"SELECT {scales} FROM (".encode() + bound + f") AS q ({names})".encode()
        ).fetchone()
        assert found is not None
        made = list(columns)
        for place, scale in zip(unscaled, found, strict=True):
            made[place] = replace(made[place], type=SqlType(Kind.DECIMAL, precision=38, scale=min(scale, 38)))
        return tuple(made)

    def described(self, bound: bytes, said: Said) -> tuple[tuple[ResultColumn, ...], list[int], bool]:
        """Return the columns of a query, the places of numerics whose scale nobody knows, and whether binary will do.

        Raises psycopg.Error.
        """
        pgconn = self.connection.pgconn
        prepared = pgconn.prepare(b"", bound)
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(prepared, "utf-8")
        shape = pgconn.describe_prepared(b"")
        if shape.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(shape, "utf-8")
        known = said.columns if said.columns is not None and len(said.columns) == shape.nfields else None
        origins = self.catalog.origins({shape.ftable(place) for place in range(shape.nfields)} - {0})
        columns: list[ResultColumn] = []
        unscaled: list[int] = []
        for place in range(shape.nfields):
            name = (shape.fname(place) or b"").decode()
            origin, nullable = origins.get((shape.ftable(place), shape.ftablecol(place)), (None, True))
            type_ = known[place].type if known else None
            type_ = type_ or origin or plain_type(shape.ftype(place), shape.fmod(place))
            if type_ is None:
                unscaled.append(place)
                type_ = SqlType(Kind.DECIMAL, precision=38, scale=0)
            columns.append(ResultColumn("" if name == UNNAMED else name, type_, nullable or said.counted))
        # A session that asks for a few columns at a time would wait longer for compiled code than it gains by it.
        alike = len(columns) >= _WIDE and all(
            comes_as(column.type, shape.ftype(place)) for place, column in enumerate(columns)
        )
        return tuple(columns), unscaled, alike

    # ------------------------------------------------------------------ bulk

    def columns(self, table: str, names: Sequence[str]) -> list[ResultColumn]:
        """Return the named columns of a table, in the order asked for. Raises SqlError 208, 207."""
        known = {column.name: column for column in self._columns(self._named(table))}
        for name in names:
            if name not in known:
                raise SqlError(207, f"Invalid column name '{name}'.")
        return [ResultColumn(name, known[name].type or types.NVARCHAR_MAX, known[name].nullable) for name in names]

    def _named(self, table: str) -> Table:
        cursor = Cursor(table, tokenize(table))
        name = cursor.name()
        cursor.end()
        return Manipulation(self.catalog, {}).table(name)

    def _columns(self, table: Table) -> Sequence[Column]:
        try:
            found = self.catalog.columns(table)
        except psycopg.Error as error:
            raise sql_error(error, self.circumstances()) from error
        if found is None:
            raise SqlError(208, f"Invalid object name '{table.schema}.{table.name}'.")
        return found

    def bulk_insert(self, table: str, columns: Sequence[ResultColumn], batches: Iterable[Rows]) -> int:
        """Append rows to a table and return how many. Raises SqlError."""
        self.begin_batch()
        target = self._named(table)
        kinds = {column.name: column.type for column in self._columns(target)}
        wanted = [kinds.get(column.name) for column in columns]
        for column, type_ in zip(columns, wanted, strict=True):
            to_column(Piece("", column.type), type_)  # refuses what cannot be kept
        listed = ", ".join(quote(column.name) for column in columns)
        rows = 0
        with self.guarded(block=True, verb="INSERT"), self.connection.cursor() as cursor:
            # Odd rows among the others come as Arrow's, and one COPY has one format.
            for copied, alike in groupby(batches, lambda batch: isinstance(batch, CopiedRows)):
                copy = f"COPY {target.sql} ({listed}) FROM STDIN (FORMAT {'binary' if copied else 'csv'})"
                with cursor.copy(plain(copy).encode()) as into:
                    for count, data in as_binary(alike) if copied else encoded(_kept(alike, wanted), columns):
                        self.check_cancelled()
                        into.write(data)
                        rows += count
        self.rowcount = rows
        return rows


def _as_column(name: str, column: ResultColumn, *, identity: bool) -> str:
    """Return a value of a query as a column of a table of its own type."""
    said = to_column(Piece(name), column.type)
    if not identity:  # PostgreSQL has no identity of a domain
        said = f"CAST({said} AS {types.domain(column.type)})"
    return f"{said} AS {quote(column.name)}"


def _kept(batches: Iterable[pa.RecordBatch], wanted: Sequence[SqlType | None]) -> Iterator[pa.RecordBatch]:
    """Yield batches as columns of these types keep them."""
    for batch in batches:
        arrays = [
            array if type_ is None else stored(array, type_) for array, type_ in zip(batch.columns, wanted, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, batch.schema.names)


class _Stream:
    """The rows of a query. An error in the middle ends them; whoever asked for them raises it then."""

    def __init__(
        self, connection: psycopg.Connection, bound: bytes, columns: tuple[ResultColumn, ...], *, binary: bool
    ) -> None:
        self.rows = 0
        self.failed: Exception | None = None
        self._batches = self._read(connection, bound, columns, binary=binary)

    def __iter__(self) -> Iterator[Rows]:
        return self

    def __next__(self) -> Rows:
        return next(self._batches)

    def _read(
        self, connection: psycopg.Connection, bound: bytes, columns: tuple[ResultColumn, ...], *, binary: bool
    ) -> Iterator[Rows]:
        try:
            form, rows_of = (b"binary", copied) if binary else (b"csv", Decoder(columns).batches)
            with (
                connection.cursor() as cursor,
                cursor.copy(b"COPY (" + bound + b") TO STDOUT (FORMAT " + form + b")") as copy,
            ):
                for batch in rows_of(copy):
                    self.rows += batch.num_rows
                    yield batch
        except (psycopg.Error, pa.ArrowException) as error:
            self.failed = (
                error if isinstance(error, psycopg.Error) else SqlError(8624, f"A result was not read: {error}")
            )

    def close(self) -> None:
        """End the query, read to its end or not."""
        if self.failed is None:
            for _ in self._batches:
                pass
