"""What runs left behind on a PostgreSQL server: replication slots first, which keep WAL, then publications and schemas.

Here lives how each is found and dropped; which of them are a case's own is said by `own_names`. It may import
`session` and `dialect`.
"""

from collections.abc import Callable
from contextlib import closing

from matrix_defs.errors import LoadError
from resources.endpoints.endpoint import Endpoint
from resources.own_names import Leftover
from resources.postgres.dialect import PostgresDialect
from resources.postgres.session import DRIVER_ERRORS, Session, explain

_DIALECT = PostgresDialect()

_KINDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "replication slot": (
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
        lambda name: f"SELECT pg_drop_replication_slot({_DIALECT.literal(name)})",
    ),
    "publication": (
        "SELECT pubname FROM pg_publication",
        lambda name: f"DROP PUBLICATION IF EXISTS {_DIALECT.quote(name)}",
    ),
    "schema": (
        "SELECT nspname FROM pg_namespace",
        lambda name: f"DROP SCHEMA IF EXISTS {_DIALECT.quote(name)} CASCADE",
    ),
}
"""Where the names of each kind stand, and how one is dropped."""


def find(endpoint: Endpoint) -> list[Leftover]:
    """Return everything whose name may be a namespace's. Raises LoadError."""
    found = []
    with closing(Session(endpoint)) as session:
        for kind, (names, statement) in _KINDS.items():
            found += [
                Leftover(kind, name, name, _dropping(endpoint, statement(name)))
                for (name,) in _rows(session, f"{names} ORDER BY 1")
            ]
    return found


def _rows(session: Session, query: str) -> list[tuple[str]]:
    try:
        return session.sql.execute(query).fetchall()
    except DRIVER_ERRORS as error:
        raise LoadError(f"PostgreSQL, looking for leftovers: {explain(error)}") from error


def _dropping(endpoint: Endpoint, statement: str) -> Callable[[], None]:
    def drop() -> None:
        with closing(Session(endpoint)) as session:
            try:
                session.execute(statement)
            except DRIVER_ERRORS as error:
                raise LoadError(f"PostgreSQL, dropping a leftover: {explain(error)}") from error

    return drop
