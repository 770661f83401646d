"""Promises of the bounded read of a topic, on the embedded broker.

What only transactions, compaction and deleted messages show is promised in `test_kafka_real`.
It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator, Sequence
from threading import Event, Thread
from time import monotonic

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka_local import Broker, Topic, connected, fresh_namespace, reaching, topic
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from matrix_defs.errors import ReadError
from resources.endpoints.endpoint import Endpoint
from resources.kafka import read as read_module
from resources.kafka.client import Cluster
from resources.kafka.read import BoundedRead, fold


@pytest.fixture(scope="module")
def broker() -> Iterator[Endpoint]:
    with Broker() as started:
        yield started.endpoint


@pytest.fixture(scope="module")
def cluster(broker: Endpoint) -> Iterator[Cluster]:
    with connected(broker) as cluster:
        yield cluster


@pytest.fixture
def three(cluster: Cluster, broker: Endpoint) -> Iterator[Topic]:
    with topic(cluster, broker, partitions=3) as made:
        yield made


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | st.binary(max_size=9)), max_size=60),
    st.none() | st.tuples(*[st.floats(0, 1)] * 3),
    st.integers(1, 30),
)
def test_every_message_from_the_start_on_comes_once_and_in_the_order_of_its_partition(
    cluster: Cluster, broker: Endpoint, messages: Sequence[tuple[int, bytes | None]], share: object, chunk: int
) -> None:
    held = {partition: [value for where, value in messages if where == partition] for partition in range(3)}
    start = {p: int(len(held[p]) * share[p]) for p in held} if isinstance(share, tuple) else {}
    expected = [(p, n, value) for p, values in held.items() for n, value in enumerate(values) if n >= start.get(p, 0)]
    with topic(cluster, broker) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_module, "CHUNK_MESSAGES", chunk)
        made.put(*((partition, b"k", value) for partition, value in messages))
        assert made.taken(start) == (expected, {partition: len(values) for partition, values in held.items()})


def test_a_topic_without_messages_ends_at_its_beginning(three: Topic) -> None:
    assert three.taken() == ([], {0: 0, 1: 0, 2: 0})


def test_partitions_without_messages_end_beside_full_ones(three: Topic) -> None:
    three.put(*[(1, b"k", b"%d" % n) for n in range(500)])
    found, reached = three.taken()
    assert [value for *_, value in found] == [b"%d" % n for n in range(500)]
    assert reached == {0: 0, 1: 500, 2: 0}


def test_a_partition_that_the_position_does_not_name_is_read_from_its_beginning(three: Topic) -> None:
    three.put((0, b"a", b"1"), (0, b"a", b"2"), (1, b"b", b"3"))
    assert three.taken({0: 1}) == ([(0, 1, b"2"), (1, 0, b"3")], {0: 2, 1: 1, 2: 0})


def test_messages_are_handed_over_while_the_read_goes_on(three: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "CHUNK_MESSAGES", 10)
    three.put(*[(n % 3, b"k", b"v") for n in range(90)])
    with three.read() as read:
        chunks = [len(chunk) for chunk in read]
    assert sum(chunks) == 90
    assert max(chunks) <= 20


def test_what_is_written_once_the_end_is_known_is_left_to_the_next_read(
    three: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "CHUNK_MESSAGES", 10)
    three.put(*[(0, b"k", b"%d" % n) for n in range(100)])
    with three.read() as read:
        chunks = iter(read)
        first = next(chunks)
        three.put(*[(0, b"k", b"later")] * 50)
        behind = retry_if_result(lambda end: end < 150)
        waiting = Retrying(retry=behind, wait=wait_fixed(0.01), stop=stop_after_delay(10))
        waiting(read._high_watermark, 0)  # now the client has what comes later, right behind the rest
        first += [message for chunk in chunks for message in chunk]
        reached = read.offsets
    assert [message.value() for message in first] == [b"%d" % n for n in range(100)]
    assert reached == {0: 100, 1: 0, 2: 0}
    assert [value for *_, value in three.taken(reached)[0]] == [b"later"] * 50


def test_a_read_ends_under_a_producer_that_keeps_writing_and_the_next_one_misses_and_repeats_nothing(
    cluster: Cluster, broker: Endpoint, three: Topic
) -> None:
    enough, written = Event(), [0]

    def write() -> None:
        while not enough.is_set():
            three.put(*[(n % 3, b"k", b"v") for n in range(300)])
            written[0] += 100

    three.put(*[(n % 3, b"k", b"v") for n in range(3_000)])
    writer = Thread(target=write)
    writer.start()
    try:
        found, reached = three.taken()
        more, further = three.taken(reached)
    finally:
        enough.set()
        writer.join()
    rest, end = three.taken(further)
    assert end == dict.fromkeys(range(3), 1_000 + written[0])
    whole = [(p, n, b"v") for p in range(3) for n in range(1_000 + written[0])]
    assert sorted([*found, *more, *rest]) == whole


def test_a_message_that_the_client_fetches_twice_is_handed_over_once(
    three: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "CHUNK_MESSAGES", 100)
    three.put(*[(0, b"k", b"%d" % n) for n in range(1_000)])
    found = []
    with three.read() as read:
        for number, chunk in enumerate(read):
            found += chunk
            if number == 1:
                read._consumer.seek(TopicPartition(three.name, 0, 0))
    assert [message.offset() for message in found] == list(range(1_000))


def test_a_fold_keeps_the_last_message_of_every_key_and_no_tombstone(three: Topic) -> None:
    three.put(
        (0, b"a", b"1"), (1, b"b", b"1"), (0, b"a", b"2"), (1, b"b", None), (2, b"c", None), (2, b"c", b"3"),
        (0, b"a", b"2"), (1, b"", b"no text is a key too"),
    )  # fmt: skip
    with three.read() as read:
        last = fold(read)
    assert {key: (message.offset(), message.value()) for key, message in last.items()} == {
        b"a": (2, b"2"),
        b"c": (1, b"3"),
        b"": (2, b"no text is a key too"),
    }


def test_a_message_without_a_key_is_refused_with_its_place(three: Topic) -> None:
    three.put((1, b"a", b"1"), (1, None, b"2"))
    with three.read() as read, pytest.raises(ReadError) as caught:
        fold(read)
    assert str(caught.value) == (
        f"Kafka, reading topic {three.name}: the message at offset 1 of partition 1 has no key; only a topic whose"
        " messages are keyed can be read as a table"
    )


def test_a_position_that_names_an_unknown_partition_is_refused(three: Topic) -> None:
    with pytest.raises(
        ReadError, match=r"the position names partition 3, which the topic does not have; .*load it anew"
    ):
        three.read({0: 0, 3: 7})


def test_a_position_behind_the_end_of_the_log_is_refused_and_not_taken_for_nothing_new(three: Topic) -> None:
    three.put((0, b"a", b"1"), (1, b"a", b"1"))
    with pytest.raises(ReadError, match=r"does not hold offset 5 of partition 1, where the last read stopped"):
        three.taken({0: 0, 1: 5, 2: 0})


def test_a_topic_that_does_not_exist_is_refused_by_name_and_not_created(cluster: Cluster) -> None:
    name = f"{fresh_namespace()}.nothing"
    with pytest.raises(ReadError, match=rf"^Kafka, looking for topic {name}: [^\n]*UNKNOWN_TOPIC_OR_PART"):
        BoundedRead(cluster, name)
    assert cluster.topics(name.split(".")[0]) == []


def test_a_broker_that_is_not_there_is_told_within_seconds_in_one_line() -> None:
    started = monotonic()
    nowhere = reaching("127.0.0.1:1", transactions=False)
    with connected(nowhere, connect_seconds=1) as cluster, pytest.raises(ReadError) as caught:
        BoundedRead(cluster, "m_x.t")
    assert monotonic() - started < 30
    assert str(caught.value).startswith("Kafka, looking for topic m_x.t: ")
    assert "127.0.0.1:1" in str(caught.value)
    assert "refused" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broker_that_dies_while_it_is_read_fails_the_read_and_names_what_is_missing() -> None:
    with Broker() as mortal, connected(mortal.endpoint, patience=2) as cluster:
        made = Topic(cluster, mortal.endpoint)
        made.put((0, b"a", b"1"))
        with made.read() as read:
            mortal.kill()
            with pytest.raises(ReadError, match=r"partition\(s\) 0, 1, 2 sent nothing for 2 s.*refused"):
                list(read)


def test_a_user_who_may_read_the_topic_needs_no_right_to_a_group(three: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = BoundedRead._fetch
    refused = Message(topic="", error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    monkeypatch.setattr(BoundedRead, "_fetch", lambda read: [refused, *fetch(read)])
    three.put((0, b"k", b"v"))
    assert three.taken()[0] == [(0, 0, b"v")]


def test_what_else_the_client_is_refused_fails_the_read(three: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Message(topic=three.name, error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    monkeypatch.setattr(BoundedRead, "_fetch", lambda _: [refused])
    with pytest.raises(ReadError, match="TOPIC_AUTHORIZATION_FAILED"):
        three.taken()


def test_a_read_may_be_closed_before_it_began_and_twice(three: Topic) -> None:
    read = three.read()
    read.close()
    read.close()
