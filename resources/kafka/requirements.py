"""Looking whether a Kafka cluster offers what cases need: topics, transactions, and a registry where there are schemas.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `client`, `events`, `formats` and `read`.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress

from confluent_kafka import KafkaException

from matrix_defs.errors import MatrixError, ReadError
from matrix_defs.namespace import doctor_namespace, new_run
from resources.kafka.client import Cluster, explain
from resources.kafka.events import TOPIC_CONFIG, topic_name
from resources.kafka.formats import Format
from resources.kafka.read import BoundedRead


def check(cluster: Cluster, make_format: Callable[[], Format], *, with_registry: bool) -> Mapping[str, str]:
    """Return by requirement what is wrong; a registry is asked only where the format needs one."""
    registry = {"schema_registry": _registry(make_format)} if with_registry else {}
    return _with_a_topic(cluster) | registry


def _with_a_topic(cluster: Cluster) -> dict[str, str]:
    """Create a topic, write to it where there are transactions, and delete it."""
    topic = topic_name(doctor_namespace(new_run()), "t")
    found = {"create_topics": ""}
    try:
        try:
            # Quotas, policies and the replication factor all have a say in it.
            cluster.create({topic: (1, TOPIC_CONFIG)})
        except KafkaException as error:
            with suppress(KafkaException):  # it may be there although its answer was lost
                cluster.delete([topic])
            return {"create_topics": explain(error)}
        if cluster.transactions:
            found["transactions"] = _transactions(cluster, topic)
        cluster.delete([topic])
    except KafkaException as error:
        found["create_topics"] = f"a topic could be created and not deleted ({topic}): {explain(error)}"
    return found


def _transactions(cluster: Cluster, topic: str) -> str:
    """Abort a transaction and look whether readers of committed messages see it."""
    try:
        producer, _ = cluster.transactional_producer(topic.partition(".")[0])
        with closing(producer):
            producer.begin_transaction()
            producer.produce(topic, b"aborted", b"aborted")
            producer.flush(cluster.patience)
            producer.abort_transaction(cluster.patience)
        with BoundedRead(cluster, topic) as read:
            seen = sum(map(len, read))
    except KafkaException as error:
        return explain(error)
    except ReadError as error:
        return str(error)
    return "readers of committed messages see what was aborted" if seen else ""


def _registry(make_format: Callable[[], Format]) -> str:
    try:
        make_format().topics()
    except MatrixError as error:
        return str(error)
    return ""
