"""GoogleSQL: what BigQuery says differently from the common SQL of `resources.sql`.

Here lives text alone; connections and types live beside it. It may import `matrix_defs`, `sql` and its types table.
A job tells no rows that a statement of its script touched, so they are counted before they are changed, within the
transaction: what it reads is one snapshot and its own changes
(https://cloud.google.com/bigquery/docs/transactions).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import ClassVar

from matrix_defs.errors import UsageError
from matrix_defs.ports import DELETE, Load, LoadTarget, Partitions, Position, Step
from matrix_defs.table import Column
from resources.bigquery.types import TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally

STAGING_HOURS = 24
"""After that BigQuery drops a staging table itself, should the load that made it have died."""

FILLED = "filled"
"""The column of a script's result that lists the days which have staged rows."""

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})
_NAME = r"[\w$]+"


@dataclass(frozen=True)
class PartitionCopy(Statement):
    """A copy job that replaces one partition of the target by that of staging. Its text is what `bq` calls it."""

    source: str = ""
    """The partition to be copied, as dataset.table$day."""
    destination: str = ""
    """The partition that is replaced, as dataset.table$day."""
    day: date = date.min
    """The day of both. One without staged rows has no partition that could be copied: the steps empty it instead."""


class BigQueryDialect(Dialect):
    """Renders GoogleSQL. Steps and position are one script: a transaction does not outlive the job that began it."""

    sqlglot = "bigquery"
    types = TYPES
    begin = ("BEGIN TRANSACTION",)
    commit = ("COMMIT TRANSACTION",)
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            rf"bq cp -f {_NAME}\.{_NAME}\$\d{{8}} {_NAME}\.{_NAME}\$\d{{8}}",
            "https://cloud.google.com/bigquery/docs/managing-partitioned-table-data#copy_one_or_more_partitions",
        ),
    )

    def __init__(self, *, partition_decorators: bool = True) -> None:
        self._partition_decorators = partition_decorators
        """The service knows `table$day` as the name of a partition."""

    # ------------------------------------------------------------------ words

    def quote(self, name: str) -> str:
        """Return the name in backticks. Raises UsageError for a character that no name of BigQuery holds.

        https://cloud.google.com/bigquery/docs/schemas#flexible-column-names lists them.
        """
        if "`" in name or "\\" in name:
            raise UsageError(f"BigQuery: the name {name!r} holds a backtick or a backslash; no name there may")
        return f"`{name}`"

    def literal(self, value: str | int | date | datetime | None) -> str:
        """Return the value as a literal; in text a backslash escapes, a quote is not doubled."""
        if isinstance(value, datetime):
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'"
        return f"'{value.translate(_ESCAPES)}'" if isinstance(value, str) else super().literal(value)

    def definition(self, column: Column, default: str = "") -> str:
        """Return a column's definition. No column needs a default: a file of rows holds all columns of its table."""
        return super().definition(column)

    # ------------------------------------------------------------------ tables

    def storage(self, target: LoadTarget) -> str:
        """Return what follows the columns of the target: one partition a day, so that a window is billed as such."""
        return f" PARTITION BY {self.quote(target.table.partition)}"

    def staging_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the staging table: partitions, if they are to be copied; its expiry."""
        return (self.storage(plan.target) if plan.target.partitioned else "") + self.keys_storage(plan)

    def keys_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the key list: when it expires, by the service's own clock."""
        return f" OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {STAGING_HOURS} HOUR))"

    # ------------------------------------------------------------------ building blocks of the steps

    def count(self, rows: str, tally: Tally) -> Statement:
        """Count the rows of what follows FROM."""
        return Statement(f"SET rows_{tally} = rows_{tally} + (SELECT COUNT(*) FROM {rows})")

    def delete(self, relation: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Count the rows if they are to be told, and delete them."""
        counted = [self.count(f"{relation} AS t WHERE {where}", tally)] if tally else []
        return [*counted, *super().delete(relation, where)]

    def update(self, relation: str, assignment: str, where: str, tally: Tally) -> list[Statement]:
        """Count the rows and update them."""
        [update] = super().update(relation, assignment, where, tally)
        return [self.count(f"{relation} AS t WHERE {where}", tally), Statement(update.text)]

    def insert(self, plan: Plan, where: str = "", extra: dict[str, str] | None = None) -> list[Statement]:
        """Count the staged rows and insert them."""
        [insert] = super().insert(plan, where, extra)
        return [self.count(self.staged_rows(plan, where), Tally.INSERTED), Statement(insert.text)]

    def remove(self, plan: Plan, where: str) -> list[Statement]:
        """Delete target rows that the load writes anew: two counts, one deletion."""
        return [*self._taken(plan, where), *self.delete(self.table(plan.target), where)]

    def _taken(self, plan: Plan, where: str) -> list[Statement]:
        """Count the target rows that go for good, and those whose key is staged again."""
        table, again = self.table(plan.target), self.holds(self.staged(plan.target), plan.target.table.key)
        return [
            self.count(f"{table} AS t WHERE {where} AND NOT {again}", Tally.DELETED),
            self.count(f"{table} AS t WHERE {where} AND {again}", Tally.REPLACED),
        ]

    def refuse_strays(self, plan: Plan) -> Statement:
        """Break the script off if a staged row lies outside the load's partitions; its transaction is rolled back."""
        assert isinstance(plan.load.scope, Partitions)
        named = ", ".join(map(str, plan.load.scope.days))
        refusal = self.literal(
            f" staged row(s) lie outside the partitions of this load ({named}); read only those or name the others too"
        )
        error = f"ERROR(CONCAT(CAST(COUNT(*) AS STRING), {refusal}))"
        staged = f"{self.staged(plan.target)} AS t"
        return Statement(f"SELECT IF(COUNT(*) = 0, 0, {error}) FROM {staged} WHERE NOT {self.in_days(plan)}")

    # ------------------------------------------------------------------ the steps that differ

    def delete_staged_keys(self, plan: Plan) -> list[Statement]:
        """Delete the target rows whose key is staged, for good or to be inserted anew: two counts, one deletion."""
        staged, key, table = self.staged(plan.target), plan.target.table.key, self.table(plan.target)
        gone, held = self.holds(staged, key, where=f"{self.column('_op', 'o')} = '{DELETE}'"), self.holds(staged, key)
        return [
            self.count(f"{table} AS t WHERE {gone}", Tally.DELETED),
            self.count(f"{table} AS t WHERE {held} AND NOT {gone}", Tally.REPLACED),
            *self.delete(table, held),
        ]

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """Copy each staged partition over that of the target, and empty those without staged rows.

        A copy job scans and bills nothing and replaces its partition atomically, but is no SQL and no part of a
        transaction: what is repeated after a failure ends the same. Without names for partitions: delete and insert.
        """
        if not self._partition_decorators:
            return super().replace_partitions(plan)
        assert isinstance(plan.load.scope, Partitions)
        target, inside = plan.target, self.in_days(plan)
        filled = self.holds(self.staged(target), (target.table.partition,))
        return [
            self.refuse_strays(plan),
            *self._taken(plan, inside),
            self.count(self.staged_rows(plan), Tally.INSERTED),
            *self.delete(self.table(target), f"{inside} AND NOT {filled}"),
            *(self._copy(target, day) for day in plan.load.scope.days),
        ]

    def _copy(self, target: LoadTarget, day: date) -> PartitionCopy:
        name = f"{target.namespace}.{target.table.name}"
        source, destination = f"{name}__staged${day:%Y%m%d}", f"{name}${day:%Y%m%d}"
        return PartitionCopy(f"bq cp -f {source} {destination}", source=source, destination=destination, day=day)

    # ------------------------------------------------------------------ scripts

    def finishing(self, plan: Plan, position: Position | None) -> list[Statement]:
        """Render what follows the rows: steps and position in one transaction, and what was counted.

        Copy jobs are no part of a transaction: with them the position comes last, in one of its own.
        """
        steps = self.render(plan)
        copies = [step for step in steps if isinstance(step, PartitionCopy)]
        names = ", ".join(f"rows_{tally}" for tally in Tally)
        begin, commit = ([Statement(text) for text in texts] for texts in (self.begin, self.commit))
        declare, committed = Statement(f"DECLARE {names} INT64 DEFAULT 0"), self.write_position(plan.target, position)
        if not copies:
            return [declare, *begin, *steps, *committed, *commit, Statement(f"SELECT {names}")]
        day = f"CAST({self.column(plan.target.table.partition)} AS STRING)"
        filled = f"ARRAY(SELECT DISTINCT {day} FROM {self.staged(plan.target)} AS t) AS {self.quote(FILLED)}"
        counted = [step for step in steps if step not in copies]
        told = Statement(f"SELECT {names}, {filled}")
        return [declare, *counted, told, *copies, *([*begin, *committed, *commit] if committed else [])]

    def jobs(self, statements: Sequence[Statement]) -> list[list[Statement]]:
        """Return the statements grouped by what runs together: those of one script, or copy jobs."""
        return [list(group) for _, group in groupby(statements, lambda statement: isinstance(statement, PartitionCopy))]

    def script(self, statements: Sequence[Statement]) -> str:
        """Return the statements as one multi-statement query."""
        return "".join(f"{statement.text};\n" for statement in statements)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render every statement of a load, those of one script as one text."""
        plan = Plan(target, load, tuple(steps))
        rendered: list[str] = []
        for statements in (self.staging(plan), *self.jobs(self.finishing(plan, load.position or Position({})))):
            copies = isinstance(statements[0], PartitionCopy)
            rendered += [s.text for s in statements] if copies else [self.script(statements)]
        return [*rendered, self.script(self.drop_staging(target))]
