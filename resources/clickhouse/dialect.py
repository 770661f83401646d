"""ClickHouse's way of saying the steps, where it differs from the shared defaults.

Here live statements; types live in `types`, running them in `sink`. It may import `sql` and `types`.
ClickHouse has no transactions, tells no affected rows and knows no correlated subqueries in mutations; so rows are
counted before they are changed, keys are looked up by IN, and the next load undoes one that was killed midway.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar

from matrix_defs.ports import DELETE, LoadTarget, Partitions, Position, Step
from matrix_defs.table import Column
from resources.clickhouse.types import TYPES
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally

_MERGE_TREE_SETTINGS = (
    "min_bytes_for_wide_part = 268435456, enable_block_number_column = 1, enable_block_offset_column = 1"
)
"""Parts below 256 MiB keep all columns in one file: with 136 columns an insert is five times as fast as with a file for
each. The other two let a DELETE mark rows instead of rewriting parts
(https://clickhouse.com/docs/operations/settings/merge-tree-settings)."""

BEGUN, FINISHED, POSITION = "begun", "finished", "position"
"""The entries of the state table: the load begun last, the load finished last, the position committed last."""

_ALTER = "https://clickhouse.com/docs/sql-reference/statements/alter"
_NAME = r"`[^`]+`"
_RELATION = rf"{_NAME}\.{_NAME}"


class ClickHouseDialect(Dialect):
    """ClickHouse 24.8 and later. Each statement is atomic by itself; the position is written last."""

    sqlglot = "clickhouse"
    types = TYPES
    begin = ()
    commit = ()
    opaque_templates: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            rf"EXCHANGE TABLES {_RELATION} AND {_RELATION}",
            "https://clickhouse.com/docs/sql-reference/statements/exchange",
        ),
        (
            rf"ALTER TABLE {_RELATION} MODIFY COLUMN {_NAME} REMOVE DEFAULT(, MODIFY COLUMN {_NAME} REMOVE DEFAULT)*",
            f"{_ALTER}/column#modify-column-remove",
        ),
        (rf"ALTER TABLE {_RELATION} UPDATE {_NAME} = \S.* WHERE \S.*", f"{_ALTER}/update"),
    )

    # ------------------------------------------------------------------ words

    def quote(self, name: str) -> str:
        """Return the name as an identifier."""
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def literal(self, value: str | int | date | datetime | None) -> str:
        """Return the value as a literal; in text a backslash escapes."""
        if isinstance(value, datetime):
            return f"toDateTime64('{value:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
        if isinstance(value, date):
            return f"toDate32('{value.isoformat()}')"
        if isinstance(value, str):
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return super().literal(value)

    def column(self, name: str, alias: str = "t") -> str:
        """Return a column; the row that a statement works on has no alias in DELETE and ALTER UPDATE."""
        return self.quote(name) if alias == "t" else super().column(name, alias)

    def definition(self, column: Column, default: str = "") -> str:
        """Return a column's definition; a column is NOT NULL unless it is Nullable."""
        ddl = self.types[column.type].ddl
        kind = f"Nullable({ddl})" if column.nullable else ddl
        return f"{self.quote(column.name)} {kind}{f' DEFAULT {default}' if default else ''}"

    # ------------------------------------------------------------------ tables

    def create_namespace(self, namespace: str) -> list[Statement]:
        """Create the case's database."""
        return [Statement(f"CREATE DATABASE {self.quote(namespace)}")]

    def drop_namespace(self, namespace: str) -> list[Statement]:
        """Drop the database and, at once, the files of what is in it."""
        return [Statement(f"DROP DATABASE IF EXISTS {self.quote(namespace)} SYNC")]

    def drop_staging(self, target: LoadTarget) -> list[Statement]:
        """Drop what a load staged, and its files at once."""
        return [Statement(f"{statement.text} SYNC") for statement in super().drop_staging(target)]

    def merge_tree(self, key: Sequence[str], partition: str | None = None) -> str:
        """Return the engine of a table sorted by its key, in one partition a day where a column is named."""
        by_day = f" PARTITION BY {self.quote(partition)}" if partition else ""
        return f" ENGINE = MergeTree{by_day} ORDER BY ({self.names(key)}) SETTINGS {_MERGE_TREE_SETTINGS}"

    def storage(self, target: LoadTarget) -> str:
        """Return the target's engine."""
        return self.merge_tree(target.table.key, target.table.partition if target.partitioned else None)

    def staging_storage(self, plan: Plan) -> str:
        """Return the target's engine: EXCHANGE makes staging the target, REPLACE PARTITION asks for equal tables."""
        return self.storage(plan.target)

    def keys_storage(self, plan: Plan) -> str:
        """Return the engine of the key list."""
        return self.merge_tree(plan.target.table.key)

    # ------------------------------------------------------------------ position

    def create_state(self, target: LoadTarget) -> list[Statement]:
        """Create the state table: per target and entry the row with the highest `loaded_at` counts."""
        text, instant = "String", "DateTime64(6, 'UTC')"
        kinds = {"target": text, "entry": text, "load_id": text, "loaded_at": instant, "position": text}
        columns = ", ".join(f"{self.quote(name)} {kind}" for name, kind in kinds.items())
        engine = f"ReplacingMergeTree({self.quote('loaded_at')}) ORDER BY ({self.names(('target', 'entry'))})"
        return [Statement(f"CREATE TABLE {self.state(target)} ({columns}) ENGINE = {engine}")]

    def read_position(self, target: LoadTarget) -> Statement:
        """Select the committed position as JSON text."""
        return Statement(f"SELECT {self.quote('position')} FROM {self._entries(target, POSITION)}", selects=True)

    def unfinished(self, target: LoadTarget) -> str:
        """Return the query for load_id and loaded_at of a load that was begun and not finished: one row or none."""
        finished = f"SELECT {self.quote('load_id')} FROM {self._entries(target, FINISHED)}"
        begun = f"SELECT {self.names(('load_id', 'loaded_at'))} FROM {self._entries(target, BEGUN)}"
        return f"{begun} AND {self.quote('load_id')} NOT IN ({finished})"

    def finishing(self, plan: Plan, position: Position | None) -> list[Statement]:
        """Render what follows the rows: what refuses the load, its beginning, its steps, and last its end.

        The end and the position are one INSERT of one block, which is atomic.
        """
        steps = self.render(plan)
        checks = [statement for statement in steps if statement.refusal]
        changes = [statement for statement in steps if not statement.refusal]
        end = {FINISHED: "", **({POSITION: position.to_json()} if position else {})}
        return [*checks, self._note(plan, {BEGUN: ""}), *changes, self._note(plan, end)]

    def undo(self, plan: Plan, load_id: str, loaded_at: datetime) -> list[Statement]:
        """Take back what an unfinished load did, where running the steps again would not overwrite it.

        Its rows are removed by its load_id and the versions that it closed are opened, by its loaded_at: both are one
        load's own. So a load that is run again begins where the killed one began, also if the source moved on. A
        mutation that the server still works on would go on with the staging of this load, or for ever without any.
        """
        steps, table, target = set(plan.steps), self.table(plan.target), plan.target
        mutations = f"database = {self.literal(target.namespace)} AND table = {self.literal(target.table.name)}"
        statements = [Statement(f"KILL MUTATION WHERE {mutations} AND NOT is_done")]
        if steps & {Step.SWAP_IN, Step.REPLACE_PARTITIONS, Step.DELETE_STAGED_KEYS, Step.DELETE_WINDOW}:
            return statements
        if plan.target.keeps_history:
            closed = f"{self.quote('valid_to')} = {self.literal(loaded_at)}"
            statements += self.update(table, f"{self.quote('valid_to')} = NULL", closed)
        return statements + self.delete(table, f"{self.quote('load_id')} = {self.literal(load_id)}")

    def _entries(self, target: LoadTarget, entry: str) -> str:
        values = {"target": target.table.name, "entry": entry}
        where = " AND ".join(f"{self.quote(name)} = {self.literal(value)}" for name, value in values.items())
        return f"{self.state(target)} FINAL WHERE {where}"

    def _note(self, plan: Plan, entries: dict[str, str]) -> Statement:
        columns = self.names(("target", "entry", "load_id", "loaded_at", "position"))
        name, load = self.literal(plan.target.table.name), plan.load
        identity = f"{self.literal(load.load_id)}, {self.literal(load.loaded_at)}"
        rows = [f"({name}, {self.literal(entry)}, {identity}, {self.literal(text)})" for entry, text in entries.items()]
        return Statement(f"INSERT INTO {self.state(plan.target)} ({columns}) VALUES {', '.join(rows)}")

    # ------------------------------------------------------------------ building blocks of the steps

    def holds(self, relation: str, columns: Sequence[str], *, alias: str = "t", where: str = "") -> str:
        """Return the predicate that `relation` has a row with the outer row's values in `columns`."""
        outer = ", ".join(self.column(name, alias) for name in columns)
        inner = f"SELECT {self.names(columns, 'o')} FROM {relation} AS o" + (f" WHERE {where}" if where else "")
        return f"({outer}) IN ({inner})"

    def count(self, rows: str, tally: Tally | None) -> Statement:
        """Count the rows of what follows FROM."""
        return Statement(f"SELECT count() FROM {rows}", tally, selects=True)

    def delete(self, relation: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Count the rows, then delete them where there are any: a mutation reads every part even if it changes none."""
        return [self.count(f"{relation} WHERE {where}", tally), self._delete(relation, where)]

    def _delete(self, relation: str, where: str) -> Statement:
        return Statement(f"DELETE FROM {relation} WHERE {where}", if_counted=True)

    def update(self, relation: str, assignment: str, where: str, tally: Tally | None = None) -> list[Statement]:
        """Count the rows, then update them where there are any."""
        text = f"ALTER TABLE {relation} UPDATE {assignment} WHERE {where}"
        return [self.count(f"{relation} WHERE {where}", tally), Statement(text, if_counted=True)]

    def insert(self, plan: Plan, where: str = "", extra: dict[str, str] | None = None) -> list[Statement]:
        """Count the staged rows, then insert them."""
        [insert] = super().insert(plan, where, extra)
        return [self.count(self.staged_rows(plan, where), Tally.INSERTED), Statement(insert.text, if_counted=True)]

    def remove(self, plan: Plan, where: str) -> list[Statement]:
        """Delete target rows that the load writes anew: two counts, one mutation."""
        return [*self._taken(plan, where), self._delete(self.table(plan.target), where)]

    def _taken(self, plan: Plan, where: str) -> list[Statement]:
        table, again = self.table(plan.target), self.holds(self.staged(plan.target), plan.target.table.key)
        return [
            self.count(f"{table} WHERE {where} AND NOT {again}", Tally.DELETED),
            self.count(f"{table} WHERE {where} AND {again}", Tally.REPLACED),
        ]

    # ------------------------------------------------------------------ the steps that differ

    def dedupe_staged(self, plan: Plan) -> list[Statement]:
        """Delete every staged change that a later one of its key overrides."""
        staged, key = self.staged(plan.target), self.names(plan.target.table.key)
        seq = self.quote("_seq")
        last = f"SELECT {key}, max({seq}) FROM {staged} GROUP BY {key}"
        return [
            Statement(f"SELECT count() FROM (SELECT 1 FROM {staged} GROUP BY {key} HAVING count() > 1)", selects=True),
            self._delete(staged, f"({key}, {seq}) NOT IN ({last})"),
        ]

    def swap_in(self, plan: Plan) -> list[Statement]:
        """Target and staging exchange names in one atomic statement; the old rows are dropped with the staging."""
        table, staged = self.table(plan.target), self.staged(plan.target)
        identity = ", ".join(f"MODIFY COLUMN {self.quote(name)} REMOVE DEFAULT" for name in ("load_id", "loaded_at"))
        return [
            *self._taken(plan, "1 = 1"),
            self.count(staged, Tally.INSERTED),
            Statement(f"ALTER TABLE {staged} {identity}"),
            Statement(f"EXCHANGE TABLES {staged} AND {table}"),
        ]

    def delete_staged_keys(self, plan: Plan) -> list[Statement]:
        """Delete the target rows whose key is staged, for good or to be inserted anew: two counts, one mutation."""
        staged, key, table = self.staged(plan.target), plan.target.table.key, self.table(plan.target)
        gone, held = self.holds(staged, key, where=f"{self.column('_op', 'o')} = '{DELETE}'"), self.holds(staged, key)
        return [
            self.count(f"{table} WHERE {gone}", Tally.DELETED),
            self.count(f"{table} WHERE {held} AND NOT {gone}", Tally.REPLACED),
            self._delete(table, held),
        ]

    def replace_partitions(self, plan: Plan) -> list[Statement]:
        """The staged day replaces each day of the load in one atomic statement; where none is staged it empties it."""
        assert isinstance(plan.load.scope, Partitions)
        table, staged = self.table(plan.target), self.staged(plan.target)
        return [
            self.refuse_strays(plan),
            *self._taken(plan, self.in_days(plan)),
            self.count(staged, Tally.INSERTED),
            *(
                Statement(f"ALTER TABLE {table} REPLACE PARTITION '{day.isoformat()}' FROM {staged}")
                for day in plan.load.scope.days
            ),
        ]

    def open_versions(self, plan: Plan) -> list[Statement]:
        """Open a version for every staged row whose key has none open."""
        current = self.holds(self.table(plan.target), plan.target.table.key, where=self.open_version("o"))
        return self.insert(plan, f"NOT {current}", {"valid_from": self.column("loaded_at"), "valid_to": "NULL"})
