"""Definitions, said in PostgreSQL's SQL.

Here lives how tables and schemas are made and changed; their grammar lives in `ddl`, views and indexes live in `views`
and `indexes`. It may import those, `ddl_nodes`, `dml_sql` (which says expressions), `statements`, `scope` and `types`.

Error 2627 tells a key from an index, so objects are named `kind:name` in PostgreSQL; `tsql.shown` takes the front off
again. What PostgreSQL has no place for (the name of a default, whether an index is clustered) is kept as a comment on
the object.

Keys are deferrable, for PostgreSQL looks for duplicates in those when a statement has ended, as SQL Server does, and in
others row by row. A foreign key cannot refer to such a key, so it makes the keys of the table that it refers to others.
"""

import secrets
from collections.abc import Callable
from typing import Any, ClassVar

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import ddl_nodes, indexes, types, views
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored
from resources.endpoints.mssql_emulator.tsql.tokens import checked_identifier, refused

_IDENTITIES = {Kind.SMALLINT, Kind.INT, Kind.BIGINT}


class Definitions:
    """Says definitions; the types that they need are collected in `types`."""

    def __init__(self, says: Manipulation) -> None:
        self.says = says
        self.types: set[SqlType] = set()
        """Types whose domains must be there before the statement runs."""

    def say(self, node: Any) -> Said:
        """Return a definition. Raises SqlError 102 and those of its parts."""
        method = self._METHODS.get(type(node))
        if method is None:
            raise refused(type(node).__name__)
        return method(self, node)

    def _create_schema(self, node: ddl_nodes.CreateSchema) -> Said:
        return Said(f"CREATE SCHEMA {quote(node.name)}", verb="CREATE SCHEMA")

    def _truncate(self, node: ddl_nodes.Truncate) -> Said:
        table = self.says.table(node.table)
        self._there(table, 4701)
        return Said(f"TRUNCATE TABLE {table.sql} RESTART IDENTITY", verb="TRUNCATE TABLE")

    def _there(self, table: Table, number: int) -> dict[str, SqlType | None]:
        """Return a table's columns; where it is not there, the error has the number of the statement."""
        if self.says.catalog.columns(table) is None:
            name = table.name if table.schema in ("dbo", "pg_temp") else f"{table.schema}.{table.name}"
            raise SqlError(
                number, f'Cannot find the object "{name}" because it does not exist or you do not have permissions.'
            )
        return self.says.columns_of(table)

    def _transfer(self, node: ddl_nodes.Transfer) -> Said:
        table = self.says.table(node.table)
        sql = f"ALTER TABLE {table.sql} SET SCHEMA {quote(node.schema)}"
        return Said(sql, before=[views.let_go(table)], verb="ALTER SCHEMA")

    # ------------------------------------------------------------------ tables

    def _create_table(self, node: ddl_nodes.CreateTable) -> Said:
        table = self._new(node.name)
        known = {column.name: column.type for column in node.columns}
        computed = {column.name: self._computed(column, Scope({"": known})) for column in node.computed}
        scope = Scope({"": {**known, **{name: type_ for name, (type_, _) in computed.items()}}})
        constraints = [*node.constraints, *(c for column in node.columns for c in column.constraints)]
        keys = {name for c in constraints if c.kind == "PK" for name, _ in c.columns}
        lines = [self._column(column, table, column.name in keys) for column in node.columns]
        lines += [said for _, said in computed.values()]
        after: list[str] = []
        for constraint in constraints:
            if constraint.kind in ("DF", "FK"):
                after += self._added(constraint, table, scope)
                continue
            said, comment = self._constraint(constraint, table, scope)
            lines.append(said)
            after += comment
        temporary = "TEMPORARY " if table.schema == "pg_temp" else ""
        return Said(f"CREATE {temporary}TABLE {table.sql} ({', '.join(lines)})", after=after, verb="CREATE TABLE")

    def _new(self, name: Any) -> Table:
        table = self.says.table(name)
        if table.schema in ("sys", "INFORMATION_SCHEMA"):
            raise SqlError(
                2760,
                f'The specified schema name "{table.schema}" either does not exist or you do not have '
                "permission to use it.",
            )
        checked_identifier(table.name)
        return table

    def _column(self, column: ddl_nodes.ColumnDefinition, table: Table, key: bool) -> str:
        self.types.add(column.type)
        if key and column.nullable is True:
            raise SqlError(8111, f"Cannot define PRIMARY KEY constraint on nullable column in table '{table.name}'.")
        not_null = " NOT NULL" if column.nullable is False or key or column.identity else ""
        if column.identity is not None:
            if column.type.kind not in _IDENTITIES:
                raise refused(f"IDENTITY of {types.type_name(column.type)}")
            start, step = column.identity
            sort = f"START WITH {start} INCREMENT BY {step} MINVALUE -9223372036854775807"
            if column.type.kind is not Kind.BIGINT:
                bits = 31 if column.type.kind is Kind.INT else 15
                sort = f"START WITH {start} INCREMENT BY {step} MINVALUE {-(2**bits)}"
            return f"{quote(column.name)} {types.base(column.type)} NOT NULL GENERATED ALWAYS AS IDENTITY ({sort})"
        default = next((c for c in column.constraints if c.kind == "DF"), None)
        said = f" DEFAULT {self._default(default, column.type)}" if default is not None else ""
        return f"{quote(column.name)} {types.domain(column.type)}{said}{not_null}"

    def _computed(self, column: ddl_nodes.ComputedColumn, scope: Scope) -> tuple[SqlType, str]:
        """Return the type of a computed column, which is its expression's, and its definition."""
        piece = self.says.value(column.expression, scope)
        if piece.type is None:
            raise refused(f"computed column {column.name}, whose type is not known")
        self.types.add(piece.type)
        not_null = "" if column.nullable else " NOT NULL"
        said = f"{quote(column.name)} {types.domain(piece.type)} GENERATED ALWAYS AS ({piece.sql}) STORED{not_null}"
        return piece.type, said

    def _default(self, constraint: ddl_nodes.Constraint, type_: SqlType | None) -> str:
        return stored(self.says.stored(self.says.value(constraint.expression, Scope()), type_), type_)

    def _default_comment(self, table: Table, constraint: ddl_nodes.Constraint) -> list[str]:
        column = constraint.columns[0][0]
        name = constraint.name or f"DF__{table.name[:9]}__{column[:5]}__{secrets.token_hex(4).upper()}"
        return [f"COMMENT ON COLUMN {table.sql}.{quote(column)} IS {text(name)}"]

    def _constraint(self, constraint: ddl_nodes.Constraint, table: Table, scope: Scope) -> tuple[str, list[str]]:
        generated = f"{constraint.kind}__{table.name[:9]}__{secrets.token_hex(4).upper()}"
        name = checked_identifier(f"{constraint.kind}:{constraint.name or generated}")
        front = f"CONSTRAINT {quote(name)} "
        listed = ", ".join(quote(column) for column, _ in constraint.columns)
        match constraint.kind:
            case "PK" | "UQ":
                for column, _ in constraint.columns:
                    indexes.indexable(column, scope.relations[""] or {}, table)
                word = "PRIMARY KEY" if constraint.kind == "PK" else "UNIQUE NULLS NOT DISTINCT"
                clustered = constraint.clustered if constraint.clustered is not None else constraint.kind == "PK"
                note = "clustered" if clustered else "nonclustered"
                schema = quote(table.schema)
                return f"{front}{word} ({listed}) DEFERRABLE", [f"COMMENT ON INDEX {schema}.{quote(name)} IS '{note}'"]
            case "CK":
                return f"{front}CHECK ({self.says.condition(constraint.expression, scope)})", []
            case _:
                referenced = ", ".join(map(quote, constraint.referenced))
                target = self.says.table(constraint.references).sql + (f" ({referenced})" if referenced else "")
                actions = "".join(f" {action}" for action in constraint.actions)
                return f"{front}FOREIGN KEY ({listed}) REFERENCES {target}{actions}", []

    # ------------------------------------------------------------------ the rest

    def _create_index(self, node: ddl_nodes.CreateIndex | ddl_nodes.CreateColumnstore) -> Said:
        table = self.says.table(node.table)
        return indexes.create(self.says, node, table, self._there(table, 1088))

    def _drop_index(self, node: ddl_nodes.DropIndex) -> Said:
        return indexes.drop(self.says, node)

    def _create_view(self, node: ddl_nodes.CreateView) -> Said:
        said, needed = views.view(self.says, node, self._new(node.name))
        self.types |= needed
        return said

    def _drop(self, node: ddl_nodes.Drop) -> Said:
        if node.kind == "DATABASE":
            raise refused("DROP DATABASE")
        if_exists = "IF EXISTS " if node.if_exists else ""
        if node.kind == "SCHEMA":
            names, before = [quote(name[0]) for name in node.names], []
        else:
            tables = [self.says.table(name) for name in node.names]
            names, before = [table.sql for table in tables], [views.let_go(table) for table in tables]
        calls = [f"DROP {node.kind} {if_exists}{name}" for name in names]
        return Said(calls[0], before=before, after=calls[1:], verb=f"DROP {node.kind}")

    def _alter_table(self, node: ddl_nodes.AlterTable) -> Said:
        table = self.says.table(node.table)
        known = self._there(table, 4902)
        verb = "ALTER TABLE"
        where = f"{text(table.schema)}, {text(table.name)}"
        if node.action in ("ENABLE", "DISABLE"):
            return Said(f"SELECT tsql.{node.action.lower()}_change_tracking({where})", verb=verb)
        if node.action == "DROP CONSTRAINT":
            calls = [f"SELECT tsql.drop_constraint({where}, {text(name)}, {node.if_exists})" for name in node.names]
            return Said(calls[0], after=calls[1:], verb=verb)
        if node.action == "DROP COLUMN":
            checks = [f"SELECT tsql.droppable({where}, {text(name)}, {node.if_exists})" for name in node.names]
            exists = "IF EXISTS " if node.if_exists else ""
            drops = ", ".join(f"DROP COLUMN {exists}{quote(name)}" for name in node.names)
            return Said(f"ALTER TABLE {table.sql} {drops}", before=[*checks, views.let_go(table)], verb=verb)
        if node.action == "ALTER COLUMN":
            return self._alter_column(node.columns[0], table, known)
        return self._add(node, table, known)

    def _alter_column(self, column: ddl_nodes.ColumnDefinition, table: Table, known: Any) -> Said:
        if column.name not in known:
            raise SqlError(
                4924,
                f"ALTER TABLE ALTER COLUMN failed because column '{column.name}' does not exist in table "
                f"'{table.name}'.",
            )
        self.types.add(column.type)
        name = quote(column.name)
        null = f"ALTER COLUMN {name} {'DROP' if column.nullable else 'SET'} NOT NULL"
        kept = stored(Piece(name, known[column.name]), column.type)
        using = f" USING {f'CAST({name} AS {types.base(column.type)})' if kept == name else kept}"
        change = f"ALTER COLUMN {name} TYPE {types.domain(column.type)}{using}"
        return Said(f"ALTER TABLE {table.sql} {change}, {null}", before=[views.let_go(table)], verb="ALTER TABLE")

    def _add(self, node: ddl_nodes.AlterTable, table: Table, known: Any) -> Said:
        scope = Scope({"": {**known, **{column.name: column.type for column in node.columns}}})
        statements: list[str] = []
        for column in node.columns:
            if column.name in known:
                raise SqlError(
                    2705,
                    f"Column names in each table must be unique. Column name '{column.name}' in table "
                    f"'{table.schema}.{table.name}' is specified more than once.",
                )
            default = next((c for c in column.constraints if c.kind == "DF"), None)
            later = default is not None and column.nullable is not False and not default.with_values
            plain = ddl_nodes.ColumnDefinition(
                column.name, column.type, column.nullable, column.identity, () if later else column.constraints
            )
            statements.append(f"ALTER TABLE {table.sql} ADD COLUMN {self._column(plain, table, False)}")
            if default is not None and later:  # rows that are there keep NULL
                statements.append(
                    f"ALTER TABLE {table.sql} ALTER COLUMN {quote(column.name)} SET DEFAULT "
                    f"{self._default(default, column.type)}"
                )
            for constraint in column.constraints:
                statements += self._added(constraint, table, scope)
        for constraint in node.constraints:
            if constraint.kind == "DF":
                column_name = constraint.columns[0][0]
                statements.append(
                    f"SELECT tsql.no_default({text(table.schema)}, {text(table.name)}, {text(column_name)})"
                )
                statements.append(
                    f"ALTER TABLE {table.sql} ALTER COLUMN {quote(column_name)} SET DEFAULT "
                    f"{self._default(constraint, known.get(column_name))}"
                )
            elif constraint.kind == "PK":
                self._not_null(constraint, table)
            statements += self._added(constraint, table, scope)
        return Said(statements[0], after=statements[1:], verb="ALTER TABLE ADD")

    def _added(self, constraint: ddl_nodes.Constraint, table: Table, scope: Scope) -> list[str]:
        if constraint.kind == "DF":
            return self._default_comment(table, constraint)
        said, comments = self._constraint(constraint, table, scope)
        unchecked = " NOT VALID" if not constraint.checked and constraint.kind in ("CK", "FK") else ""
        before = []
        if constraint.kind == "FK":
            referred = self.says.table(constraint.references)
            before = [f"SELECT tsql.referable({text(referred.schema)}, {text(referred.name)})"]
        return [*before, f"ALTER TABLE {table.sql} ADD {said}{unchecked}", *comments]

    def _not_null(self, constraint: ddl_nodes.Constraint, table: Table) -> None:
        nullable = {column.name for column in self.says.catalog.columns(table) or () if column.nullable}
        if nullable & {name for name, _ in constraint.columns}:
            raise SqlError(8111, f"Cannot define PRIMARY KEY constraint on nullable column in table '{table.name}'.")

    _METHODS: ClassVar[dict[type, Callable[[Any, Any], Said]]] = {
        ddl_nodes.CreateTable: _create_table,
        ddl_nodes.CreateIndex: _create_index,
        ddl_nodes.CreateColumnstore: _create_index,
        ddl_nodes.CreateView: _create_view,
        ddl_nodes.CreateSchema: _create_schema,
        ddl_nodes.Drop: _drop,
        ddl_nodes.DropIndex: _drop_index,
        ddl_nodes.Truncate: _truncate,
        ddl_nodes.Transfer: _transfer,
        ddl_nodes.AlterTable: _alter_table,
    }
