"""Promises that only a real Apache Kafka can show: transactions, compaction, deleted messages, what brokers refuse.

The brokers are those that MATRIX_KAFKA_BOOTSTRAP_SERVERS and its like name; a broker that is killed is promised in
`test_kafka_real_crash`. It may import `matrix_defs` and `resources`.
"""

import os
import random
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_local import (
    Topic,
    batch_of,
    cells,
    connected,
    fresh_namespace,
    load_number,
    log_ends,
    named_by,
    rows,
    settle,
    target,
    topic,
)
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from matrix_defs.cases import CASES, Case
from matrix_defs.errors import LoadError, ReadError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.ports import Changes, LoadTarget, Position, Step
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import System
from matrix_defs.table import TableSpec
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.endpoints.endpoint import Endpoint
from resources.kafka.client import Cluster, LastError, settings
from resources.kafka.events import PARTITIONS, TOPIC_CONFIG, topic_name
from resources.kafka.json_format import JsonFormat
from resources.kafka.publish import Outbox
from resources.kafka.read import BoundedRead, fold
from resources.kafka.sink import KafkaSink
from resources.kafka.source import KafkaSource
from resources.kafka.state import state_topic

REAL = named_by(os.environ)
pytestmark = pytest.mark.skipif(
    REAL is None, reason="no real Kafka: MATRIX_KAFKA_BOOTSTRAP_SERVERS names no brokers (docs/evidence.md has one)"
)

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
FROM_KAFKA = [case for case in CASES if case.source is System.KAFKA and case.sink in (System.POSTGRES, System.KAFKA)]
FULL = (Step.SWAP_IN,)
APPEND = (Step.INSERT_STAGED,)
STEPS = pytest.mark.parametrize("steps", [FULL, APPEND], ids=["merged", "appended"])
JSON = JsonFormat()


@pytest.fixture(scope="module")
def real() -> Endpoint:
    assert REAL
    return REAL


@pytest.fixture(scope="module")
def cluster(real: Endpoint) -> Iterator[Cluster]:
    with connected(real) as cluster:
        yield cluster


@pytest.fixture
def three(cluster: Cluster, real: Endpoint) -> Iterator[Topic]:
    with topic(cluster, real, partitions=3) as made:
        yield made


@pytest.fixture
def sink(cluster: Cluster) -> KafkaSink:
    return KafkaSink(cluster, JSON)


@pytest.fixture
def goal(sink: KafkaSink, steps: Sequence[Step]) -> Iterator[LoadTarget]:
    made = target(fresh_namespace(), appends=steps == APPEND)
    sink.create(made)
    yield made
    sink.drop(made)


def messages(partition: int, count: int, start: int = 0) -> list[tuple[int, bytes, bytes]]:
    return [(partition, b"%d" % number, b"%d" % number) for number in range(start, start + count)]


# ---------------------------------------------------------------------- reading what transactions left


def test_rolled_back_messages_are_invisible_and_markers_are_gaps(three: Topic) -> None:
    three.put((0, b"a", b"1"))
    three.aborted((0, b"a", b"never"), (1, b"b", b"never"))
    three.committed((0, b"a", b"2"), (2, b"c", b"3"))
    found, reached = three.taken()
    assert found == [(0, 0, b"1"), (0, 3, b"2"), (2, 0, b"3")]
    assert reached == {0: 5, 1: 2, 2: 2}, "markers count as offsets"
    assert three.taken(reached) == ([], reached)


def test_a_partition_of_nothing_but_rolled_back_messages_ends(three: Topic) -> None:
    three.aborted(*messages(1, 3_000))
    assert three.taken() == ([], {0: 0, 1: 3_001, 2: 0})


def test_a_position_amid_rolled_back_messages_goes_on_behind_them(three: Topic) -> None:
    three.aborted(*messages(0, 10))
    three.put((0, b"a", b"1"))
    assert three.taken({0: 4, 1: 0, 2: 0})[0] == [(0, 11, b"1")]


def test_a_read_ends_before_an_open_transaction_and_the_next_one_finds_what_it_committed(three: Topic) -> None:
    three.put((0, b"a", b"1"))
    writer = three.transactional()
    writer.begin_transaction()
    three.put((0, b"a", b"2"), (1, b"b", b"2"), by=writer)
    three.put((0, b"c", b"behind it"))
    found, reached = three.taken()
    assert (found, reached) == ([(0, 0, b"1")], {0: 1, 1: 0, 2: 0})
    writer.commit_transaction(30)
    more, end = three.taken(reached)
    assert more == [(0, 1, b"2"), (0, 2, b"behind it"), (1, 0, b"2")]
    assert end == {0: 4, 1: 2, 2: 0}


def test_reads_under_a_transactional_producer_that_keeps_writing_end_and_miss_and_repeat_nothing(three: Topic) -> None:
    writer = three.transactional()
    seen, kept, start = [], [], dict.fromkeys(range(3), 0)
    for number in range(12):
        written = messages(number % 3, 40, start=100 * number)
        writer.begin_transaction()
        three.put(*written, by=writer)
        found, start = three.taken(start)
        seen += found
        if number % 4 == 3:
            writer.abort_transaction(30)
        else:
            writer.commit_transaction(30)
            kept += [value for *_, value in written]
    three.settle()
    found, _ = three.taken(start)
    assert sorted(value for *_, value in seen + found) == sorted(kept)


def test_a_compacted_topic_is_read_across_its_gaps_from_any_start(cluster: Cluster, real: Endpoint) -> None:
    compacting = {"segment_ms": "100", "min_cleanable_dirty_ratio": "0.001", "delete_retention_ms": "0"}
    with topic(cluster, real, 2, cleanup_policy="compact", max_compaction_lag_ms="100", **compacting) as made:
        for version in range(5):
            made.put(*[(0, b"%d" % key, b"%d.%d" % (key, version)) for key in range(20)], (1, b"k", b"%d" % version))

        @retry(retry=retry_if_result(lambda count: count >= 100), wait=wait_fixed(0.5), stop=stop_after_delay(90))
        def left() -> int:
            made.put((0, b"roll", b"over"))  # the segment that is written to is never compacted
            return sum(place[0] == 0 and place[2] != b"over" for place in made.taken()[0])

        left()
        last = {b"%d" % key: b"%d.4" % key for key in range(20)}
        with made.read() as read:
            folded = fold(read)
        assert {key: folded[key].value() for key in last} == last
        # The last versions stay where they are; what else there is may be compacted away while this test reads.
        stays = sorted(folded[key].offset() for key in last)
        end = made.taken()[1]
        for start in {0, 1, stays[0], stays[0] + 1, stays[len(stays) // 2], stays[-1], end[0]}:
            found, reached = made.taken({0: start, 1: 0})
            assert [n for _, n, value in found if value in last.values()] == [n for n in stays if n >= start]
            assert reached == end


def test_a_position_whose_messages_were_deleted_is_refused_and_a_whole_read_begins_where_the_log_does(
    three: Topic, real: Endpoint
) -> None:
    three.put(*messages(0, 10), *messages(1, 10))
    admin = AdminClient(settings(real))
    (deleted,) = admin.delete_records([TopicPartition(three.name, 0, 6)]).values()
    deleted.result(30)
    with pytest.raises(ReadError, match=r"does not hold offset 3 of partition 0, where the last read stopped.*load it"):
        three.taken({0: 3, 1: 0, 2: 0})
    found, reached = three.taken()
    assert [(partition, offset) for partition, offset, _ in found] == [
        *((0, n) for n in range(6, 10)),
        *((1, n) for n in range(10)),
    ]
    assert reached == {0: 10, 1: 10, 2: 0}


def test_a_position_behind_the_end_of_the_log_is_refused(three: Topic) -> None:
    three.put((0, b"a", b"1"))
    with pytest.raises(ReadError, match=r"does not hold offset 5 of partition 0"):
        three.taken({0: 5, 1: 0, 2: 0})


class InTransactions(Cluster):
    """A cluster where the common producer is a transactional one."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.writer, self._last = self.transactional_producer(fresh_namespace())

    def producer(self) -> tuple[Producer, LastError]:
        return self.writer, self._last


class TransactionalSource(KafkaSource):
    """Its messages are written in transactions, each behind one of garbage that was rolled back."""

    def __init__(self, cluster: InTransactions, namespace: str, table: TableSpec) -> None:
        super().__init__(cluster, namespace, table, JSON)
        self._writer = cluster.writer

    def apply(self, changes: Changes) -> None:
        with self._transaction():
            super().apply(changes)

    def _upsert(self, rows: pa.Table) -> None:
        with self._transaction():
            super()._upsert(rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.begin_transaction()
        for partition in range(PARTITIONS):
            self._writer.produce(self._topic, b'{"order_id":1}', b"garbage", partition)
            self._writer.produce(self._topic, None, None, partition)
        self._writer.flush(30)
        self._writer.abort_transaction(30)
        self._writer.begin_transaction()
        yield
        self._writer.commit_transaction(30)
        settle(self._cluster, self._topic)


@pytest.mark.parametrize("case", FROM_KAFKA, ids=lambda case: case.case_id)
def test_every_strategy_keeps_its_promise_with_transactions_and_rolled_back_ones_in_the_topic(
    cluster: Cluster, real: Endpoint, case: Case
) -> None:
    with connected(real, made=InTransactions) as writing:
        source = TransactionalSource(writing, fresh_namespace(), build_workload(SETTINGS.workload).table)
        sink = KafkaSink(cluster, JSON) if case.sink is System.KAFKA else MemorySink()
        result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason


# ---------------------------------------------------------------------- loads as transactions


def events(cluster: Cluster, goal: LoadTarget) -> list[Message]:
    """Everything that readers of committed messages see in the target's topic."""
    with BoundedRead(cluster, topic_name(goal.namespace, goal.table.name)) as read:
        return [message for chunk in read for message in chunk]


@STEPS
def test_whoever_reads_after_a_load_sees_its_rows_and_its_position(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget, steps: Sequence[Step]
) -> None:
    for number in range(1, 21):
        sink.load(goal, load_number(number), batch_of(rows((number, "a")), Position({"at": number})), steps)
        (end,) = log_ends(cluster, state_topic(goal), committed=True)
        assert end >= 2 * number - 1, "a record and a marker each"


class Killed(BaseException):
    """The load is gone: nothing after this runs."""


def die(box: Outbox, topic: str, *messages: Any) -> None:
    """Arrive, then die before the position is sent."""
    if topic.endswith("_matrix_state"):
        box.settle()
        raise Killed
    SEND(box, topic, *messages)


def kill_process(box: Outbox, topic: str, *messages: Any) -> None:
    """Arrive, then end this process at once before the position is sent."""
    if topic.endswith("_matrix_state"):
        box.settle()
        os.kill(os.getpid(), signal.SIGKILL)
    SEND(box, topic, *messages)


SEND = Outbox.send


def load_and_be_killed(endpoint: Endpoint, goal: LoadTarget, steps: Sequence[Step]) -> None:
    """In a process of its own."""
    Outbox.send = kill_process  # type: ignore[method-assign]
    KafkaSink(Cluster(endpoint), JSON).load(goal, load_number(2), batch_of(rows((2, "b")), Position({"at": 2})), steps)


@STEPS
def test_a_load_whose_process_is_killed_leaves_nothing_and_holds_nobody_up(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget, steps: Sequence[Step], real: Endpoint
) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a")), Position({"at": 1})), steps)
    process = get_context("spawn").Process(target=load_and_be_killed, args=(real, goal, steps))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert cells(sink.read(goal)) == [(1, "a")]
    assert sink.position(goal) == Position({"at": 1})
    sink.load(goal, load_number(3), batch_of(rows((1, "a"), (2, "B")), Position({"at": 3})), steps)
    expected = [(1, "a"), (1, "a"), (2, "B")] if goal.appends else [(1, "a"), (2, "B")]
    assert cells(sink.read(goal)) == expected
    assert sink.position(goal) == Position({"at": 3})
    assert b"load-2" not in {dict(message.headers() or ())["load_id"] for message in events(cluster, goal)}


@STEPS
def test_a_load_that_fails_is_rolled_back_at_once(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget, steps: Sequence[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.load(goal, load_number(1), batch_of(rows((1, "a")), Position({"at": 1})), steps)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "send", die)
        with pytest.raises(Killed):
            sink.load(goal, load_number(2), batch_of(rows((2, "b")), Position({"at": 2})), steps)
    assert len(events(cluster, goal)) < sum(log_ends(cluster, f"{goal.namespace}.t")) - 1, "nothing was rolled back"
    settle(cluster, f"{goal.namespace}.t")  # an open transaction would hold readers up until it is timed out
    assert cells(sink.read(goal)) == [(1, "a")]
    assert sink.position(goal) == Position({"at": 1})


@STEPS
def test_a_zombie_is_fenced_by_the_load_that_took_its_place_and_adds_nothing(
    cluster: Cluster, sink: KafkaSink, goal: LoadTarget, steps: Sequence[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_overtaken(box: Outbox, topic: str, *messages: Any) -> None:
        if topic.endswith("_matrix_state"):
            monkeypatch.setattr(Outbox, "send", SEND)
            sink.load(goal, load_number(2), batch_of(rows((2, "successor")), Position({"at": 2})), steps)
        SEND(box, topic, *messages)

    monkeypatch.setattr(Outbox, "send", be_overtaken)
    with pytest.raises(LoadError, match=r"^Kafka, [^\n]*fenced[^\n]*$"):
        sink.load(goal, load_number(1), batch_of(rows((1, "zombie")), Position({"at": 1})), steps)
    assert cells(sink.read(goal)) == [(2, "successor")]
    assert sink.position(goal) == Position({"at": 2})
    sink.load(goal, load_number(3), batch_of(rows((3, "next")), Position({"at": 3})), steps)
    assert (3, "next") in cells(sink.read(goal))


@STEPS
def test_a_message_that_the_broker_refuses_fails_the_load_by_its_key_and_nothing_of_it_stays(
    cluster: Cluster, sink: KafkaSink, steps: Sequence[Step], real: Endpoint
) -> None:
    made = target(fresh_namespace(), appends=steps == APPEND)
    narrow = TOPIC_CONFIG | {"max.message.bytes": "20000", "compression.type": "uncompressed"}
    cluster.create({f"{made.namespace}.t": (1, narrow), f"{made.namespace}._matrix_state": (1, {})})
    noise = random.Random(1).randbytes(50_000).hex()
    given = pa.concat_tables([rows((1, "a")), rows((2, noise)), rows((3, "c"))])
    with pytest.raises(LoadError) as caught:
        sink.load(made, load_number(1), batch_of(given, Position({"at": 1})), steps)
    assert re.match(
        r"^Kafka, publishing to \S+\.t: the message of key id=\d was not delivered: .*\(MSG_SIZE_TOO_LARGE\)$",
        str(caught.value),
    )
    assert sink.read(made).num_rows == 0
    assert sink.position(made) is None
    sink.drop(made)


# ---------------------------------------------------------------------- getting in


def test_a_topic_is_never_created_by_being_looked_for(cluster: Cluster) -> None:
    namespace = fresh_namespace()
    with pytest.raises(ReadError, match="UNKNOWN_TOPIC_OR_PART"):
        BoundedRead(cluster, f"{namespace}.t")
    assert cluster.topics(namespace) == []


def test_a_wrong_password_is_one_line_within_seconds_that_does_not_tell_it(real: Endpoint) -> None:
    if not real.password:
        pytest.skip("these brokers ask for no password: name a listener with SASL")
    canary = "canary-p4ssw0rd"
    with connected(replace(real, password=canary), connect_seconds=3) as cluster, pytest.raises(ReadError) as caught:
        BoundedRead(cluster, "m_x.t")
    assert "authentication" in str(caught.value).lower()
    assert canary not in str(caught.value)
    assert "\n" not in str(caught.value)
