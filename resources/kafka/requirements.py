"""Looking whether a Kafka cluster offers what cases need: topics of their own, and a registry where schemas are used.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `client`, `events` and `formats`.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from confluent_kafka import KafkaException

from matrix_defs.errors import MatrixError
from matrix_defs.namespace import doctor_namespace, new_run
from resources.kafka.client import Cluster, explain
from resources.kafka.events import TOPIC_CONFIG, topic_name
from resources.kafka.formats import Format


def check(cluster: Cluster, make_format: Callable[[], Format], *, with_registry: bool) -> Mapping[str, str]:
    """Return by requirement what is wrong; a registry is asked only where the format needs one."""
    registry = {"schema_registry": _registry(make_format)} if with_registry else {}
    return {"create_topics": _create_topics(cluster), **registry}


def _create_topics(cluster: Cluster) -> str:
    """Create one and delete it: quotas, policies and the replication factor all have a say in it."""
    topic = topic_name(doctor_namespace(new_run()), "t")
    try:
        try:
            cluster.create({topic: (1, TOPIC_CONFIG)})
        except KafkaException as error:
            with suppress(KafkaException):  # it may be there although its answer was lost
                cluster.delete([topic])
            return explain(error)
        cluster.delete([topic])
    except KafkaException as error:
        return f"a topic could be created and not deleted ({topic}): {explain(error)}"
    return ""


def _registry(make_format: Callable[[], Format]) -> str:
    try:
        make_format().topics()
    except MatrixError as error:
        return str(error)
    return ""
