"""What every statement that writes shares: the columns that are written, and OUTPUT.

Here lives no statement; they live in `dml_sql` and `merge_sql`. It may import `dml`, `query`, `scope`, `statements` and
`storing`. OUTPUT is PostgreSQL 18's RETURNING with the old and the new row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.derived import repeated
from resources.endpoints.mssql_emulator.tsql.dml import Output
from resources.endpoints.mssql_emulator.tsql.query import Queries
from resources.endpoints.mssql_emulator.tsql.scope import Scope, Table, quote
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored_rows


class WritesRows(Queries):
    """Says what statements that write have in common."""

    identity_insert: Table | None = None
    """The table for which SET IDENTITY_INSERT is ON."""

    def with_of(self, with_: Any, options: Sequence[Any] | None, scope: Scope) -> str:
        """Return WITH, or nothing, of a statement with these options. Raises SqlError 102."""
        self.options(options)
        return self.with_clause(exp.Select(with_=with_, options=list(options or ())), scope)

    def insertable(self, table: Table) -> tuple[str, ...]:
        """The columns that a list left out stands for: all but the identity."""
        columns = self.catalog.columns(table) or ()
        return tuple(column.name for column in columns if not column.identity or self.identity_insert == table)

    def said(self, verb: str, sql: str, output: Output | None, table: Table, scope: Scope) -> Said:
        """Return a statement with its OUTPUT. Raises SqlError 102, 208."""
        if output is None:
            return Said(sql, counted=True, used=self.used, before=self.locks, verb=verb)
        columns = self.columns_of(table)
        inner = Scope(dict(scope.relations), ctes=scope.ctes)
        inner.relations |= {"inserted": columns, "deleted": columns}
        inner.renames = {"inserted": "new", "deleted": "old"}
        inner.merge = verb == "MERGE"
        projections, pieces = self.projections(output.columns, inner, not output.into)
        returning = f"{sql} RETURNING {', '.join(projections)}"
        if not output.into:
            return Said(returning, pieces, rows=True, counted=True, used=self.used, before=self.locks, verb=verb)
        into = self.table(output.into)
        kept = self.columns_of(into)
        names = output.into_columns or self.insertable(into)
        rows = stored_rows('SELECT * FROM "__output"', pieces, [kept.get(name) for name in names])
        listed = ", ".join(map(quote, names))
        whole = f'WITH "__output" AS ({returning}) INSERT INTO {into.sql} ({listed}) {rows}'
        return Said(whole, counted=True, used=self.used, before=self.locks, verb=verb)


MISMATCH = "Column name or number of supplied values does not match table definition."


def written(names: Sequence[str], columns: Mapping[str, Any]) -> None:
    """Check the columns that a statement writes. Raises SqlError 207, 264."""
    for name in names:
        if name not in columns:
            raise SqlError(207, f"Invalid column name '{name}'.")
    if twice := repeated(names):
        raise SqlError(
            264,
            f"The column name '{twice}' is specified more than once in the SET clause or column list of an INSERT. A "
            "column cannot be assigned more than one value in the same clause.",
        )
