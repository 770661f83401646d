"""What a name in FROM stands for: a table, a view, or a function that returns rows.

Here lives which table of PostgreSQL's is meant, its columns, and the functions that are known; joins and derived tables
live in `relations`. It may import `expressions`, `scope`, `types`, `nodes`, `tokens` and sqlglot's nodes.
"""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.expressions import Expressions
from resources.endpoints.mssql_emulator.tsql.functions_left_out import LEFT_OUT, METHODS
from resources.endpoints.mssql_emulator.tsql.nodes import shown, written_call
from resources.endpoints.mssql_emulator.tsql.scope import Scope, Table
from resources.endpoints.mssql_emulator.tsql.tokens import Name, refused

SYSTEM_SCHEMAS = {"sys": "sys", "information_schema": "INFORMATION_SCHEMA", "cdc": "cdc"}


CHANGE_COLUMNS: dict[str, SqlType | None] = {
    "SYS_CHANGE_VERSION": types.BIGINT,
    "SYS_CHANGE_CREATION_VERSION": types.BIGINT,
    "SYS_CHANGE_OPERATION": SqlType(Kind.NCHAR, 1),
    "SYS_CHANGE_COLUMNS": SqlType(Kind.VARBINARY, 4100),
    "SYS_CHANGE_CONTEXT": SqlType(Kind.VARBINARY, 128),
}
"""https://learn.microsoft.com/sql/relational-databases/system-functions/changetable-transact-sql"""


DESCRIBED_COLUMNS: dict[str, SqlType | None] = {
    "is_hidden": SqlType(Kind.BIT),
    "column_ordinal": types.INT,
    "name": types.SYSNAME,
    "is_nullable": SqlType(Kind.BIT),
    "system_type_id": types.INT,
    "system_type_name": types.SYSNAME,
    "max_length": types.SMALLINT,
    "precision": types.SMALLINT,
    "scale": types.SMALLINT,
    "collation_name": types.SYSNAME,
    "user_type_id": types.INT,
    "error_number": types.INT,
    "error_message": types.NVARCHAR_MAX,
}
"""Those that clients ask for of sys.dm_exec_describe_first_result_set; NULL where there is no error."""

PROPERTY_COLUMNS: dict[str, SqlType | None] = {
    "objtype": types.SYSNAME,
    "objname": types.SYSNAME,
    "name": types.SYSNAME,
    "value": types.NVARCHAR_MAX,
}


class Tables(Expressions):
    """Says what names in FROM stand for."""

    def table(self, name: Name) -> Table:
        """Return the table of a name of one to three parts. Raises SqlError 102 for one of another database."""
        database, schema, own = ("", "", *name)[-3:]
        if own.startswith("##"):
            raise refused(f"global temporary table {own}")
        if own.startswith("#"):
            return Table("pg_temp", own)
        system = SYSTEM_SCHEMAS.get(schema.lower())
        if database and database != self.catalog.database and not (system == "sys" and database.lower() == "master"):
            raise refused(f"{database}.{schema}.{own} (a table of another database)")
        if system:
            return Table(
                system, own.upper() if system == "INFORMATION_SCHEMA" else own.lower() if system == "sys" else own
            )
        if schema == "tsql" or schema.startswith("pg_"):
            raise SqlError(208, f"Invalid object name '{schema}.{own}'.")
        return Table(schema or "dbo", own)

    def columns_of(self, table: Table) -> dict[str, SqlType | None]:
        """Return a table's columns. Raises SqlError 208."""
        columns = self.catalog.columns(table)
        if columns is None:
            name = table.name if table.schema == "pg_temp" else f"{table.schema}.{table.name}"
            raise SqlError(208, f"Invalid object name '{name}'.")
        return {column.name: column.type for column in columns}

    def table_function(self, name: str, node: exp.Anonymous, scope: Scope) -> tuple[str, dict[str, SqlType | None]]:
        """Return a function that stands in FROM, and its columns. Raises SqlError 102."""
        if name.upper() == "STRING_SPLIT" and len(node.expressions) == 2:
            given, separator = self.values(node.expressions, scope)
            said = f"unnest(string_to_array(CAST({given.sql} AS text), {separator.sql}))"
            type_ = given.type if given.type and given.type.kind in types.STRINGS else SqlType(Kind.NVARCHAR)
            return f"(SELECT CAST(item AS bpchar) AS value FROM {said} AS item)", {"value": type_}
        if name.upper() == "CHANGETABLE_CHANGES" and len(node.expressions) == 2:
            return self._changes(node.expressions[0].name, self.value(node.expressions[1], scope).sql)
        if name.upper() == "FN_LISTEXTENDEDPROPERTY" and len(node.expressions) == 7:
            return self._properties(node.expressions, scope)
        if name.upper() == "SYS.DM_EXEC_DESCRIBE_FIRST_RESULT_SET" and len(node.expressions) == 3:
            return self._described(*node.expressions)
        schema, _, own = name.rpartition(".")
        if own in LEFT_OUT | METHODS or schema.upper() == "SYS":
            raise refused(f"table function {name}")
        raise SqlError(208, f"Invalid object name '{f'{schema}.{written_call(node)}'.strip('.')}'.")

    def _changes(self, name: str, since: str) -> tuple[str, dict[str, SqlType | None]]:
        """CHANGETABLE(CHANGES table, version): net changes with the columns of the primary key."""
        table = self.table(tuple(name.split("\0")))
        self.columns_of(table)
        function = self.catalog.changes(table)
        if not function:
            raise SqlError(22105, f"Change tracking is not enabled on table '{table.schema}.{table.name}'.")
        keys = sorted((c for c in self.catalog.columns(table) or () if c.key), key=lambda column: column.key)
        return f"{function}(CAST({since} AS bigint))", {**CHANGE_COLUMNS, **{key.name: key.type for key in keys}}

    def _described(self, text: Any, declared: Any, browses: Any) -> tuple[str, dict[str, SqlType | None]]:
        """What a batch would return, which the session finds out before the statement runs."""
        if not isinstance(browses, exp.Null) and browses.sql() != "0":
            raise refused(f"a description for browsing ({shown(browses)})")
        placeholder = f"described_{len(self.described)}"
        self.described[placeholder] = (text, declared)
        self.used.add(placeholder)
        return f"tsql.described(CAST(%({placeholder})s AS jsonb))", DESCRIBED_COLUMNS

    def _properties(self, nodes: Sequence[Any], scope: Scope) -> tuple[str, dict[str, SqlType | None]]:
        """Extended properties of one name, at one place; what is NULL or DEFAULT of either stands for any."""
        said = ["NULL" if _left_out(node) else f"CAST({self.value(node, scope).sql} AS text)" for node in nodes]
        return f"tsql.list_properties({', '.join(said)})", PROPERTY_COLUMNS


def _left_out(node: Any) -> bool:
    return isinstance(node, exp.Null) or (isinstance(node, exp.Column) and node.sql("tsql").upper() == "DEFAULT")
