"""What every database of the local SQL Server has from the start: its types, functions, catalog views and settings.

Here lives how a database is made complete; the scripts lie beside. It may import `postgres_databases`, the types of
T-SQL, the endpoint and psycopg.
"""

from pathlib import Path

from psycopg import sql

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.postgres_databases import connect, make
from resources.endpoints.mssql_emulator.tsql.types import FIXED, domain_definition

_LIBRARY = ("library.sql", "conversions.sql")
_SCRIPTS = ("change_tracking.sql", "catalog_views.sql")
_OF_VIEWS = (
    *(SqlType(Kind.CHAR, length) for length in (1, 2)),
    *(SqlType(Kind.VARCHAR, length) for length in (2, 3, 7, 10, 11)),
)
"""Types of columns of the catalog views that are not among those that every database has."""


def complete(endpoint: Endpoint, prefix: str, name: str) -> bool:
    """Make the database of this name, where it is not there, and load what it lacks; all of it or nothing.

    `prefix` begins its name in PostgreSQL. Tell whether the database was not there. Raises psycopg.Error.
    """
    new = make(endpoint, prefix + name)
    folder = Path(__file__).parent
    with connect(endpoint, prefix + name) as connection, connection.transaction():
        if connection.execute("SELECT to_regclass('tsql.settings')").fetchone() != (None,):
            return new
        for script in _LIBRARY:
            connection.execute((folder / script).read_bytes())
        connection.execute(";".join(domain_definition(type_) for type_ in (*FIXED, *_OF_VIEWS)).encode())
        for script in _SCRIPTS:
            connection.execute((folder / script).read_bytes())
        connection.execute(sql.SQL("INSERT INTO tsql.settings VALUES ('prefix', {})").format(sql.Literal(prefix)))
    return new
