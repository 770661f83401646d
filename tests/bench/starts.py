"""Starting the local SQL Server beside a PostgreSQL that runs, and an interpreter that imports what it is made of.

Here lives what is timed; its databases are dropped in between, or the next start would find them. It may import
everything.
"""

import secrets
import subprocess
import sys
from collections.abc import Mapping

from psycopg import sql

from resources.endpoints import embedded_mssql
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.postgres_databases import DEFAULT_DATABASE, PREFIX, connect
from resources.endpoints.supervised import Supervised
from tests.bench.hops import Hop, timed

START, RAW_START = "mssql start", "raw: an interpreter that imports psycopg, Arrow and sqlglot"

_DATABASE = "bench"


def hops(postgres: Endpoint) -> Mapping[str, Hop]:
    """Every start by name."""
    return {RAW_START: _imports, START: lambda: _start(postgres)}


def _imports() -> float:
    command = [sys.executable, "-I", "-c", "import psycopg, pyarrow, sqlglot.dialects.tsql, sqlglot.dialects.postgres"]
    return timed(lambda: subprocess.run(command, check=True))


def _start(postgres: Endpoint) -> float:
    """Start it and end it."""
    login = {"user": embedded_mssql.USER, "password": secrets.token_urlsafe(24), "database": _DATABASE}
    supervised = Supervised("matrix-mssql-")
    try:
        return timed(lambda: embedded_mssql.serve(supervised, postgres, login))
    finally:
        supervised.stop()
        with connect(postgres, "") as connection:
            for name in (DEFAULT_DATABASE, _DATABASE):
                database = sql.Identifier(PREFIX + name)
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
