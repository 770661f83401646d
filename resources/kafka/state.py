"""What a load leaves behind besides its events: the position, and where the target's log ended.

Here lives the record of one committed load, in the state topic; who writes it when is the sink's matter. It may import
`matrix_defs` and the modules beside it.
"""

import json
from dataclasses import dataclass

from matrix_defs.ports import LoadTarget, Position
from resources.kafka.client import Cluster
from resources.kafka.events import topic_name
from resources.kafka.read import BoundedRead, fold
from resources.sql_tables import STATE_TABLE

STATE_CONFIG = {"cleanup.policy": "compact"}


@dataclass(frozen=True)
class Committed:
    """What the last load that ended has left."""

    position: Position | None = None
    offsets: dict[int, int] | None = None
    """Per partition where the target's log ended: what lies behind was written by a load that never ended."""


def state_topic(target: LoadTarget) -> str:
    """Return the name of the compacted topic that keeps one record per target."""
    return topic_name(target.namespace, STATE_TABLE)


def state_key(target: LoadTarget) -> bytes:
    """Return the key of the target's record."""
    return json.dumps({"target": target.table.name}).encode()


def state_value(committed: Committed) -> bytes:
    """Return the record of a load that ends."""
    position = committed.position.value if committed.position else None
    return json.dumps({"position": position, "offsets": committed.offsets or {}}, sort_keys=True).encode()


def last_committed(cluster: Cluster, target: LoadTarget) -> Committed:
    """Return what the last load that ended has left. Raises ReadError where there is no state topic."""
    with BoundedRead(cluster, state_topic(target)) as read:
        found = fold(read).get(state_key(target))
    if found is None:
        return Committed()
    record = json.loads(found.value())
    position = Position(record["position"]) if record["position"] is not None else None
    return Committed(position, {int(partition): offset for partition, offset in record["offsets"].items()})
