"""What the wire asks of the engine behind it, and the values that pass between them.

Here live words alone: how they travel is said by the modules of the wire, how they are executed by those of the
engine, and neither imports the other. It may import pyarrow and the standard library.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import pyarrow as pa


class Kind(StrEnum):
    """A data type of SQL Server, by its name in T-SQL."""

    BIT = "bit"
    TINYINT = "tinyint"
    SMALLINT = "smallint"
    INT = "int"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    MONEY = "money"
    REAL = "real"
    FLOAT = "float"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    SMALLDATETIME = "smalldatetime"
    DATETIME2 = "datetime2"
    DATETIMEOFFSET = "datetimeoffset"
    UNIQUEIDENTIFIER = "uniqueidentifier"
    CHAR = "char"
    VARCHAR = "varchar"
    NCHAR = "nchar"
    NVARCHAR = "nvarchar"
    BINARY = "binary"
    VARBINARY = "varbinary"
    XML = "xml"


@dataclass(frozen=True)
class SqlType:
    """A type with its parameters."""

    kind: Kind
    length: int | None = None
    """Bytes, or units of UTF-16 of nchar and nvarchar; None where it says MAX, and for other kinds."""
    precision: int = 0
    """Digits of a decimal; 0 for other kinds."""
    scale: int = 0
    """Decimals of a decimal, digits of a fraction of a second (time, datetime2, datetimeoffset); else 0."""

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which values of this type pass between wire and engine.

        A uniqueidentifier is 16 bytes in the order of its text; a datetimeoffset is an instant, its offset is lost.
        """
        if self.kind is Kind.DECIMAL:
            return pa.decimal128(self.precision, self.scale)
        return _ARROW[self.kind]

    @property
    def size(self) -> int:
        """How many bytes a value takes, stored as on the wire. Raises KeyError for text, bytes and XML."""
        if self.kind is Kind.DECIMAL:
            return next(size for digits, size in _DECIMAL_SIZES if self.precision <= digits)
        if self.kind in _DATE_AND_OFFSET_SIZES:
            return self.clock_size + _DATE_AND_OFFSET_SIZES[self.kind]
        return _SIZES[self.kind]

    @property
    def clock_size(self) -> int:
        """How many bytes a time of day takes in a type with digits of a second."""
        return 3 if self.scale <= 2 else 4 if self.scale <= 4 else 5


_ARROW: dict[Kind, pa.DataType] = {
    Kind.BIT: pa.bool_(),
    Kind.TINYINT: pa.uint8(),
    Kind.SMALLINT: pa.int16(),
    Kind.INT: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.MONEY: pa.decimal128(19, 4),
    Kind.REAL: pa.float32(),
    Kind.FLOAT: pa.float64(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.DATETIME: pa.timestamp("us"),
    Kind.SMALLDATETIME: pa.timestamp("us"),
    Kind.DATETIME2: pa.timestamp("us"),
    Kind.DATETIMEOFFSET: pa.timestamp("us", "UTC"),
    Kind.UNIQUEIDENTIFIER: pa.binary(16),
    Kind.CHAR: pa.string(),
    Kind.VARCHAR: pa.string(),
    Kind.NCHAR: pa.string(),
    Kind.NVARCHAR: pa.string(),
    Kind.BINARY: pa.binary(),
    Kind.VARBINARY: pa.binary(),
    Kind.XML: pa.string(),
}

_SIZES = {
    Kind.BIT: 1,
    Kind.TINYINT: 1,
    Kind.SMALLINT: 2,
    Kind.INT: 4,
    Kind.BIGINT: 8,
    Kind.MONEY: 8,
    Kind.REAL: 4,
    Kind.FLOAT: 8,
    Kind.DATE: 3,
    Kind.DATETIME: 8,
    Kind.SMALLDATETIME: 4,
    Kind.UNIQUEIDENTIFIER: 16,
}
_DECIMAL_SIZES = ((9, 5), (19, 9), (28, 13), (38, 17))
"""Up to so many digits: so many bytes, the sign included."""
_DATE_AND_OFFSET_SIZES = {Kind.TIME: 0, Kind.DATETIME2: 3, Kind.DATETIMEOFFSET: 5}


@dataclass(frozen=True)
class ResultColumn:
    """One column of a result set."""

    name: str
    """Empty where the expression has no name."""
    type: SqlType
    nullable: bool = True


@dataclass(frozen=True)
class Parameter:
    """One parameter of a call, as a client bound it."""

    name: str
    """With its `@`; empty where it is given by position."""
    type: SqlType
    value: Any
    """A Python value that `pa.scalar(value, type.arrow)` takes, a datetimeoffset with its offset; None is NULL."""
    output: bool = False


@dataclass(frozen=True)
class CopiedRows:
    """Rows as PostgreSQL copies them in binary, for engines that speak so; what begins and ends a copy is left out.

    Each value is in the form of the PostgreSQL type that the column's T-SQL type stands for (`tsql.types.base`).
    """

    data: bytes | memoryview
    count: int

    @property
    def num_rows(self) -> int:
        """How many there are, by the name that Arrow has for it."""
        return self.count


Rows: TypeAlias = pa.RecordBatch | CopiedRows


@dataclass(frozen=True)
class ResultSet:
    """Rows, in the order of the query."""

    columns: tuple[ResultColumn, ...]
    batches: Iterator[Rows]
    """Of the columns' types, Arrow's or PostgreSQL's. To be read to the end before the next outcome is asked for."""
    broken: Callable[[], bool] = lambda: False
    """Whether the rows, once read, have ended in an error: the next outcome raises it, unless a CATCH gets it."""


@dataclass(frozen=True)
class Affected:
    """A statement that returns no rows has ended."""

    rows: int | None
    """How many rows it affected; None for statements that count none, and under SET NOCOUNT ON."""


@dataclass(frozen=True)
class Message:
    """Something that a statement prints: PRINT, or RAISERROR below severity 11."""

    number: int
    text: str
    severity: int = 0


@dataclass(frozen=True)
class OutputValue:
    """The value of an OUTPUT parameter once the batch has ended."""

    parameter: Parameter


Outcome = ResultSet | Affected | Message | OutputValue


class SqlError(Exception):
    """An error of SQL Server, with its number (https://learn.microsoft.com/sql/relational-databases/errors-events/)."""

    def __init__(self, number: int, text: str, *, severity: int = 16, state: int = 1, line: int = 1) -> None:
        super().__init__(text)
        self.number = number
        self.severity = severity
        self.state = state
        self.line = line
        self.below = False
        """It ended a batch: one that was called may have ended by it."""


class Session(Protocol):
    """One login. Used by one thread at a time, but for `cancel`."""

    takes_copies: bool
    """Whether `bulk_insert` takes CopiedRows besides record batches."""

    @property
    def transactions(self) -> int:
        """@@TRANCOUNT."""

    def execute(self, text: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        """Execute a batch lazily, yielding what its statements come to, in order. Raises SqlError.

        After an error what was yielded before stays; whether the transaction is rolled back is SQL Server's rule
        (XACT_ABORT).
        """

    def describe(self, text: str, declared: Sequence[Parameter] = ()) -> list[Parameter]:
        """Return the undeclared parameters of a statement with suggested types, in order. Raises SqlError."""

    def columns(self, table: str, names: Sequence[str]) -> list[ResultColumn]:
        """Return the named columns of a table (name as in T-SQL), in the order asked for. Raises SqlError 208, 207."""

    def bulk_insert(self, table: str, columns: Sequence[ResultColumn], batches: Iterable[Rows]) -> int:
        """Append rows to a table and return how many; a NOT NULL column refuses NULL (515). Raises SqlError."""

    def begin(self) -> None:
        """Begin a transaction, or nest one."""

    def commit(self) -> None:
        """Commit the innermost transaction. Raises SqlError 3902 where none is open."""

    def rollback(self) -> None:
        """Roll all transactions back. Raises SqlError 3903 where none is open."""

    def cancel(self) -> None:
        """Stop what `execute` is doing, from another thread; it then raises SqlError 3617. Safe when nothing runs."""

    def close(self) -> None:
        """End the session: roll back, drop its temporary tables. Safe to call twice."""


class Engine(Protocol):
    """Where sessions come from. Safe to use from several threads."""

    def login(self, user: str, password: str, database: str) -> Session:
        """Return a session. Raises SqlError 18456 for a wrong user or password, 4060 for an unknown database."""

    def close(self) -> None:
        """End every session."""
