"""A system whose plans exist and whose connection does not yet.

Here lives the resource that says so; each such system's types and plans live with the system. It may import
`matrix_defs` and the shared modules of `resources`.
"""

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import FACTS
from resources.endpoints.endpoint import Endpoint
from resources.system import SystemResource


class PlannedResource(SystemResource):
    """A system as far as its plans go: its cases are `not_run` wherever rows would move."""

    def endpoint(self, kind: str) -> Endpoint:
        """Raise SystemUnavailableError: there is no connection to be had."""
        label = FACTS[self.system].label
        raise SystemUnavailableError(
            f"{label}: this version has no connection to it yet; its plans are checked in mock_contract"
        )
