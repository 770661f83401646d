"""SQL Server beside its drivers: one bulk copy of rows in memory, one Arrow read, and the other ways of writing.

Here lives what is timed: only the hop itself, never its preparation. It may import everything.
"""

from typing import Self

import pyarrow as pa

from resources.mssql import arrow
from resources.mssql.dialect import MssqlDialect
from resources.mssql.session import Session
from resources.mssql.writers import FastExecutemany
from tests.bench.hops import Hop, SystemHops, timed


class MssqlHops(SystemHops):
    """SQL Server beside mssql-python's own Arrow calls. On the local endpoint it is the emulator that is measured."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._session = Session(self.endpoint)
        dialect = MssqlDialect(partition_switch=False)
        self._table = dialect.relation(self.namespace, self.workload.table.name)
        self._raw = dialect.relation(self.namespace, "raw")
        self._columns = dialect.names(self.workload.table.names)
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()
        super().__exit__(*error)

    def hops(self) -> dict[str, Hop]:
        """Every hop and raw limit by name."""
        return {
            "mssql raw: one bulk copy of rows in memory": self.bulk_copy,
            "mssql stage": self.stage,
            "mssql raw: one Arrow read of the driver": self.arrow_read,
            "mssql read": self.read,
            "mssql write by fast_executemany": self.fast_executemany,
            "mssql merge steps": self.steps,
        }

    def bulk_copy(self) -> float:
        """Hand rows that are in memory to one bulk copy into a fresh table."""
        self._fresh()
        rows = [arrow.aligned(batch) for batch in self.workload.baseline.to_batches()]

        def work() -> None:
            reader = pa.RecordBatchReader.from_batches(rows[0].schema, rows)
            with self._session.arrow.cursor() as cursor:
                cursor.bulkcopy_arrow(self._raw, reader, column_mappings=reader.schema.names, table_lock=True)

        return timed(work)

    def arrow_read(self) -> float:
        """Read the table as the driver's own Arrow, and drop it."""

        def work() -> None:
            with self._session.arrow.cursor() as cursor:
                cursor.execute(f"SELECT {self._columns} FROM {self._table}")
                for _ in cursor.arrow_reader():
                    pass

        return timed(work)

    def fast_executemany(self) -> float:
        """Write rows that are in memory by arrays of parameters, the way that needs no bulk load."""
        self._fresh()
        rows = self.workload.baseline.to_reader()
        return timed(lambda: FastExecutemany().write(self._session, self._raw, rows))

    def _fresh(self) -> None:
        self._session.execute(f"DROP TABLE IF EXISTS {self._raw}")
        self._session.execute(f"SELECT TOP (0) {self._columns} INTO {self._raw} FROM {self._table}")
