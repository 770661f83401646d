"""A local schema registry for the tests of Avro: one for a test file, no broker.

It may import everything.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from resources.endpoints import schema_registry
from resources.endpoints.loopback import LoopbackService
from resources.kafka.avro_format import AvroFormat
from resources.kafka.formats import Registry

TOPICS = count()


@pytest.fixture(scope="module")
def service() -> Iterator[LoopbackService]:
    running = schema_registry.start()
    yield running
    running.stop()


@pytest.fixture
def format(service: LoopbackService) -> AvroFormat:
    return AvroFormat(Registry(service.base_url))


@pytest.fixture
def client(service: LoopbackService) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": service.base_url}) as made:
        yield made


@pytest.fixture
def topic() -> str:
    return f"m_run.orders_{next(TOPICS)}"
