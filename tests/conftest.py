"""Fixtures that several test files share.

Here live services that are started once for all tests; what a test needs of its own lives with the test.
It may import everything.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from tsql_local import Client, client

from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine
from resources.endpoints.registry import Endpoints


@pytest.fixture(scope="session")
def postgres_endpoint() -> Iterator[Endpoint]:
    """One embedded PostgreSQL server; tests share it and keep to namespaces of their own."""
    endpoints = Endpoints()
    try:
        yield endpoints.endpoint(System.POSTGRES)
    finally:
        endpoints.stop_all()


@pytest.fixture(scope="session")
def mssql_engine(postgres_endpoint: Endpoint) -> Iterator[PostgresEngine]:
    """The engine of the local SQL Server endpoint on the shared PostgreSQL; tests keep to schemas of their own."""
    engine = PostgresEngine(postgres_endpoint, "sa", "Secret-1", prefix="t_mssql_")
    try:
        engine.create_database("matrix")
        yield engine
    finally:
        engine.close()


_schemas = count(1)


@pytest.fixture
def tsql(mssql_engine: PostgresEngine) -> Iterator[Client]:
    """A login."""
    found = client(mssql_engine)
    try:
        yield found
    finally:
        found.session.close()


@pytest.fixture
def schema(tsql: Client) -> str:
    """An empty schema."""
    name = f"m_test_{next(_schemas)}"
    tsql.run(f"CREATE SCHEMA {name}")
    return name


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    """A table of three rows."""
    tsql.run(f"CREATE TABLE {schema}.t (id INT NOT NULL PRIMARY KEY, code NVARCHAR(10), n INT)")
    tsql.run(f"INSERT INTO {schema}.t VALUES (1, N'a', 10), (2, N'b', 20), (3, N'c', NULL)")
    return f"{schema}.t"
