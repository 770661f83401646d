"""What SQL systems share: how the twelve steps are said in SQL, and the order of a load's statements.

Here live ANSI defaults as named methods that render text; a system overrides only what differs, and running a
statement is `sql_sink`'s matter. It may import `matrix_defs`, `sql_plan` and `sql_tables`, and no driver.
"""

from collections.abc import Sequence
from typing import ClassVar

from matrix_defs.errors import UnsupportedStepError
from matrix_defs.ports import DELETE, KeyList, Load, LoadTarget, Partitions, Position, Scope, Step, Window
from matrix_defs.table import LogicalType, TableSpec
from resources.sql_plan import Plan, Statement, Tally
from resources.sql_tables import SqlTables


class Dialect(SqlTables):
    """A SQL system's way of saying things. Renders statements; needs neither driver nor connection."""

    sqlglot: ClassVar[str]
    """The name of the dialect in sqlglot, which parses every statement in `mock_contract`."""
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Statements that sqlglot does not look into: an exact pattern and the vendor's page, for each."""
    begin: ClassVar[tuple[str, ...]] = ("BEGIN",)
    commit: ClassVar[tuple[str, ...]] = ("COMMIT",)

    # ------------------------------------------------------------------ building blocks of the steps

    def holds(self, relation: str, columns: Sequence[str], *, alias: str = "t", where: str = "") -> str:
        """Return the predicate that `relation` has a row with the outer row's values in `columns`.

        `alias` is the outer row's; the inner row is `o`, and `where` narrows it.
        """
        same = [f"o.{self.quote(name)} = {alias}.{self.quote(name)}" for name in columns]
        return f"EXISTS (SELECT 1 FROM {relation} AS o WHERE {' AND '.join([*same, *([where] if where else [])])})"

    def delete(self, relation: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Delete the rows `t` of a relation for which `where` holds."""
        return [Statement(f"DELETE FROM {relation} AS t WHERE {where}", tally)]

    def update(self, relation: str, assignment: str, where: str, tally: Tally) -> list[Statement]:
        """Update the rows `t` of a relation for which `where` holds."""
        return [Statement(f"UPDATE {relation} AS t SET {assignment} WHERE {where}", tally)]

    def staged_rows(self, plan: Plan, where: str = "") -> str:
        """Return what follows FROM: the staged rows `t` that are no deletes and for which `where` holds."""
        conditions = [
            *([f"t.{self.quote('_op')} <> '{DELETE}'"] if plan.with_changes else []),
            *([where] if where else []),
        ]
        return f"{self.staged(plan.target)} AS t" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")

    def insert(self, plan: Plan, where: str = "", extra: dict[str, str] | None = None) -> list[Statement]:
        """Insert the staged rows `t` for which `where` holds, and `extra` columns by their expressions."""
        extra = extra or {}
        values = ", ".join([self.names(plan.carried, "t"), *extra.values()])
        text = (
            f"INSERT INTO {self.table(plan.target)} ({self.names([*plan.carried, *extra])}) "
            f"SELECT {values} FROM {self.staged_rows(plan, where)}"
        )
        return [Statement(text, Tally.INSERTED)]

    def remove(self, plan: Plan, where: str) -> list[Statement]:
        """Delete target rows that the load writes anew; those whose key is not staged again count as deleted."""
        again = self.holds(self.staged(plan.target), plan.target.table.key)
        table = self.table(plan.target)
        return [
            *self.delete(table, f"{where} AND NOT {again}", Tally.DELETED),
            *self.delete(table, where, Tally.REPLACED),
        ]

    def absent(self, plan: Plan) -> str | None:
        """Return the predicate that the source no longer holds the key of `t`; None where that is unknown."""
        match plan.load.key_list:
            case KeyList.LISTED:
                return f"NOT {self.holds(self.keys(plan.target), plan.target.table.key)}"
            case KeyList.STAGED:
                return f"NOT {self.holds(self.staged(plan.target), plan.target.table.key)}"
            case _:
                return None

    def changed(self, plan: Plan) -> str:
        """Return the predicate that the key of `t` is staged, and not with the row_hash of `t`."""
        key, staged = plan.target.table.key, self.staged(plan.target)
        return f"{self.holds(staged, key)} AND NOT {self.holds(staged, (*key, 'row_hash'))}"

    def in_days(self, plan: Plan, alias: str = "t") -> str:
        """Return the predicate that the day of `t` is one of the load's partitions."""
        assert isinstance(plan.load.scope, Partitions)
        days = ", ".join(self.literal(day) for day in plan.load.scope.days)
        return f"{self.column(plan.target.table.partition, alias)} IN ({days})"

    def within(self, table: TableSpec, scope: Scope) -> str:
        """Return a WHERE clause, after a blank, of the rows of a source within a scope; '' where that is all rows."""
        column = self.quote(table.partition)
        if isinstance(scope, Window):
            return f" WHERE {column} >= {self.literal(scope.start)} AND {column} < {self.literal(scope.end)}"
        if isinstance(scope, Partitions):
            return f" WHERE {column} IN ({', '.join(map(self.literal, scope.days))})"
        return ""

    def refuse_strays(self, plan: Plan) -> Statement:
        """Fail the load if a staged row lies outside the load's partitions."""
        assert isinstance(plan.load.scope, Partitions)
        text = f"SELECT COUNT(*) FROM {self.staged(plan.target)} AS t WHERE NOT {self.in_days(plan)}"
        named = ", ".join(map(str, plan.load.scope.days))
        refusal = (
            f"{{count}} staged row(s) lie outside the partitions of this load ({named}); "
            "read only those or name the others too"
        )
        return Statement(text, selects=True, refusal=refusal)

    def open_version(self, alias: str = "t") -> str:
        """Return the predicate that a version is open."""
        return f"{self.column('valid_to', alias)} IS NULL"

    def close(self, plan: Plan, where: str) -> list[Statement]:
        """End the open versions `t` for which `where` holds at the load's instant."""
        assignment = f"{self.quote('valid_to')} = {self.literal(plan.load.loaded_at)}"
        return self.update(self.table(plan.target), assignment, f"{self.open_version()} AND {where}", Tally.REPLACED)

    # ------------------------------------------------------------------ the twelve steps

    def dedupe_staged(self, plan: Plan) -> list[Statement]:
        """Delete every staged change that a later one of its key overrides."""
        staged = self.staged(plan.target)
        later = self.holds(staged, plan.target.table.key, where=f"o.{self.quote('_seq')} > t.{self.quote('_seq')}")
        return self.delete(staged, later)

    def swap_in(self, plan: Plan) -> list[Statement]:
        """Empty the target and insert the staged rows, in one transaction."""
        return [*self.remove(plan, "1 = 1"), *self.insert(plan)]

    def insert_staged(self, plan: Plan) -> list[Statement]:
        """Insert the staged rows that are no deletes."""
        return self.insert(plan)

    def insert_missing(self, plan: Plan) -> list[Statement]:
        """Insert the staged rows whose key the target does not hold."""
        return self.insert(plan, f"NOT {self.holds(self.table(plan.target), plan.target.table.key)}")

    def delete_staged_keys(self, plan: Plan) -> list[Statement]:
        """Delete the target rows whose key is staged: for good, or to be inserted anew."""
        staged, key, table = self.staged(plan.target), plan.target.table.key, self.table(plan.target)
        deletes = f"o.{self.quote('_op')} = '{DELETE}'"
        return [
            *self.delete(table, self.holds(staged, key, where=deletes), Tally.DELETED),
            *self.delete(table, self.holds(staged, key), Tally.REPLACED),
        ]

    def delete_changed(self, plan: Plan) -> list[Statement]:
        """Delete the target rows that are staged with another hash."""
        return self.delete(self.table(plan.target), self.changed(plan), Tally.REPLACED)

    def delete_absent_keys(self, plan: Plan) -> list[Statement]:
        """Delete the target rows whose key the source no longer holds; nothing where that is unknown."""
        absent = self.absent(plan)
        return self.delete(self.table(plan.target), absent, Tally.DELETED) if absent else []

    def delete_window(self, plan: Plan) -> list[Statement]:
        """Delete the target rows inside the load's window."""
        assert isinstance(plan.load.scope, Window)
        day = self.column(plan.target.table.partition)
        start, end = self.literal(plan.load.scope.start), self.literal(plan.load.scope.end)
        return self.remove(plan, f"{day} >= {start} AND {day} < {end}")

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """Empty the load's partitions and insert the staged rows, in one transaction."""
        return [self.refuse_strays(plan), *self.remove(plan, self.in_days(plan)), *self.insert(plan)]

    def close_changed(self, plan: Plan) -> list[Statement]:
        """Close the open versions that are staged with another hash."""
        return self.close(plan, self.changed(plan))

    def close_absent(self, plan: Plan) -> list[Statement]:
        """Close the open versions whose key the source no longer holds; nothing where that is unknown."""
        absent = self.absent(plan)
        return self.close(plan, absent) if absent else []

    def open_versions(self, plan: Plan) -> list[Statement]:
        """Open a version for every staged row whose key has none open."""
        current = self.holds(self.table(plan.target), plan.target.table.key, where=self.open_version("o"))
        extra = {
            "valid_from": f"t.{self.quote('loaded_at')}",
            "valid_to": f"CAST(NULL AS {self.types[LogicalType.INSTANT].ddl})",
        }
        return self.insert(plan, f"NOT {current}", extra)

    # ------------------------------------------------------------------ plans

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that have a method; one that a system cannot do is None there, with the reason beside it."""
        return frozenset(step for step in Step if getattr(self, step, None) is not None)

    def render(self, plan: Plan) -> list[Statement]:
        """Render the steps of a load, in order. Raises UnsupportedStepError."""
        statements: list[Statement] = []
        for step in plan.steps:
            method = getattr(self, step, None)
            if method is None:
                raise UnsupportedStepError(
                    f"{type(self).__name__} has no step {step}; the matrix excludes the cases that need it"
                )
            statements += method(plan)
        return statements

    def staging(self, plan: Plan) -> list[Statement]:
        """Render what precedes the rows: old staging away, new staging made."""
        keys = self.create_keys(plan) if plan.load.key_list is KeyList.LISTED else []
        return [*self.drop_staging(plan.target), *self.create_staging(plan), *keys]

    def finishing(self, plan: Plan, position: Position | None) -> list[Statement]:
        """Render what follows the rows: steps and position, together where the system has transactions."""
        return [
            *map(Statement, self.begin),
            *self.render(plan),
            *self.write_position(plan.target, position),
            *map(Statement, self.commit),
        ]

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render every statement of a load, around the rows that flow into staging."""
        plan = Plan(target, load, tuple(steps))
        position = load.position or Position({})
        statements = [*self.staging(plan), *self.finishing(plan, position), *self.drop_staging(target)]
        return [statement.text for statement in statements]
