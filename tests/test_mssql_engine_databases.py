"""The databases behind those of the local SQL Server: made once, completed where that is due, dropped by their maker.

It may import the engine.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tsql_local import PASSWORD, USER, client

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator import postgres_engine
from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.postgres_databases import connect, make
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine


@contextlib.contextmanager
def engine_on(endpoint: Endpoint, prefix: str) -> Iterator[PostgresEngine]:
    """An engine that serves a database `matrix`."""
    engine = PostgresEngine(endpoint, USER, PASSWORD, prefix=prefix)
    try:
        engine.create_database("matrix")
        yield engine
    finally:
        engine.close()


def names(endpoint: Endpoint, prefix: str) -> list[str]:
    """What PostgreSQL has whose name begins so."""
    asked = "SELECT datname::text FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1"
    with connect(endpoint, "") as connection:
        return [name for (name,) in connection.execute(asked, (prefix,))]


def test_databases_that_are_there_are_used_as_they_are_and_outlive_who_did_not_make_them(
    postgres_endpoint: Endpoint,
) -> None:
    with engine_on(postgres_endpoint, "t_kept_") as first:
        client(first).run("CREATE TABLE t (n INT NOT NULL); INSERT INTO t VALUES (7)")
        client(first, "master").run("CREATE TABLE t (n INT NOT NULL); INSERT INTO t VALUES (8)")
        with engine_on(postgres_endpoint, "t_kept_") as second:
            assert client(second).value("SELECT n FROM t") == 7
            assert client(second, "master").value("SELECT n FROM t") == 8
        assert client(first).value("SELECT n FROM t") == 7
        assert client(first, "master").value("SELECT n FROM t") == 8
    assert names(postgres_endpoint, "t_kept_") == []


def test_a_database_that_was_made_and_left_empty_is_completed(postgres_endpoint: Endpoint) -> None:
    made = ["t_empty_master", "t_empty_matrix"]
    for name in made:
        assert make(postgres_endpoint, name)
        assert not make(postgres_endpoint, name)
    try:
        with engine_on(postgres_endpoint, "t_empty_") as engine:
            assert client(engine).value("SELECT DB_NAME()") == "matrix"
            assert client(engine, "master").value("SELECT CONVERT(VARCHAR(5), 12)") == "12"
        assert names(postgres_endpoint, "t_empty_") == made
    finally:
        with connect(postgres_endpoint, "") as connection:
            for name in made:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_master_is_made_once_for_its_first_clients_and_listed_before(postgres_endpoint: Endpoint) -> None:
    with engine_on(postgres_endpoint, "t_late_") as engine:
        assert names(postgres_endpoint, "t_late_") == ["t_late_matrix"]
        listed = "SELECT COUNT(*) FROM sys.databases WHERE name = N'master' AND database_id = DB_ID(N'master')"
        assert client(engine).value(listed) == 1
        with pytest.raises(SqlError, match="already exists") as caught:
            client(engine).run("CREATE DATABASE master")
        assert caught.value.number == 1801
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: client(engine, "").value("SELECT DB_NAME()"), range(4)))
        assert found == ["master"] * 4
        assert client(engine, "master").value(listed) == 1
        assert names(postgres_endpoint, "t_late_") == ["t_late_master", "t_late_matrix"]
    assert names(postgres_endpoint, "t_late_") == []


def test_a_login_says_why_master_could_not_be_made(
    postgres_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise psycopg.OperationalError("no space left on device")

    with engine_on(postgres_endpoint, "t_full_") as engine:
        monkeypatch.setattr(postgres_engine, "complete", full)
        with pytest.raises(SqlError, match="no space left") as caught:
            client(engine, "master")
        assert caught.value.number == 4060
        monkeypatch.undo()
        assert client(engine, "master").value("SELECT DB_NAME()") == "master"
