"""BigQuery as a Dagster resource.

Here live its settings and what is made of them; the work is done in `sink`, on the client of dagster-gcp's resource. It
may import those and Dagster; Google's clients are imported when a sink is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.ports import Sink
from matrix_defs.requirements import DRIVER
from matrix_defs.systems import FACTS, System
from resources.bigquery.types import TYPES
from resources.endpoints.endpoint import Endpoint, Kind
from resources.endpoints.needs import require
from resources.own_names import Leftover
from resources.system import SystemResource
from resources.types_table import losses


class BigQueryResource(SystemResource):
    """BigQuery, or what speaks its two interfaces. Every case works in a dataset of its own."""

    system: ClassVar[System] = System.BIGQUERY
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.BIGQUERY].label, TYPES)

    project: str = Field(
        default="", description="Project that holds the datasets and pays; for external endpoints only."
    )
    location: str = Field(default="US", description="Where datasets are made and jobs run, such as EU.")
    credentials_file: str = Field(
        default="", description="Path of a service account's key; empty = application default credentials."
    )
    maximum_bytes_billed: int = Field(default=0, ge=0, description="Most bytes that one job may bill; 0 = no limit.")
    statement_seconds: str = Field(default="600", description="Longest that the service lets one job run.")
    base_url: str = Field(default="https://bigquery.googleapis.com", description="Address of the REST interface.")
    grpc: str = Field(
        default="", description="host:port of an emulator's Storage Read interface, which it needs; empty = Google's."
    )

    def check_here(self, kind: Kind) -> Mapping[str, str]:
        """Look for Google's clients, and for credentials where the service is one that asks for them."""
        try:
            require(self.system, "dagster_gcp")
        except SystemUnavailableError as missing:
            return {DRIVER: str(missing)}
        if kind != "external" or not self.project or self.base_url.startswith("http://"):
            return {DRIVER: ""}
        from resources.bigquery.client import connect

        options = {"project": self.project, "location": self.location, "base_url": self.base_url}
        options |= {"credentials_file": self.credentials_file} if self.credentials_file else {}
        try:
            connect(Endpoint(self.system, kind, FACTS[self.system].label, "", options=options)).close()
        except SystemUnavailableError as refusal:
            return {DRIVER: "", "credentials": str(refusal)}
        return {DRIVER: "", "credentials": ""}

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look whether datasets can be made, jobs run and rows read."""
        from resources.bigquery import requirements

        return requirements.check(endpoint)

    def notes(self, endpoint: Endpoint, rows: int) -> Sequence[str]:
        """Return what a case costs; an emulator bills nothing."""
        from resources.bigquery import requirements

        return () if endpoint.emulator else (requirements.cost(endpoint, rows),)

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return datasets."""
        from resources.bigquery import leftovers

        return leftovers.find(endpoint)

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return BigQuery as a sink of one case."""
        from resources.bigquery.sink import BigQuerySink

        return BigQuerySink(endpoint)
