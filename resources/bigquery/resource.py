"""The Dagster resource of BigQuery.

Here lives the resource; SQL and types live beside it. It may import `matrix_defs` and the shared
modules of `resources`.
"""

from typing import ClassVar

from matrix_defs.systems import FACTS, System
from resources.bigquery.types import TYPES
from resources.planned import PlannedResource
from resources.types_table import losses


class BigQueryResource(PlannedResource):
    """BigQuery as far as its plans go."""

    system: ClassVar[System] = System.BIGQUERY
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.BIGQUERY].label, TYPES)
