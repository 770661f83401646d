"""A Kafka cluster as this process talks to it: how clients are configured, which topics there are, what an error says.

Here live producers, consumers and the administration of topics; what is read and published lives in `read` and
`publish`. It may import `matrix_defs`, confluent-kafka and the endpoints.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from matrix_defs.errors import LoadError, MatrixError, ReadError
from resources.endpoints.endpoint import Endpoint

PATIENCE = 30.0
"""Seconds without any progress after which a broker counts as gone."""

CONNECT_SECONDS = 10.0
"""Seconds in which a cluster must tell its topics."""

_OPTIONS = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "ssl_ca_location": "ssl.ca.location",
    "ssl_certificate_location": "ssl.certificate.location",
    "ssl_key_location": "ssl.key.location",
    "ssl_endpoint_identification_algorithm": "ssl.endpoint.identification.algorithm",
}
"""Options of an endpoint that librdkafka knows by another name."""

_COMMON: Mapping[str, Any] = {
    "client.id": "integration-matrix",
    "log_level": 0,  # what is worth saying reaches `error_cb`; the log would go to stderr
    "socket.nagle.disable": True,
}

# A bounded read never waits for what is yet to come: a broker that has nothing more says so at once, and a queue that
# was full is filled again at once.
_CONSUMER: Mapping[str, Any] = {
    "group.id": "integration-matrix",  # asked for by the client; nothing joins a group and nothing is committed
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 32 * 1024,
    "max.poll.interval.ms": 24 * 60 * 60 * 1000,
}

_PRODUCER: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # where the Java clients put a key
    "compression.type": "lz4",
    "message.timeout.ms": int(PATIENCE * 1000),
    "queue.buffering.max.kbytes": 64 * 1024,
}

MESSAGE_BYTES = 1_000_000
"""Greatest size of key and value together; what brokers take unless they are told otherwise."""

_FRAME_BYTES = 16 * 1024
"""What headers and the protocol may add to that; brokers take 1,048,588 bytes unless they are told otherwise."""


def settings(endpoint: Endpoint) -> dict[str, Any]:
    """Return how librdkafka reaches and enters the cluster. It holds the password: never print it."""
    servers = endpoint.options.get("bootstrap_servers") or f"{endpoint.host}:{endpoint.port}"
    found = {name: endpoint.options.get(option) for option, name in _OPTIONS.items()}
    found |= {"sasl.username": endpoint.user, "sasl.password": endpoint.password}
    return {**_COMMON, "bootstrap.servers": servers, **{name: value for name, value in found.items() if value}}


def explain(error: BaseException | KafkaError) -> str:
    """Return one line of what the client or the broker said."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    text = f"{cause.str()} ({cause.name()})" if isinstance(cause, KafkaError) else str(cause)
    return " ".join(text.split())


@contextmanager
def explained(kind: type[MatrixError], doing: str) -> Iterator[None]:
    """Turn the client's errors into one line of that kind."""
    try:
        yield
    except KafkaException as error:
        raise kind(f"Kafka, {doing}: {explain(error)}") from error


@contextmanager
def explained_load(doing: str) -> Iterator[None]:
    """Turn the client's errors, and those of reading what the sink itself has written, into LoadError."""
    try:
        with explained(LoadError, doing):
            yield
    except ReadError as error:
        raise LoadError(str(error)) from error


class LastError:
    """What a client reported last besides the answers to its calls, such as a refused connection."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, error: KafkaError) -> None:
        """Note an error; the client calls this while it is polled."""
        self.text = explain(error)

    @property
    def beside(self) -> str:
        """What was reported, to be put behind another text."""
        return f": {self.text}" if self.text else ""


class Cluster:
    """One cluster. Shared by the sources and sinks of a process; safe to use from several threads.

    The methods raise KafkaException; `explained` says what that means to the caller.
    """

    def __init__(self, endpoint: Endpoint, *, patience: float = PATIENCE, connect_seconds: float = CONNECT_SECONDS):
        self.transactions = endpoint.options.get("transactions") == "true"
        """The brokers honour transactions: what was aborted is hidden from readers."""
        self.patience = patience
        self._connect_seconds = connect_seconds
        self._settings = settings(endpoint)
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._asker: tuple[Consumer, LastError] | None = None
        self._producer: tuple[Producer, LastError] | None = None

    # ------------------------------------------------------------------ clients

    def consumer(self, *, reset: Literal["error", "earliest"] = "error") -> tuple[Consumer, LastError]:
        """Return a new consumer without partitions, and what it reports. The caller closes it.

        `reset` is what an offset that the log does not hold leads to.
        """
        last = LastError()
        return Consumer({**self._settings, **_CONSUMER, "auto.offset.reset": reset, "error_cb": last}), last

    def producer(self) -> tuple[Producer, LastError]:
        """Return the idempotent producer that all share, and what it reports: it takes half a second to get its
        identity.
        """
        with self._lock:
            if self._producer is None:
                self._producer = self._new_producer()
            return self._producer

    def transactional_producer(self, name: str) -> tuple[Producer, LastError]:
        """Return a producer whose transactions carry this name, and what it reports.

        Earlier ones of the name are fenced and rolled back.
        """
        producer, last = self._new_producer({"transactional.id": name, "transaction.timeout.ms": 300_000})
        try:
            producer.init_transactions(self.patience)
        except KafkaException as error:
            producer.poll(0)
            cause = error.args[0]
            raise KafkaException(KafkaError(cause.code(), f"{cause.str()}{last.beside}")) from error
        return producer, last

    def forget_producer(self) -> None:
        """Let the next one who asks have a new producer: after a failure this one may be of no more use."""
        with self._lock:
            self._producer = None

    def close(self) -> None:
        """Let go of the shared clients; they are made anew when asked for."""
        self.forget_producer()
        with self._lock:
            asker, self._asker, self._admin = self._asker, None, None
        if asker:
            asker[0].close()

    def _new_producer(self, more: Mapping[str, Any] = MappingProxyType({})) -> tuple[Producer, LastError]:
        last = LastError()
        limits = {
            "message.timeout.ms": min(int(self.patience * 1000), _PRODUCER["message.timeout.ms"]),
            "message.max.bytes": MESSAGE_BYTES + _FRAME_BYTES,
        }
        return Producer({**self._settings, **_PRODUCER, **limits, **more, "error_cb": last}), last

    # ------------------------------------------------------------------ topics

    def check(self) -> None:
        """Return once the brokers have answered. Raises ReadError, also for settings that the client refuses."""
        try:
            asker, last_error = self._asking()
        except KafkaException as error:
            raise ReadError(f"the client refuses its settings: {explain(error)}") from error
        try:
            asker.list_topics(timeout=self._connect_seconds)
        except KafkaException as error:
            asker.poll(0)
            raise ReadError(f"{explain(error)}{last_error.beside}") from error

    def hidden(self, ends: Mapping[str, Mapping[int, int]]) -> list[str]:
        """Return the topics that readers of committed messages cannot read up to these offsets, once patience is over.

        For brokers that honour transactions alone: others answer wrongly.
        """
        waiting = Retrying(
            retry=retry_if_result(bool),
            wait=wait_fixed(0.005),
            stop=stop_after_delay(self.patience),
            retry_error_callback=lambda last: last.outcome and last.outcome.result(),
        )
        found: list[str] = waiting(self._hidden, ends)
        return found

    def _hidden(self, ends: Mapping[str, Mapping[int, int]]) -> list[str]:
        asker, _ = self._asking()
        late = set()
        for topic, places in ends.items():
            for partition, end in places.items():
                _, seen = asker.get_watermark_offsets(TopicPartition(topic, partition), self._connect_seconds)
                if seen < end:
                    late.add(topic)
        return sorted(late)

    def partitions(self, topic: str) -> list[int]:
        """Return the partitions of a topic. Raises ReadError where there is none or no broker answers."""
        asker, last_error = self._asking()
        try:
            found = asker.list_topics(topic, self._connect_seconds).topics[topic]
            if found.error:
                raise KafkaException(found.error)
        except KafkaException as error:
            asker.poll(0)
            raise ReadError(f"Kafka, looking for topic {topic}: {explain(error)}{last_error.beside}") from error
        return sorted(found.partitions)

    def identity(self, topic: str) -> str:
        """Return what tells a topic from one of the same name that is made after it was deleted.

        Brokers before 2.8 give all topics the same.
        """
        found = self._administration().describe_topics(TopicCollection([topic]), request_timeout=self._connect_seconds)
        return str(found[topic].result().topic_id)

    def topics(self, namespace: str) -> list[str]:
        """Return the names of the topics of a namespace, sorted; none where there is no such namespace."""
        return [name for name in self.all_topics() if name.startswith(f"{namespace}.")]

    def all_topics(self) -> list[str]:
        """Return the names of all topics, sorted."""
        return sorted(self._administration().list_topics(timeout=self._connect_seconds).topics)

    def create(self, topics: Mapping[str, tuple[int, Mapping[str, str]]]) -> None:
        """Create topics, given partitions and settings of each, and wait until the brokers know them."""
        wanted = [NewTopic(name, count, -1, config=dict(config)) for name, (count, config) in topics.items()]
        for future in self._administration().create_topics(wanted, **self._in_time()).values():
            future.result()
        waiting = Retrying(
            retry=retry_if_result(bool), wait=wait_fixed(0.05), stop=stop_after_delay(self._connect_seconds)
        )
        try:
            waiting(self._without_leader, topics)
        except RetryError as error:
            late = ", ".join(error.last_attempt.result())
            reason = f"{late} cannot be written to {self._connect_seconds:g} s after being created"
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, reason)) from None

    def delete(self, topics: Iterable[str]) -> None:
        """Delete topics. Every consumer that has one of them must be closed: an open one crashes the process.

        The embedded broker answers a question about a deleted topic in a form that librdkafka 2.16 does not survive.
        """
        names = list(topics)
        if not names:
            return
        for future in self._administration().delete_topics(names, **self._in_time()).values():
            try:
                future.result()
            except KafkaException as error:
                # Brokers learn of a delete one after the other, so a topic may be listed that is gone already.
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise

    def _in_time(self) -> dict[str, float]:
        """How long the brokers and the client may take; the client's own limit makes a KafkaException of it."""
        return {"operation_timeout": self.patience, "request_timeout": self.patience}

    def _without_leader(self, topics: Iterable[str]) -> list[str]:
        """Return the topics that cannot be written to yet."""
        asker, _ = self._asking()
        known = [asker.list_topics(topic, self._connect_seconds).topics[topic] for topic in topics]
        return [topic.topic for topic in known if topic.error or any(p.leader < 0 for p in topic.partitions.values())]

    def _asking(self) -> tuple[Consumer, LastError]:
        """Return the consumer that asks for topics: the same question by a producer may create the topic."""
        with self._lock:
            if self._asker is None:
                self._asker = self.consumer()
            return self._asker

    def _administration(self) -> AdminClient:
        with self._lock:
            if self._admin is None:
                self._admin = AdminClient({**self._settings, "error_cb": lambda error: None})
            return self._admin
