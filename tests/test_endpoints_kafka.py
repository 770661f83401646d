"""Promises of an endpoint of Kafka that somebody described, on the embedded broker, which knows no transactions.

It may import `resources` and `matrix_defs`.
"""

from collections.abc import Iterator

import pytest
from kafka_local import Broker, connected

from matrix_defs.systems import System
from resources.endpoints import external
from resources.endpoints.endpoint import Endpoint
from resources.kafka import requirements
from resources.kafka.json_format import JsonFormat


@pytest.fixture(scope="module")
def described() -> Iterator[dict[str, str]]:
    with Broker() as broker:
        yield {"MATRIX_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.port}"}


def reached(environ: dict[str, str]) -> Endpoint:
    return external.start(System.KAFKA, environ).endpoint


def test_brokers_that_are_said_to_know_no_transactions_are_shown_to_lack_them(described: dict[str, str]) -> None:
    lacks = reached(described | {"MATRIX_KAFKA_TRANSACTIONS": "false"}).describe()["lacks"]
    assert list(lacks) == ["transactions"]


def test_brokers_lack_nothing_unless_it_is_said(described: dict[str, str]) -> None:
    assert reached(described).describe()["lacks"] == {}


@pytest.mark.parametrize("said", ["true", "false"])
def test_transactions_are_tried_where_they_are_claimed(described: dict[str, str], said: str) -> None:
    endpoint = reached(described | {"MATRIX_KAFKA_TRANSACTIONS": said})
    with connected(endpoint) as cluster:
        found = requirements.check(cluster, JsonFormat, with_registry=False)
        assert cluster.all_topics() == []
    claimed = {"transactions": "readers of committed messages see what was aborted"} if said == "true" else {}
    assert found == {"create_topics": ""} | claimed
