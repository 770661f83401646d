"""What every system's Dagster resource offers: an endpoint of the kind asked for, and source and sink on it.

Here lives the common face; each system's connection, types and steps live in its own module.
It may import `matrix_defs` and Dagster.
"""

from typing import ClassVar

from dagster import ConfigurableResource

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.ports import Sink, Source
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint, Kind
from resources.endpoints.external import VARIABLES
from resources.endpoints.registry import ENDPOINTS


class SystemResource(ConfigurableResource[None]):
    """A system of the matrix as a Dagster resource. Its fields describe the caller's own service (`external`)."""

    system: ClassVar[System]
    losses: ClassVar[tuple[str, ...]] = ()
    """The declared losses of the system's types table, in words."""

    def declared_losses(self) -> tuple[str, ...]:
        """Return what the system cannot hold as this resource is configured, in words."""
        return self.losses

    def endpoint(self, kind: Kind) -> Endpoint:
        """Return the running service: `embedded` is started on first use, `external` is found through the fields.

        Raises SystemUnavailableError with the reason where it cannot be had.
        """
        variables = (variable for variable in VARIABLES if variable.system is self.system)
        return ENDPOINTS.endpoint(self.system, kind, {v.name: str(getattr(self, v.field)) for v in variables})

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return the system as a source of one case. Raises SystemUnavailableError where it cannot be one."""
        raise SystemUnavailableError(f"{FACTS[self.system].label} is no source in this version")

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return the system as a sink. Raises SystemUnavailableError where it cannot be one."""
        raise SystemUnavailableError(f"{FACTS[self.system].label} is no sink in this version")
