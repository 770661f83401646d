"""What SET does.

Here lives one function for each option that does something; which options are known lives in `tsql.options`. It may
import `engine`, `postgres_connection` and `tsql`.
"""

from collections.abc import Callable

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.postgres_connection import PostgresConnection
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.program import SetOption


def apply(session: PostgresConnection, statement: SetOption) -> None:
    """Set an option; one that always is as asked for does nothing. Raises SqlError."""
    setter = _SETTERS.get(statement.name)
    if setter is not None:
        setter(session, statement.value)


def _xact_abort(session: PostgresConnection, value: str) -> None:
    session.settings.xact_abort = value == "ON"


def _nocount(session: PostgresConnection, value: str) -> None:
    session.settings.nocount = value == "ON"


def _implicit(session: PostgresConnection, value: str) -> None:
    session.settings.implicit = value == "ON"


def _format_only(session: PostgresConnection, value: str) -> None:
    session.settings.format_only = value == "ON"


def _lock_timeout(session: PostgresConnection, value: str) -> None:
    session.settings.lock_timeout = int(value)
    session.tell()


def _dateformat(session: PostgresConnection, value: str) -> None:
    session.settings.dateformat = value
    session.tell()


def _identity_insert(session: PostgresConnection, value: str) -> None:
    table = Manipulation(session.catalog, {}).table(tuple(value.split("\0")))
    with session.guarded(writes=False):
        if not any(column.identity for column in session.catalog.columns(table) or ()):
            raise SqlError(
                8106, f"Table '{table.name}' does not have the identity property. Cannot perform SET operation."
            )
        held = session.settings.identity_insert
        if held is not None and held != table and session.catalog.columns(held) is not None:
            raise SqlError(
                8107,
                f"IDENTITY_INSERT is already ON for table '{session.database}.{held.schema}.{held.name}'. Cannot "
                f"perform SET operation for table '{table.name}'.",
            )
    session.settings.identity_insert = table


def _no_identity_insert(session: PostgresConnection, value: str) -> None:
    if session.settings.identity_insert == Manipulation(session.catalog, {}).table(tuple(value.split("\0"))):
        session.settings.identity_insert = None


def _level(session: PostgresConnection, level: str) -> None:
    if level == "SNAPSHOT":
        with session.guarded(writes=False):
            allowed = session.value("SELECT value FROM tsql.settings WHERE name = 'ALLOW_SNAPSHOT_ISOLATION'", {})
        if session.transactions and session.settings.level != "SNAPSHOT":
            raise SqlError(
                3951,
                f"Transaction failed in database '{session.database}' because the statement was run under "
                "snapshot isolation but the transaction did not start in snapshot isolation.",
            )
        if allowed != "ON":
            raise SqlError(
                3952,
                "Snapshot isolation transaction failed accessing database "
                f"'{session.database}' because snapshot isolation is not allowed in this database. Use ALTER "
                "DATABASE to allow snapshot isolation.",
            )
    session.settings.level = level


_SETTERS: dict[str, Callable[[PostgresConnection, str], None]] = {
    "XACT_ABORT": _xact_abort,
    "NOCOUNT": _nocount,
    "IMPLICIT_TRANSACTIONS": _implicit,
    "FMTONLY": _format_only,
    "TRANSACTION ISOLATION LEVEL": _level,
    "LOCK_TIMEOUT": _lock_timeout,
    "DATEFORMAT": _dateformat,
    "IDENTITY_INSERT ON": _identity_insert,
    "IDENTITY_INSERT OFF": _no_identity_insert,
}
