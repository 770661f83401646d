"""GoogleSQL: what BigQuery says differently from the common SQL of `resources.sql`.

Here lives text alone; connections and types live beside it. It may import `matrix_defs`, `sql` and its types table.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from matrix_defs.ports import Load, LoadTarget, Partitions, Position, Step
from resources.bigquery.types import TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement

STAGING_LIFE = timedelta(days=1)
"""After that BigQuery drops a staging table itself, should the load that made it have died."""

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})


class BigQueryDialect(Dialect):
    """Renders GoogleSQL. Steps and position are one script: a transaction does not outlive the job that began it."""

    sqlglot = "bigquery"
    types = TYPES
    begin = ("BEGIN TRANSACTION",)
    commit = ("COMMIT TRANSACTION",)

    def quote(self, name: str) -> str:
        """Return the name in backticks."""
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def literal(self, value: str | int | date | datetime | None) -> str:
        """Return the value as a literal; in text a backslash escapes, a quote is not doubled."""
        if isinstance(value, datetime):
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'"
        return f"'{value.translate(_ESCAPES)}'" if isinstance(value, str) else super().literal(value)

    def storage(self, target: LoadTarget) -> str:
        """Return what follows the columns of the target: one partition a day."""
        return f" PARTITION BY {self.quote(target.table.partition)}" if target.partitioned else ""

    def staging_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the staging table: when it expires."""
        return f" OPTIONS (expiration_timestamp = {self.literal(plan.load.loaded_at + STAGING_LIFE)})"

    def keys_storage(self, plan: Plan) -> str:
        """Return what follows the columns of the key list: when it expires."""
        return self.staging_storage(plan)

    def refuse_strays(self, plan: Plan) -> Statement:
        """Break the script off if a staged row lies outside the load's partitions; its transaction is rolled back."""
        assert isinstance(plan.load.scope, Partitions)
        named = ", ".join(map(str, plan.load.scope.days))
        refusal = self.literal(f" staged row(s) lie outside the partitions of this load ({named})")
        error = f"ERROR(CONCAT(CAST(COUNT(*) AS STRING), {refusal}))"
        staged = f"{self.staged(plan.target)} AS t"
        return Statement(
            f"SELECT IF(COUNT(*) = 0, 0, {error}) FROM {staged} WHERE NOT {self.in_days(plan)}", selects=True
        )

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """Empty the load's partitions and insert the staged rows, in one transaction.

        A copy job into the partition decorator with WRITE_TRUNCATE does the same to one partition without scanning it,
        but is no SQL and no part of the transaction.
        """
        return super().replace_partitions(plan)

    def script(self, statements: Sequence[Statement]) -> str:
        """Return the statements as one multi-statement query."""
        return "".join(f"{statement.text};\n" for statement in statements)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render every statement of a load, steps and position as one script."""
        plan = Plan(target, load, tuple(steps))
        script = self.script(self.finishing(plan, load.position or Position({})))
        return [*(s.text for s in self.staging(plan)), script, *(s.text for s in self.drop_staging(target))]
