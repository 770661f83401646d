"""What every system's Dagster resource offers: an endpoint of the kind asked for, and source and sink on it.

Here lives the common face; each system's connection, types, steps and requirements live in its own modules.
It may import `matrix_defs` and Dagster.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from dagster import ConfigurableResource

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.namespace import require_own
from matrix_defs.ports import Sink, Source
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint, Kind
from resources.endpoints.external import VARIABLES
from resources.endpoints.registry import ENDPOINTS
from resources.own_names import Leftover, OwnSink


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

    # ------------------------------------------------------------------ what it must offer

    def check_here(self, kind: Kind) -> Mapping[str, str]:
        """Look at what must lie on this machine: by the name of each requirement what is missing, empty where met.

        The reasons are whole lines. What was not looked at is absent; nothing is reached.
        """
        return {}

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look at what the running service must offer: by the name of each requirement what is wrong, empty where met.

        What does not apply as this resource is configured is absent. Raises SystemUnavailableError where the service
        does not answer any more.
        """
        return {}

    def notes(self, endpoint: Endpoint, rows: int) -> Sequence[str]:
        """Return what people should know before they load workloads of that many rows, such as what it costs."""
        return ()

    # ------------------------------------------------------------------ what cases do with it

    def own_source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return the source of a case. Raises ForeignNameError for a namespace that is no case's own."""
        require_own(namespace)
        return self.source(endpoint, namespace, table)

    def own_sink(self, endpoint: Endpoint) -> Sink:
        """Return the sink of a case, which takes targets in a case's own namespace only."""
        return OwnSink(self.sink(endpoint))

    def leftovers(self, endpoint: Endpoint) -> list[Leftover]:
        """Return what runs, this one too, have made on the service and not dropped, in the order of dropping."""
        return [left for left in self.find_leftovers(endpoint) if left.began]

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return what may be a case's own, by its name; `leftovers` leaves out what is not."""
        return ()

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return the system as a source of one case. Raises SystemUnavailableError where it cannot be one."""
        raise SystemUnavailableError(f"{FACTS[self.system].label} is no source in this version")

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return the system as a sink. Raises SystemUnavailableError where it cannot be one."""
        raise SystemUnavailableError(f"{FACTS[self.system].label} is no sink in this version")
