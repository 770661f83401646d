"""T-SQL: what SQL Server says differently from the common SQL of `resources.sql`.

Here lives text alone; how partitions are exchanged is said in `partitions`, connections and types live beside it. It
may import those, `matrix_defs` and `sql`.

No step is a MERGE, which needs HOLDLOCK to be safe (https://learn.microsoft.com/sql/t-sql/statements/merge-transact-sql):
each is a DELETE, an UPDATE or an INSERT, in one transaction that any error ends.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar

from matrix_defs.ports import LoadTarget, Partitions, Step
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.mssql import partitions
from resources.mssql.types import SHORT_TEXT, TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally

_DROP_TABLES = (
    "DECLARE @drop NVARCHAR(MAX) = ("
    "SELECT STRING_AGG(CAST(N'DROP TABLE ' + QUOTENAME(s.name) + N'.' + QUOTENAME(t.name) AS NVARCHAR(MAX)), N'; ') "
    "FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name = {name}); "
    "EXEC sys.sp_executesql @drop"
)

_TABLE, _NAMES = r"\[\w+\]\.\[\w+\]", r"(t\.)?\[\w+\](, (t\.)?\[\w+\])*"


class MssqlDialect(Dialect):
    """Renders T-SQL for SQL Server 2017 and later."""

    sqlglot = "tsql"
    types = TYPES
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            re.escape(_DROP_TABLES).replace(re.escape("{name}"), r"N'\w+'"),
            "https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-executesql-transact-sql",
        ),
        (
            rf"INSERT INTO {_TABLE} WITH \(TABLOCK\) \({_NAMES}\) SELECT {_NAMES} FROM {_TABLE} AS t",
            "https://learn.microsoft.com/sql/t-sql/statements/insert-transact-sql",
        ),
        *partitions.TEMPLATES,
    )
    begin = ("SET XACT_ABORT ON", "BEGIN TRANSACTION")
    commit = ("COMMIT TRANSACTION",)

    def __init__(self, *, partition_switch: bool = True) -> None:
        self._partition_switch = partition_switch
        """Partitioned targets are made on a partition scheme, and whole partitions change places."""

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

    # ------------------------------------------------------------------ tables

    def create(self, relation: str, columns: Sequence[Column]) -> str:
        """Return the statement that creates a table of these columns."""
        return f"CREATE TABLE {relation} ({', '.join(map(self.definition, columns))})"

    def create_keyed(self, namespace: str, table: TableSpec) -> str:
        """Return the statement that creates a table with its primary key, which Change Tracking asks for.

        A unique index takes texts for equal that differ by trailing blanks, so the key has their lengths too.
        """
        text = [column.name for column in table.key_columns if column.type is LogicalType.TEXT]
        length = {name: self.quote(f"{name}__length") for name in text}
        computed = [f"{length[name]} AS DATALENGTH({self.quote(name)}) PERSISTED NOT NULL" for name in text]
        columns = ", ".join([*map(self.definition, table.columns), *computed])
        key = ", ".join([*map(self.quote, table.key), *length.values()])
        return f"CREATE TABLE {self.relation(namespace, table.name)} ({columns}, PRIMARY KEY ({key}))"

    def create_target(self, target: LoadTarget) -> list[Statement]:
        """Create the empty target, clustered by its key: a heap keeps the pages of deleted rows."""
        switched = target.partitioned and self._partition_switch
        scheme = partitions.create_scheme(self, target) if switched else []
        return [*scheme, *super().create_target(target), self.cluster(target, self.table(target))]

    def storage(self, target: LoadTarget) -> str:
        """Return what follows the columns of the target: where its partitions lie."""
        return partitions.placed(self, target) if target.partitioned and self._partition_switch else ""

    def cluster(self, target: LoadTarget, relation: str) -> Statement:
        """Create the clustered index of the target, or of a table that is to change places with a part of it."""
        index = self.quote(f"{target.table.name}__key")
        return Statement(f"CREATE CLUSTERED INDEX {index} ON {relation} ({self.names(target.table.key)})")

    def create_staging(self, plan: Plan) -> list[Statement]:
        """Create the staging table; where its partitions are to be switched in, it is made like the target."""
        if not (self._partition_switch and Step.REPLACE_PARTITIONS in plan.steps):
            return super().create_staging(plan)
        assert isinstance(plan.load.scope, Partitions)
        return [
            *partitions.boundaries(self, plan.target, plan.load.scope.days),
            *super().create_staging(plan),
            self.cluster(plan.target, self.staged(plan.target)),
        ]

    def staging_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the staging table: the target's partitions, if they change places."""
        return self.storage(plan.target) if Step.REPLACE_PARTITIONS in plan.steps else ""

    def drop_namespace(self, namespace: str) -> list[Statement]:
        """Drop the tables of the namespace, whatever they are, then the schema: there is no CASCADE."""
        drop_tables = _DROP_TABLES.format(name=self.literal(namespace))
        schemes = partitions.drop_scheme(self, namespace) if self._partition_switch else []
        return [Statement(drop_tables), *schemes, Statement(f"DROP SCHEMA IF EXISTS {self.quote(namespace)}")]

    def relations(self, namespace: str) -> str:
        """Return the query for the names of the tables in a schema."""
        joined = "sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id"
        return f"SELECT t.name FROM {joined} WHERE s.name = {self.literal(namespace)}"

    # ------------------------------------------------------------------ building blocks of the steps

    def same(self, columns: Sequence[str], alias: str = "t") -> str:
        """Return the predicate that the rows `o` and `alias` have the same values, to the last blank.

        `=` ignores trailing blanks in every collation
        (https://learn.microsoft.com/sql/t-sql/language-elements/string-comparison-assignment), so lengths are compared
        too: an index seeks by the value and filters by its length.
        """
        values = [f"o.{self.quote(name)} = {alias}.{self.quote(name)}" for name in columns]
        lengths = [f"DATALENGTH(o.{self.quote(name)}) = DATALENGTH({alias}.{self.quote(name)})" for name in columns]
        return " AND ".join([*values, *lengths])

    def holds(self, relation: str, columns: Sequence[str], *, alias: str = "t", where: str = "") -> str:
        """Return the predicate that `relation` has a row with the outer row's values, to the last blank."""
        condition = " AND ".join([self.same(columns, alias), *([where] if where else [])])
        return f"EXISTS (SELECT 1 FROM {relation} AS o WHERE {condition})"

    def delete(self, relation: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Delete the rows `t` of a relation for which `where` holds; an alias is named before FROM."""
        return [Statement(f"DELETE t FROM {relation} AS t WHERE {where}", tally)]

    def update(self, relation: str, assignment: str, where: str, tally: Tally) -> list[Statement]:
        """Update the rows `t` of a relation for which `where` holds; an alias is named before SET."""
        return [Statement(f"UPDATE t SET {assignment} FROM {relation} AS t WHERE {where}", tally)]

    def counted(self, plan: Plan, where: str) -> list[Statement]:
        """Count what goes without a rowcount: for good, or to be written anew."""
        table, again = self.table(plan.target), self.holds(self.staged(plan.target), plan.target.table.key)
        count = f"SELECT COUNT_BIG(*) FROM {table} AS t WHERE {where}"
        return [
            Statement(f"{count}NOT {again}", Tally.DELETED, selects=True),
            Statement(f"{count}{again}", Tally.REPLACED, selects=True),
        ]

    # ------------------------------------------------------------------ the steps that differ

    def swap_in(self, plan: Plan) -> list[Statement]:
        """Count what goes, truncate the target and insert the staged rows, in one transaction.

        TRUNCATE is transactional and holds a lock that lets no reader in before the commit, so nobody sees an empty
        table; the target keeps its index, its permissions and its name, which a renamed table would not. An INSERT
        that locks the empty table logs its pages instead of its rows
        (https://learn.microsoft.com/sql/t-sql/statements/insert-transact-sql#best-practices).
        """
        table = self.table(plan.target)
        [insert] = self.insert(plan)
        locking = insert.text.replace(f"INSERT INTO {table}", f"INSERT INTO {table} WITH (TABLOCK)", 1)
        return [*self.counted(plan, ""), Statement(f"TRUNCATE TABLE {table}"), Statement(locking, insert.tally)]

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """The staged partitions take the places of the target's; where there are no partitions delete and insert.

        ALTER TABLE ... SWITCH moves no row, but asks for a partition function, which is an object of the whole
        database, with a boundary at each day.
        """
        if not self._partition_switch:
            return super().replace_partitions(plan)
        assert isinstance(plan.load.scope, Partitions)
        return [
            self.refuse_strays(plan),
            *self.counted(plan, f"{self.in_days(plan)} AND "),
            Statement(f"SELECT COUNT_BIG(*) FROM {self.staged(plan.target)}", Tally.INSERTED, selects=True),
            *partitions.exchange(self, plan.target, plan.load.scope.days),
        ]
