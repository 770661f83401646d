"""T-SQL: what SQL Server says differently from the common SQL of `resources.sql`.

Here lives text alone; connections and types live beside it. It may import `matrix_defs`, `sql` and its types table.

No step is a MERGE, which needs HOLDLOCK to be safe (https://learn.microsoft.com/sql/t-sql/statements/merge-transact-sql):
each is a DELETE, an UPDATE or an INSERT, in one transaction that any error ends.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar

from matrix_defs.ports import LoadTarget
from matrix_defs.table import Column, LogicalType
from resources.mssql.types import SHORT_TEXT, TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally

_DROP_TABLES = (
    "DECLARE @drop NVARCHAR(MAX) = ("
    "SELECT STRING_AGG(CAST(N'DROP TABLE ' + QUOTENAME(s.name) + N'.' + QUOTENAME(t.name) AS NVARCHAR(MAX)), N'; ') "
    "FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name = {name}); "
    "EXEC sys.sp_executesql @drop"
)


class MssqlDialect(Dialect):
    """Renders T-SQL for SQL Server 2017 and later."""

    sqlglot = "tsql"
    types = TYPES
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            re.escape(_DROP_TABLES).replace(re.escape("{name}"), r"N'\w+'"),
            "https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-executesql-transact-sql",
        ),
    )
    begin = ("SET XACT_ABORT ON", "BEGIN TRANSACTION")
    commit = ("COMMIT TRANSACTION",)

    def quote(self, name: str) -> str:
        """Return the name in brackets."""
        return "[" + name.replace("]", "]]") + "]"

    def literal(self, value: str | int | date | datetime | None) -> str:
        """Return the value as a literal; T-SQL has none for dates and instants, so those are cast."""
        if isinstance(value, datetime):
            return f"CAST('{value:%Y-%m-%dT%H:%M:%S.%f}+00:00' AS DATETIMEOFFSET(6))"
        if isinstance(value, date):
            return f"CAST('{value.isoformat()}' AS DATE)"
        text = super().literal(value)
        return f"N{text}" if isinstance(value, str) else text

    def definition(self, column: Column, default: str = "") -> str:
        """Return a column's definition; text that is NOT NULL is short enough to be indexed."""
        definition = super().definition(column, default)
        if column.type is LogicalType.TEXT and not column.nullable:
            return definition.replace(self.types[LogicalType.TEXT].ddl, SHORT_TEXT, 1)
        return definition

    def create_target(self, target: LoadTarget) -> list[Statement]:
        """Create the empty target, clustered by its key: a heap keeps the pages of deleted rows."""
        index = self.quote(f"{target.table.name}__key")
        clustered = f"CREATE CLUSTERED INDEX {index} ON {self.table(target)} ({self.names(target.table.key)})"
        return [*super().create_target(target), Statement(clustered)]

    def drop_namespace(self, namespace: str) -> list[Statement]:
        """Drop the tables of the namespace, whatever they are, then the schema: there is no CASCADE."""
        drop_tables = _DROP_TABLES.format(name=self.literal(namespace))
        return [Statement(drop_tables), Statement(f"DROP SCHEMA IF EXISTS {self.quote(namespace)}")]

    def holds(self, relation: str, columns: Sequence[str], *, alias: str = "t", where: str = "") -> str:
        """Return the predicate that `relation` has a row with the outer row's values, to the last blank.

        `=` ignores trailing blanks in every collation
        (https://learn.microsoft.com/sql/t-sql/language-elements/string-comparison-assignment), so lengths are compared
        too.
        """
        lengths = [f"DATALENGTH(o.{self.quote(name)}) = DATALENGTH({alias}.{self.quote(name)})" for name in columns]
        exact = " AND ".join([*lengths, *([where] if where else [])])
        return super().holds(relation, columns, alias=alias, where=exact)

    def delete(self, relation: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Delete the rows `t` of a relation for which `where` holds; an alias is named before FROM."""
        return [Statement(f"DELETE t FROM {relation} AS t WHERE {where}", tally)]

    def update(self, relation: str, assignment: str, where: str, tally: Tally) -> list[Statement]:
        """Update the rows `t` of a relation for which `where` holds; an alias is named before SET."""
        return [Statement(f"UPDATE t SET {assignment} FROM {relation} AS t WHERE {where}", tally)]

    def swap_in(self, plan: Plan) -> list[Statement]:
        """Count what goes, truncate the target and insert the staged rows, in one transaction.

        TRUNCATE is transactional and holds a lock that lets no reader in before the commit, so nobody sees an empty
        table; the target keeps its index, its permissions and its name, which a renamed table would not.
        """
        again = self.holds(self.staged(plan.target), plan.target.table.key)
        table = self.table(plan.target)
        return [
            Statement(f"SELECT COUNT_BIG(*) FROM {table} AS t WHERE NOT {again}", Tally.DELETED, selects=True),
            Statement(f"SELECT COUNT_BIG(*) FROM {table} AS t WHERE {again}", Tally.REPLACED, selects=True),
            Statement(f"TRUNCATE TABLE {table}"),
            *self.insert(plan),
        ]

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """Empty the load's partitions and insert the staged rows, in one transaction.

        ALTER TABLE ... SWITCH PARTITION would need a partition function with a boundary for every day, an object of
        the whole database, and a staging table aligned with it; the rows that result are the same.
        """
        return super().replace_partitions(plan)
