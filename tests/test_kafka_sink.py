"""Promises of Kafka as a sink, on the embedded broker, which knows no transactions.

Whole cases play every strategy; what a case does not show stands in tests of its own, loads that break off at every
point among them. It may import `matrix_defs` and `resources`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import pyarrow as pa
import pytest
from confluent_kafka import Message
from kafka_local import (
    DAY,
    TABLE,
    Broker,
    batch_of,
    cells,
    connected,
    fresh_namespace,
    load_number,
    rows,
    target,
)

from matrix_defs.cases import CASES, Case
from matrix_defs.compare import digests
from matrix_defs.errors import LoadError, UnsupportedStepError
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import KeyList, Load, LoadTarget, Position, ReadRequest, Step, Window, key_list
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import FACTS, SourceKind, System
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.endpoints.endpoint import Endpoint
from resources.kafka.client import MESSAGE_BYTES, Cluster
from resources.kafka.events import topic_name
from resources.kafka.json_format import JsonFormat
from resources.kafka.publish import Outbox
from resources.kafka.read import BoundedRead
from resources.kafka.sink import KafkaSink

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
SMALL = build_workload(WorkloadSpec(rows=50, wide_columns=0))
INTO_KAFKA = [case for case in CASES if case.sink is System.KAFKA and case.source is System.POSTGRES]
FROM_LOG = [case for case in CASES if case.sink is System.KAFKA and case.source is System.KAFKA]
FULL = (Step.SWAP_IN,)
APPEND = (Step.INSERT_STAGED,)
MERGE = (Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED, Step.DELETE_ABSENT_KEYS)
REPLACE = (Step.DELETE_WINDOW, Step.INSERT_STAGED)
START = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker() -> Iterator[Endpoint]:
    with Broker() as started:
        yield started.endpoint


@pytest.fixture(scope="module")
def cluster(broker: Endpoint) -> Iterator[Cluster]:
    with connected(broker) as cluster:
        yield cluster


@pytest.fixture
def sink(cluster: Cluster) -> KafkaSink:
    return KafkaSink(cluster, JsonFormat())


@pytest.fixture
def goal(sink: KafkaSink) -> Iterator[LoadTarget]:
    made = target(fresh_namespace())
    sink.create(made)
    yield made
    sink.drop(made)


@pytest.fixture
def log_goal(sink: KafkaSink) -> Iterator[LoadTarget]:
    """A target that is a list of deliveries."""
    made = target(fresh_namespace(), appends=True)
    sink.create(made)
    yield made
    sink.drop(made)


def events(cluster: Cluster, goal: LoadTarget) -> list[Message]:
    """Everything that the target's topic holds."""
    with BoundedRead(cluster, topic_name(goal.namespace, goal.table.name)) as read:
        return [message for chunk in read for message in chunk]


def told(messages: Iterable[Message]) -> list[tuple[str, str, str]]:
    """Key, op and load of messages, in the order of the keys."""
    found = [(message.key().decode(), dict(message.headers() or ())) for message in messages]
    return sorted((key, headers["op"].decode(), headers["load_id"].decode()) for key, headers in found)


@pytest.mark.parametrize("case", [*INTO_KAFKA, *FROM_LOG], ids=lambda case: case.case_id)
def test_every_strategy_keeps_its_promise(cluster: Cluster, sink: KafkaSink, case: Case) -> None:
    source = MemorySource(FACTS[case.source].source_kind, build_workload(SETTINGS.workload).table)
    result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason
    assert cluster.topics(result.namespace) == []


def test_a_new_target_is_empty_and_has_no_position(sink: KafkaSink, goal: LoadTarget) -> None:
    assert sink.read(goal).num_rows == 0
    assert sink.read(goal).schema == goal.schema
    assert sink.position(goal) is None
    assert sink.leftovers(goal) == []


def test_rows_come_back_with_the_load_that_brought_them(sink: KafkaSink, goal: LoadTarget) -> None:
    load = load_number(1)
    report = sink.load(goal, load, batch_of(rows((1, "a"), (2, None)), Position({"at": 7})), FULL)
    found = sink.read(goal)
    assert cells(found) == [(1, "a"), (2, None)]
    assert set(found.column("load_id").to_pylist()) == {load.load_id}
    assert set(found.column("loaded_at").to_pylist()) == {load.loaded_at}
    assert (report.staged, report.inserted, report.updated, report.deleted) == (2, 2, 0, 0)
    assert report.position == sink.position(goal) == Position({"at": 7})
    assert list(report.statements) == sink.plan(goal, load, FULL)


def test_a_new_generation_has_a_tombstone_for_every_key_that_vanished(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a"), (2, "b"), (3, "c"))), FULL)
    before = len(events(cluster, goal))
    report = sink.load(goal, load_number(2), batch_of(rows((1, "a"), (4, "d"))), FULL)
    published = [m for m in events(cluster, goal) if dict(m.headers())["load_id"] == b"load-2"]
    assert told(published) == [
        ('{"id":1}', "upsert", "load-2"),
        ('{"id":2}', "delete", "load-2"),
        ('{"id":3}', "delete", "load-2"),
        ('{"id":4}', "upsert", "load-2"),
    ]
    assert len(events(cluster, goal)) == before + len(published), "an earlier event was changed"
    assert cells(sink.read(goal)) == [(1, "a"), (4, "d")]
    assert (report.inserted, report.updated, report.deleted) == (1, 1, 2)


def test_an_empty_generation_leaves_nothing_but_tombstones(sink: KafkaSink, goal: LoadTarget) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a"), (2, "b"))), FULL)
    report = sink.load(goal, load_number(2), batch_of(rows()), FULL)
    assert sink.read(goal).num_rows == 0
    assert report.deleted == 2


def test_a_replaced_window_has_tombstones_for_its_vanished_keys_and_leaves_other_days_alone(
    cluster: Cluster, sink: KafkaSink
) -> None:
    day = timedelta(days=1)
    by_day = LoadTarget(fresh_namespace(), TABLE.keyed_by(("day", "id")))
    sink.create(by_day)
    first = pa.concat_tables([rows((1, "a"), (2, "b")), rows((1, "other day"), day=DAY + day)])
    sink.load(by_day, load_number(1, Window(DAY, DAY + 2 * day)), batch_of(first), REPLACE)
    sink.load(by_day, load_number(2, Window(DAY, DAY + day)), batch_of(rows((2, "B"), (3, "c"))), REPLACE)
    assert cells(sink.read(by_day)) == [(1, "other day"), (2, "B"), (3, "c")]
    gone = [m.key() for m in events(cluster, by_day) if m.value() is None]
    assert gone == [b'{"day":"2026-06-01","id":1}']
    sink.drop(by_day)


def test_a_merge_publishes_one_event_per_key_and_tombstones_for_absent_ones(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a"), (2, "b"), (3, "c"))), FULL)
    keys = rows((1, ""), (3, ""), (5, "")).select(["id"])
    batch = batch_of(rows((3, "C"), (5, "e"), (3, "CC")), keys=keys)
    report = sink.load(goal, load_number(2, key_list=KeyList.LISTED), batch, MERGE)
    published = [m for m in events(cluster, goal) if dict(m.headers())["load_id"] == b"load-2"]
    assert [(key, op) for key, op, _ in told(published)] == [
        ('{"id":2}', "delete"),
        ('{"id":3}', "upsert"),
        ('{"id":5}', "upsert"),
    ]
    assert cells(sink.read(goal)) == [(1, "a"), (3, "CC"), (5, "e")]
    assert (report.inserted, report.updated, report.deleted) == (1, 1, 1)


def test_a_key_list_that_did_not_come_deletes_and_loads_nothing(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a"))), FULL)
    with pytest.raises(LoadError, match="complete key list did not come"):
        sink.load(goal, load_number(2, key_list=KeyList.LISTED), batch_of(rows((2, "b"))), MERGE)
    assert told(events(cluster, goal)) == [('{"id":1}', "upsert", "load-1")]


def test_appended_rows_may_share_a_key_and_even_be_equal(sink: KafkaSink, log_goal: LoadTarget) -> None:
    sink.load(log_goal, load_number(1), batch_of(rows((1, "a"), (1, "a"), (1, "b"))), APPEND)
    sink.load(log_goal, load_number(2), batch_of(rows((1, "a"))), APPEND)
    found = sink.read(log_goal)
    assert cells(found) == [(1, "a"), (1, "a"), (1, "a"), (1, "b")]
    assert sorted(found.column("load_id").to_pylist()) == ["load-1", "load-1", "load-1", "load-2"]


def test_a_key_that_was_read_twice_is_refused_where_a_key_has_one_row(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    with pytest.raises(LoadError, match="the key id=2 was read more than once"):
        sink.load(goal, load_number(1), batch_of(rows((1, "a"), (2, "b"), (2, "c"))), FULL)
    assert events(cluster, goal) == []


@pytest.mark.parametrize("steps", [FULL, APPEND, MERGE])
def test_a_null_key_is_refused_by_the_name_of_its_column_and_nothing_is_published(
    cluster: Cluster, sink: KafkaSink, steps: Sequence[Step]
) -> None:
    made = target(fresh_namespace(), appends=steps == APPEND)
    sink.create(made)
    with pytest.raises(LoadError, match="NULL in key column 'id' of 1 row"):
        sink.load(made, load_number(1), batch_of(rows((1, "a"), (None, "b")), Position({"at": 1})), steps)
    assert events(cluster, made) == []
    assert sink.position(made) is None
    sink.drop(made)


@pytest.mark.parametrize("appends", [True, False])
def test_a_record_that_is_too_large_is_refused_by_its_key_before_anything_is_published(
    cluster: Cluster, sink: KafkaSink, appends: bool
) -> None:
    made = target(fresh_namespace(), appends=appends)
    sink.create(made)
    given = rows((1, "a"), (2, "b" * MESSAGE_BYTES), (3, "c"))
    with pytest.raises(LoadError) as caught:
        sink.load(made, load_number(1), batch_of(given, Position({"at": 1})), APPEND if appends else FULL)
    assert f"the message of key id=2 has {MESSAGE_BYTES + 80} bytes, and at most {MESSAGE_BYTES} are sent" in str(
        caught.value
    )
    assert events(cluster, made) == []
    assert sink.position(made) is None
    sink.drop(made)


def test_a_record_of_the_greatest_size_is_sent(sink: KafkaSink, goal: LoadTarget) -> None:
    given = rows((1, "a" * (MESSAGE_BYTES - 80)))
    sink.load(goal, load_number(1), batch_of(given), FULL)
    assert cells(sink.read(goal)) == cells(given)


def test_a_step_that_a_log_cannot_do_is_refused_before_anything_is_published(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    with pytest.raises(UnsupportedStepError):
        sink.load(goal, load_number(1), batch_of(rows((1, "a"))), (Step.REPLACE_PARTITIONS,))
    assert events(cluster, goal) == []


def test_topics_besides_those_of_the_target_are_left_over_and_dropped_with_it(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget
) -> None:
    stray = f"{goal.namespace}.stray"
    cluster.create({stray: (1, {})})
    assert sink.leftovers(goal) == [stray]
    sink.drop(goal)
    sink.drop(goal)
    assert cluster.topics(goal.namespace) == []


def test_a_target_whose_topics_are_gone_fails_the_load_in_one_line(sink: KafkaSink) -> None:
    missing = target(fresh_namespace())
    for attempt in (
        lambda: sink.load(missing, load_number(1), batch_of(rows((1, "a"))), FULL),
        lambda: sink.read(missing),
        lambda: sink.position(missing),
    ):
        with pytest.raises(LoadError, match=r"^Kafka, looking for topic [^\n]*UNKNOWN_TOPIC_OR_PART[^\n]*$"):
            attempt()


def test_creating_what_is_there_already_is_refused(sink: KafkaSink, goal: LoadTarget) -> None:
    with pytest.raises(LoadError, match=r"^Kafka, creating [^\n]*TOPIC_ALREADY_EXISTS"):
        sink.create(goal)


# ---------------------------------------------------------------------- loads that break off


class Killed(BaseException):
    """The load is gone: nothing after this runs."""


Send = Callable[..., None]


def dying(lives: int) -> Send:
    """Return a `send` that breaks off in its n-th call, once half of that call's messages left."""
    send, left = Outbox.send, iter(range(lives))

    def mortal(box: Outbox, topic: str, keys: Sequence[bytes], values: Sequence[bytes | None], headers: object) -> None:
        if next(left, None) is None:
            half = len(keys) // 2
            send(box, topic, keys[:half], values[:half], islice(iter(headers), half))  # type: ignore[call-overload]
            raise Killed
        send(box, topic, keys, values, headers)  # type: ignore[arg-type]

    return mortal


class Scene:
    """A target that a first load filled, and a second load that breaks off and is run again."""

    def __init__(self, sink: KafkaSink, strategy: Strategy) -> None:
        self.sink = sink
        self.strategy = strategy
        self.target = LoadTarget(
            fresh_namespace(),
            SMALL.table.keyed_by(target_key(strategy, SMALL)),
            keeps_hash=strategy.keeps_hash,
            appends=strategy.appends,
        )
        self.source = MemorySource(SourceKind.STATE, SMALL.table)
        self.source.seed(SMALL.baseline)
        self.loads: list[Load] = []
        self.sink.create(self.target)
        self.load(Stage.BASELINE)
        self.source.apply(SMALL.changes)

    def load(self, stage: Stage) -> None:
        load = Load(
            f"load-{len(self.loads)}",
            START + timedelta(seconds=len(self.loads)),
            scopes(self.strategy, stage, SMALL)[0],
            key_list(self.strategy.reads, SourceKind.STATE),
        )
        self.loads.append(load)
        position = self.sink.position(self.target)
        with self.source.read(ReadRequest(self.strategy.reads, position, load.scope)) as batch:
            self.sink.load(self.target, load, batch, self.strategy.steps)
            self.reached = batch.end().position

    def outcome(self) -> tuple[list[int], bool]:
        """The rows, those of the first load told apart from later ones; whether the position is the last one."""
        found = self.sink.read(self.target)
        first = [load_id == self.loads[0].load_id for load_id in found.column("load_id").to_pylist()]
        marked = found.drop_columns(["load_id", "loaded_at"]).append_column("first", pa.array(first))
        return sorted(digests(marked).tolist()), self.sink.position(self.target) == self.reached


@pytest.mark.parametrize("case", INTO_KAFKA, ids=lambda case: case.strategy.name)
def test_a_load_that_breaks_off_anywhere_is_completed_by_its_rerun_without_a_lost_or_doubled_row(
    sink: KafkaSink, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = Scene(sink, case.strategy)
    untouched.load(Stage.CHANGES)
    wanted = untouched.outcome()
    sink.drop(untouched.target)
    lives = 0
    while True:
        scene = Scene(sink, case.strategy)
        before = scene.sink.position(scene.target)
        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "send", dying(lives))
            try:
                scene.load(Stage.CHANGES)
            except Killed:
                died = True
            else:
                died = False
        if died:
            assert scene.sink.position(scene.target) == before
            scene.load(Stage.CHANGES)
        assert scene.outcome() == wanted, f"broken off at send {lives}"
        sink.drop(scene.target)
        if not died:
            break
        lives += 1
    assert lives >= 2


def test_a_broker_that_dies_amid_a_load_fails_it_with_the_key_that_was_not_delivered() -> None:
    with Broker() as mortal, connected(mortal.endpoint, patience=3, connect_seconds=3) as cluster:
        sink, made = KafkaSink(cluster, JsonFormat()), target(fresh_namespace())
        sink.create(made)
        send = Outbox.send

        def killing(box: Outbox, topic: str, *messages: object) -> None:
            if mortal.running:
                mortal.kill()
            send(box, topic, *messages)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Outbox, "send", killing)
            with pytest.raises(LoadError) as caught:
                sink.load(made, load_number(1), batch_of(rows((7, "a"))), FULL)
        assert str(caught.value).startswith(
            f"Kafka, publishing to {made.namespace}.t: the message of key id=7 was not delivered: "
        )
        assert "\n" not in str(caught.value)
        mortal.start()  # it has forgotten everything, and says so
        with pytest.raises(LoadError, match="UNKNOWN_TOPIC_OR_PART"):
            sink.load(made, load_number(2), batch_of(rows((7, "a"))), FULL)
        sink.create(made)
        sink.load(made, load_number(3), batch_of(rows((7, "a"))), FULL)
        assert cells(sink.read(made)) == [(7, "a")]


def test_a_position_that_cannot_be_delivered_fails_the_load_in_one_line(sink: KafkaSink, goal: LoadTarget) -> None:
    huge = Position({"delivered": "x" * 2 * MESSAGE_BYTES})
    with pytest.raises(LoadError, match=r"^Kafka, publishing to \S+_matrix_state: the message of key [^\n]*MSG_SIZE"):
        sink.load(goal, load_number(1), batch_of(rows((1, "a")), huge), FULL)
    assert sink.position(goal) is None
