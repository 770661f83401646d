"""Promises of messages on their way to a broker: every delivery report counts. On the embedded broker.

What the broker itself refuses, and transactions, are promised in `test_kafka_real`.
It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
from confluent_kafka import KafkaException
from kafka_local import Broker, Topic, connected, topic

from matrix_defs.errors import LoadError, ReadError
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.kafka import client
from resources.kafka.client import MESSAGE_BYTES, Cluster, settings
from resources.kafka.publish import Headers, Outbox, outbox

NO_HEADERS: list[Headers] = [[]]


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


def keys(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_what_is_settled_has_arrived_in_the_order_of_each_key_and_the_ends_are_known(
    cluster: Cluster, three: Topic
) -> None:
    with outbox(cluster, LoadError, repr) as box:
        box.send(three.name, keys(5_000) * 2, [b"old"] * 5_000 + [b"new"] * 5_000, repeat([("op", "upsert")]))
        box.settle()
        assert box.ends[three.name] == three.taken()[1]
    with three.read() as read:
        found = [message for chunk in read for message in chunk]
    assert len(found) == 10_000
    assert {message.key(): message.value() for message in found} == dict.fromkeys(keys(5_000), b"new")
    assert {tuple(message.headers()) for message in found} == {(("op", b"upsert"),)}


def test_a_key_goes_to_the_partition_where_the_java_clients_put_it(cluster: Cluster, three: Topic) -> None:
    with outbox(cluster, LoadError, repr) as box:
        box.send(three.name, [b"21", b"foobar", b"abc"], [b"21", b"foobar", b"abc"], repeat([]))
        box.settle()
    # murmur2 as org.apache.kafka.common.utils.UtilsTest has it, made positive, modulo 3.
    murmur2 = {b"21": -973932308, b"foobar": -790332482, b"abc": 479470107}
    expected = sorted((hashed & 0x7FFFFFFF) % 3 for hashed in murmur2.values())
    found, _ = three.taken()
    assert [partition for partition, *_ in found] == expected
    assert all((murmur2[value] & 0x7FFFFFFF) % 3 == partition for partition, _, value in found if value)


def test_a_message_that_is_too_large_is_named_by_its_key(cluster: Cluster, three: Topic) -> None:
    with (
        pytest.raises(ReadError, match=r"the message of key <b'7'> was not delivered: .*\(MSG_SIZE_TOO_LARGE\)$"),
        outbox(cluster, ReadError, lambda key: f"<{key!r}>") as box,
    ):
        box.send(three.name, [b"7"], [bytes(2 * MESSAGE_BYTES)], NO_HEADERS)


def test_an_outbox_that_fails_leaves_nothing_under_way(cluster: Cluster, three: Topic) -> None:
    def fail() -> None:
        with outbox(cluster, LoadError, repr) as box:
            box.send(three.name, keys(30_000), [bytes(1_000)] * 30_000, repeat([]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(three.taken()[0]) == 30_000


def test_messages_that_no_report_comes_for_are_an_error_that_names_their_topic(
    broker: Endpoint, three: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "_report", lambda *_: None)

    def send(cluster: Cluster) -> None:
        with outbox(cluster, LoadError, repr) as box:
            box.send(three.name, keys(2), [b"v"] * 2, repeat([]))
            box.settle()

    told = rf"^Kafka, publishing to {three.name}: 2 message\(s\) were not acknowledged for 2.5 s"
    with connected(broker, patience=0.5) as cluster, pytest.raises(LoadError, match=told):
        send(cluster)


def test_a_broker_that_dies_under_a_full_queue_fails_the_send_with_one_of_its_keys() -> None:
    with Broker() as mortal, connected(mortal.endpoint, patience=3) as cluster:
        made = Topic(cluster, mortal.endpoint)

        def send_for_ever() -> None:
            with outbox(cluster, LoadError, repr) as box:
                box.send(made.name, [b"0"], [b"v"], NO_HEADERS)
                box.settle()
                mortal.kill()
                while True:
                    box.send(made.name, keys(2_000), [bytes(1_000)] * 2_000, repeat([]))

        with pytest.raises(LoadError, match=rf"^Kafka, publishing to {made.name}: the message of key b'\d+' was not "):
            send_for_ever()


def test_a_producer_that_failed_is_not_used_again(cluster: Cluster, three: Topic) -> None:
    before = cluster.producer()
    assert cluster.producer() is before
    with pytest.raises(ZeroDivisionError), outbox(cluster, LoadError, repr):
        raise ZeroDivisionError
    assert cluster.producer() is not before


def test_topics_that_get_no_leader_are_an_error_that_names_them(
    broker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "_without_leader", lambda self, topics: list(topics))
    with connected(broker, connect_seconds=0.1) as cluster, pytest.raises(KafkaException) as caught:
        cluster.create({"m_leaderless.t": (1, {})})
    assert caught.value.args[0].str() == "m_leaderless.t cannot be written to 0.1 s after being created"
    with connected(broker) as cluster:
        cluster.delete(["m_leaderless.t"])


def test_deleting_a_topic_that_is_gone_is_no_error(cluster: Cluster) -> None:
    cluster.delete(["m_never.there"])


def test_producers_repeat_and_reorder_nothing_and_readers_see_committed_messages_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, Any] = {}
    for kind in ("Producer", "Consumer"):
        monkeypatch.setattr(client, kind, told.update)
    cluster = Cluster(Endpoint(System.KAFKA, "external", "Kafka", ""))
    cluster.producer()
    cluster.consumer()
    promised = {"enable.idempotence": True, "acks": "all", "isolation.level": "read_committed"}
    assert promised.items() <= told.items()


def test_settings_of_an_endpoint_reach_the_client_under_its_own_names() -> None:
    options = {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "ssl_ca_location": "ca.pem",
    }
    endpoint = Endpoint(System.KAFKA, "external", "Kafka", "", user="u", password="p", options=options)
    found = settings(endpoint)
    assert (
        found.items()
        >= {
            "bootstrap.servers": "a:1,b:2",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "u",
            "sasl.password": "p",
            "ssl.ca.location": "ca.pem",
        }.items()
    )
    assert "ssl.key.location" not in found
