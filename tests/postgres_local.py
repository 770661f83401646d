"""A small table in a real PostgreSQL: how tests fill it, read it and look at it.

Here live no tests. It may import `resources`, `matrix_defs` and psycopg.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from matrix_defs.ports import Batch, KeyList, Load, LoadTarget, Position, ReadEnd, ReadMode, ReadRequest, Scope
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints import embedded_postgres, ports
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.supervised import Supervised
from resources.postgres.source import PostgresSource

TABLE = TableSpec(
    "orders",
    (
        Column("order_id", LogicalType.INT64, nullable=False),
        Column("item_code", LogicalType.TEXT, nullable=False),
        Column("business_date", LogicalType.DATE, nullable=False),
        Column("updated_at", LogicalType.INSTANT, nullable=False),
        Column("note", LogicalType.TEXT),
    ),
    key=("order_id", "item_code"),
    cursor="updated_at",
    partition="business_date",
)

DAY = date(2026, 6, 1)
INSTANT = datetime(2026, 6, 1, 12, tzinfo=UTC)

Cells = tuple[int, str | None, str | None]
"""What most tests look at: order_id, item_code, note."""

_numbers = count(1)


def fresh_namespace() -> str:
    """Return a namespace that no other test of this process uses."""
    return f"m_test_{next(_numbers)}"


def rows(*cells: Cells, day: date = DAY, at: datetime = INSTANT) -> pa.Table:
    """Return rows of TABLE with these keys and notes."""
    return pa.table(
        {
            "order_id": pa.array([cell[0] for cell in cells], pa.int64()),
            "item_code": pa.array([cell[1] for cell in cells], pa.string()),
            "business_date": pa.array([day] * len(cells), pa.date32()),
            "updated_at": pa.array([at] * len(cells), pa.timestamp("us", "UTC")),
            "note": pa.array([cell[2] for cell in cells], pa.string()),
        }
    )


def cells(table: pa.Table) -> list[Cells]:
    """Return what `rows` was given, in the order of the keys."""
    return sorted(zip(*(table.column(name).to_pylist() for name in ("order_id", "item_code", "note")), strict=True))


def batch_of(table: pa.Table, position: Position | None = None, keys: pa.Table | None = None) -> Batch:
    """Return a batch that yields the rows."""
    return Batch(table.schema, iter(table.to_batches()), lambda: ReadEnd(position, keys))


def drain(batch: Batch) -> tuple[pa.Table, ReadEnd]:
    """Read a batch to its end and close it."""
    with batch:
        chunks = list(batch)
        end = batch.end()
    return pa.Table.from_batches(chunks, None if chunks else batch.schema), end


def keys_of(end: ReadEnd) -> list[tuple[int, str]]:
    """Return the keys of a key list, in order."""
    assert end.keys is not None
    return sorted(zip(*(column.to_pylist() for column in end.keys.columns), strict=True))


def load_number(number: int, scope: Scope = None, key_list: KeyList = KeyList.NONE, **more: Any) -> Load:
    """Return the identity of a load; a later number is a later instant."""
    return Load(f"load-{number}", INSTANT + timedelta(days=100 + number), scope, key_list, **more)


def target(namespace: str, **more: Any) -> LoadTarget:
    """Return a target of TABLE's rows."""
    return LoadTarget(namespace, TABLE, **more)


def connect(endpoint: Endpoint, **more: Any) -> psycopg.Connection:
    """Return a connection in autocommit."""
    return psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname=endpoint.database,
        autocommit=True,
        **more,
    )


class Seeded:
    """A source with a table in it, and a connection that writes to the table as any application would."""

    def __init__(self, endpoint: Endpoint, seed: pa.Table, table: TableSpec) -> None:
        self.endpoint = endpoint
        self.namespace = fresh_namespace()
        self.table = table
        self.source = PostgresSource(endpoint, self.namespace, table)
        self.source.seed(seed)
        self.sql = self.writer()

    def writer(self) -> psycopg.Connection:
        """Another connection that finds the table by its bare name."""
        return connect(self.endpoint, options=f"-c search_path={self.namespace}")

    def read(self, mode: ReadMode, position: Position | None = None) -> Batch:
        """Begin a read."""
        return self.source.read(ReadRequest(mode, position))

    def insert(self, number: int, note: str, sql: psycopg.Connection | None = None) -> None:
        """Insert a row of TABLE."""
        values = (number, "a", DAY, INSTANT, note)
        (sql or self.sql).execute("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", values)


@contextmanager
def seeded(
    endpoint: Endpoint, *given: Cells, seed: pa.Table | None = None, table: TableSpec = TABLE
) -> Iterator[Seeded]:
    """Yield a source that holds the rows; everything is dropped behind it."""
    held = Seeded(endpoint, rows(*given) if seed is None else seed, table)
    try:
        yield held
    finally:
        held.sql.close()
        held.source.drop()


def notes(found: Sequence[Cells]) -> list[str | None]:
    """Return the notes alone."""
    return [note for _, _, note in found]


@contextmanager
def private_server(prepare: str = "", **settings: str) -> Iterator[Endpoint]:
    """Yield a server of the caller's own, with these settings besides the usual ones.

    `prepare` is a shell script that runs before its first start, in the data folder, with the server's programs found.
    """
    account = embedded_postgres._unprivileged()
    supervised = Supervised("matrix-postgres-")
    try:
        binaries = embedded_postgres._reachable_binaries(supervised.folder, account)
        data = embedded_postgres._initialise(supervised, binaries, account, "private")
        if settings:
            lines = "\n".join(f"{name} = '{value}'" for name, value in settings.items())
            prepare = f"cat > postgresql.auto.conf <<'END'\n{lines}\nEND\n{prepare}"
        environment = {**embedded_postgres._ENVIRONMENT, "PATH": f"{binaries}:/usr/bin:/bin"}
        supervised.run(["/bin/sh", "-ec", f"cd {data}\n{prepare}"], environment, account)
        usual = embedded_postgres.SETTINGS
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedded_postgres, "SETTINGS", {k: v for k, v in usual.items() if k not in settings})
            port = embedded_postgres._serve(supervised, binaries, data, account, ports.free_port)
        yield Endpoint(
            System.POSTGRES,
            "embedded",
            "PostgreSQL",
            version="",
            port=port,
            user=embedded_postgres.USER,
            password="private",
            database=embedded_postgres.DATABASE,
        )
    finally:
        supervised.stop()
