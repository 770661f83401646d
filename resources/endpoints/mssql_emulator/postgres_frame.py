"""What a running batch knows: variables, caught errors, and the values of functions that look like variables.

Here lives state alone; the interpreter lives in `postgres_session`. It may import `engine` and `postgres_connection`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.endpoints.mssql_emulator.engine import SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_connection import PostgresConnection, Values

VERSION = "Microsoft SQL Server 2022 (emulated by integration-matrix on PostgreSQL) - 16.0.1000.6 (X64)"


@dataclass
class Frame:
    """What one batch, or one call of sp_executesql, knows."""

    depth: int = 0
    variables: dict[str, tuple[SqlType, str | None]] = field(default_factory=dict)
    """Types and values in PostgreSQL's text form, by name in lower case."""
    errors: list[SqlError] = field(default_factory=list)
    """What CATCH blocks that are open have caught, innermost last."""
    utc: set[str] = field(default_factory=set)
    """Parameters that are a datetimeoffset whose offset is zero, which is not kept in the value."""
    temporary: list[str] = field(default_factory=list)
    """Temporary tables that were made here."""

    def put(self, name: str, value: str | None) -> None:
        """Give a variable a value in PostgreSQL's text form."""
        self.variables[name] = (self.variables[name][0], value)
        self.utc.discard(name)

    def types(self) -> Mapping[str, SqlType]:
        """The variables' types."""
        return {name: type_ for name, (type_, _) in self.variables.items()}


def bindings(session: PostgresConnection, user: str, frame: Frame) -> Values:
    """The values of every placeholder."""
    caught = frame.errors[-1] if frame.errors else None
    state = -1 if session.doomed else int(session.transactions > 0)
    found: dict[str, Any] = {
        "@@rowcount": session.rowcount,
        "@@trancount": session.transactions,
        "@@error": session.error,
        "@@spid": session.connection.info.backend_pid % 32768,
        "@@version": VERSION,
        "@@servername": "emulator",
        "@@language": "us_english",
        "@@lock_timeout": session.settings.lock_timeout,
        "@@nestlevel": frame.depth,
        "@@datefirst": 7,
        "@@max_precision": 38,
        "@@microsoftversion": 0x100003E8,
        "@@textsize": -1,
        "error_number": caught.number if caught else None,
        "error_message": str(caught) if caught else None,
        "error_severity": caught.severity if caught else None,
        "error_state": caught.state if caught else None,
        "error_line": caught.line if caught else None,
        "error_procedure": None,
        "xact_state": state,
        "suser_sname": user,
        "suser_name": user,
        "original_login": user,
    }
    values: Values = {name: None if value is None else str(value) for name, value in found.items()}
    values |= {name: value for name, (_, value) in frame.variables.items()}
    return values
