"""What runs left behind on a ClickHouse server: databases.

Here lives how they are found and dropped; which of them are a case's own is said by `own_names`. It may import `server`
and `dialect`.
"""

from collections.abc import Callable

from matrix_defs.errors import LoadError
from resources.clickhouse.dialect import ClickHouseDialect
from resources.clickhouse.server import DRIVER_ERRORS, Server, explain
from resources.own_names import Leftover


def find(server: Server) -> list[Leftover]:
    """Return every database. Raises LoadError."""
    try:
        names = [str(row[0]) for row in server.rows("SELECT name FROM system.databases ORDER BY name")]
    except DRIVER_ERRORS as error:
        raise LoadError(f"ClickHouse, looking for leftovers: {explain(error)}") from error
    return [Leftover("database", name, name, _dropping(server, name)) for name in names]


def _dropping(server: Server, name: str) -> Callable[[], None]:
    def drop() -> None:
        try:
            server.execute(f"DROP DATABASE IF EXISTS {ClickHouseDialect().quote(name)} SYNC")
        except DRIVER_ERRORS as error:
            raise LoadError(f"ClickHouse, dropping a leftover: {explain(error)}") from error

    return drop
