"""The databases behind those of the local SQL Server: made once, completed where that is due, dropped by their maker.

It may import the engine.
"""

import psycopg
import pytest
from tsql_local import PASSWORD, USER, client

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.postgres_databases import connect, make, make_all
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine


def test_databases_that_are_there_are_used_as_they_are_and_outlive_who_did_not_make_them(
    postgres_endpoint: Endpoint,
) -> None:
    first = PostgresEngine(postgres_endpoint, USER, PASSWORD, ["matrix"], prefix="t_kept_")
    try:
        client(first).run("CREATE TABLE t (n INT NOT NULL); INSERT INTO t VALUES (7)")
        second = PostgresEngine(postgres_endpoint, USER, PASSWORD, ["matrix"], prefix="t_kept_")
        try:
            assert client(second).value("SELECT n FROM t") == 7
        finally:
            second.close()
        assert client(first).value("SELECT n FROM t") == 7
    finally:
        first.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(postgres_endpoint, "t_kept_matrix")


def test_a_database_that_was_made_and_left_empty_is_completed(postgres_endpoint: Endpoint) -> None:
    names = ["t_empty_master", "t_empty_matrix"]
    make_all(postgres_endpoint, names)
    assert not make(postgres_endpoint, names[0])
    engine = PostgresEngine(postgres_endpoint, USER, PASSWORD, ["matrix"], prefix="t_empty_")
    try:
        assert client(engine).value("SELECT DB_NAME()") == "matrix"
        assert client(engine, "master").value("SELECT CONVERT(VARCHAR(5), 12)") == "12"
    finally:
        engine.close()
        with connect(postgres_endpoint, "") as connection:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
