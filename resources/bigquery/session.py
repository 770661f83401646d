"""One case's conversation with BigQuery: scripts, load jobs from Parquet, copy jobs, and reads of whole tables.

Here lives how each is run; what is said lives in `dialect`, how the service is reached in `client`. It may import
those, `arrow` and the endpoint.
"""

import re
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types

from matrix_defs.table import Column
from resources.bigquery.arrow import file_schema, from_driver, to_driver
from resources.bigquery.client import DRIVER_ERRORS, JOB_RETRY, RETRY, UPLOAD_RETRIES, connect, connect_reader
from resources.endpoints.endpoint import Endpoint

CALL_SECONDS = 600
"""The longest that one answer is waited for. The local emulator answers a job's beginning with its end."""
GIVE_UP_SECONDS = 5

STATEMENT_SECONDS = 600
GRACE_SECONDS = 30
"""How much longer a job's end is waited for than the service was told to let it run: it stops jobs late, or never."""


class Session:
    """Clients that open when first used and close with `close`; afterwards they may open again."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.labels: dict[str, str] = {}
        """What every job is labelled with."""
        self._seconds = int(endpoint.options.get("statement_seconds", STATEMENT_SECONDS))

    @cached_property
    def client(self) -> bigquery.Client:
        """The client of jobs and tables."""
        return connect(self._endpoint)

    @cached_property
    def _reader(self) -> BigQueryReadClient:
        return connect_reader(self._endpoint, self.client)

    def run(self, script: str) -> dict[str, Any]:
        """Run a script to its end; return the first row of its last statement, empty where there is none.

        A script that is not waited for to its end is cancelled, which rolls its transaction back. It is begun once: one
        that has failed may have committed before.
        """
        limit = int(self._endpoint.options.get("maximum_bytes_billed") or 0)
        config = bigquery.QueryJobConfig(**self._common)
        if limit:  # the client writes None as the text "None", which the service refuses
            config.maximum_bytes_billed = limit
        begin = partial(self.client.query, script, config, retry=RETRY, job_retry=None, timeout=CALL_SECONDS)
        with self._cancelled_on_error() as begun:
            job = self._begin(begin, begun)
            row = next(iter(self._end(job, job_retry=None, max_results=1)), None)
        return dict(row.items()) if row else {}

    def load(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append canonical rows by one load job from a Parquet file; return how many. Without rows there is no job."""
        rows = 0
        with tempfile.TemporaryFile() as file:
            with pq.ParquetWriter(file, file_schema(columns)) as writer:
                for chunk in chunks:
                    writer.write_batch(to_driver(chunk, columns))
                    rows += chunk.num_rows
            if not rows:
                return 0
            config = bigquery.LoadJobConfig(
                source_format=bigquery.SourceFormat.PARQUET,
                write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
                create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
                decimal_target_types=["NUMERIC", "BIGNUMERIC"],
                **self._common,
            )
            # Without a size the upload is a resumable one; the emulator takes no other.
            begin = partial(
                self.client.load_table_from_file, file, f"{self.client.project}.{namespace}.{table}", rewind=True,
                num_retries=UPLOAD_RETRIES, job_config=config, timeout=CALL_SECONDS,
            )  # fmt: skip
            self._all_or_nothing([begin])
        return rows

    def copy(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Replace tables or partitions, given as dataset.table[$day], by copies: one job each, all at a time."""
        config = bigquery.CopyJobConfig(
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            **self._common,
        )
        project = self.client.project
        begins = [
            partial(
                self.client.copy_table, f"{project}.{source}", f"{project}.{destination}", job_config=config,
                retry=RETRY, timeout=CALL_SECONDS,
            )
            for source, destination in pairs
        ]  # fmt: skip
        self._all_or_nothing(begins)

    @property
    def _common(self) -> dict[str, Any]:
        """What is said of every job: whose it is, and how long it may run."""
        return {"labels": self.labels, "job_timeout_ms": self._seconds * 1000}

    def _all_or_nothing(self, begins: Iterable[Callable[..., Any]]) -> None:
        """Run jobs, each of which changes all or nothing, to their ends, all at a time.

        So one that the service failed is begun anew. If one is given up, all are cancelled, so that none ends behind a
        later load, whose tables have the same names.
        """
        with self._cancelled_on_error() as begun:
            for job, begin in [(self._begin(begin, begun), begin) for begin in begins]:
                attempts = chain([job], iter(partial(self._begin, begin, begun), None))
                JOB_RETRY(lambda attempts: self._end(next(attempts)))(attempts)

    def _begin(self, begin: Callable[..., Any], begun: dict[str, Any]) -> Any:
        """Begin a job of a new id, and note it. Where it exists, the answer to an attempt before was lost."""
        job_id = str(uuid.uuid4())
        begun[job_id] = None
        try:
            begun[job_id] = begin(job_id=job_id)
        except Conflict:
            begun[job_id] = self.client.get_job(job_id, retry=RETRY, timeout=CALL_SECONDS)
        return begun[job_id]

    def _end(self, job: Any, **options: Any) -> Any:
        """Wait for a job's end and return its result."""
        seconds = self._seconds + GRACE_SECONDS
        try:
            return job.result(retry=RETRY, timeout=seconds, **options)
        except FutureTimeoutError:
            raise FutureTimeoutError(
                f"{job.job_type} job {job.job_id} did not end within {seconds} s and is cancelled: if it needs longer,"
                " raise MATRIX_BIGQUERY_STATEMENT_SECONDS"
            ) from None

    @contextmanager
    def _cancelled_on_error(self) -> Iterator[dict[str, Any]]:
        """Yield a place for jobs by their ids, None until answered; on an error cancel those whose end was not seen."""
        begun: dict[str, Any] = {}
        try:
            yield begun
        except BaseException:
            for job_id, job in begun.items():
                if job is None or job.state != "DONE":
                    with suppress(*DRIVER_ERRORS):
                        self.client.cancel_job(job_id, retry=None, timeout=GIVE_UP_SECONDS)
            raise

    def rows(self, namespace: str, table: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Yield every row of a table in canonical form, by the Storage Read API, of these columns alone."""
        for page in self.pages(namespace, table, [column.name for column in columns]):
            yield from_driver(page, columns)

    def pages(self, namespace: str, table: str, names: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield what the Storage Read API sends of a table, in its own types; all columns where none is named.

        A stream that breaks off is resumed by the client behind the last row.
        """
        project = self.client.project
        session = self._reader.create_read_session(
            parent=f"projects/{project}",
            read_session=types.ReadSession(
                table=f"projects/{project}/datasets/{namespace}/tables/{table}",
                data_format=types.DataFormat.ARROW,
                read_options={"selected_fields": list(names)},
            ),
            max_stream_count=1,
            retry=RETRY,
            timeout=CALL_SECONDS,
        )
        for stream in session.streams:
            schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
            for answer in self._reader.read_rows(stream.name, retry=RETRY, timeout=CALL_SECONDS):
                written = pa.py_buffer(answer.arrow_record_batch.serialized_record_batch)
                yield pa.ipc.read_record_batch(written, schema)

    def tables(self, namespace: str) -> list[str]:
        """Names of the tables in a dataset; none where the dataset does not exist."""
        try:
            listed = self.client.list_tables(namespace, retry=RETRY, timeout=CALL_SECONDS)
            return [str(table.table_id) for table in listed]
        except NotFound:
            return []

    def close(self) -> None:
        """Close what is open; safe to call twice."""
        reader, client = self.__dict__.pop("_reader", None), self.__dict__.pop("client", None)
        if reader is not None:
            reader.transport.close()
        if client is not None:
            client.close()


def job_labels(namespace: str) -> dict[str, str]:
    """Return the labels of a case's jobs, from its namespace; none for another name.

    Labels are lower-case letters, digits, `_` and `-`, at most 63 (https://cloud.google.com/bigquery/docs/labels-intro).
    """
    match = re.fullmatch(r"m_(?P<run_id>[0-9a-f]+)_(?P<case_id>[a-z0-9_]+)", namespace)
    return {name: value[:63] for name, value in match.groupdict().items()} if match else {}
