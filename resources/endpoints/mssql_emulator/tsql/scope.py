"""What is known while a statement is said anew: pieces of PostgreSQL's SQL with the T-SQL type of their values.

Here live values and the catalog's protocol; what uses them lives in `expressions`, `query`, `dml` and `ddl`. It may
import `engine` and `types`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from resources.endpoints.mssql_emulator.engine import SqlError, SqlType

UNNAMED = "\u0001"
"""What PostgreSQL calls a result column that has no name; names must not be empty there."""


@dataclass(frozen=True)
class Piece:
    """A scalar expression in PostgreSQL's SQL."""

    sql: str
    type: SqlType | None = None
    """None where only PostgreSQL knows it."""
    name: str = ""
    """What a result column of it is called."""
    literal: bool = False
    """It is a string literal, whose type PostgreSQL takes from what stands beside it."""
    null: bool = False
    """It is the word NULL."""
    utc: bool = False
    """It is a datetimeoffset whose offset is known to be zero; offsets are not kept."""
    digits: int = 0
    """How many digits a whole number has that is written as such; 0 for any other value."""
    guess: str = ""
    """The undeclared parameter that it stands for, whose type is to be guessed from what it is used for."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: SqlType | None
    nullable: bool = True
    identity: bool = False
    key: int = 0
    """Its place in the primary key; 0 outside it."""


@dataclass(frozen=True)
class Table:
    """A table as PostgreSQL names it."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Its quoted name."""
        return f"{quote(self.schema)}.{quote(self.name)}"


class Catalog(Protocol):
    """What a statement may ask about the database."""

    @property
    def database(self) -> str:
        """The name of the session's database."""

    def columns(self, table: Table) -> Sequence[Column] | None:
        """Return a table's columns, in order; None where there is no such table or view."""

    def changes(self, table: Table) -> str:
        """Return the function that tells a table's changes; empty where change tracking is not enabled for it."""


Columns = Mapping[str, SqlType | None]


@dataclass
class Scope:
    """What a name may refer to, innermost query first."""

    relations: dict[str, Columns | None] = field(default_factory=dict)
    """By name in the query; None where the columns are not known."""
    outer: "Scope | None" = None
    ctes: dict[str, Columns | None] = field(default_factory=dict)
    """What WITH defines."""
    inside: dict[str, str] = field(default_factory=dict)
    """What WITH defines right now: what PostgreSQL calls it in its own definition."""
    spellings: dict[str, str] = field(default_factory=dict)
    """Columns of system views by their names in lower case, in which they may be written."""
    renames: dict[str, str] = field(default_factory=dict)
    """In OUTPUT: what PostgreSQL calls `inserted` and `deleted`."""
    merge: bool = False
    """In the OUTPUT of a MERGE, where `$action` is known."""

    def type_of(self, column: str, relation: str) -> SqlType | None:
        """Return the type of a column, whose relation may be left out (empty)."""
        candidates = [self.relations[relation]] if relation in self.relations else []
        if not relation:
            candidates = list(self.relations.values())
        for columns in candidates:
            if columns is None:
                return None
            if column in columns:
                return columns[column]
        return self.outer.type_of(column, relation) if self.outer else None

    def check(self, column: str, relation: str) -> None:
        """Refuse a name of no column: PostgreSQL has names of its own for more. Raises SqlError 207, 4104."""
        scope: Scope | None = self
        while scope is not None:
            if relation in scope.relations:
                candidates = [scope.relations[relation]]
            else:
                candidates = [] if relation else list(scope.relations.values())
            if any(columns is None or column in columns for columns in candidates):
                return
            if candidates and relation:
                break
            scope = scope.outer
        if relation and scope is None:
            raise SqlError(4104, f'The multi-part identifier "{relation}.{column}" could not be bound.')
        raise SqlError(207, f"Invalid column name '{column}'.")

    def cte(self, name: str) -> tuple[bool, Columns | None]:
        """Tell whether WITH defines the name, and its columns."""
        if name in self.ctes:
            return True, self.ctes[name]
        return self.outer.cte(name) if self.outer else (False, None)

    def called(self, name: str) -> str:
        """Return what PostgreSQL calls what WITH defines."""
        if name in self.ctes:
            return self.inside.get(name, name)
        return self.outer.called(name) if self.outer else name

    def spelled(self, column: str) -> str:
        """Return a column's name as its system view spells it; any other name as it is."""
        scope: Scope | None = self
        while scope is not None:
            if any(columns is None or column in columns for columns in scope.relations.values()):
                return column
            if column.lower() in scope.spellings:
                return scope.spellings[column.lower()]
            scope = scope.outer
        return column


def quote(name: str) -> str:
    """Return an identifier of PostgreSQL, in text that psycopg fills placeholders into."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def text(value: str) -> str:
    """Return a string literal of PostgreSQL, in text that psycopg fills placeholders into."""
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"
