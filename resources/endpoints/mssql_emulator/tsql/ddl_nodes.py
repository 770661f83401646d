"""What definitions consist of.

Here live values alone; `ddl` and `ddl_alter` read them, `ddl_sql` says them. It may import `engine` and `tokens`.
"""

from dataclasses import dataclass
from typing import Any

from resources.endpoints.mssql_emulator.engine import SqlType
from resources.endpoints.mssql_emulator.tsql.tokens import Name


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table. `kind` is PK, UQ, CK, FK or DF."""

    kind: str
    name: str = ""
    columns: tuple[tuple[str, bool], ...] = ()
    """Names, and whether they are in descending order."""
    clustered: bool | None = None
    expression: Any = None
    references: Name = ()
    referenced: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    checked: bool = True
    with_values: bool = False


@dataclass(frozen=True)
class ColumnDefinition:
    """A column as CREATE TABLE or ALTER TABLE defines it."""

    name: str
    type: SqlType
    nullable: bool | None = None
    identity: tuple[int, int] | None = None
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True)
class ComputedColumn:
    """A column whose value is computed from others of its row, and kept (PERSISTED)."""

    name: str
    expression: Any
    nullable: bool


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE."""

    name: Name
    columns: tuple[ColumnDefinition, ...]
    constraints: tuple[Constraint, ...]
    computed: tuple[ComputedColumn, ...] = ()
    """Behind all others."""


@dataclass(frozen=True)
class CreateIndex:
    """CREATE INDEX."""

    name: str
    table: Name
    unique: bool
    clustered: bool
    columns: tuple[tuple[str, bool], ...]
    include: tuple[str, ...]
    where: Any


@dataclass(frozen=True)
class CreateColumnstore:
    """CREATE CLUSTERED COLUMNSTORE INDEX."""

    name: str
    table: Name


@dataclass(frozen=True)
class CreateView:
    """CREATE VIEW."""

    name: Name
    columns: tuple[str, ...]
    query: Any
    replace: bool
    text: str
    """The whole batch."""


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA."""

    name: str


@dataclass(frozen=True)
class CreateDatabase:
    """CREATE DATABASE."""

    name: str


@dataclass(frozen=True)
class Drop:
    """DROP of tables, views, schemas, databases; of indexes, each with its table."""

    kind: str
    names: tuple[Name, ...]
    if_exists: bool


@dataclass(frozen=True)
class DropIndex:
    """DROP INDEX."""

    indexes: tuple[tuple[str, Name], ...]
    if_exists: bool


@dataclass(frozen=True)
class Truncate:
    """TRUNCATE TABLE."""

    table: Name


@dataclass(frozen=True)
class AlterTable:
    """ALTER TABLE with one kind of action."""

    table: Name
    action: str
    """ADD, ALTER COLUMN, DROP COLUMN, DROP CONSTRAINT, ENABLE or DISABLE (change tracking)."""
    columns: tuple[ColumnDefinition, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    names: tuple[str, ...] = ()
    if_exists: bool = False


@dataclass(frozen=True)
class AlterDatabase:
    """ALTER DATABASE ... SET."""

    name: str
    option: str
    value: str
    retention: str = "2 days"
    cleanup: bool = True


@dataclass(frozen=True)
class Transfer:
    """ALTER SCHEMA ... TRANSFER."""

    schema: str
    table: Name
