"""What runs left behind in a SQL Server database: schemas, and partition schemes and functions that bear their names.

Here lives how they are found; they are dropped as a case drops its own, and capture ends with a table. It may import
`session` and `dialect`.
"""

from collections.abc import Callable
from contextlib import closing

from resources.endpoints.endpoint import Endpoint
from resources.mssql.dialect import MssqlDialect
from resources.mssql.session import Session, explained
from resources.own_names import Leftover

_SCHEMAS = "SELECT name FROM sys.schemas"
_PARTITIONS = "SELECT name FROM sys.partition_schemes UNION SELECT name FROM sys.partition_functions"


def find(endpoint: Endpoint) -> list[Leftover]:
    """Return everything whose name may be a namespace's. Raises ReadError."""
    switched = endpoint.options.get("partition_switch") == "yes"
    with closing(Session(endpoint)) as session, explained("looking for leftovers"):
        names = {*session.names(_SCHEMAS), *(session.names(_PARTITIONS) if switched else ())}
    return [Leftover("schema", name, name, _dropping(endpoint, name, switched)) for name in sorted(names)]


def _dropping(endpoint: Endpoint, namespace: str, switched: bool) -> Callable[[], None]:
    def drop() -> None:
        with closing(Session(endpoint)) as session, explained("dropping a leftover"):
            for statement in MssqlDialect(partition_switch=switched).drop_namespace(namespace):
                session.execute(statement.text)

    return drop
