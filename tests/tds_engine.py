"""An engine in memory for the tests of the wire: a handful of commands instead of T-SQL, and tables that keep rows.

Here live answers alone; the real engine has tests of its own. It may import everything.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa

from resources.endpoints.mssql_emulator.copy_out import rows_of
from resources.endpoints.mssql_emulator.declared import type_text
from resources.endpoints.mssql_emulator.engine import (
    Affected,
    CopiedRows,
    Kind,
    Message,
    Outcome,
    OutputValue,
    Parameter,
    ResultColumn,
    ResultSet,
    Rows,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.scan import decode_rows
from resources.endpoints.mssql_emulator.types import type_info

USER, PASSWORD, DATABASE = "loader", "Sécret-ß%1", "warehouse"

ALL_TYPES: dict[str, tuple[SqlType, list]] = {
    "bit": (SqlType(Kind.BIT), [True, False]),
    "tinyint": (SqlType(Kind.TINYINT), [0, 255]),
    "smallint": (SqlType(Kind.SMALLINT), [-(2**15), 2**15 - 1]),
    "int": (SqlType(Kind.INT), [-(2**31), 2**31 - 1]),
    "bigint": (SqlType(Kind.BIGINT), [-(2**63), 2**63 - 1]),
    "small_decimal": (SqlType(Kind.DECIMAL, precision=9, scale=2), [Decimal("-1234567.89"), Decimal("0.01")]),
    "decimal": (
        SqlType(Kind.DECIMAL, precision=38, scale=9),
        [Decimal("-99999999999999999999999999999.999999999"), Decimal("99999999999999999999999999999.999999999")],
    ),
    "money": (SqlType(Kind.MONEY), [Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")]),
    "real": (SqlType(Kind.REAL), [-0.5, 1.5]),
    "float": (SqlType(Kind.FLOAT), [-1.7976931348623157e308, 5e-324]),
    "date": (SqlType(Kind.DATE), [date(1, 1, 1), date(9999, 12, 31)]),
    "time": (SqlType(Kind.TIME, scale=6), [time(0, 0), time(23, 59, 59, 999999)]),
    "datetime": (SqlType(Kind.DATETIME), [datetime(1753, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 997000)]),
    "smalldatetime": (SqlType(Kind.SMALLDATETIME), [datetime(1900, 1, 1), datetime(2079, 6, 6, 23, 59)]),
    "datetime2": (
        SqlType(Kind.DATETIME2, scale=6),
        [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)],
    ),
    "datetimeoffset": (
        SqlType(Kind.DATETIMEOFFSET, scale=6),
        [datetime(1, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, 1, 2, 3, 456789, tzinfo=UTC)],
    ),
    "uniqueidentifier": (SqlType(Kind.UNIQUEIDENTIFIER), [bytes(range(16)), b"\xff" * 16]),
    "char": (SqlType(Kind.CHAR, 10), ["a         ", "ü        "]),
    "varchar": (SqlType(Kind.VARCHAR, 100), ["", "ünï€𝄞"]),
    "varchar_max": (SqlType(Kind.VARCHAR), ["", "ü" * 10_000]),
    "nchar": (SqlType(Kind.NCHAR, 4), ["𝄞ab", "    "]),
    "nvarchar": (SqlType(Kind.NVARCHAR, 100), ["", "e\u0301 𝄞 \t\n"]),
    "nvarchar_max": (SqlType(Kind.NVARCHAR), ["", "𝄞" * 10_000]),
    "binary": (SqlType(Kind.BINARY, 4), [b"\0\0\0\0", b"\1\2\3\4"]),
    "varbinary": (SqlType(Kind.VARBINARY, 300), [b"", bytes(range(256))]),
    "varbinary_max": (SqlType(Kind.VARBINARY), [b"", bytes(range(256)) * 50]),
    "xml": (SqlType(Kind.XML), ["<a/>", "<a>ü𝄞</a>"]),
}
"""By name: a type, and its least, greatest or most awkward values."""


def types_table() -> tuple[list[ResultColumn], pa.RecordBatch]:
    """Return a table of all types: two rows of values and one of NULL."""
    columns = [ResultColumn(name, sql) for name, (sql, _) in ALL_TYPES.items()]
    arrays = [pa.array([*values, None], sql.arrow) for sql, values in ALL_TYPES.values()]
    return columns, pa.record_batch(arrays, list(ALL_TYPES))


class MemoryEngine:
    """Tables by name: `types` holds a row of each value, `typed` is its empty twin, `orders` has a key."""

    def __init__(self) -> None:
        columns, batch = types_table()
        self.tables: dict[str, tuple[list[ResultColumn], list[pa.RecordBatch]]] = {
            "types": (columns, [batch]),
            "typed": (columns, []),
            "orders": (
                [
                    ResultColumn("id", SqlType(Kind.BIGINT), nullable=False),
                    ResultColumn("an]odd, (name)", SqlType(Kind.NVARCHAR, 50)),
                    ResultColumn("at", SqlType(Kind.DATETIME2, scale=6)),
                ],
                [],
            ),
        }
        self.sessions: list[MemorySession] = []

    def login(self, user: str, password: str, database: str) -> "MemorySession":
        if (user, password) != (USER, PASSWORD):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        if database not in ("", "master", DATABASE):
            raise SqlError(4060, f'Cannot open database "{database}" requested by the login.', severity=11)
        session = MemorySession(self)
        self.sessions.append(session)
        return session

    def close(self) -> None:
        for session in self.sessions:
            session.close()


def _as_arrow(batches: Iterable[Rows], columns: Sequence[ResultColumn]) -> Iterator[pa.RecordBatch]:
    """Read copied rows as the wire would read them from itself: there is no PostgreSQL here that could."""
    for batch in batches:
        if isinstance(batch, CopiedRows):
            yield from decode_rows([rows_of(batch.data, columns)], columns, [type_info(c.type) for c in columns])
        else:
            yield batch


class MemorySession:
    """Executes commands: the first word of a text says which."""

    takes_copies = True

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine
        self.transactions = 0
        self.closed = False
        self.texts: list[str] = []
        self._cancelled = threading.Event()

    def execute(self, text: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        self.texts.append(text)
        word, _, rest = text.partition(" ")
        command = _COMMANDS.get(word.upper())
        if not command:
            raise SqlError(102, f"Incorrect syntax near '{text[:60]}'.", severity=15)
        try:
            yield from command(self, rest, parameters)
        except (ValueError, TypeError, IndexError, pa.ArrowException) as error:
            raise SqlError(8114, f"{word} does not take this: {error}") from None

    def describe(self, text: str, declared: Sequence[Parameter] = ()) -> list[Parameter]:
        columns = self.table(text.split()[1])[0] if len(text.split()) > 1 else []
        known = {parameter.name for parameter in declared}
        asked = [name for name in re.findall(r"@\w+", text) if name not in known]
        return [Parameter(name, column.type, None) for name, column in zip(asked, columns, strict=False)]

    def table(self, name: str) -> tuple[list[ResultColumn], list[pa.RecordBatch]]:
        short = name.replace("[", "").replace("]", "").rpartition(".")[2]
        if short not in self.engine.tables:
            raise SqlError(208, f"Invalid object name '{short}'.")
        return self.engine.tables[short]

    def columns(self, table: str, names: Sequence[str]) -> list[ResultColumn]:
        known = {column.name: column for column in self.table(table)[0]}
        for name in names:
            if name not in known:
                raise SqlError(207, f"Invalid column name '{name}'.")
        return [known[name] for name in names]

    def bulk_insert(self, table: str, columns: Sequence[ResultColumn], batches: Iterable[Rows]) -> int:
        target, kept = self.table(table)
        loaded = []
        for batch in _as_arrow(batches, columns):
            for column in target:
                if not column.nullable and batch[column.name].null_count:
                    raise SqlError(515, f"Cannot insert the value NULL into column '{column.name}'.")
            loaded.append(
                pa.record_batch(
                    [
                        batch[c.name].cast(c.type.arrow)
                        if c.name in batch.schema.names
                        else pa.nulls(batch.num_rows, c.type.arrow)
                        for c in target
                    ],
                    [c.name for c in target],
                )
            )
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
        self._cancelled.set()

    def close(self) -> None:
        self.closed = True
        self._cancelled.set()

    def wait(self) -> None:
        """Run until somebody cancels, and say so. What was cancelled before does not count."""
        self._cancelled.clear()
        if self._cancelled.wait(60):
            raise SqlError(3617, "The command has been aborted by the user.")


def _one_row(columns: Sequence[ResultColumn], values: Sequence[object]) -> ResultSet:
    arrays = [pa.array([value], column.type.arrow) for column, value in zip(columns, values, strict=True)]
    return ResultSet(tuple(columns), iter([pa.record_batch(arrays, [column.name for column in columns])]))


def _echo(_: MemorySession, __: str, parameters: Sequence[Parameter]) -> Iterator[Outcome]:
    """The parameters as one row."""
    yield _one_row([ResultColumn(p.name, p.type) for p in parameters], [p.value for p in parameters])


def _types(_: MemorySession, __: str, parameters: Sequence[Parameter]) -> Iterator[Outcome]:
    """The types of the parameters as one row."""
    columns = [ResultColumn(p.name, SqlType(Kind.NVARCHAR, 50)) for p in parameters]
    yield _one_row(columns, [type_text(p.type) for p in parameters])


def _catalog(columns: Sequence[ResultColumn]) -> ResultSet:
    """What FreeTDS's bulk copy asks sys.columns for."""
    told = {
        "column_id": (SqlType(Kind.INT), list(range(1, len(columns) + 1))),
        "system_type_name": (SqlType(Kind.NVARCHAR, 128), [column.type.kind.value for column in columns]),
        "is_identity": (SqlType(Kind.BIT), [False] * len(columns)),
    }
    batch = pa.record_batch([pa.array(values, sql.arrow) for sql, values in told.values()], list(told))
    return ResultSet(tuple(ResultColumn(name, sql) for name, (sql, _) in told.items()), iter([batch]))


def _select(session: MemorySession, rest: str, _: Sequence[Parameter]) -> Iterator[Outcome]:
    if found := re.search(r"sys\.columns WHERE object_id = OBJECT_ID\(N'(\w+)'\)", rest):
        yield _catalog(session.table(found[1])[0])
        return
    columns, batches = session.table(rest.split()[-1])
    yield ResultSet(tuple(columns), iter(() if rest.startswith("TOP 0") else list(batches)))


def _insert(session: MemorySession, rest: str, parameters: Sequence[Parameter]) -> Iterator[Outcome]:
    columns, batches = session.table(rest.split()[0])
    arrays = [
        pa.array([p.value], p.type.arrow).cast(column.type.arrow) for p, column in zip(parameters, columns, strict=True)
    ]
    batches.append(pa.record_batch(arrays, [column.name for column in columns]))
    yield Affected(1)


def _empty(session: MemorySession, rest: str, _: Sequence[Parameter]) -> Iterator[Outcome]:
    _, batches = session.table(rest)
    count = sum(batch.num_rows for batch in batches)
    batches.clear()
    yield Affected(count)


def _fail(_: MemorySession, rest: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    """One row, then an error: number, severity, state, line and text."""
    number, severity, state, line, text = rest.split(" ", 4)
    yield Affected(7)
    if not (int(number) < 2**31 and max(int(severity), int(state)) < 256 and int(line) < 2**31):
        raise ValueError(rest)
    raise SqlError(int(number), text, severity=int(severity), state=int(state), line=int(line))


def _crash(_: MemorySession, __: str, ___: Sequence[Parameter]) -> Iterator[Outcome]:
    yield Affected(None)
    raise ZeroDivisionError("an engine's own defect")


def _print(_: MemorySession, rest: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    yield Message(0, rest)


def _many(_: MemorySession, rest: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    """Numbers up to one, in several batches."""
    column, count = ResultColumn("n", SqlType(Kind.INT)), int(rest)
    batches = (
        pa.record_batch([pa.array(range(begin, min(begin + 5000, count)), pa.int32())], ["n"])
        for begin in range(0, count, 5000)
    )
    yield ResultSet((column,), batches)


def _endless(session: MemorySession, _: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    """Rows without end, until somebody cancels."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(1000), pa.int32())], ["n"])
        session.wait()

    yield ResultSet((ResultColumn("n", SqlType(Kind.INT)),), batches())


def _wait(session: MemorySession, _: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    session.wait()
    yield Affected(1)


def _exec(_: MemorySession, rest: str, parameters: Sequence[Parameter]) -> Iterator[Outcome]:
    """The output parameters, each with 42 for a value; the call as text where there is none."""
    outputs = [p for p in parameters if p.output]
    if not outputs:
        yield _one_row([ResultColumn("call", SqlType(Kind.NVARCHAR))], [rest])
    for p in outputs:
        yield OutputValue(Parameter(p.name, p.type, 42 if p.type.kind in (Kind.INT, Kind.BIGINT) else None, True))


def _transactions(session: MemorySession, _: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    yield _one_row([ResultColumn("depth", SqlType(Kind.INT))], [session.transactions])


def _texts(session: MemorySession, _: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
    batch = pa.record_batch([pa.array(session.texts[:-1])], ["text"])
    yield ResultSet((ResultColumn("text", SqlType(Kind.NVARCHAR)),), iter([batch]))


def _of(method: Callable[[MemorySession], None]) -> Callable[..., Iterator[Outcome]]:
    def command(session: MemorySession, _: str, __: Sequence[Parameter]) -> Iterator[Outcome]:
        method(session)
        yield Affected(None)

    return command


_COMMANDS: dict[str, Callable[[MemorySession, str, Sequence[Parameter]], Iterator[Outcome]]] = {
    "ECHO": _echo,
    "TYPES": _types,
    "SELECT": _select,
    "INSERT": _insert,
    "TRUNCATE": _empty,
    "FAIL": _fail,
    "CRASH": _crash,
    "PRINT": _print,
    "MANY": _many,
    "ENDLESS": _endless,
    "WAIT": _wait,
    "EXEC": _exec,
    "TRANSACTIONS": _transactions,
    "TEXTS": _texts,
    "BEGIN": _of(MemorySession.begin),
    "COMMIT": _of(MemorySession.commit),
    "ROLLBACK": _of(MemorySession.rollback),
    "SET": _of(lambda _: None),
    "USE": _of(lambda _: None),
    "SAVE": _of(lambda _: None),
}
