"""Looking whether BigQuery offers what cases need, and what they will cost there.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `client`, `session`, `dialect`, the pure words and the endpoint.
"""

from collections.abc import Mapping
from contextlib import closing, suppress

from google.cloud import bigquery

from matrix_defs.namespace import doctor_namespace, new_run
from matrix_defs.ports import LoadTarget
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.bigquery.client import DRIVER_ERRORS, RETRY, explain
from resources.bigquery.dialect import BigQueryDialect
from resources.bigquery.session import CALL_SECONDS, Session
from resources.endpoints.endpoint import Endpoint

LEAST_BILLED = 10 * 1024**2
"""Bytes that a query is billed for each table that it names, however few it reads
(https://cloud.google.com/bigquery/pricing#on_demand_pricing).
"""

TABLES = 100
"""Tables that the billed statements of a case name, all counted: 42 (incremental_append) to 102 (incremental_merge),
and 258 for a backfill. DDL, load jobs, copy jobs and reads of the Storage API are not billed as queries.
"""

SAMPLE_ROWS = 1000


def check(endpoint: Endpoint) -> Mapping[str, str]:
    """Return by requirement what is wrong. Raises SystemUnavailableError where there are no credentials."""
    with closing(Session(endpoint)) as session:
        return {"run_jobs": _run_jobs(session.client), **_datasets(session)}


def _datasets(session: Session) -> dict[str, str]:
    """Create a dataset and drop it: the account's roles and the organisation's policies have a say in it.

    What is read is a table in it; without a dataset nothing is told of reading.
    """
    client, name, told = session.client, doctor_namespace(new_run()), {"create_dataset": ""}
    try:
        client.create_dataset(name, retry=RETRY, timeout=CALL_SECONDS)
        try:
            told["read_rows"] = _read_rows(session, name)
        finally:
            client.delete_dataset(name, delete_contents=True, not_found_ok=True, retry=RETRY, timeout=CALL_SECONDS)
    except DRIVER_ERRORS as error:
        told["create_dataset"] = explain(error)
    return told


def _read_rows(session: Session, dataset: str) -> str:
    """Read an empty table, which bills nothing: that needs a role which running jobs does not."""
    table = bigquery.Table(f"{session.client.project}.{dataset}.t", [bigquery.SchemaField("k", "INT64")])
    try:
        session.client.create_table(table, retry=RETRY, timeout=CALL_SECONDS)
        next(session.pages(dataset, "t"), None)
    except DRIVER_ERRORS as error:
        return explain(error)
    return ""


def _run_jobs(client: bigquery.Client) -> str:
    """Have the service check a query without running it, which bills nothing."""
    try:
        _dry_run(client, "SELECT 1")
    except DRIVER_ERRORS as error:
        return explain(error)
    return ""


def _dry_run(client: bigquery.Client, query: str) -> int:
    """Return how many bytes the query would read."""
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    return int(client.query(query, config, retry=RETRY, job_retry=None, timeout=CALL_SECONDS).total_bytes_processed)


def cost(endpoint: Endpoint, rows: int) -> str:
    """Return about how much a case of that many rows bills, in words.

    A sample of the rows is loaded, which is free, and a query of all of them is run dry; then the sample is dropped.
    """
    workload, dialect = build_workload(WorkloadSpec(rows=SAMPLE_ROWS)), BigQueryDialect()
    target, sample = LoadTarget(doctor_namespace(new_run()), workload.table), workload.baseline
    with closing(Session(endpoint)) as session:
        try:
            session.run(dialect.script(dialect.create_namespace(target.namespace)))
            try:
                columns = ", ".join(map(dialect.definition, target.table.columns))
                session.run(f"CREATE TABLE {dialect.table(target)} ({columns})")
                session.load(target.namespace, target.table.name, target.table.columns, sample.to_batches())
                read = _dry_run(session.client, f"SELECT * FROM {dialect.table(target)}")
            finally:
                with suppress(*DRIVER_ERRORS):
                    session.run(dialect.script(dialect.drop_namespace(target.namespace)))
        except DRIVER_ERRORS as error:
            return f"what a case costs is not known: {explain(error)}"
    scan = read * rows // sample.num_rows
    billed = TABLES * max(scan, LEAST_BILLED)
    limit = int(endpoint.options.get("maximum_bytes_billed") or 0)
    capped = f"at most {_size(limit)} a job" if limit else "no limit a job: set MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED"
    about = f"a case bills up to about {_size(billed)} of on-demand queries, a backfill 2.6 times that"
    return f"by a dry run {rows} rows are {_size(scan)}, so {about}; {capped}"


def _size(number: int) -> str:
    return f"{number / 1024**3:.1f} GiB" if number >= 1024**3 else f"{number / 1024**2:.0f} MiB"
