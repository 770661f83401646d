"""BigQuery as a sink.

Here lives how rows and scripts reach the service; what is said lives in `dialect`, the course of a load in `sql_sink`.
It may import `sql_sink`, `session` and `dialect`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from matrix_defs.ports import LOAD_ID, LOADED_AT, Batch, Load, LoadReport, LoadTarget, Position, Step
from matrix_defs.table import Column
from resources.bigquery.client import DRIVER_ERRORS, explain
from resources.bigquery.dialect import FILLED, BigQueryDialect, PartitionCopy
from resources.bigquery.session import Session, job_labels
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.probe import PARTITION_DECORATORS
from resources.sql_plan import Plan, Statement, Tally
from resources.sql_sink import SqlSink


class BigQuerySink(SqlSink):
    """Targets in one dataset a case; steps and position are one script, which is one transaction."""

    label = "BigQuery"
    driver_errors = DRIVER_ERRORS
    dialect: BigQueryDialect

    def __init__(self, endpoint: Endpoint) -> None:
        self.dialect = BigQueryDialect(partition_decorators=PARTITION_DECORATORS not in endpoint.lacks)
        self._session = Session(endpoint)

    # ------------------------------------------------------------------ the port, where jobs are run

    def create(self, target: LoadTarget) -> None:
        """Create the dataset, the empty target and the state table."""
        self._session.labels = job_labels(target.namespace)
        super().create(target)

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Stage the batch, run the steps and commit the position. Raises LoadError.

        Then nothing has changed; or all has, where a script failed behind its commit: `position` tells which. Where a
        copy job failed behind others, their partitions hold the load's rows already, the position does not tell of
        them, and the load run again ends as if it had not failed.
        """
        self._session.labels = job_labels(target.namespace)
        return super().load(target, load, batch, steps)

    def position(self, target: LoadTarget) -> Position | None:
        """The position that the last load committed."""
        self._session.labels = job_labels(target.namespace)
        return super().position(target)

    def drop(self, target: LoadTarget) -> None:
        """Drop the dataset and close the clients."""
        self._session.labels = job_labels(target.namespace)
        super().drop(target)
        self._session.close()

    # ------------------------------------------------------------------ what the course of a load asks for

    def execute(self, text: str) -> int:
        """Run one statement. The service does not tell what a statement of a script affected; see `dialect`."""
        self._session.run(text)
        return 0

    def select(self, text: str) -> str | int | None:
        """Run a query for one value."""
        return next(iter(self._session.run(text).values()), None)

    def rollback(self) -> None:
        """A transaction ends with its script, and `session` cancels a script that it does not see end."""

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append record batches by a load job: rows of a streaming insert could not be changed by the steps."""
        return self._session.load(namespace, table, columns, chunks)

    def write_staged(self, plan: Plan, chunks: Iterable[pa.RecordBatch]) -> int:
        """Append prepared rows to staging, the load's identity among them."""
        table = f"{plan.target.table.name}__staged"
        head = len(plan.target.table.columns) + plan.target.keeps_hash
        columns = (*plan.written[:head], LOAD_ID, LOADED_AT, *plan.written[head:])
        return self.write(plan.target.namespace, table, columns, _identified(plan.load, chunks))

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target."""
        with self._explained("reading the target back"):
            rows = self._session.rows(target.namespace, target.table.name, target.columns)
            return pa.Table.from_batches(list(rows), target.schema)

    def tables(self, namespace: str) -> list[str]:
        """Names of the tables in a dataset."""
        return self._session.tables(namespace)

    def explain(self, error: BaseException) -> str:
        """The service's own sentence and reason."""
        return explain(error)

    def _run(self, statements: Sequence[Statement]) -> dict[Tally, int]:
        """Run the statements script by script, and copy jobs of partitions that have rows; return what was counted."""
        told: dict[str, Any] = {}
        for group in self.dialect.jobs(statements):
            copies = [copy for copy in group if isinstance(copy, PartitionCopy)]
            if copies:
                self._session.copy((c.source, c.destination) for c in copies if c.day.isoformat() in told[FILLED])
            else:
                told |= self._session.run(self.dialect.script(group))
        return {tally: int(told.get(f"rows_{tally}", 0)) for tally in Tally}


def _identified(load: Load, chunks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the chunks with load_id and loaded_at, which every column of a file needs: a constant packs to nothing."""
    for chunk in chunks:
        for column, value in ((LOAD_ID, load.load_id), (LOADED_AT, load.loaded_at)):
            constant = pa.repeat(pa.scalar(value, column.field.type), chunk.num_rows)
            chunk = chunk.append_column(column.name, constant)
        yield chunk
