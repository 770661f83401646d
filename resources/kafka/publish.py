"""Messages on their way to the brokers: produced, and every delivery report checked.

Here live produce calls, their reports and transactions; which messages are sent is said in `source` and `sink`. It may
import `matrix_defs`, confluent-kafka and `client`.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from matrix_defs.errors import LoadError, MatrixError
from resources.kafka.client import MESSAGE_BYTES, Cluster, LastError, explain

Headers = list[tuple[str, str]]

_TICK = 0.1
"""Seconds between two looks at whether something is still under way: another thread may have taken its report."""

_LATE = 2
"""Seconds that the report of a message which expired may come late: the client looks for such once a second."""

_BETWEEN_POLLS = 1_000
"""Messages handed to the producer before the reports that have arrived are looked at."""


def refuse_too_large(
    topic: str, keys: Sequence[bytes], values: Sequence[bytes | None], name_key: Callable[[bytes], str]
) -> None:
    """Raise LoadError for a message that the client would refuse to send, before the first one is sent."""
    for key, value in zip(keys, values, strict=True):
        if value is not None and len(key) + len(value) > MESSAGE_BYTES:
            raise LoadError(
                f"Kafka, publishing to {topic}: the message of key {name_key(key)} has {len(key) + len(value)} bytes,"
                f" and at most {MESSAGE_BYTES} are sent; nothing was published"
            )


class Outbox:
    """Sends messages in order and knows what became of every one of them."""

    def __init__(
        self,
        cluster: Cluster,
        producer: tuple[Producer, LastError],
        *,
        transactional: bool,
        kind: type[MatrixError],
        name_key: Callable[[bytes], str],
    ) -> None:
        """`kind` is what an undelivered message raises; `name_key` tells its key in words."""
        self.ends: dict[str, dict[int, int]] = {}
        """Per topic and partition the offset behind the last message that was delivered."""
        self._cluster = cluster
        self._producer, self._last_error = producer
        self._last_error.text = ""
        self._transactional = transactional
        self._patience = cluster.patience
        self._kind = kind
        self._name_key = name_key
        self._lock = threading.Lock()
        """A report comes in whichever thread polls the producer, which other loads may share."""
        self._under_way: Counter[str] = Counter()
        """Messages by topic that no report has come for."""
        self._undelivered: tuple[str, bytes, KafkaError] | None = None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Make what is sent inside one transaction where the brokers honour one, else nothing more than its parts.

        Brokers answer a commit before readers see it; what is whole is seen by all who read after this.
        """
        if not self._transactional:
            yield
            return
        self._producer.begin_transaction()
        try:
            yield
            self._producer.commit_transaction(self._patience)
        except BaseException:
            with suppress(KafkaException):
                self._producer.abort_transaction(self._patience)
            raise
        hidden = self._cluster.hidden(self.ends)
        if hidden:
            raise self._kind(
                f"Kafka: the transaction is committed, but after {self._patience:g} s readers do not see it yet:"
                f" another one is open in {', '.join(hidden)}"
            )

    def send(
        self, topic: str, keys: Sequence[bytes], values: Sequence[bytes | None], headers: Iterable[Headers]
    ) -> None:
        """Send messages, one per key; a value of None is a tombstone. Raises as soon as one is known undelivered."""
        messages = zip(keys, values, headers, strict=False)
        for number, (key, value, carried) in enumerate(messages, 1):
            self._produce(topic, key, value, carried)
            if number % _BETWEEN_POLLS == 0:
                self._producer.poll(0)
                self._refuse_undelivered()

    def settle(self) -> None:
        """Wait for every report. Raises for a message that was not delivered, naming its key and the error."""
        self._wait()
        self._refuse_undelivered()
        if self._under_way.total():
            topics = ", ".join(topic for topic, messages in self._under_way.items() if messages)
            raise self._kind(
                f"Kafka, publishing to {topics}: {self._under_way.total()} message(s) were not acknowledged for"
                f" {self._patience + _LATE:g} s{self._last_error.beside}"
            )

    def close(self) -> None:
        """Let go of a transactional producer, whose transaction has ended."""
        self._producer.close()

    def drain(self) -> None:
        """Wait until nothing is under way any more, whatever became of it."""
        with suppress(KafkaException):
            self._wait()

    # ------------------------------------------------------------------ its parts

    def _wait(self) -> None:
        """Wait for every report, until none comes for too long.

        Not by `flush`: a fatal error, raised amid it, ends in a SystemError of the next report's callback.
        """
        patience = self._patience + _LATE
        deadline = monotonic() + patience
        while self._under_way.total() and monotonic() < deadline:
            if self._producer.poll(_TICK):
                deadline = monotonic() + patience

    def _produce(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> None:
        while True:
            self._count(topic, 1)
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._report)
                return
            except BufferError:  # the queue is full: it drains, or its messages time out
                self._count(topic, -1)
                self._producer.poll(0.1)
                self._refuse_undelivered()
            except KafkaException as error:
                self._count(topic, -1)
                self._undelivered = (topic, key, error.args[0])
                self._refuse_undelivered()

    def _count(self, topic: str, more: int) -> None:
        with self._lock:
            self._under_way[topic] += more

    def _report(self, error: KafkaError | None, message: Message) -> None:
        with self._lock:
            if error is None:
                ends = self.ends.setdefault(message.topic(), {})
                ends[message.partition()] = max(ends.get(message.partition(), 0), message.offset() + 1)
            else:
                self._undelivered = self._undelivered or (message.topic(), message.key(), error)
            self._under_way[message.topic()] -= 1

    def _refuse_undelivered(self) -> None:
        if self._undelivered:
            topic, key, error = self._undelivered
            raise self._kind(
                f"Kafka, publishing to {topic}: the message of key {self._name_key(key)} was not delivered:"
                f" {explain(error)}{self._last_error.beside}"
            )


@contextmanager
def outbox(
    cluster: Cluster, kind: type[MatrixError], name_key: Callable[[bytes], str], *, transactional_id: str = ""
) -> Iterator[Outbox]:
    """Open an outbox; with a transactional id, and where the brokers honour transactions, one that has them."""
    transactional = bool(transactional_id) and cluster.transactions
    producer = cluster.transactional_producer(transactional_id) if transactional else cluster.producer()
    box = Outbox(cluster, producer, transactional=transactional, kind=kind, name_key=name_key)
    try:
        yield box
    except BaseException:
        cluster.forget_producer()  # an idempotent producer may be unusable after a failure
        if not transactional:  # what arrived later would be missing when the rerun looks, and be doubled by it
            box.drain()
        raise
    if transactional:  # after a failure it is let go: closing would roll back once more, and wait for it for ever
        box.close()
