"""What runs left behind in a Kafka cluster: topics, and subjects of the Schema Registry that may outlive them.

Here lives how they are found and dropped; which of them are a case's own is said by `own_names`. It may import
`client` and `formats`. No consumer may have a topic open while it is dropped.
"""

from collections.abc import Callable

from matrix_defs.errors import LoadError
from resources.kafka.client import Cluster, explained
from resources.kafka.formats import Format
from resources.own_names import Leftover


def find(cluster: Cluster, format: Format) -> list[Leftover]:
    """Return every topic, and every topic that the registry has subjects of. Raises LoadError."""
    with explained(LoadError, "looking for leftovers"):
        topics = cluster.all_topics()
    return [
        *(Leftover("topic", name, _namespace(name), _deleting(cluster, name)) for name in topics),
        *(Leftover("subjects", name, _namespace(name), _forgetting(format, name)) for name in format.topics()),
    ]


def _namespace(topic: str) -> str:
    return topic.partition(".")[0]


def _deleting(cluster: Cluster, topic: str) -> Callable[[], None]:
    def delete() -> None:
        with explained(LoadError, "dropping a leftover"):
            cluster.delete([topic])

    return delete


def _forgetting(format: Format, topic: str) -> Callable[[], None]:
    return lambda: format.forget(topic)
