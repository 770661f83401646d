"""`python -m tests.bench`: every hop, and a start, beside its raw limit, medians of interleaved rounds in one run.

Here lives measuring and the page docs/benchmarks.md; nothing is asserted, because shared machines are noisy: read the
ratios, not the seconds. It may import everything.
"""

import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from matrix_defs.namespace import new_run
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.endpoints.registry import ENDPOINTS
from resources.registry import RESOURCES
from tests.bench import starts
from tests.bench.bigquery_hops import BigQueryHops
from tests.bench.hops import ClickHouseHops, PostgresHops
from tests.bench.kafka_hops import KafkaHops
from tests.bench.mssql_hops import MssqlHops

MEASURED = (System.POSTGRES, System.CLICKHOUSE, System.KAFKA, System.BIGQUERY, System.MSSQL)

Hops = Mapping[str, Callable[[], float]]

RATIOS = {
    "postgres read": "postgres raw: COPY TO, binary",
    "postgres stage": "postgres raw: COPY FROM, binary",
    "postgres -> postgres full load": "postgres raw: psql COPY TO into psql COPY FROM",
    "clickhouse read": "clickhouse raw: query_arrow",
    "clickhouse stage": "clickhouse raw: insert_arrow",
    "postgres -> clickhouse full load": "clickhouse raw: INSERT ... SELECT FROM postgresql()",
    "kafka read": "kafka raw: consume the same payloads",
    "kafka stage (append)": "kafka raw: produce the same payloads",
    "kafka json render": "raw: orjson.dumps per row",
    "kafka json parse": "raw: orjson.loads per row",
    "kafka avro render": "raw: fastavro.schemaless_writer per row",
    "kafka avro parse": "raw: fastavro.schemaless_reader per row",
    "bigquery stage": "bigquery raw: one load job of the same Parquet file",
    "bigquery full load": "bigquery raw: one load job of the same Parquet file",
    "bigquery read back": "bigquery raw: one Storage Read session in its own types",
    "mssql stage": "mssql raw: one bulk copy of rows in memory",
    "mssql read": "mssql raw: one Arrow read of the driver",
    "mssql write by fast_executemany": "mssql raw: one bulk copy of rows in memory",
}
"""Each hop and its raw limit."""


def measure(hops: Hops, rounds: int) -> dict[str, float]:
    """Return the median seconds of every hop; the hops take turns, so that a noisy minute hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in hops}
    for _ in range(rounds):
        for name, hop in hops.items():
            seconds[name].append(hop())
            click.echo(f"{name}: {seconds[name][-1]:.3f} s", err=True)
    return {name: statistics.median(values) for name, values in seconds.items()}


def table(rows: int, median: Mapping[str, float]) -> list[str]:
    """Return the measured hops of one size as lines of a Markdown table; the ratio is hop speed / raw speed."""
    lines = [f"## {rows:,} wide rows", "", "| hop | seconds | rows/s | raw limit | seconds | ratio |"]
    lines.append("|---|--:|--:|---|--:|--:|")
    for name, raw in RATIOS.items():
        if name not in median:
            continue
        hop, limit = median[name], median[raw]
        lines.append(f"| {name} | {hop:.3f} | {rows / hop:,.0f} | {raw} | {limit:.3f} | {limit / hop:.2f} |")
    for name, hop in median.items():
        if name.endswith("steps"):
            lines.append(f"| {name} | {hop:.3f} | {rows / hop:,.0f} | | | |")
    return [*lines, ""]


def start_table(median: Mapping[str, float]) -> list[str]:
    """Return the measured start as lines of a Markdown table."""
    start, raw = median[starts.START], median[starts.RAW_START]
    return [
        "## Start of the local SQL Server, beside a PostgreSQL that runs",
        "",
        "| start | seconds | raw limit | seconds | ratio |",
        "|---|--:|---|--:|--:|",
        f"| {starts.START} | {start:.3f} | {starts.RAW_START} | {raw:.3f} | {raw / start:.2f} |",
        "",
    ]


@click.command()
@click.option("--rows", "sizes", type=int, multiple=True, default=(10_000, 100_000), show_default=True)
@click.option("--rounds", type=click.IntRange(min=3), default=3, show_default=True)
@click.option("--page", type=click.Path(path_type=Path), default=Path("docs/benchmarks.md"), show_default=True)
def main(sizes: tuple[int, ...], rounds: int, page: Path) -> None:
    """Measure, and write the page."""
    postgres, clickhouse, kafka, bigquery, mssql = (RESOURCES[system]() for system in MEASURED)
    at = {system: ENDPOINTS.endpoint(system) for system in MEASURED}
    lines = [
        "<!-- Written by `make bench`; changes by hand are lost. -->",
        "# Benchmarks",
        "",
        f'`make bench ARGS="{" ".join(f"--rows {rows}" for rows in sizes)}"`, {datetime.now(UTC):%Y-%m-%d},'
        f" Python {sys.version.split()[0]}.",
        f"Medians of {rounds} interleaved rounds.",
        *(f"{e.engine} {e.version}{', an emulator' if e.emulator else ''}." for e in at.values()),
        "The machine has 2 shared cores: compare ratios within one table, not seconds between tables.",
        "",
    ]
    try:
        lines += start_table(measure(starts.hops(at[System.POSTGRES]), 2 * rounds))
        for rows in sizes:
            workload = build_workload(WorkloadSpec(rows=rows))
            run = new_run()
            first = PostgresHops(postgres, at[System.POSTGRES], workload, run)
            second = ClickHouseHops(clickhouse, at[System.CLICKHOUSE], workload, run, first)
            third = KafkaHops(kafka, at[System.KAFKA], workload, run)
            fourth = BigQueryHops(bigquery, at[System.BIGQUERY], workload, run, first.source)
            fifth = MssqlHops(mssql, at[System.MSSQL], workload, run)
            median: dict[str, float] = {}
            with first:
                for hops in (first, second, third, fourth, fifth):
                    with hops if hops is not first else nullcontext():
                        median |= measure(hops.hops(), rounds)
            lines += table(workload.baseline.num_rows, median)
    finally:
        clickhouse.close()
        kafka.close()
        ENDPOINTS.stop_all()
    page.write_text("\n".join(lines), encoding="utf-8")
    click.echo(f"written: {page}")


if __name__ == "__main__":
    main()
