"""What a T-SQL batch consists of.

Here live values alone; `batch` makes them, the session runs them. It may import `engine`.
"""

from dataclasses import dataclass
from typing import Any

from resources.endpoints.mssql_emulator.engine import SqlType


@dataclass(frozen=True)
class Statement:
    """Something that a batch does."""

    line: int


@dataclass(frozen=True)
class Query(Statement):
    """SELECT."""

    tree: Any


@dataclass(frozen=True)
class Selected(Statement):
    """SELECT ... INTO."""

    tree: Any
    into: tuple[str, ...]


@dataclass(frozen=True)
class Assigning(Statement):
    """SELECT @a = ..., @b = ... FROM ..."""

    tree: Any
    names: tuple[str, ...]


@dataclass(frozen=True)
class Writing(Statement):
    """INSERT, UPDATE, DELETE or MERGE: a value of `dml`."""

    node: Any


@dataclass(frozen=True)
class Definition(Statement):
    """CREATE, ALTER, DROP, TRUNCATE: a value of `ddl`."""

    node: Any


@dataclass(frozen=True)
class Declare(Statement):
    """DECLARE of one variable; None where no value is given."""

    name: str
    type: SqlType
    value: Any


@dataclass(frozen=True)
class Assign(Statement):
    """SET @name = ..."""

    name: str
    value: Any


@dataclass(frozen=True)
class Block(Statement):
    """BEGIN ... END, or a whole batch."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class If(Statement):
    """IF ... ELSE."""

    condition: Any
    then: Statement
    otherwise: Statement | None


@dataclass(frozen=True)
class While(Statement):
    """WHILE."""

    condition: Any
    body: Statement


@dataclass(frozen=True)
class Jump(Statement):
    """BREAK, CONTINUE or RETURN."""

    word: str


@dataclass(frozen=True)
class Try(Statement):
    """BEGIN TRY ... END TRY BEGIN CATCH ... END CATCH."""

    body: Block
    handler: Block


@dataclass(frozen=True)
class Throw(Statement):
    """THROW; nothing in `arguments` throws the caught error again."""

    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class RaiseError(Statement):
    """RAISERROR(message, severity, state, ...)."""

    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Print(Statement):
    """PRINT."""

    value: Any


@dataclass(frozen=True)
class Argument:
    """An argument of EXEC; the name is empty where it is given by position."""

    name: str
    value: Any
    output: bool = False


@dataclass(frozen=True)
class Execute(Statement):
    """EXEC of a procedure, whose return value may go into a variable."""

    procedure: tuple[str, ...]
    arguments: tuple[Argument, ...]
    result: str = ""


@dataclass(frozen=True)
class ExecuteText(Statement):
    """EXEC ('...')."""

    value: Any


@dataclass(frozen=True)
class Transaction(Statement):
    """BEGIN, COMMIT, ROLLBACK or SAVE, with the savepoint's or transaction's name if there is one."""

    verb: str
    name: str = ""


@dataclass(frozen=True)
class SetOption(Statement):
    """SET of something that is not a variable."""

    name: str
    value: str


@dataclass(frozen=True)
class Use(Statement):
    """USE."""

    database: str
