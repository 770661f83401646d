"""Clients that nobody here wrote work against the local SQL Server endpoint as they are: wire and engine together.

Each of them makes a table, fills it its own way and reads it back; what is not installed is skipped with that reason.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pandas as pd
import pytest
import sqlalchemy as sa
from mssql_local import local_mssql
from sqlalchemy.dialects import mssql

from resources.endpoints.endpoint import Endpoint
from resources.mssql import driver

ROWS = [(1, "é 👍", Decimal("1.2500")), (2, None, Decimal("-0.0001")), (3, "a ", None)]
SHARES = [(0.1, True), (None, False), (-1e300, None)]
CONNECTIONS = 200


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_mssql() as endpoint:
        if not endpoint.emulator:
            pytest.skip("the tables of these tests lie in dbo: not in a database of somebody else's")
        yield endpoint


@pytest.fixture
def created(endpoint: Endpoint) -> Iterator[str]:
    """The name of an empty table."""
    connection = driver.connect(endpoint, 5)
    connection.execute("DROP TABLE IF EXISTS dbo.clients")
    connection.execute("CREATE TABLE dbo.clients (id INT NOT NULL PRIMARY KEY, name NVARCHAR(20), n DECIMAL(18, 4))")
    yield "dbo.clients"
    connection.execute("DROP TABLE dbo.clients")
    connection.close()


def rows(endpoint: Endpoint, table: str) -> list[tuple]:
    connection = driver.connect(endpoint, 5)
    found = [tuple(row) for row in connection.execute(f"SELECT id, name, n FROM {table} ORDER BY id").fetchall()]
    connection.close()
    return found


def test_pyodbc_inserts_one_by_one_and_in_bulk(endpoint: Endpoint, created: str) -> None:
    connection = driver.connect(endpoint, 5)
    connection.execute(f"INSERT INTO {created} VALUES (?, ?, ?)", ROWS[0])
    cursor = connection.cursor()
    cursor.fast_executemany = True
    cursor.executemany(f"INSERT INTO {created} VALUES (?, ?, ?)", ROWS[1:])
    connection.close()
    assert rows(endpoint, created) == ROWS


def test_mssql_python_copies_in_bulk(endpoint: Endpoint, created: str) -> None:
    client = driver.load("mssql_python")
    connection = client.connect(driver.settings(endpoint), autocommit=True)
    assert connection.cursor().bulkcopy(created, ROWS)["rows_copied"] == len(ROWS)
    connection.close()
    assert rows(endpoint, created) == ROWS


@pytest.mark.parametrize("good", [0, 1, 5000])
def test_an_error_amid_rows_is_to_no_client_the_end_of_the_rows(endpoint: Endpoint, good: int) -> None:
    """`good` rows come before the one that cannot be computed."""
    query = (
        "WITH n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 6000) "
        f"SELECT 1 / ({good} - i) AS x FROM n OPTION (MAXRECURSION 0)"
    )
    python = driver.load("mssql_python").connect(driver.settings(endpoint), autocommit=True)
    freetds = pytest.importorskip("pymssql").connect(
        endpoint.host, endpoint.user, endpoint.password, endpoint.database, port=endpoint.port, autocommit=True
    )
    odbc = driver.connect(endpoint, 5)
    reads = [(client, "fetchall") for client in (odbc, python, freetds)]
    for client, read in [*reads, (python, "arrow")]:
        cursor = client.cursor()
        with pytest.raises(Exception, match="Divide by zero"):
            (cursor.execute(query), getattr(cursor, read)())
    for client in (odbc, python, freetds):
        client.close()


def test_a_time_at_utc_goes_into_a_column_without_an_offset_and_no_other_does(endpoint: Endpoint) -> None:
    client = driver.load("mssql_python")
    connection = client.connect(driver.settings(endpoint), autocommit=True)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE #t (at DATETIME2(6))")
    at = datetime(2026, 3, 29, 2, 30, 0, 123456, UTC)
    cursor.execute("INSERT INTO #t VALUES (?)", at)
    with pytest.raises(client.Error, match="offset is not kept"):
        cursor.execute("INSERT INTO #t VALUES (?)", at.astimezone(timezone(timedelta(hours=-5))))
    assert cursor.execute("SELECT at FROM #t").fetchval() == at.replace(tzinfo=None)
    connection.close()


def test_freetds_inserts_in_a_transaction_and_rolls_one_back(endpoint: Endpoint, created: str) -> None:
    pymssql = pytest.importorskip("pymssql")
    connection = pymssql.connect(
        server=endpoint.host,
        port=str(endpoint.port),
        user=endpoint.user,
        password=endpoint.password,
        database=endpoint.database,
    )
    cursor = connection.cursor()
    cursor.executemany(f"INSERT INTO {created} VALUES (%s, %s, %s)", ROWS)
    connection.commit()
    cursor.execute(f"DELETE FROM {created}")
    connection.rollback()
    cursor.execute(f"SELECT id, name, n FROM {created} ORDER BY id")
    assert cursor.fetchall() == ROWS
    connection.close()


def test_sqlalchemy_creates_reflects_and_queries_a_table(endpoint: Endpoint) -> None:
    url = sa.URL.create("mssql+pyodbc", query={"odbc_connect": driver.odbc_settings(endpoint)})
    engine, metadata = sa.create_engine(url), sa.MetaData(schema="dbo")
    made = sa.Table(
        "mapped",
        metadata,
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Unicode(20), nullable=False, unique=True),
        sa.Column("n", sa.Numeric(18, 4)),
        sa.Column("at", sa.DateTime, server_default=sa.func.sysutcdatetime()),
    )
    metadata.drop_all(engine)
    metadata.create_all(engine)
    try:
        with engine.begin() as connection:
            connection.execute(made.insert(), [{"name": name or "-", "n": n} for _, name, n in ROWS])
        reflected = sa.Table("mapped", sa.MetaData(), schema="dbo", autoload_with=engine)
        assert [(c.name, c.nullable) for c in reflected.columns] == [
            ("id", False),
            ("name", False),
            ("n", True),
            ("at", True),
        ]
        assert [c.name for c in reflected.primary_key] == ["id"]
        assert (reflected.c.n.type.precision, reflected.c.n.type.scale) == (18, 4)
        with engine.connect() as connection:
            found = connection.execute(sa.select(reflected.c.id, reflected.c.name).order_by(reflected.c.id)).all()
            (at,) = connection.execute(sa.select(sa.func.max(reflected.c.at))).one()
        assert found == [(1, "é 👍"), (2, "-"), (3, "a ")]
        assert abs((datetime.now(UTC).replace(tzinfo=None) - at).total_seconds()) < 3600
    finally:
        metadata.drop_all(engine)
        engine.dispose()


@pytest.mark.parametrize("fast", [True, False], ids=["fast_executemany", "executemany"])
def test_pandas_replaces_appends_and_reads_a_table(endpoint: Endpoint, fast: bool) -> None:
    url = sa.URL.create("mssql+pyodbc", query={"odbc_connect": driver.odbc_settings(endpoint)})
    engine = sa.create_engine(url, fast_executemany=fast)
    more = [(datetime(2026, 3, 29, 2, 30, 0, 123456), date(2026, 3, 29), share, ok) for share, ok in SHARES]
    rows = [(*row, *rest) for row, rest in zip(ROWS, more, strict=True)]
    frame = pd.DataFrame(rows, columns=["id", "name", "n", "at", "day", "share", "ok"])
    types = {"name": sa.Unicode(20), "n": sa.Numeric(18, 4), "at": mssql.DATETIME2(6), "ok": mssql.BIT}
    try:
        for how, copies in (("replace", 1), ("append", 2), ("replace", 1)):
            frame.to_sql("framed", engine, schema="dbo", if_exists=how, index=False, dtype=types)
            found = pd.read_sql_query("SELECT * FROM dbo.framed ORDER BY id", engine, coerce_float=False)
            cells = found.astype(object).where(found.notna(), None)
            assert list(cells.itertuples(index=False, name=None)) == [row for row in rows for _ in range(copies)]
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS dbo.framed")
        engine.dispose()


def test_two_hundred_connections_work_at_once(endpoint: Endpoint) -> None:
    with ThreadPoolExecutor(16) as pool:
        connections = list(pool.map(lambda _: driver.connect(endpoint, 30), range(CONNECTIONS)))
        answers = list(pool.map(lambda c: c.execute("SELECT @@TRANCOUNT + 1").fetchval(), connections))
    for connection in connections:
        connection.close()
    assert answers == [1] * CONNECTIONS
