"""Kafka beside its client: the same payloads produced and consumed by bare calls, and the formats beside serializers.

Here lives what is timed: only the hop itself, never its preparation. It may import everything.
"""

import io
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Self

import fastavro
import orjson
from confluent_kafka import KafkaError, TopicPartition

from matrix_defs.ports import KeyList, LoadTarget, Step
from resources.kafka.avro_types import schema_text
from resources.kafka.client import Cluster
from resources.kafka.events import PARTITIONS, TOPIC_CONFIG
from resources.kafka.formats import Format, make_format
from tests.bench.hops import Hop, SystemHops, timed


class KafkaHops(SystemHops):
    """One topic per hop; the broker keeps every message in memory, so topics are dropped as soon as they are read."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._numbers = count()
        self._cluster: Cluster = self.source._cluster  # type: ignore[attr-defined]
        self._table = self.workload.table
        json, avro = self.resource._format(self.endpoint), make_format("avro", self.endpoint.options["registry_url"])
        self._topic = f"{self.namespace}.{self._table.name}"
        avro.prepare(self._topic, self._table.key_columns, self._table.columns)
        self._formats: dict[str, Format] = {"json": json, "avro": avro}
        self._payloads = {name: self._encoded(format) for name, format in self._formats.items()}
        self._keys = json.encode(self._topic, self.workload.baseline, self._table.key_columns, part="key")
        self._objects = [orjson.loads(value) for value in self._payloads["json"]]
        self._schema = fastavro.parse_schema(orjson.loads(schema_text("value", self._table.columns)))
        self._records = [self._record(value) for value in self._payloads["avro"]]
        return self

    def hops(self) -> dict[str, Hop]:
        """Every hop and raw limit by name."""
        return {
            "kafka raw: produce the same payloads": self.produce,
            "kafka stage (append)": self.append,
            "kafka raw: consume the same payloads": self.consume,
            "kafka read": self.read,
            "raw: orjson.dumps per row": lambda: timed(lambda: [orjson.dumps(row) for row in self._objects]),
            "kafka json render": lambda: timed(lambda: self._encoded(self._formats["json"])),
            "raw: orjson.loads per row": lambda: timed(lambda: list(map(orjson.loads, self._payloads["json"]))),
            "kafka json parse": self._decoding("json"),
            "raw: fastavro.schemaless_writer per row": lambda: timed(self._write_records),
            "kafka avro render": lambda: timed(lambda: self._encoded(self._formats["avro"])),
            "raw: fastavro.schemaless_reader per row": lambda: timed(self._read_records),
            "kafka avro parse": self._decoding("avro"),
            "kafka merge steps": self.steps,
        }

    # ------------------------------------------------------------------ the raw limits

    def produce(self) -> float:
        """Produce payloads that are in memory to a fresh topic, and wait for every report."""
        topic = self._fresh()
        producer, _ = self._cluster.producer()
        failures: list[KafkaError] = []

        def report(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                failures.append(error)

        def work() -> None:
            for key, value in zip(self._keys, self._payloads["json"], strict=True):
                producer.produce(topic, value, key, on_delivery=report)
                producer.poll(0)
            producer.flush()

        seconds = timed(work)
        self._cluster.delete([topic])
        assert not failures
        return seconds

    def consume(self) -> float:
        """Consume the seeded topic to its end, and drop the messages."""
        consumer, _ = self._cluster.consumer()

        def work() -> None:
            open_partitions = set(range(PARTITIONS))
            consumer.assign([TopicPartition(self._topic, partition, 0) for partition in open_partitions])
            while open_partitions:
                for message in consumer.consume(10_000, 0.05):
                    if message.error() is not None:
                        assert message.error().code() == KafkaError._PARTITION_EOF
                        open_partitions.discard(message.partition())

        seconds = timed(work)
        consumer.close()
        return seconds

    # ------------------------------------------------------------------ the hops

    def append(self) -> float:
        """Load rows that are in memory into a fresh topic: encode, publish, commit the position."""
        target = LoadTarget(self.target.namespace, self._table, appends=True)
        self.sink.drop(target)
        self.sink.create(target)
        seconds = self.load_rows(target, self.workload.baseline, (Step.INSERT_STAGED,), KeyList.NONE)
        return sum(seconds.values())

    # ------------------------------------------------------------------ its parts

    def _fresh(self) -> str:
        topic = f"{self.namespace}.raw{next(self._numbers)}"
        self._cluster.create({topic: (PARTITIONS, TOPIC_CONFIG)})
        return topic

    def _encoded(self, format: Format) -> Sequence[bytes]:
        return format.encode(self._topic, self.workload.baseline, self._table.columns, part="value")

    def _decoding(self, name: str) -> Callable[[], float]:
        def decode() -> Any:
            return self._formats[name].decode(self._topic, self._payloads[name], self._table.columns, part="value")

        return lambda: timed(decode)

    def _record(self, payload: bytes) -> Any:
        return fastavro.schemaless_reader(io.BytesIO(payload[5:]), self._schema, None)

    def _read_records(self) -> None:
        for payload in self._payloads["avro"]:
            self._record(payload)

    def _write_records(self) -> None:
        for record in self._records:
            fastavro.schemaless_writer(io.BytesIO(), self._schema, record)
