"""PostgreSQL as a Dagster resource.

Here live its settings and what is made of them; the work is done in `source` and `sink`. It may import those and
Dagster.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from matrix_defs.ports import Sink, Source
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.own_names import Leftover
from resources.postgres import leftovers, requirements
from resources.postgres.sink import PostgresSink
from resources.postgres.source import PostgresSource
from resources.postgres.types import TYPES
from resources.system import SystemResource
from resources.types_table import losses


class PostgresResource(SystemResource):
    """PostgreSQL 14 or later; cdc needs wal_level = logical and a role that may create replication slots."""

    system: ClassVar[System] = System.POSTGRES
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.POSTGRES].label, TYPES)

    host: str = Field(default="", description="Host of your own server; used by external endpoints only.")
    port: str = Field(default="5432", description="TCP port.")
    user: str = Field(default="", description="Role that may create schemas, publications and replication slots.")
    password: str = Field(default="", description="Password of the role; give it as an EnvVar.")
    database: str = Field(default="postgres", description="Database in which the cases make their schemas.")
    sslmode: str = Field(default="prefer", description="TLS mode as libpq names it, up to verify-full.")
    sslrootcert: str = Field(default="", description="File of the CA certificates that may sign the server's.")
    statement_seconds: str = Field(default="600", description="Longest that the server lets one statement run.")

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look at version and privileges, and at what a change stream needs."""
        return requirements.check(endpoint)

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return slots, publications and schemas."""
        return leftovers.find(endpoint)

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return PostgreSQL as a source of one case."""
        return PostgresSource(endpoint, namespace, table)

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return PostgreSQL as a sink of one case."""
        return PostgresSink(endpoint)
