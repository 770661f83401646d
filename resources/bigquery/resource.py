"""BigQuery as a Dagster resource.

Here live its settings and what is made of them; the work is done in `sink`, on the client of dagster-gcp's resource. It
may import those and Dagster; Google's clients are imported when a sink is asked for.
"""

from typing import ClassVar

from pydantic import Field

from matrix_defs.ports import Sink
from matrix_defs.systems import FACTS, System
from resources.bigquery.types import TYPES
from resources.endpoints.endpoint import Endpoint
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
    base_url: str = Field(default="https://bigquery.googleapis.com", description="Address of the REST interface.")
    grpc: str = Field(default="", description="host:port of an emulator's Storage Read interface; empty = Google's.")

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return BigQuery as a sink of one case."""
        from resources.bigquery.sink import BigQuerySink

        return BigQuerySink(endpoint)
