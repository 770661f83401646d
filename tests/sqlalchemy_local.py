"""A DB-API driver over a session of the local SQL Server endpoint's engine, without the wire: for SQLAlchemy's dialect.

Here live no tests. It may import the engine and SQLAlchemy.
"""

import uuid
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.dialects.mssql.base import MSDialect
from sqlalchemy.engine import Engine
from tsql_local import DATABASE, Client, client

from resources.endpoints.mssql_emulator.engine import Affected, Kind, Parameter, SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine


class _Cursor:
    arraysize = 1

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = -1

    def execute(self, text: str, given: Any = ()) -> None:
        parts = text.split("?")
        marked = "".join(part + (f"@P{place}" if place < len(parts) else "") for place, part in enumerate(parts, 1))
        parameters = [_parameter(f"@P{place}", value) for place, value in enumerate(given, 1)]
        self._client.run(marked, *parameters)
        self.description = None
        counts = [outcome.rows for outcome in self._client.outcomes if isinstance(outcome, Affected)]
        self.rowcount = next((count for count in reversed(counts) if count is not None), -1)
        if self._client.results:
            columns, rows = self._client.results[0]
            self.description = [(c.name, None, None, None, None, None, c.nullable) for c in columns]
            self._rows = [tuple(_value(cell, c.type) for cell, c in zip(row, columns, strict=True)) for row in rows]

    def executemany(self, text: str, rows: Any) -> None:
        for row in rows:
            self.execute(text, row)

    def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        found, self._rows = self._rows[:size], self._rows[size:]
        return found

    def fetchall(self) -> list[Any]:
        found, self._rows = self._rows, []
        return found

    def close(self) -> None:
        self._rows = []

    def setinputsizes(self, *_: Any) -> None:
        """Sizes are the parameters' own."""


def _parameter(name: str, value: Any) -> Parameter:
    match value:
        case bool():
            return Parameter(name, SqlType(Kind.BIT), value)
        case int():
            return Parameter(name, SqlType(Kind.BIGINT), value)
        case bytes():
            return Parameter(name, SqlType(Kind.VARBINARY), value)
        case _:
            return Parameter(name, SqlType(Kind.NVARCHAR), None if value is None else str(value))


def _value(cell: Any, type_: SqlType) -> Any:
    return str(uuid.UUID(bytes=cell)) if type_.kind is Kind.UNIQUEIDENTIFIER and cell is not None else cell


class _Connection:
    def __init__(self, engine: PostgresEngine) -> None:
        self._client = client(engine, DATABASE)
        self._client.run("SET IMPLICIT_TRANSACTIONS ON")

    def cursor(self) -> _Cursor:
        return _Cursor(self._client)

    def commit(self) -> None:
        if self._client.session.transactions:
            self._client.session.commit()

    def rollback(self) -> None:
        if self._client.session.transactions:
            self._client.session.rollback()

    def close(self) -> None:
        self._client.session.close()


class _Module:
    paramstyle = "qmark"
    apilevel = "2.0"
    threadsafety = 1
    Error = DatabaseError = SqlError
    version = "1"
    Binary = bytes


class _Dialect(MSDialect):
    supports_statement_cache = True
    driver = "local"

    @classmethod
    def import_dbapi(cls) -> Any:
        return _Module

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        said = connection.exec_driver_sql("SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR)").scalar()
        return tuple(int(part) for part in said.split("."))


def engine_of(engine: PostgresEngine) -> Engine:
    """SQLAlchemy on a session of the engine."""
    from sqlalchemy.dialects import registry

    registry.register("mssql.local", __name__, "_Dialect")
    return create_engine("mssql+local://", creator=lambda: _Connection(engine))
