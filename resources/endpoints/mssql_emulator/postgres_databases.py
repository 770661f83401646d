"""The databases of PostgreSQL behind those of SQL Server.

Here lives how one is reached and made, empty; what every one has is loaded by `postgres_library`. It may import the
endpoint and psycopg, and no more: a server that starts has its databases made while the rest of it is imported.
"""

import psycopg
from psycopg import sql

from resources.endpoints.endpoint import Endpoint

PREFIX = "tsql_"
"""What the names of databases begin with in PostgreSQL."""
DEFAULT_DATABASE = "master"
_OPTIONS = {
    "search_path": "tsql",
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "client_min_messages": "error",
    "default_transaction_isolation": "read\\ committed",
}


def connect(endpoint: Endpoint, database: str, shown: str = "") -> psycopg.Connection:
    """Connect to a database of PostgreSQL, shown to T-SQL by another name. Raises psycopg.Error."""
    options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
    escaped = shown.replace("\\", "\\\\").replace(" ", "\\ ")
    connection = psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname=database or endpoint.database or "postgres",
        sslmode=endpoint.options.get("sslmode", "prefer"),
        application_name="mssql-emulator",
        connect_timeout=10,
        autocommit=True,
        options=options + (f" -c tsql.database={escaped}" if shown else ""),
    )
    connection.prepare_threshold = 3
    return connection


def make(endpoint: Endpoint, database: str) -> bool:
    """Make a database, empty; tell whether it was not there. Raises psycopg.Error."""
    with connect(endpoint, "") as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
            return False
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database)))
    return True
