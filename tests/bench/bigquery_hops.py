"""BigQuery beside its client: the same Parquet file in one load job, the same table in one Storage Read session.

Here lives what is timed: only the hop itself, never its preparation. It may import everything.
"""

import io
from typing import Any, Self

import pyarrow.parquet as pq
from google.cloud import bigquery

from matrix_defs.ports import LoadTarget, Source
from matrix_defs.workload import Workload
from resources.bigquery.arrow import file_schema, to_driver
from resources.bigquery.session import Session
from resources.endpoints.endpoint import Endpoint
from tests.bench.hops import Hop, SystemHops, timed


class BigQueryHops(SystemHops):
    """A sink alone: what is loaded comes from another system's source."""

    def __init__(self, resource: Any, endpoint: Endpoint, workload: Workload, run: str, source: Source) -> None:
        self.resource, self.endpoint, self.workload = resource, endpoint, workload
        self.source = source
        self.sink = resource.sink(endpoint)
        self.target = LoadTarget(f"m_{run}_bench", workload.table)

    def __enter__(self) -> Self:
        self._session = Session(self.endpoint)
        columns = self.workload.table.columns
        self._file = io.BytesIO()
        with pq.ParquetWriter(self._file, file_schema(columns)) as writer:
            for batch in self.workload.baseline.to_batches():
                writer.write_batch(to_driver(batch, columns))
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.drop(self.target)
        self._session.close()

    def hops(self) -> dict[str, Hop]:
        """Every hop and raw limit by name."""
        return {
            "bigquery raw: one load job of the same Parquet file": self.load_job,
            "bigquery stage": self.stage,
            "bigquery full load": lambda: self.load(self.source)[0],
            "bigquery raw: one Storage Read session in its own types": self.storage_read,
            "bigquery read back": self.read_back,
            "bigquery merge steps": self.steps,
        }

    def load_job(self) -> float:
        """Load a file that is in memory into a fresh table by one job."""
        self.sink.drop(self.target)
        self.sink.create(self.target)
        dialect = self.sink.dialect  # type: ignore[attr-defined]
        columns = ", ".join(map(dialect.definition, self.workload.table.columns))
        self._session.run(f"CREATE TABLE {dialect.relation(self.target.namespace, 'raw')} ({columns})")
        table = f"{self._session.client.project}.{self.target.namespace}.raw"
        config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET)
        self._file.seek(0)
        return timed(lambda: self._session.client.load_table_from_file(self._file, table, job_config=config).result())

    def storage_read(self) -> float:
        """Read the loaded target in the types of the service, and drop what came."""
        return timed(lambda: sum(1 for _ in self._session.pages(self.target.namespace, self.workload.table.name)))

    def read_back(self) -> float:
        """Read the loaded target in canonical form."""
        return timed(lambda: self.sink.read(self.target))
