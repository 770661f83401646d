"""An engine in memory for the tests of the wire: statements have canned answers, tables keep what is loaded.

Here live answers alone, no T-SQL; the real engine has tests of its own. It may import everything.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import (
    Affected,
    Kind,
    Message,
    Outcome,
    OutputValue,
    Parameter,
    ResultColumn,
    ResultSet,
    SqlError,
    SqlType,
)

PASSWORD = "Sécret-ß%1"
Answer = Callable[["MemorySession", Sequence[Parameter]], Iterable[Outcome]]


@dataclass
class Seen:
    """A statement as a session got it."""

    text: str
    parameters: tuple[Parameter, ...]


@dataclass
class MemoryEngine:
    """Answers by text; tables by name."""

    answers: dict[str, Answer] = field(default_factory=dict)
    tables: dict[str, tuple[list[ResultColumn], list[pa.RecordBatch]]] = field(default_factory=dict)
    described: list[Parameter] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    sessions: list["MemorySession"] = field(default_factory=list)

    def login(self, user: str, password: str, database: str) -> "MemorySession":
        if (user, password) != ("loader", PASSWORD):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        if database not in ("", "master", "warehouse"):
            raise SqlError(4060, f'Cannot open database "{database}" requested by the login.', severity=11)
        session = MemorySession(self)
        self.sessions.append(session)
        return session

    def close(self) -> None:
        for session in self.sessions:
            session.close()

    def rows(self, table: str) -> pa.Table:
        columns, batches = self.tables[table]
        return pa.Table.from_batches(batches, pa.schema([(c.name, c.type.arrow) for c in columns]))


class MemorySession:
    """One login of the engine in memory."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine
        self.transactions = 0
        self.closed = False
        self.cancelled = threading.Event()

    def execute(self, text: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        self.engine.seen.append(Seen(text, tuple(parameters)))
        if text.startswith("SELECT TOP 0 * FROM "):
            yield ResultSet(tuple(self._table(text.removeprefix("SELECT TOP 0 * FROM "))), iter(()))
            return
        if text not in self.engine.answers:
            raise SqlError(102, f"Incorrect syntax near '{text[:60]}'.", severity=15)
        yield from self.engine.answers[text](self, parameters)

    def describe(self, text: str, declared: Sequence[Parameter] = ()) -> list[Parameter]:
        self.engine.seen.append(Seen(f"describe {text}", tuple(declared)))
        return self.engine.described

    def _table(self, table: str) -> list[ResultColumn]:
        name = table.replace("[", "").replace("]", "").rpartition(".")[2]
        if name not in self.engine.tables:
            raise SqlError(208, f"Invalid object name '{name}'.")
        return self.engine.tables[name][0]

    def columns(self, table: str, names: Sequence[str]) -> list[ResultColumn]:
        known = {column.name: column for column in self._table(table)}
        for name in names:
            if name not in known:
                raise SqlError(207, f"Invalid column name '{name}'.")
        return [known[name] for name in names]

    def bulk_insert(self, table: str, columns: Sequence[ResultColumn], batches: Iterable[pa.RecordBatch]) -> int:
        target = self._table(table)
        kept = self.engine.tables[table.replace("[", "").replace("]", "").rpartition(".")[2]][1]
        loaded = []
        for batch in batches:
            for column in target:
                if not column.nullable and batch[column.name].null_count:
                    raise SqlError(515, f"Cannot insert the value NULL into column '{column.name}'.")
            loaded.append(pa.record_batch([batch[c.name].cast(c.type.arrow) for c in target], [c.name for c in target]))
        kept += loaded
        return sum(batch.num_rows for batch in loaded)

    def begin(self) -> None:
        self.transactions += 1

    def commit(self) -> None:
        if not self.transactions:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions -= 1

    def rollback(self) -> None:
        if not self.transactions:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions = 0

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed = True
        self.cancelled.set()


def rows(*columns: tuple[str, SqlType, list]) -> Answer:
    """An answer of rows, given by columns."""

    def answer(_: MemorySession, __: Sequence[Parameter]) -> Iterable[Outcome]:
        batch = pa.record_batch([pa.array(v, t.arrow) for _, t, v in columns], [n for n, _, _ in columns])
        yield ResultSet(tuple(ResultColumn(n, t) for n, t, _ in columns), iter([batch]))

    return answer


def echo(_: MemorySession, parameters: Sequence[Parameter]) -> Iterable[Outcome]:
    """An answer that sends back its parameters as one row."""
    batch = pa.record_batch([pa.array([p.value], p.type.arrow) for p in parameters], [p.name for p in parameters])
    yield ResultSet(tuple(ResultColumn(p.name, p.type) for p in parameters), iter([batch]))


def affected(count: int | None) -> Answer:
    return lambda _, __: [Affected(count)]


def until_cancelled(session: MemorySession, _: Sequence[Parameter]) -> Iterable[Outcome]:
    """A statement that runs until it is stopped."""
    if session.cancelled.wait(30):
        raise SqlError(3617, "The command has been aborted by the user.")
    yield Affected(1)
