"""Promises about loads that are killed midway: without transactions, the next load still ends where it must.

A load of every list of steps is killed before each statement in turn, and in the middle of each INSERT; then it is run
again. It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from clickhouse_local import local_clickhouse

from matrix_defs.compare import Loads, digests, with_ordinals
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import Load, LoadTarget, Position, ReadRequest, Step, key_list
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import SourceKind
from matrix_defs.table import Column
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.clickhouse.server import Server
from resources.clickhouse.sink import ClickHouseSink
from resources.sql_tables import STATE_TABLE

WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=0))
START = datetime(2026, 6, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone: nothing after this runs, no clean-up either."""


class MortalSink(ClickHouseSink):
    """Dies before its n-th statement or, `torn`, after that statement inserted two rows, if it inserts any."""

    def __init__(self, server: Server, lives: int, *, torn: bool = False) -> None:
        super().__init__(server)
        self.died_inserting = False
        self._lives = lives
        self._torn = torn

    def execute(self, text: str) -> int:
        self.died_inserting |= self._lives == 0 and text.startswith("INSERT") and "SELECT" in text
        if self._torn and self.died_inserting:
            super().execute(f"{text} LIMIT 2")
        self._live()
        return super().execute(text)

    def select(self, text: str) -> str | int | None:
        self._live()
        return super().select(text)

    def write(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        self._live()
        return super().write(namespace, table, columns, chunks)

    def _live(self) -> None:
        if self._lives == 0:
            raise Killed
        self._lives -= 1


@dataclass
class Scene:
    """A target that a first load filled, and the second load that is to be played again and again."""

    server: Server
    strategy: Strategy

    def __post_init__(self) -> None:
        key = target_key(self.strategy, WORKLOAD)
        self.target = LoadTarget(
            f"crash_{self.strategy.name}",
            WORKLOAD.table.keyed_by(key),
            keeps_hash=self.strategy.keeps_hash,
            keeps_history=self.strategy.keeps_history,
            partitioned=self.strategy.partitioned,
        )
        self.source = MemorySource(SourceKind.STATE, WORKLOAD.table)
        self.source.seed(WORKLOAD.baseline)
        self.loads: list[Load] = []
        self.sink = ClickHouseSink(self.server)
        self.sink.drop(self.target)
        self.sink.create(self.target)
        self.load(self.sink, Stage.BASELINE)
        self.source.apply(WORKLOAD.changes)
        relation, namespace = self.sink.dialect.relation, self.target.namespace
        names = (self.target.table.name, STATE_TABLE)
        self._kept = [(relation(namespace, name), relation(namespace, f"{name}_kept")) for name in names]
        for name, kept in self._kept:
            self.server.execute(f"CREATE TABLE {kept} CLONE AS {name}")

    def load(self, sink: ClickHouseSink, stage: Stage) -> None:
        load = Load(
            f"load-{len(self.loads)}",
            START + timedelta(seconds=len(self.loads)),
            scopes(self.strategy, stage, WORKLOAD)[0],
            key_list(self.strategy.reads, SourceKind.STATE),
            Position({"chunk": len(self.loads)}) if self.strategy.chunked else None,
        )
        self.loads.append(load)
        known = None if self.strategy.chunked else self.sink.position(self.target)
        with self.source.read(ReadRequest(self.strategy.reads, known, load.scope)) as batch:
            sink.load(self.target, load, batch, self.strategy.steps)
            self.reached = load.position or batch.end().position

    def restart(self) -> None:
        """Go back to the end of the first load."""
        del self.loads[1:]
        for name, kept in self._kept:
            self.server.execute(f"TRUNCATE TABLE {name}")
            self.server.execute(f"INSERT INTO {name} SELECT * FROM {kept}")

    def outcome(self, last: int) -> tuple[list[int], bool, list[str]]:
        """Rows, those of the first load and of load number `last` told apart from all others; whether the position is
        the last one; leftovers.
        """
        told = [self.loads[0], self.loads[last]]
        known = Loads(tuple(load.load_id for load in told), tuple(load.loaded_at for load in told))
        columns = [name for name in self.target.schema.names if name not in ("load_id", "loaded_at")]
        rows = with_ordinals(self.sink.read(self.target), known, [*columns, "load"])
        left = [name for name in self.sink.leftovers(self.target) if not name.endswith("_kept")]
        return digests(rows).tolist(), self.sink.position(self.target) == self.reached, left


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with local_clickhouse() as resource:
        yield resource._server(resource.endpoint("embedded"))


@pytest.mark.parametrize("strategy", {s.steps: s for s in reversed(STRATEGIES.values())}.values(), ids=lambda s: s.name)
def test_a_load_killed_before_any_statement_or_amid_an_insert_ends_right_when_it_is_run_again(
    server: Server, strategy: Strategy
) -> None:
    scene = Scene(server, strategy)
    scene.load(scene.sink, Stage.CHANGES)
    wanted = scene.outcome(last=1)
    scene.restart()
    assert scene.outcome(last=0) != wanted, "the second load must change something"
    torn = False
    lives = inserts = 0
    while True:
        scene.restart()
        mortal = MortalSink(server, lives, torn=torn)
        try:
            scene.load(mortal, Stage.CHANGES)
        except Killed:
            scene.load(scene.sink, Stage.CHANGES)
            # Killed after its end, the load stands, and the next one finds its work done or does it over.
            assert wanted in (scene.outcome(last=2), scene.outcome(last=1)), f"killed before statement {lives}, {torn=}"
        else:
            break
        torn = mortal.died_inserting and not torn
        lives, inserts = lives + (not torn), inserts + torn
    assert lives >= 10
    assert inserts == (Step.INSERT_STAGED in strategy.steps) + bool(
        {*strategy.steps} & {Step.INSERT_MISSING, Step.OPEN_VERSIONS}
    )
