"""PostgreSQL's way of saying the steps, where it differs from the shared defaults.

Here live statements; types live in `types`, running them in `sink`. It may import `sql` and `types`.
"""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from matrix_defs.ports import LoadTarget, Partitions, Step
from matrix_defs.table import Column
from resources.postgres.types import READ_AS_TEXT, TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally


class PostgresDialect(Dialect):
    """PostgreSQL 14 and later. All steps run in one transaction with the position, DDL included."""

    sqlglot = "postgres"
    types = TYPES
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = (
        (r'ALTER TABLE \S+ (ATTACH|DETACH) PARTITION \S+( FOR VALUES IN \(.+\))?', "https://www.postgresql.org/docs/current/sql-altertable.html"),
    )  # fmt: skip

    def selected(self, columns: Sequence[Column]) -> str:
        """Return the select list by which rows of these columns are read into Arrow."""
        names = {column: self.quote(column.name) for column in columns}
        texts = {column: f"{name}::text AS {name}" for column, name in names.items() if column.type in READ_AS_TEXT}
        return ", ".join((names | texts).values())

    def storage(self, target: LoadTarget) -> str:
        """One partition a day, by list: a day is a partition or it is not, there is no bound to get wrong."""
        return f" PARTITION BY LIST ({self.quote(target.table.partition)})" if target.partitioned else ""

    def staging_kind(self, plan: Plan) -> str:
        """Staging is unlogged, for speed; a table that will be the target is logged from the start."""
        return "TABLE" if Step.SWAP_IN in plan.steps else "UNLOGGED TABLE"

    def swap_in(self, plan: Plan) -> list[Statement]:
        """The staging table takes the target's name; readers wait for the commit and then see the new rows.

        Cheaper than TRUNCATE and INSERT by a whole copy of the rows. Views on the target would block the DROP: the
        load then fails and names them.
        """
        table, staged = self.table(plan.target), self.staged(plan.target)
        return [
            *self._counted(plan, "1 = 1"),
            Statement(f"DROP TABLE {table}"),
            Statement(f"ALTER TABLE {staged} RENAME TO {self.quote(plan.target.table.name)}"),
            *(
                Statement(f"ALTER TABLE {table} ALTER COLUMN {self.quote(name)} DROP DEFAULT")
                for name in ("load_id", "loaded_at")
            ),
        ]

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """Each day is built aside and exchanged: DETACH the old partition, ATTACH the new one, all in one transaction.

        The CHECK that is added first spares ATTACH its scan of the rows (PostgreSQL manual, 5.12.2.2).
        """
        assert isinstance(plan.load.scope, Partitions)
        statements = [self.refuse_strays(plan), *self._counted(plan, self.in_days(plan))]
        for day in plan.load.scope.days:
            statements += self._exchange(plan, day)
        return statements

    def _exchange(self, plan: Plan, day: date) -> list[Statement]:
        target, column = plan.target, self.quote(plan.target.table.partition)
        name = f"{target.table.name}__p{day:%Y%m%d}"
        old, new = self.relation(target.namespace, name), self.relation(target.namespace, f"{name}_new")
        table, staged, value = self.table(target), self.staged(target), self.literal(day)
        columns = self.names(plan.carried)
        return [
            Statement(f"CREATE TABLE IF NOT EXISTS {old} PARTITION OF {table} FOR VALUES IN ({value})"),
            Statement(f"CREATE TABLE {new} (LIKE {table}, CONSTRAINT {self.quote('day')} CHECK ({column} = {value}))"),
            Statement(f"INSERT INTO {new} ({columns}) SELECT {columns} FROM {staged} WHERE {column} = {value}"),
            Statement(f"ALTER TABLE {table} DETACH PARTITION {old}"),
            Statement(f"DROP TABLE {old}"),
            Statement(f"ALTER TABLE {table} ATTACH PARTITION {new} FOR VALUES IN ({value})"),
            Statement(f"ALTER TABLE {new} DROP CONSTRAINT {self.quote('day')}"),
            Statement(f"ALTER TABLE {new} RENAME TO {self.quote(name)}"),
        ]

    def _counted(self, plan: Plan, where: str) -> list[Statement]:
        """Count what an exchange without rowcounts removes (for good, or to be written anew) and brings."""
        table, again = self.table(plan.target), self.holds(self.staged(plan.target), plan.target.table.key)
        count = f"SELECT COUNT(*) FROM {table} AS t WHERE {where}"
        return [
            Statement(f"{count} AND NOT {again}", Tally.DELETED, selects=True),
            Statement(f"{count} AND {again}", Tally.REPLACED, selects=True),
            Statement(f"SELECT COUNT(*) FROM {self.staged(plan.target)}", Tally.INSERTED, selects=True),
        ]
