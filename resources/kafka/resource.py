"""Kafka as a Dagster resource.

Here live its settings, the one cluster per endpoint that all cases share, and the choice of the messages' format; the
work is done in `source` and `sink`. It may import those, Dagster and the endpoints.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from dagster import InitResourceContext
from pydantic import Field, PrivateAttr

from matrix_defs.ports import Sink, Source
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.kafka import leftovers, requirements
from resources.kafka.client import Cluster
from resources.kafka.formats import Format, make_format, types_of
from resources.kafka.sink import KafkaSink
from resources.kafka.source import KafkaSource
from resources.kafka.types import TYPES
from resources.own_names import Leftover
from resources.system import SystemResource
from resources.types_table import losses

_CONNECTING = threading.Lock()


class KafkaResource(SystemResource):
    """A Kafka cluster. Every case works in topics of its own, `m_<run>_<case>.<table>`."""

    system: ClassVar[System] = System.KAFKA
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.KAFKA].label, TYPES)

    bootstrap_servers: str = Field(
        default="", description="host:port of one broker or more, comma list; used by external endpoints only."
    )
    security_protocol: str = Field(default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    sasl_mechanism: str = Field(default="", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, where SASL is used.")
    user: str = Field(default="", description="SASL user that may create, write, read and delete topics.")
    password: str = Field(default="", description="SASL password; give it as an EnvVar.")
    ssl_ca_location: str = Field(default="", description="File of the CA certificates that may sign the brokers'.")
    ssl_certificate_location: str = Field(default="", description="File of the client's certificate.")
    ssl_key_location: str = Field(default="", description="File of the client's key.")
    ssl_endpoint_identification_algorithm: str = Field(
        default="", description="https or none: whether a broker's certificate must name the host; it must, if empty."
    )
    transactions: str = Field(
        default="true", description="true where the brokers hide aborted records from readers, as Apache Kafka does."
    )
    message_format: Literal["json", "avro"] = Field(default="json", description="How keys and values are written.")
    registry_url: str = Field(default="", description="Address of the Schema Registry; avro needs one.")
    registry_user: str = Field(default="", description="User of the Schema Registry.")
    registry_password: str = Field(default="", description="Password of the Schema Registry; give it as an EnvVar.")
    registry_ca_location: str = Field(default="", description="File of the CA certificates of the Schema Registry.")

    _clusters: dict[str, Cluster] = PrivateAttr(default_factory=dict)

    def declared_losses(self) -> tuple[str, ...]:
        """Return what the chosen format cannot carry, in words."""
        return losses(FACTS[System.KAFKA].label, types_of(self.message_format))

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look whether topics can be made, and whether the registry answers where the format uses one."""
        avro = self.message_format == "avro"
        return requirements.check(self._cluster(endpoint), lambda: self._format(endpoint), with_registry=avro)

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return topics, and subjects where the format has such."""
        return leftovers.find(self._cluster(endpoint), self._format(endpoint))

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return a topic of keyed events as a source of one case."""
        return KafkaSource(self._cluster(endpoint), namespace, table, self._format(endpoint))

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return topics of keyed events as a sink of one case."""
        return KafkaSink(self._cluster(endpoint), self._format(endpoint))

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Close the clients when Dagster is done with the resource."""
        self.close()

    def close(self) -> None:
        """Close the clients; a source or sink asked for afterwards opens new ones."""
        while self._clusters:
            self._clusters.popitem()[1].close()

    def _cluster(self, endpoint: Endpoint) -> Cluster:
        """Return the cluster of an endpoint: its clients cost half a second to set up, so all cases share them."""
        with _CONNECTING:
            return self._clusters.setdefault(endpoint.options["bootstrap_servers"], Cluster(endpoint))

    def _format(self, endpoint: Endpoint) -> Format:
        return make_format(
            self.message_format,
            endpoint.options.get("registry_url"),
            user=self.registry_user or None,
            password=self.registry_password or None,
            ca_location=self.registry_ca_location or None,
        )
