"""What statements ask about a database: tables, their columns, and the declared types behind a result.

Here live questions to PostgreSQL's catalog; the views that emulate SQL Server's are in `catalog_views.sql`. It may
import `engine`, `tsql` and psycopg.
"""

import re
from collections.abc import Callable, Sequence

import psycopg

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql.scope import Column, Table
from resources.endpoints.mssql_emulator.tsql.types import NVARCHAR_MAX, VARBINARY_MAX, parse_type

_COLUMNS = """
SELECT a.attname::text, t.typname::text, t.typnamespace = 'tsql'::regnamespace, a.atttypid, a.atttypmod,
       NOT a.attnotnull, a.attidentity <> '', coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1,
       CASE WHEN c.relkind = 'v' AND a.attnum = 1 THEN tsql.text_of_unbound(c.oid) END
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = tsql.relation(%s, %s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_ORIGINS = """
SELECT a.attrelid, a.attnum, t.typname::text, t.typnamespace = 'tsql'::regnamespace, a.atttypid, a.atttypmod,
       NOT a.attnotnull AND c.relkind = 'r' OR c.relkind <> 'r'
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_class AS c ON c.oid = a.attrelid
WHERE a.attrelid = ANY (%s) AND a.attnum > 0
"""
_PLAIN = {
    16: SqlType(Kind.BIT),
    17: VARBINARY_MAX,
    20: SqlType(Kind.BIGINT),
    21: SqlType(Kind.SMALLINT),
    23: SqlType(Kind.INT),
    26: SqlType(Kind.INT),
    700: SqlType(Kind.REAL),
    701: SqlType(Kind.FLOAT),
    1082: SqlType(Kind.DATE),
    2950: SqlType(Kind.UNIQUEIDENTIFIER),
}
_CLOCKS = {1083: Kind.TIME, 1114: Kind.DATETIME2, 1184: Kind.DATETIMEOFFSET}
_STRINGS = {19, 25, 1042, 1043, 705}
_NUMERIC = 1700


def plain_type(oid: int, modifier: int) -> SqlType | None:
    """Return the T-SQL type of a PostgreSQL type; None for a numeric whose scale is not declared.

    Raises SqlError 102 for a type that T-SQL does not have.
    """
    if oid in _PLAIN:
        return _PLAIN[oid]
    if oid in _CLOCKS:
        return SqlType(_CLOCKS[oid], scale=modifier if 0 <= modifier <= 6 else 6)
    if oid in _STRINGS:
        return SqlType(Kind.NVARCHAR, modifier - 4) if modifier > 4 else NVARCHAR_MAX
    if oid == _NUMERIC:
        if modifier < 4:
            return None
        return SqlType(Kind.DECIMAL, precision=(modifier - 4) >> 16 & 0xFFFF, scale=(modifier - 4) & 0x7FF)
    raise SqlError(102, f"A result of PostgreSQL's type {oid} has no type in T-SQL.")


def _declared(name: str, own: bool, oid: int, modifier: int) -> SqlType | None:
    return parse_type(name) if own else plain_type(oid, modifier)


class PostgresCatalog:
    """The catalog of one session's database, read through the session's own connection."""

    def __init__(
        self, connection: psycopg.Connection, database: str, bind: Callable[[Table, str, list[str]], None]
    ) -> None:
        self._connection = connection
        self._database = database
        self._bind = bind
        """Makes a view anew that has let go of what it reads, from its text, with the columns that it had."""

    @property
    def database(self) -> str:
        """The name of the session's database."""
        return self._database

    def columns(self, table: Table) -> Sequence[Column] | None:
        """Return a table's columns, in order; None where there is no such table or view.

        Raises SqlError where a view no longer has what it reads.
        """
        found = self._connection.execute(_COLUMNS, (table.schema, table.name)).fetchall()
        if found and found[0][-1] is not None:
            self._bind(table, found[0][-1], [name for name, *_ in found])
            return self.columns(table)
        return [
            Column(name, _declared(type_, own, oid, modifier), nullable, identity, key)
            for name, type_, own, oid, modifier, nullable, identity, key, _ in found
        ] or None

    def changes(self, table: Table) -> str:
        """Return the function that tells a table's changes; empty where change tracking is not enabled for it."""
        found = self._connection.execute(
            "SELECT relation::bigint FROM tsql.ct_tables WHERE relation = tsql.relation(%s, %s)",
            (table.schema, table.name),
        ).fetchone()
        return f"tsql.ct_changes_{found[0]}" if found else ""

    def origins(self, tables: set[int]) -> dict[tuple[int, int], tuple[SqlType | None, bool]]:
        """Return type and nullability of the columns of these tables, by table and place."""
        if not tables:
            return {}
        found = self._connection.execute(_ORIGINS, (list(tables),)).fetchall()
        return {
            (table, place): (_declared(type_, own, oid, modifier), nullable)
            for table, place, type_, own, oid, modifier, nullable in found
            if own or re.match(r"\w", type_)
        }
