"""SQL Server as a Dagster resource.

Here live its settings and what is made of them; the work is done in `source` and `sink`, which are imported when asked
for: pyodbc cannot be loaded everywhere. It may import those, `driver` and Dagster.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.ports import Sink, Source
from matrix_defs.requirements import DRIVER
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint, Kind
from resources.mssql import driver
from resources.mssql.types import TYPES
from resources.own_names import Leftover
from resources.system import SystemResource
from resources.types_table import losses


class MssqlResource(SystemResource):
    """SQL Server 2017 or later, or Azure SQL. As a source it asks for a database that allows snapshot isolation."""

    system: ClassVar[System] = System.MSSQL
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.MSSQL].label, TYPES)

    host: str = Field(default="", description="Host of your own server; used by external endpoints only.")
    port: str = Field(default="1433", description="TCP port.")
    user: str = Field(default="", description="Login that may create schemas and tables in the database.")
    password: str = Field(default="", description="Password of the login; give it as an EnvVar.")
    database: str = Field(default="", description="Database in which the cases make their schemas.")
    encrypt: str = Field(default="yes", description="Encryption as ODBC names it: yes, no or strict.")
    trust_server_certificate: str = Field(
        default="no", description="yes = take any certificate, such as the one that a new server makes for itself."
    )
    writer: str = Field(
        default="fastest", description="bulkcopy, bcp or fast_executemany; fastest = the first that is here."
    )
    cdc_mode: str = Field(
        default="change_tracking", description="How changes are read: change_tracking (net) or cdc (every one)."
    )

    statement_seconds: str = Field(default="600", description="Longest that one statement may run.")

    def check_here(self, kind: Kind) -> Mapping[str, str]:
        """Look for the drivers, and for the library that ODBC needs."""
        try:
            driver.load_all()
            driver.odbc_driver()
        except SystemUnavailableError as missing:
            return {DRIVER: str(missing)}
        return {DRIVER: ""}

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look at version and privileges, and at what a source needs."""
        from resources.mssql import requirements

        return requirements.check(endpoint)

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return schemas, and partition schemes and functions that have lost theirs."""
        from resources.mssql import leftovers

        return leftovers.find(endpoint)

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return SQL Server as a source of one case. Raises SystemUnavailableError where a driver is missing."""
        driver.load_all()
        from resources.mssql.source import MssqlSource

        return MssqlSource(endpoint, namespace, table)

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return SQL Server as a sink of one case. Raises SystemUnavailableError where a driver is missing."""
        driver.load_all()
        from resources.mssql.sink import MssqlSink

        return MssqlSink(endpoint)
