"""Kafka as a sink: one topic of keyed events a target, never mutated.

Here lives what a sink is asked; the course of a load lives in `load`. It may import `matrix_defs`, pyarrow and the
modules beside it.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from confluent_kafka import Message

from matrix_defs.ports import Batch, Encoding, Load, LoadReport, LoadTarget, Position, Step
from matrix_defs.table import TableSpec
from resources.kafka.client import Cluster, explained_load
from resources.kafka.events import PARTITIONS, TOPIC_CONFIG, load_columns, rows_of, topic_name
from resources.kafka.formats import Format
from resources.kafka.load import TopicLoad
from resources.kafka.plan import KafkaDialect
from resources.kafka.read import BoundedRead, fold
from resources.kafka.state import STATE_CONFIG, last_committed, state_topic
from resources.types_table import represent


class KafkaSink:
    """One topic of keyed events a target, and beside it a compacted topic that keeps the position.

    Where the brokers honour transactions a load is one of them: events and position together. Elsewhere the position
    goes last, and a load that broke off is completed by its rerun. Nothing that a topic holds is remembered between
    loads: it is read.
    """

    encodings: frozenset[Encoding] = frozenset({Encoding.ARROW})
    dialect = KafkaDialect()

    def __init__(self, cluster: Cluster, format: Format) -> None:
        self._cluster = cluster
        self._format = format

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that the dialect can tell as events."""
        return self.dialect.supported_steps

    def create(self, target: LoadTarget) -> None:
        """Create the topic of the target and that of the positions. Raises LoadError."""
        topic = _topic(target)
        with explained_load(f"creating {topic}"):
            self._cluster.create({topic: (PARTITIONS, TOPIC_CONFIG), state_topic(target): (1, STATE_CONFIG)})
            self._format.prepare(topic, target.table.key_columns, target.table.columns)

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Stage the batch, run the steps, publish what differs and commit the position.

        Raises LoadError; then the position is as it was. So are the events where the brokers honour transactions, and
        elsewhere unless the error names a message that was not delivered: those before it stay, and the rerun of the
        load completes them without doubling one.
        """
        statements = tuple(self.plan(target, load, steps))
        course = TopicLoad(self._cluster, self._format, target, load)
        report = course.append(batch) if target.appends else course.merge(batch, steps)
        return replace(report, statements=statements)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Describe the events of a load without a broker."""
        return self.dialect.plan(target, load, steps)

    def position(self, target: LoadTarget) -> Position | None:
        """The position that the last load committed."""
        with explained_load("reading the position"):
            return last_committed(self._cluster, target).position

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target: the log itself where rows are appended, else its last event per key."""
        with explained_load("reading the target back"), BoundedRead(self._cluster, _topic(target)) as log:
            chunks = log if target.appends else [list(fold(log).values())]
            return pa.concat_tables([target.schema.empty_table(), *(self._rows(target, chunk) for chunk in chunks)])

    def leftovers(self, target: LoadTarget) -> list[str]:
        """Names of topics in the namespace besides those of the target and of the positions."""
        with explained_load(f"listing the topics of {target.namespace}"):
            topics = self._cluster.topics(target.namespace)
        return sorted(set(topics) - {_topic(target), state_topic(target)})

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as messages of this format can hold them."""
        return represent(self._format.types, table, rows)

    def drop(self, target: LoadTarget) -> None:
        """Delete every topic of the namespace. No consumer has one of them open: every read here closes its own."""
        with explained_load(f"dropping {target.namespace}"):
            topics = self._cluster.topics(target.namespace)
            self._cluster.delete(topics)
            for topic in topics:
                self._format.forget(topic)

    def _rows(self, target: LoadTarget, messages: Sequence[Message]) -> pa.Table:
        rows = rows_of(self._format, _topic(target), target.table, messages)
        for name, column in load_columns(target, messages).items():
            rows = rows.append_column(name, column)
        return rows.select(target.schema.names)


def _topic(target: LoadTarget) -> str:
    return topic_name(target.namespace, target.table.name)
