"""What SQL systems share around the steps: names, literals, and the tables of a load.

Here live ANSI defaults that render text; the steps live in `sql`. It may import `matrix_defs`, `sql_plan` and
`types_table`, and no driver.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar

from matrix_defs.ports import LoadTarget, Position
from matrix_defs.table import Column, LogicalType
from resources.sql_plan import Plan, Statement
from resources.types_table import TypesTable

STATE_TABLE = "_matrix_state"
"""The table that keeps the position of each target, in the target's namespace."""


class SqlTables:
    """A SQL system's words, and its tables around a load: target, staging, key list, state."""

    types: ClassVar[TypesTable]

    # ------------------------------------------------------------------ words

    def quote(self, name: str) -> str:
        """Return the name as an identifier."""
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str | int | date | datetime | None) -> str:
        """Return the value as a literal; an instant is UTC with microseconds."""
        if value is None:
            return "NULL"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, datetime):
            return f"TIMESTAMP WITH TIME ZONE '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'"
        if isinstance(value, date):
            return f"DATE '{value.isoformat()}'"
        return "'" + value.replace("'", "''") + "'"

    def relation(self, namespace: str, name: str) -> str:
        """Return the qualified name of a table in a namespace."""
        return f"{self.quote(namespace)}.{self.quote(name)}"

    def table(self, target: LoadTarget) -> str:
        """Return the target's qualified name."""
        return self.relation(target.namespace, target.table.name)

    def staged(self, target: LoadTarget) -> str:
        """Return the qualified name of the target's staging table."""
        return self.relation(target.namespace, f"{target.table.name}__staged")

    def keys(self, target: LoadTarget) -> str:
        """Return the qualified name of the target's key list."""
        return self.relation(target.namespace, f"{target.table.name}__keys")

    def state(self, target: LoadTarget) -> str:
        """Return the qualified name of the state table."""
        return self.relation(target.namespace, STATE_TABLE)

    def names(self, columns: Sequence[str], alias: str = "") -> str:
        """Return a comma list of columns."""
        prefix = f"{alias}." if alias else ""
        return ", ".join(prefix + self.quote(name) for name in columns)

    def column(self, name: str, alias: str = "t") -> str:
        """Return a column of the row `alias`; `t` is the row that a statement works on."""
        return f"{alias}.{self.quote(name)}"

    def definition(self, column: Column, default: str = "") -> str:
        """Return a column's definition."""
        null = "" if column.nullable else " NOT NULL"
        return (
            f"{self.quote(column.name)} {self.types[column.type].ddl}{f' DEFAULT {default}' if default else ''}{null}"
        )

    # ------------------------------------------------------------------ tables

    def create_namespace(self, namespace: str) -> list[Statement]:
        """Create the case's namespace."""
        return [Statement(f"CREATE SCHEMA {self.quote(namespace)}")]

    def drop_namespace(self, namespace: str) -> list[Statement]:
        """Drop the namespace and what is in it."""
        return [Statement(f"DROP SCHEMA IF EXISTS {self.quote(namespace)} CASCADE")]

    def create_target(self, target: LoadTarget) -> list[Statement]:
        """Create the empty target."""
        columns = ", ".join(self.definition(column) for column in target.columns)
        return [Statement(f"CREATE TABLE {self.table(target)} ({columns}){self.storage(target)}")]

    def storage(self, target: LoadTarget) -> str:
        """Return what follows the columns of the target: partitioning, engine."""
        return ""

    def create_state(self, target: LoadTarget) -> list[Statement]:
        """Create the state table."""
        text = self.types[LogicalType.TEXT].ddl
        columns = f"{self.quote('target')} {text} NOT NULL, {self.quote('position')} {text} NOT NULL"
        return [Statement(f"CREATE TABLE {self.state(target)} ({columns})")]

    def drop_staging(self, target: LoadTarget) -> list[Statement]:
        """Drop what a load staged, or what a load that was killed left."""
        return [Statement(f"DROP TABLE IF EXISTS {name}") for name in (self.staged(target), self.keys(target))]

    def create_staging(self, plan: Plan) -> list[Statement]:
        """Create the staging table of one load; its identity is a default of its columns."""
        written = [self.definition(column) for column in plan.written]
        defaults = {"load_id": self.literal(plan.load.load_id), "loaded_at": self.literal(plan.load.loaded_at)}
        identity = [self.definition(c, defaults[c.name]) for c in plan.target.columns if c.name in defaults]
        # The staged columns stand in the target's order, so that a swapped-in table equals a created one.
        head = len(plan.target.table.columns) + plan.target.keeps_hash
        columns = ", ".join([*written[:head], *identity, *written[head:]])
        return [
            Statement(
                f"CREATE {self.staging_kind(plan)} {self.staged(plan.target)} ({columns}){self.staging_storage(plan)}"
            )
        ]

    def staging_kind(self, plan: Plan) -> str:
        """Return the kind of table that rows are staged in."""
        return "TABLE"

    def staging_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the staging table."""
        return ""

    def create_keys(self, plan: Plan) -> list[Statement]:
        """Create the table of the source's complete key list."""
        columns = ", ".join(self.definition(column) for column in plan.target.table.key_columns)
        return [
            Statement(f"CREATE {self.staging_kind(plan)} {self.keys(plan.target)} ({columns}){self.keys_storage(plan)}")
        ]

    def keys_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the key list."""
        return ""

    # ------------------------------------------------------------------ position

    def read_position(self, target: LoadTarget) -> Statement:
        """Select the committed position as JSON text: one row or none."""
        where = f"{self.quote('target')} = {self.literal(target.table.name)}"
        return Statement(f"SELECT {self.quote('position')} FROM {self.state(target)} WHERE {where}", selects=True)

    def write_position(self, target: LoadTarget, position: Position | None) -> list[Statement]:
        """Replace the committed position; none keeps it."""
        if position is None:
            return []
        name = self.literal(target.table.name)
        columns = self.names(("target", "position"))
        return [
            Statement(f"DELETE FROM {self.state(target)} WHERE {self.quote('target')} = {name}"),
            Statement(
                f"INSERT INTO {self.state(target)} ({columns}) VALUES ({name}, {self.literal(position.to_json())})"
            ),
        ]
