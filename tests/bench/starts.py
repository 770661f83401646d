"""Starting the local SQL Server beside a PostgreSQL that runs, and an interpreter that imports what it is made of.

Here lives what is timed; its database is renamed in between, or the next start would find it. It is not dropped: the
file system passes over what was freed lately, file by file, and the next start would be slow for what the benchmark
did. It may import everything.
"""

import secrets
import subprocess
import sys
from collections.abc import Mapping

from psycopg import sql

from resources.endpoints import embedded_mssql
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.postgres_databases import PREFIX, connect
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
            made, kept = sql.Identifier(PREFIX + _DATABASE), sql.Identifier(f"kept_{secrets.token_hex(8)}")
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(made, kept))
