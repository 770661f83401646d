"""REST as a Dagster resource: the settings of the generic client as fields, and the source on it.

Here live configuration and its checks; requests are made in `client`, rows in `source`.
It may import `matrix_defs`, Dagster and `resources`.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

from dagster import InitResourceContext
from pydantic import Field, PrivateAttr

from matrix_defs.ports import Source
from matrix_defs.systems import System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import ENDPOINTS
from resources.json_rows import TYPES
from resources.rest.auth import Auth
from resources.rest.client import RestClient, RestSettings
from resources.rest.paginators import Cursor, Link, Offset, PageNumber, Paginator
from resources.rest.source import RestSource
from resources.system import SystemResource

PAGINATORS: dict[str, Callable[[int], Paginator]] = {
    "page": lambda size: PageNumber(size),
    "offset": lambda size: Offset(size),
    "cursor": lambda size: Cursor(size),
    "link": lambda size: Link(size),
}
"""The ways of paging by the name that configuration gives them, with the parameters of the local service."""


class RestResource(SystemResource):
    """A REST service that hands out records in pages. Fields left alone fit the local service.

    Give secrets as `EnvVar`: Dagster resolves it when it hands the resource to an asset, and nowhere else.
    """

    system: ClassVar[System] = System.REST
    losses: ClassVar[tuple[str, ...]] = tuple(f"{name}: {kind.loss}" for name, kind in TYPES.items() if kind.loss)

    base_url: str = Field(
        default="", description="Address that paths are appended to, http:// or https://. Empty: the local service."
    )
    auth: Literal["none", "bearer", "api_key", "basic"] = Field(
        default="none", description="How a request proves itself."
    )
    token: str = Field(default="", description="Secret of `bearer` and `api_key`. Give it as EnvVar.")
    api_key_header: str = Field(default="X-API-Key", description="Header that carries the token of `api_key`.")
    username: str = Field(default="", description="User name of `basic`.")
    password: str = Field(default="", description="Password of `basic`. Give it as EnvVar.")
    pagination: Literal["page", "offset", "cursor", "link"] = Field(
        default="page", description="How the service cuts a result into pages."
    )
    page_size: int = Field(default=1000, ge=1, description="Records asked for per page; fewer may come.")
    records_path: str = Field(default="data", description="Dotted path of the records; empty: a bare array.")
    total_path: str = Field(
        default="total",
        description="Dotted path of the declared number of records. Empty: none, so a page that is lost is missed.",
    )
    since_param: str = Field(
        default="updated_since", description="Parameter with an incremental read's inclusive bound."
    )
    fields_param: str = Field(default="fields", description="Parameter that selects fields; empty: there is none.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for each piece of a response.")
    attempts: int = Field(default=5, ge=1, description="How often a page is asked for before the read fails.")
    longest_wait: float = Field(
        default=60.0, ge=0, description="Cap in seconds on the pause between attempts, Retry-After included."
    )

    _clients: dict[str, RestClient] = PrivateAttr(default_factory=dict)

    def endpoint(self, kind: str) -> Endpoint:
        """Return the service at `base_url`, or the local one, started on first use, where none is given."""
        if not self.base_url:
            return ENDPOINTS.endpoint(System.REST)
        return Endpoint(System.REST, "external", "REST service", "unknown", options={"base_url": self.base_url})

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return a table of a namespace as a source. Raises UsageError for credentials or an address that cannot be."""
        return RestSource(self.client(endpoint), table, namespace)

    def client(self, endpoint: Endpoint) -> RestClient:
        """Return the client of an endpoint; all sources of this resource share its connections."""
        base_url = endpoint.options["base_url"]
        if base_url not in self._clients:
            self._clients[base_url] = RestClient(self.settings(base_url))
        return self._clients[base_url]

    def settings(self, base_url: str) -> RestSettings:
        """Return the fields as the client takes them."""
        return RestSettings(
            base_url=base_url,
            auth=self._credentials(),
            paginator=PAGINATORS[self.pagination](self.page_size),
            records_path=self.records_path,
            total_path=self.total_path or None,
            since_param=self.since_param,
            fields_param=self.fields_param or None,
            timeout=self.timeout,
            attempts=self.attempts,
            longest_wait=self.longest_wait,
        )

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Close the connections when Dagster is done with the resource."""
        self.close()

    def close(self) -> None:
        """Close the connections; a source asked for afterwards opens new ones."""
        while self._clients:
            self._clients.popitem()[1].close()

    def _credentials(self) -> Auth:
        kinds: dict[str, Callable[[], Auth]] = {
            "none": Auth,
            "bearer": lambda: Auth.bearer(self.token),
            "api_key": lambda: Auth.api_key(self.api_key_header, self.token),
            "basic": lambda: Auth.basic(self.username, self.password),
        }
        return kinds[self.auth]()
