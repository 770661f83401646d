"""The course of a load that all SQL sinks share: stage, run the steps, commit the position, clean up.

Here lives the order and the counting; what a statement says is the dialect's matter, how a driver runs it and moves
rows each system's. It may import `matrix_defs` and `sql`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import ClassVar

import pyarrow as pa

from matrix_defs.errors import LoadError, MatrixError
from matrix_defs.ports import Batch, Encoding, KeyList, Load, LoadReport, LoadTarget, Position, ReadEnd, Step
from matrix_defs.staging import prepared_batches
from matrix_defs.table import Column, TableSpec
from resources.sql import Dialect
from resources.sql_plan import Plan, Statement, Tally
from resources.sql_tables import STATE_TABLE
from resources.types_table import represent


class SqlSink(ABC):
    """A SQL system as a sink. One object serves one case; it is not shared between threads."""

    dialect: Dialect
    label: ClassVar[str]
    encodings: frozenset[Encoding] = frozenset({Encoding.ARROW})
    driver_errors: ClassVar[tuple[type[BaseException], ...]]
    """The exceptions that the driver raises for what the server refused."""

    # ------------------------------------------------------------------ what each system brings

    @abstractmethod
    def execute(self, text: str) -> int:
        """Run one statement and return the number of rows it affected (0 where the driver does not tell)."""

    @abstractmethod
    def select(self, text: str) -> str | int | None:
        """Run a query for one value; None where it has no row."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo what an open transaction has done; safe where none is open."""

    @abstractmethod
    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append record batches in canonical form to a table and return how many rows were written."""

    @abstractmethod
    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target in its canonical schema, in any order."""

    @abstractmethod
    def tables(self, namespace: str) -> list[str]:
        """Names of the tables in a namespace; none where the namespace does not exist. Partitions are no tables."""

    def write_staged(self, plan: Plan, chunks: Iterable[pa.RecordBatch]) -> int:
        """Append prepared rows to staging, whose defaults add the load's identity; return how many were written."""
        return self.write(plan.target.namespace, f"{plan.target.table.name}__staged", plan.written, chunks)

    def write_encoded(self, plan: Plan, batch: Batch) -> int:
        """Append a batch of an encoding other than Arrow to staging; only for sinks that list one."""
        raise LoadError(f"{self.label} takes no batches encoded as {batch.encoding}")

    def recover(self, plan: Plan) -> list[Statement]:
        """Render what undoes a load that was killed midway; nothing where a transaction does."""
        return []

    def explain(self, error: BaseException) -> str:
        """Return one line of what the server said, without secrets."""
        return " ".join(str(error).split())

    # ------------------------------------------------------------------ the port

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that the dialect can render."""
        return self.dialect.supported_steps

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render the statements of a load without driver or connection."""
        return self.dialect.plan(target, load, steps)

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as this sink can hold them."""
        return represent(self.dialect.types, table, rows)

    def create(self, target: LoadTarget) -> None:
        """Create the namespace, the empty target and the state table."""
        with self._explained(f"creating {target.namespace}"):
            self._run(self.dialect.create_namespace(target.namespace))
            self._run([*self.dialect.create_target(target), *self.dialect.create_state(target)])

    def drop(self, target: LoadTarget) -> None:
        """Remove the namespace and everything in it."""
        with self._explained(f"dropping {target.namespace}"):
            self._run(self.dialect.drop_namespace(target.namespace))

    def position(self, target: LoadTarget) -> Position | None:
        """The position that the last load committed."""
        with self._explained("reading the position"):
            text = self.select(self.dialect.read_position(target).text)
        return Position.from_json(str(text)) if text is not None else None

    def leftovers(self, target: LoadTarget) -> list[str]:
        """Names in the namespace besides the target and the state table."""
        return sorted(set(self.tables(target.namespace)) - {target.table.name, STATE_TABLE})

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Stage the batch, run the steps and commit the position. Raises LoadError.

        Then nothing has changed; or all has, where the answer to the commit was lost: `position` tells which.
        """
        plan = Plan(target, load, tuple(steps))
        started = perf_counter()
        with self._explained(f"loading {target.namespace}.{target.table.name}"), self._staging_dropped(target):
            before = self.dialect.staging(plan)
            self._run(before)
            staged, end = self._stage(plan, batch)
            staged_at = perf_counter()
            after = [*self.recover(plan), *self.dialect.finishing(plan, load.position or end.position)]
            tallies = self._finish(after)
        finished = perf_counter()
        return LoadReport(
            staged=staged,
            inserted=tallies[Tally.INSERTED] - tallies[Tally.REPLACED] * (not target.keeps_history),
            updated=tallies[Tally.REPLACED],
            deleted=tallies[Tally.DELETED],
            position=load.position or end.position,
            statements=tuple(s.text for s in (*before, *after, *self.dialect.drop_staging(target))),
            seconds={"stage": staged_at - started, "steps": finished - staged_at},
        )

    # ------------------------------------------------------------------ its parts

    def _stage(self, plan: Plan, batch: Batch) -> tuple[int, ReadEnd]:
        """Write the rows, and the key list where one came, to staging."""
        target = plan.target
        if batch.encoding is Encoding.ARROW:
            chunks = prepared_batches(target, batch, with_changes=plan.with_changes)
            staged = self.write_staged(plan, chunks)
        else:
            staged = self.write_encoded(plan, batch)
        end = batch.end()
        if plan.load.key_list is KeyList.LISTED:
            if end.keys is None:
                raise LoadError(
                    "the source's complete key list did not come with its rows; nothing was deleted or loaded"
                )
            columns = target.table.key_columns
            keys = end.keys.select([column.name for column in columns])
            self.write(target.namespace, f"{target.table.name}__keys", columns, keys.to_batches())
        return staged, end

    def _finish(self, statements: Sequence[Statement]) -> dict[Tally, int]:
        """Run the steps and the position; on any error roll back."""
        try:
            return self._run(statements)
        except BaseException:
            with suppress(*self.driver_errors):
                self.rollback()
            raise

    def _run(self, statements: Sequence[Statement]) -> dict[Tally, int]:
        """Run statements in order and add up their tallies. Raises LoadError for a refusal."""
        tallies = dict.fromkeys(Tally, 0)
        counted = 0
        for statement in statements:
            if statement.if_counted and not counted:
                continue
            count = int(self.select(statement.text) or 0) if statement.selects else self.execute(statement.text)
            if statement.refusal and count:
                raise LoadError(statement.refusal.format(count=count))
            if statement.tally:
                tallies[statement.tally] += count
            counted = counted + count if statement.selects else 0
        return tallies

    @contextmanager
    def _staging_dropped(self, target: LoadTarget) -> Iterator[None]:
        """Drop the staging at the end, also when the load fails; a failing clean-up hides neither failure nor success.

        What stays is told by `leftovers`, and goes when the next load begins or the namespace is dropped.
        """
        try:
            yield
        finally:
            with suppress(*self.driver_errors):
                self._run(self.dialect.drop_staging(target))

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into LoadError of one line."""
        try:
            yield
        except MatrixError:
            raise
        except self.driver_errors as error:
            raise LoadError(f"{self.label}, {doing}: {self.explain(error)}") from error
