"""The bounded read of a topic: from given offsets to where the log ended when it was first looked at.

Here live the end of a read and the fold of a log; what messages mean lives in `source` and `sink`. It may import
`matrix_defs`, confluent-kafka, numpy and `client`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from time import monotonic

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

from matrix_defs.errors import ReadError
from resources.kafka.client import Cluster, explain

CHUNK_MESSAGES = 10_000
CHUNK_BYTES = 32 * 1024 * 1024
"""A chunk is handed over once it holds so many messages or bytes."""

_TICK = 0.5
"""Seconds between two looks at whether the read can still end."""


class BoundedRead:
    """One pass over a topic, from the given offsets (the beginning where none is given) to its end.

    The end of a partition is the high watermark that its first fetch carries, recorded once. ListOffsets is not asked:
    brokers may answer it wrongly, and fetches are right everywhere. A partition ends at the first of: its end of file,
    the last offset before the end, an offset beyond it (compaction and transaction markers leave gaps); that message
    is dropped. So the read ends under a producer that keeps writing, and never because time has passed.
    Iterate it once; close it, or use it as a context manager, before its topic is deleted.
    """

    def __init__(self, cluster: Cluster, topic: str, start: Mapping[int, int] | None = None) -> None:
        """Find the topic's partitions. Raises ReadError where it does not exist or the brokers do not answer."""
        self._topic = topic
        self._patience = cluster.patience
        self._start = dict(start or {})
        partitions = cluster.partitions(topic)
        stranger = sorted(self._start.keys() - set(partitions))
        if stranger:
            raise ReadError(
                f"Kafka, reading topic {topic}: the position names partition {stranger[0]}, which the topic does not"
                " have; it was made anew, so load it anew"
            )
        self._consumer, self._last_error = cluster.consumer(reset="error" if self._start else "earliest")
        self._open = set(partitions)
        self._ends: dict[int, int] = {}
        self.offsets = {partition: self._start.get(partition, 0) for partition in partitions}
        """The next offset of every partition: after the last message handed over, at the end after the last of all."""

    def __iter__(self) -> Iterator[list[Message]]:
        """Yield messages in the order of each partition, each once. Raises ReadError."""
        # Asking for the beginning by name costs a new consumer half a second, so offset 0 is tried first.
        beginning = OFFSET_BEGINNING if self._start else 0
        first = {partition: self._start.get(partition, beginning) for partition in self._open}
        self._consumer.assign([TopicPartition(self._topic, *place) for place in first.items()])
        chunk: list[Message] = []
        size = 0
        while self._open:
            kept = self._kept(self._fetch())
            chunk += kept
            size += sum(map(len, kept))
            if len(chunk) >= CHUNK_MESSAGES or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def close(self) -> None:
        """Let go of the topic; safe to call twice."""
        self._consumer.close()

    def __enter__(self) -> "BoundedRead":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ its parts

    def _fetch(self) -> list[Message]:
        """Wait for the next messages and take what else has arrived."""
        deadline = monotonic() + self._patience
        while True:
            messages = self._consumer.consume(1, min(_TICK, self._patience))
            if messages:
                return [*messages, *self._consumer.consume(CHUNK_MESSAGES, 0)]
            self._refuse_lost_positions()
            if monotonic() >= deadline:
                silent = ", ".join(map(str, sorted(self._open)))
                raise ReadError(
                    f"Kafka, reading topic {self._topic}: partition(s) {silent} sent nothing for {self._patience:g} s,"
                    f" not even that they have ended{self._last_error.beside}"
                )

    def _kept(self, messages: list[Message]) -> list[Message]:
        """Return the messages that belong to the read, and note how far it has come."""
        events = [message for message in messages if message.error() is None]
        partitions = np.fromiter(map(Message.partition, events), np.int64, len(events))
        offsets = np.fromiter(map(Message.offset, events), np.int64, len(events))
        keep = np.zeros(len(events), bool)
        for partition in self._open.intersection(np.unique(partitions).tolist()):
            here = partitions == partition
            keep[here] = self._advance(partition, offsets[here])
        for message in messages:
            if message.error() is not None:
                self._take_note(message)
        return list(compress(events, keep))

    def _advance(self, partition: int, offsets: np.ndarray) -> np.ndarray:
        """Return which offsets are new and lie before the end; a client that fetches again may bring one twice."""
        end = self._end(partition)
        before = np.maximum.accumulate(np.concatenate([[self.offsets[partition] - 1], offsets[:-1]]))
        new = (offsets > before) & (offsets < end)
        last = max(int(offsets.max()) + 1, self.offsets[partition])
        self.offsets[partition] = min(last, end)
        if last >= end:
            self._finish(partition)
        return new

    def _end(self, partition: int) -> int:
        """Return the high watermark that the partition's first fetch carried."""
        if partition not in self._ends:
            high = self._high_watermark(partition)
            if high < 0:
                raise ReadError(f"Kafka, reading topic {self._topic}: a fetch of partition {partition} told no end")
            self._ends[partition] = high
        return self._ends[partition]

    def _high_watermark(self, partition: int) -> int:
        """Return what the latest fetch carried; negative before the first."""
        known = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return known[1] if known else -1

    def _take_note(self, message: Message) -> None:
        """Note that a partition has ended. Raises ReadError for what else the client has to say."""
        error, partition = message.error(), message.partition()
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return  # the client looks for its group's coordinator unasked; nothing here needs one
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise self._lost(partition)
        if error.code() != KafkaError._PARTITION_EOF:
            raise ReadError(f"Kafka, reading topic {self._topic}, partition {partition}: {explain(error)}")
        if partition in self._open:
            self.offsets[partition] = max(self.offsets[partition], message.offset())
            self._finish(partition)

    def _finish(self, partition: int) -> None:
        self._open.discard(partition)
        self._consumer.pause([TopicPartition(self._topic, partition)])

    def _refuse_lost_positions(self) -> None:
        """A broker may answer an offset behind the end of its log with silence."""
        for partition in self._open & self._start.keys():
            if 0 <= self._high_watermark(partition) < self._start[partition]:
                raise self._lost(partition)

    def _lost(self, partition: int) -> ReadError:
        place = f"offset {self._start.get(partition, 0)} of partition {partition}"
        return ReadError(
            f"Kafka, reading topic {self._topic}: the log does not hold {place}, where the last read stopped: messages"
            " were deleted or the topic was made anew, so load it anew"
        )


def fold(chunks: Iterable[list[Message]]) -> dict[bytes, Message]:
    """Return the last message of every key, tombstones left out, as compaction would: a key lives in one partition.

    Raises ReadError for a message without a key.
    """
    last: dict[bytes | None, Message] = {}
    for messages in chunks:
        last.update(zip(map(Message.key, messages), messages, strict=True))
    refuse_no_key(last)
    return {key: message for key, message in last.items() if key is not None and message.value() is not None}


def refuse_no_key(by_key: Mapping[bytes | None, Message]) -> None:
    """Raise ReadError if a message has no key: without one it replaces nothing and a tombstone deletes nothing."""
    if None in by_key:
        stray = by_key[None]
        raise ReadError(
            f"Kafka, reading topic {stray.topic()}: the message at offset {stray.offset()} of partition"
            f" {stray.partition()} has no key; only a topic whose messages are keyed can be read as a table"
        )
