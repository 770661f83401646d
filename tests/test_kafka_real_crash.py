"""Promises about a real Apache Kafka that dies, SIGKILL, amid a load or a read, and comes back with its data.

The broker is one of the test's own, from the jars that MATRIX_TEST_KAFKA_JARS names.
It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from kafka_apache import JARS, ApacheBroker
from kafka_local import Topic, batch_of, cells, connected, fresh_namespace, load_number, rows, target

from matrix_defs.errors import LoadError
from matrix_defs.ports import LoadTarget, Position, Step
from resources.endpoints.endpoint import Endpoint
from resources.kafka import read as read_module
from resources.kafka.json_format import JsonFormat
from resources.kafka.publish import Outbox
from resources.kafka.sink import KafkaSink

pytestmark = pytest.mark.skipif(
    not JARS, reason="no Apache Kafka to kill: MATRIX_TEST_KAFKA_JARS names no folder (tests/kafka_apache.pom.xml)"
)

FULL = (Step.SWAP_IN,)
APPEND = (Step.INSERT_STAGED,)
STEPS = pytest.mark.parametrize("steps", [FULL, APPEND], ids=["merged", "appended"])
TRANSACTIONS = pytest.mark.parametrize("transactions", ["true", "false"], ids=["transactions", "no transactions"])
BEFORE, MANY = rows((1, "before")), rows((1, "after"), *((number, "x" * 100) for number in range(2, 3_000)))
SEND = Outbox.send


@pytest.fixture(scope="module")
def started() -> Iterator[ApacheBroker]:
    with ApacheBroker() as broker:
        yield broker


@pytest.fixture
def broker(started: ApacheBroker) -> ApacheBroker:
    if not started.running:
        started.start()
    return started


@pytest.fixture
def endpoint(broker: ApacheBroker, transactions: str) -> Endpoint:
    return replace(broker.endpoint, options={**broker.endpoint.options, "transactions": transactions})


def first_half(topic: str, keys: Sequence[bytes], values: Sequence[Any], headers: Any) -> tuple[Any, ...]:
    half = len(keys) // 2
    return topic, keys[:half], values[:half], islice(iter(headers), half)


def second_half(topic: str, keys: Sequence[bytes], values: Sequence[Any], headers: Any) -> tuple[Any, ...]:
    half = len(keys) // 2
    return topic, keys[half:], values[half:], islice(iter(headers), half, None)


def expected(goal: LoadTarget) -> list[tuple[int, str | None]]:
    """What the target holds once MANY were loaded after BEFORE."""
    return sorted([*(cells(BEFORE) if goal.appends else []), *cells(MANY)])


@STEPS
@TRANSACTIONS
@pytest.mark.parametrize("fatal", ["t", "_matrix_state"], ids=["amid the rows", "before the position"])
def test_a_load_whose_broker_dies_fails_and_its_rerun_loses_and_doubles_nothing(
    broker: ApacheBroker, endpoint: Endpoint, steps: Sequence[Step], fatal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = target(fresh_namespace(), appends=steps == APPEND)

    def killing(box: Outbox, topic: str, *messages: Any) -> None:
        if topic != f"{goal.namespace}.{fatal}":
            return SEND(box, topic, *messages)
        SEND(box, *first_half(topic, *messages))
        box.settle()
        broker.kill()
        return SEND(box, *second_half(topic, *messages))

    with connected(endpoint, patience=3, connect_seconds=3) as cluster:
        sink = KafkaSink(cluster, JsonFormat())
        sink.create(goal)
        sink.load(goal, load_number(1), batch_of(BEFORE, Position({"at": 1})), steps)
        monkeypatch.setattr(Outbox, "send", killing)
        with pytest.raises(LoadError, match=r"^Kafka, [^\n]*$"):
            sink.load(goal, load_number(2), batch_of(MANY, Position({"at": 2})), steps)
        monkeypatch.undo()
        with pytest.raises(LoadError, match=r"^Kafka, [^\n]*refused[^\n]*$"):
            sink.load(goal, load_number(2), batch_of(MANY, Position({"at": 2})), steps)
    broker.start()
    with connected(endpoint) as cluster:
        sink = KafkaSink(cluster, JsonFormat())
        assert sink.position(goal) == Position({"at": 1})
        if cluster.transactions:
            assert cells(sink.read(goal)) == cells(BEFORE)
        sink.load(goal, load_number(3), batch_of(MANY, Position({"at": 3})), steps)
        assert cells(sink.read(goal)) == expected(goal)
        assert sink.position(goal) == Position({"at": 3})


@STEPS
@TRANSACTIONS
def test_a_load_outlives_a_broker_that_comes_back_in_time(
    broker: ApacheBroker, endpoint: Endpoint, steps: Sequence[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = target(fresh_namespace(), appends=steps == APPEND)

    def interrupted(box: Outbox, topic: str, *messages: Any) -> None:
        SEND(box, *first_half(topic, *messages))
        if topic == f"{goal.namespace}.t":
            broker.kill()
            broker.start()
        SEND(box, *second_half(topic, *messages))

    with connected(endpoint) as cluster:
        sink = KafkaSink(cluster, JsonFormat())
        sink.create(goal)
        sink.load(goal, load_number(1), batch_of(BEFORE, Position({"at": 1})), steps)
        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "send", interrupted)
            sink.load(goal, load_number(2), batch_of(MANY, Position({"at": 2})), steps)
        assert cells(sink.read(goal)) == expected(goal)
        assert sink.position(goal) == Position({"at": 2})


def test_a_read_outlives_a_broker_that_comes_back_in_time_and_repeats_nothing(
    broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "CHUNK_MESSAGES", 1_000)
    with connected(broker.endpoint) as cluster:
        made = Topic(cluster, broker.endpoint)
        for _ in range(20):
            made.put(*[(number % 3, b"k", bytes(1_000)) for number in range(3_000)])
        found = []
        with made.read() as read:
            for number, chunk in enumerate(read):
                found += [(message.partition(), message.offset()) for message in chunk]
                if number == 5:
                    broker.kill()
                    broker.start()
        assert sorted(found) == [(partition, offset) for partition in range(3) for offset in range(20_000)]
        assert read.offsets == dict.fromkeys(range(3), 20_000)
