"""Indexes, said in PostgreSQL's SQL.

Here lives how an index is made and dropped; keys of tables live in `ddl_sql`. It may import `ddl_nodes`, `dml_sql`
(which says conditions), `statements`, `scope`, `types` and `tokens`.

Names of indexes are unique in a table only, so they are named `IX:3fa9c1d2:orders__key` in PostgreSQL.
"""

import secrets
from collections.abc import Mapping

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.ddl_nodes import CreateColumnstore, CreateIndex, DropIndex
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.scope import Scope, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.tokens import checked_identifier

Columns = Mapping[str, SqlType | None]


def create(says: Manipulation, node: CreateIndex | CreateColumnstore, table: Table, columns: Columns) -> Said:
    """Return CREATE INDEX on a table of these columns. Raises SqlError 103, 1911, 1919, 35343."""
    index = checked_identifier(f"IX:{secrets.token_hex(4)}:{node.name}")
    if isinstance(node, CreateColumnstore):
        note, sql = "clustered columnstore", _columnstore(index, table, columns)
    else:
        note, sql = "clustered" if node.clustered else "nonclustered", _rows(says, node, index, table, columns)
    return Said(
        sql,
        before=[f"SELECT tsql.new_index({text(table.schema)}, {text(table.name)}, {text(node.name)}, '{note}')"],
        after=[f"COMMENT ON INDEX {quote(table.schema)}.{quote(index)} IS '{note}'"],
        verb="CREATE INDEX",
    )


def _rows(says: Manipulation, node: CreateIndex, index: str, table: Table, columns: Columns) -> str:
    for name, _ in node.columns:
        indexable(name, columns, table)
    keys = ", ".join(f"{quote(name)} {'DESC NULLS LAST' if desc else 'ASC NULLS FIRST'}" for name, desc in node.columns)
    sql = f"CREATE {'UNIQUE ' if node.unique else ''}INDEX {quote(index)} ON {table.sql} ({keys})"
    if node.include:
        sql += f" INCLUDE ({', '.join(map(quote, node.include))})"
    if node.unique:
        sql += " NULLS NOT DISTINCT"
    if node.where is not None:
        sql += f" WHERE {says.condition(node.where, Scope({'': columns}))}"
    return sql


def _columnstore(index: str, table: Table, columns: Columns) -> str:
    """How rows are stored changes no result: an index of no rows holds the name."""
    for name, type_ in columns.items():
        if type_ is not None and type_.kind is Kind.XML:
            raise SqlError(
                35343,
                f"The statement failed. Column '{name}' has a data type that cannot participate in a columnstore "
                "index.",
            )
    return f"CREATE INDEX {quote(index)} ON {table.sql} ((0)) WHERE false"


def drop(says: Manipulation, node: DropIndex) -> Said:
    """Return DROP INDEX."""
    calls = []
    for name, of in node.indexes:
        table = says.table(of)
        calls.append(
            f"SELECT tsql.drop_index({text(table.schema)}, {text(table.name)}, {text(name)}, {node.if_exists})"
        )
    return Said(calls[0], after=calls[1:], verb="DROP INDEX")


def indexable(column: str, columns: Columns, table: Table) -> None:
    """Raise SqlError 1911, 1919 unless a column of these may be the key of an index."""
    if column not in columns:
        raise SqlError(1911, f"Column name '{column}' does not exist in the target table or view.")
    type_ = columns[column]
    if type_ is None:
        return
    endless = type_.kind in types.STRINGS | types.BINARIES and type_.length is None
    if endless or type_.kind is Kind.XML:
        raise SqlError(
            1919,
            f"Column '{column}' in table '{table.schema}.{table.name}' is of a type that is invalid for use as a key "
            "column in an index.",
        )
