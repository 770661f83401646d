"""Kafka as a source: one topic of keyed events, written and read.

Here live the read modes of a log; how a read ends is said in `read`, what a message means in `events`. It may import
`matrix_defs`, confluent-kafka and the modules beside it.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import repeat

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message

from matrix_defs.errors import ReadError
from matrix_defs.ports import (
    DELETE,
    OP,
    SEQ,
    UPSERT,
    Batch,
    Changes,
    Held,
    Op,
    Partitions,
    Position,
    ReadEnd,
    ReadMode,
    ReadRequest,
    Scope,
    Window,
)
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from resources.held import HeldRows
from resources.kafka.client import Cluster, explained
from resources.kafka.events import PARTITIONS, TOPIC_CONFIG, changes, key_namer, rows_of, topic_name
from resources.kafka.formats import Format
from resources.kafka.publish import Outbox, outbox
from resources.kafka.read import CHUNK_MESSAGES, BoundedRead, fold, refuse_no_key
from resources.types_table import represent


class KafkaSource:
    """One topic whose messages are keyed by the table's key: a value is a whole row, a tombstone its delete.

    Present rows are the last ones per key of the whole log. A position is the next offset of every partition of this
    very topic: one that is made anew under the name is another.
    """

    kind = SourceKind.LOG

    def __init__(self, cluster: Cluster, namespace: str, table: TableSpec, format: Format) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._table = table
        self._format = format
        self._topic = topic_name(namespace, table.name)
        self._reads: list[BoundedRead] = []

    # ------------------------------------------------------------------ what the workload does to it

    def seed(self, rows: pa.Table) -> None:
        """Create the topic and publish one event per row."""
        with explained(ReadError, f"seeding {self._topic}"):
            self._cluster.create({self._topic: (PARTITIONS, TOPIC_CONFIG)})
            self._format.prepare(self._topic, self._table.key_columns, self._table.columns)
            self._upsert(rows)

    def apply(self, changes: Changes) -> None:
        """Publish one event per changed row, in order."""
        with explained(ReadError, f"changing {self._topic}"), self._outbox() as box:
            for change in changes:
                self._send(box, change.rows, deleted=change.op is Op.DELETE)
            box.settle()

    def hold(self, rows: pa.Table) -> Held:
        """Keep the rows back and publish them when they are committed: a log has no order but that of its arrivals."""

        def publish() -> None:
            with explained(ReadError, f"publishing late rows to {self._topic}"):
                self._upsert(rows)

        return HeldRows(publish)

    def drop(self) -> None:
        """Delete the topic, once every read of it is closed."""
        while self._reads:
            self._reads.pop().close()
        with explained(ReadError, f"dropping {self._topic}"):
            topics = self._cluster.topics(self._namespace)
            self._cluster.delete(topics)
            for topic in topics:
                self._format.forget(topic)

    def _upsert(self, rows: pa.Table) -> None:
        with self._outbox() as box:
            self._send(box, rows, deleted=False)
            box.settle()

    def _send(self, box: Outbox, rows: pa.Table, *, deleted: bool) -> None:
        headers = repeat([("op", DELETE if deleted else UPSERT)])
        for start in range(0, rows.num_rows, CHUNK_MESSAGES):
            part = rows.slice(start, CHUNK_MESSAGES)
            keys = self._format.encode(self._topic, part, self._table.key_columns, part="key")
            values: Sequence[bytes | None] = [None] * len(keys)
            if not deleted:
                values = self._format.encode(self._topic, part, self._table.columns, part="value")
            box.send(self._topic, keys, values, headers)

    def _outbox(self) -> AbstractContextManager[Outbox]:
        return outbox(self._cluster, ReadError, key_namer(self._format, self._topic, self._table))

    # ------------------------------------------------------------------ reading

    def read(self, request: ReadRequest) -> Batch:
        """Begin one read. Raises ReadError for a mode that a log has no means for."""
        match request.mode:
            case ReadMode.INCREMENTAL:
                return self._since(request.position, with_deletes=False)
            case ReadMode.INCREMENTAL_AND_DELETES:
                return self._since(request.position, with_deletes=True)
            case ReadMode.SNAPSHOT | ReadMode.WINDOW | ReadMode.PARTITIONS:
                return self._present(request.scope)
        raise ReadError(f"Kafka cannot be read by {request.mode}: a log keeps neither transaction ids nor old rows")

    def _since(self, position: Position | None, *, with_deletes: bool) -> Batch:
        topic_id = self._refuse_another_topic(position)
        offsets = position.value["offsets"] if position else {}
        read = self._opened({int(partition): offset for partition, offset in offsets.items()})
        seen = 0

        def chunks() -> Iterator[pa.RecordBatch]:
            nonlocal seen
            for messages in read:
                seen += len(messages)
                yield from self._rows(messages, with_deletes=with_deletes).to_batches()

        def end() -> ReadEnd:
            reached = {str(partition): offset for partition, offset in sorted(read.offsets.items())}
            return ReadEnd(Position({"topic_id": topic_id, "offsets": reached}) if seen else position)

        schema = self._table.schema
        return Batch(
            schema.append(OP.field).append(SEQ.field) if with_deletes else schema,
            _client_errors(self._topic, chunks()),
            end,
            close=read.close,
        )

    def _refuse_another_topic(self, position: Position | None) -> str:
        """Return what tells the topic from others of its name. Raises ReadError if the position is of another one.

        Offsets do not show it: a topic that was made anew may have grown past them, and rows would be missed silently.
        """
        with explained(ReadError, f"looking for topic {self._topic}"):
            topic_id = self._cluster.identity(self._topic)
        if position and position.value["topic_id"] != topic_id:
            raise ReadError(
                f"Kafka, reading topic {self._topic}: the topic was made anew since the last read, so load it anew"
            )
        return topic_id

    def _rows(self, messages: list[Message], *, with_deletes: bool) -> pa.Table:
        refuse_no_key({message.key(): message for message in messages})
        decode = changes if with_deletes else rows_of
        return decode(self._format, self._topic, self._table, messages)

    def _present(self, scope: Scope) -> Batch:
        read = self._opened({})

        def chunks() -> Iterator[pa.RecordBatch]:
            last = list(fold(read).values())
            for start in range(0, len(last), CHUNK_MESSAGES):
                rows = rows_of(self._format, self._topic, self._table, last[start : start + CHUNK_MESSAGES])
                yield from rows.filter(self._inside(rows, scope)).to_batches()

        return Batch(self._table.schema, _client_errors(self._topic, chunks()), lambda: ReadEnd(None), close=read.close)

    def _inside(self, rows: pa.Table, scope: Scope) -> pa.Array | pa.ChunkedArray:
        """Return for every row whether its day lies in the scope; every day lies in none."""
        day = rows.column(self._table.partition)
        if isinstance(scope, Window):
            return pc.and_(pc.greater_equal(day, scope.start), pc.less(day, scope.end))
        if isinstance(scope, Partitions):
            return pc.is_in(day, pa.array(scope.days, pa.date32()))
        return pa.repeat(True, rows.num_rows)

    def _opened(self, start: dict[int, int]) -> BoundedRead:
        read = BoundedRead(self._cluster, self._topic, start)
        self._reads.append(read)
        return read

    # ------------------------------------------------------------------ position

    def release(self, position: Position) -> None:
        """A log keeps nothing for a reader, so nothing is released."""

    def released(self) -> Position | None:
        """None: a log keeps nothing for a reader."""
        return None

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as messages of this format can hold them."""
        return represent(self._format.types, table, rows)


def _client_errors(topic: str, chunks: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    with explained(ReadError, f"reading {topic}"):
        yield from chunks
