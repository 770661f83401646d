"""The Dagster resource of Kafka.

Here lives the resource; events and types live beside it. It may import `matrix_defs` and the shared
modules of `resources`.
"""

from typing import ClassVar

from matrix_defs.systems import FACTS, System
from resources.kafka.types import TYPES
from resources.planned import PlannedResource
from resources.types_table import losses


class KafkaResource(PlannedResource):
    """Kafka as far as its plans go."""

    system: ClassVar[System] = System.KAFKA
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.KAFKA].label, TYPES)
