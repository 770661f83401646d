"""The Dagster resource of SQL Server.

Here lives the resource; T-SQL and types live beside it. It may import `matrix_defs` and the shared
modules of `resources`.
"""

from typing import ClassVar

from matrix_defs.systems import FACTS, System
from resources.mssql.types import TYPES
from resources.planned import PlannedResource
from resources.types_table import losses


class MssqlResource(PlannedResource):
    """SQL Server as far as its plans go."""

    system: ClassVar[System] = System.MSSQL
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.MSSQL].label, TYPES)
