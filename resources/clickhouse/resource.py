"""ClickHouse as a Dagster resource.

Here live its settings and the one client per endpoint; the work is done in `source` and `sink`. It may import those,
Dagster and the endpoints.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from clickhouse_connect.driver.exceptions import ClickHouseError
from dagster import InitResourceContext
from pydantic import Field, PrivateAttr

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.ports import Sink, Source
from matrix_defs.systems import FACTS, System
from matrix_defs.table import TableSpec
from resources.clickhouse import leftovers, requirements
from resources.clickhouse.server import Server, connect, explain
from resources.clickhouse.sink import ClickHouseSink
from resources.clickhouse.source import ClickHouseSource
from resources.clickhouse.types import TYPES
from resources.endpoints import probe
from resources.endpoints.endpoint import Endpoint, Kind
from resources.endpoints.registry import ENDPOINTS
from resources.own_names import Leftover
from resources.system import SystemResource
from resources.types_table import losses

_CONNECTING = threading.Lock()


class ClickHouseResource(SystemResource):
    """ClickHouse 24.8 or later over HTTP, or the embedded engine."""

    system: ClassVar[System] = System.CLICKHOUSE
    losses: ClassVar[tuple[str, ...]] = losses(FACTS[System.CLICKHOUSE].label, TYPES)

    host: str = Field(default="", description="Host of your own server; used by external endpoints only.")
    port: int = Field(default=8123, ge=1, le=65535, description="Port of the HTTP interface; often 8443 with TLS.")
    user: str = Field(default="default", description="User that may create and drop databases.")
    password: str = Field(default="", description="Password of the user; give it as an EnvVar.")
    database: str = Field(default="default", description="Database to log in to; the cases make their own.")
    secure: bool = Field(default=False, description="Talk TLS.")
    statement_seconds: int = Field(default=600, ge=1, description="Longest that the server lets one statement run.")

    _servers: dict[str, Server] = PrivateAttr(default_factory=dict)

    def endpoint(self, kind: str) -> Endpoint:
        """Return the embedded engine, or the server that the fields describe. Raises SystemUnavailableError."""
        if kind != "external" or not self.host:
            return ENDPOINTS.endpoint(self.system, cast(Kind, kind))
        return probe.clickhouse(
            Endpoint(
                self.system,
                "external",
                FACTS[self.system].label,
                version="",
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password or None,
                database=self.database,
                options={"secure": str(self.secure).lower(), "statement_seconds": str(self.statement_seconds)},
            )
        )

    def check(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Look at the version, and whether databases can be made."""
        return requirements.check(self._server(endpoint), endpoint.version)

    def find_leftovers(self, endpoint: Endpoint) -> Sequence[Leftover]:
        """Return databases."""
        return leftovers.find(self._server(endpoint))

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return a table of a database as a source. Raises SystemUnavailableError where the server does not answer."""
        return ClickHouseSource(self._server(endpoint), namespace, table)

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return ClickHouse as a sink. Raises SystemUnavailableError where the server does not answer."""
        return ClickHouseSink(self._server(endpoint))

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Close the clients when Dagster is done with the resource."""
        self.close()

    def close(self) -> None:
        """Close the clients; a source or sink asked for afterwards opens new ones."""
        while self._servers:
            self._servers.popitem()[1].close()

    def _server(self, endpoint: Endpoint) -> Server:
        """Return the client of the endpoint, which all sources and sinks of this resource share."""
        place = endpoint.options.get("path") or endpoint.address
        with _CONNECTING:
            if place not in self._servers:
                try:
                    self._servers[place] = connect(endpoint)
                except ClickHouseError as error:
                    reason = f"{self.system}: cannot connect to {place}: {explain(error)}"
                    raise SystemUnavailableError(reason) from None
            return self._servers[place]
