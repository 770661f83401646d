"""Promises about loads that are killed midway: every job stands by itself, and the next load ends where it must.

A load of every list of steps is killed before each of its jobs in turn; then it is run again. The emulator has no copy
jobs of partitions; what is sent when one of those fails is in `test_bigquery_jobs`. It may import `matrix_defs` and
`resources`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from bigquery_local import local_bigquery

from matrix_defs.compare import Loads, digests, with_ordinals
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import KeyList, Load, LoadTarget, Position, ReadRequest, key_list
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import SourceKind
from matrix_defs.table import Column
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.bigquery.session import Session
from resources.bigquery.sink import BigQuerySink
from resources.endpoints.endpoint import Endpoint
from resources.sql_tables import STATE_TABLE

WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=0))
START = datetime(2026, 6, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone: nothing after this runs, no clean-up either."""


class MortalSession(Session):
    """Dies before its n-th job."""

    def __init__(self, endpoint: Endpoint, lives: int) -> None:
        super().__init__(endpoint)
        self._lives = lives

    def run(self, script: str) -> dict[str, Any]:
        self._live()
        return super().run(script)

    def load(self, namespace: str, table: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        self._live()
        return super().load(namespace, table, columns, chunks)

    def _live(self) -> None:
        if self._lives == 0:
            raise Killed
        self._lives -= 1


@dataclass
class Scene:
    """A target that a first load filled, and the second load that is to be played again and again."""

    endpoint: Endpoint
    strategy: Strategy

    def __post_init__(self) -> None:
        self.target = LoadTarget(
            f"crash_{self.strategy.name}",
            WORKLOAD.table.keyed_by(target_key(self.strategy, WORKLOAD)),
            keeps_hash=self.strategy.keeps_hash,
            keeps_history=self.strategy.keeps_history,
            partitioned=self.strategy.partitioned,
        )
        self.source = MemorySource(SourceKind.STATE, WORKLOAD.table)
        self.source.seed(WORKLOAD.baseline)
        self.loads: list[Load] = []
        self.sink = BigQuerySink(self.endpoint)
        self.sink.create(self.target)
        self.load(self.sink, Stage.BASELINE)
        self.source.apply(WORKLOAD.changes)
        relation, namespace = self.sink.dialect.relation, self.target.namespace
        names = (self.target.table.name, STATE_TABLE)
        self._kept = [(relation(namespace, name), relation(namespace, f"{name}_kept")) for name in names]
        for name, kept in self._kept:
            self.sink.execute(f"CREATE TABLE {kept} AS SELECT * FROM {name}")

    def load(self, sink: BigQuerySink, stage: Stage) -> None:
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
            self.sink.execute(f"BEGIN TRANSACTION; DELETE FROM {name} WHERE TRUE; INSERT {name} SELECT * FROM {kept}")

    def killed(self, lives: int) -> bool:
        """Play the second load until it dies before its n-th job; return whether it did."""
        mortal = BigQuerySink(self.endpoint)
        mortal._session = MortalSession(self.endpoint, lives)
        try:
            self.load(mortal, Stage.CHANGES)
        except Killed:
            return True
        finally:
            mortal._session.close()
        return False

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
def endpoint() -> Iterator[Endpoint]:
    with local_bigquery() as endpoint:
        yield endpoint


@pytest.mark.parametrize("strategy", {s.steps: s for s in reversed(STRATEGIES.values())}.values(), ids=lambda s: s.name)
def test_a_load_killed_before_any_of_its_jobs_ends_right_when_it_is_run_again(
    endpoint: Endpoint, strategy: Strategy
) -> None:
    scene = Scene(endpoint, strategy)
    scene.load(scene.sink, Stage.CHANGES)
    wanted = scene.outcome(last=1)
    scene.restart()
    before = scene.outcome(last=0)
    assert before != wanted, "the second load must change something"
    lives = changed = 0
    while scene.killed(lives):
        [rows, _, _] = scene.outcome(last=1)
        assert rows in (before[0], wanted[0]), f"half of the load is there, killed before job {lives}"
        changed += rows == wanted[0]
        scene.load(scene.sink, Stage.CHANGES)
        # Killed after its end, the load stands, and the next one finds its work done or does it over.
        assert wanted in (scene.outcome(last=2), scene.outcome(last=1)), f"killed before job {lives}"
        scene.restart()
        lives += 1
    assert lives == 4 + (scene.loads[-1].key_list is KeyList.LISTED)
    assert changed == 1, "only the job that drops the staging follows the script"
    scene.sink.drop(scene.target)
