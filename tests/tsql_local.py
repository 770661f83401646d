"""A session of the local SQL Server endpoint's engine, and how tests speak to it.

Here live no tests. It may import the engine and pytest.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from resources.endpoints.mssql_emulator.engine import (
    Affected,
    Kind,
    Message,
    Outcome,
    Parameter,
    ResultColumn,
    ResultSet,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine
from resources.endpoints.mssql_emulator.postgres_session import PostgresSession
from resources.endpoints.mssql_emulator.tsql.types import type_name

USER, PASSWORD, DATABASE = "sa", "Secret-1", "matrix"

Rows = list[tuple[Any, ...]]


class Client:
    """A session, and what its last batch came to."""

    def __init__(self, session: PostgresSession) -> None:
        self.session = session
        self.outcomes: list[Outcome] = []
        self.results: list[tuple[tuple[ResultColumn, ...], Rows]] = []

    def run(self, text: str, *parameters: Parameter) -> "Client":
        """Execute a batch to its end."""
        self.outcomes, self.results = [], []
        for outcome in self.session.execute(text, parameters):
            self.outcomes.append(outcome)
            if isinstance(outcome, ResultSet):
                self.results.append((outcome.columns, _rows(outcome)))
        return self

    def rows(self, text: str, *parameters: Parameter) -> Rows:
        """The rows of the one result set of a batch."""
        self.run(text, *parameters)
        assert len(self.results) == 1
        return self.results[0][1]

    def value(self, text: str, *parameters: Parameter) -> Any:
        """The one value of a query."""
        [[found]] = self.rows(text, *parameters)
        return found

    def types(self, text: str) -> list[str]:
        """The types of a query's columns, as T-SQL writes them."""
        self.run(text)
        return [type_name(column.type) for column in self.results[-1][0]]

    @property
    def counts(self) -> list[int | None]:
        """How many rows the statements affected."""
        return [outcome.rows for outcome in self.outcomes if isinstance(outcome, Affected)]

    @property
    def messages(self) -> list[str]:
        """What was printed."""
        return [outcome.text for outcome in self.outcomes if isinstance(outcome, Message)]

    def refuses(self, number: int, text: str, *parameters: Parameter) -> str:
        """Execute a batch that must end in this error; return the message."""
        with pytest.raises(SqlError) as caught:
            self.run(text, *parameters)
        assert caught.value.number == number, f"{caught.value.number}: {caught.value}"
        return str(caught.value)


def _rows(result: ResultSet) -> Rows:
    found: Rows = []
    for batch in result.batches:
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def client(engine: PostgresEngine, database: str = DATABASE) -> Client:
    """Log in."""
    return Client(engine.login(USER, PASSWORD, database))


def parameter(
    name: str, value: Any, kind: Kind, length: int | None = None, scale: int = 0, precision: int = 0
) -> Parameter:
    """A parameter of a call."""
    return Parameter(name, SqlType(kind, length, precision, scale), value)


def columns(client: Client, table: str, names: Sequence[str]) -> list[ResultColumn]:
    """What a bulk load asks of a table."""
    return client.session.columns(table, names)


def everything(tsql: Client, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table, in the order of its first column."""
    return tsql.rows(f"SELECT * FROM {table} ORDER BY 1")
