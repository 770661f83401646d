"""What every database of the local SQL Server has from the start: its types, functions, catalog views and settings.

Here lives how a database is made complete; the scripts lie in `library`, a subject each. It may import
`postgres_databases`, the types of T-SQL, the endpoint and psycopg.
"""

from pathlib import Path

from psycopg import sql

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.postgres_databases import connect, make
from resources.endpoints.mssql_emulator.tsql.types import FIXED, domain_definition

_BEFORE_TYPES = ("values", "strings", "clock", "objects", "texts")
_BEHIND_TYPES = ("change_tracking", "views", "catalog_views", "properties", "information_schema", "metadata")
"""Scripts of the folder `library`, in the order of what they need; loaded by a superuser."""
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
    with connect(endpoint, prefix + name) as connection, connection.transaction():
        if connection.execute("SELECT to_regclass('tsql.settings')").fetchone() != (None,):
            return new
        types = ";".join(domain_definition(type_) for type_ in (*FIXED, *_OF_VIEWS)) + ";"
        for text in (*map(_script, _BEFORE_TYPES), types, *map(_script, _BEHIND_TYPES)):
            connection.execute(text.encode())
        connection.execute(sql.SQL("INSERT INTO tsql.settings VALUES ('prefix', {})").format(sql.Literal(prefix)))
    return new


def _script(name: str) -> str:
    return (Path(__file__).parent / "library" / f"{name}.sql").read_text(encoding="utf-8")
