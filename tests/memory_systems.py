"""Systems in memory as Dagster resources: what the assets and the command are tested on, without any service.

Here live the stand-ins; sources and sinks are the pure core's own.
It may import `matrix_defs`, `resources` and Dagster.
"""

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import LoadTarget, Sink, Source
from matrix_defs.systems import System, source_kind
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.system import SystemResource

SMALL = {"rows": 50, "wide_columns": 15}


class LossySink(MemorySink):
    """Loses the last row of every target."""

    def read(self, target: LoadTarget) -> pa.Table:
        """All rows but one."""
        rows = super().read(target)
        return rows.slice(0, max(rows.num_rows - 1, 0))


class MemorySystem(SystemResource):
    """A system in memory with the flaws that its fields name."""

    refusal: str = Field(default="", description="Why it has no endpoint.")
    lossy: bool = Field(default=False, description="Its sink loses a row.")
    broken: str = Field(default="", description="What its source dies of.")

    def endpoint(self, kind: str) -> Endpoint:
        """Return an endpoint, unless it is refused."""
        if self.refusal:
            raise SystemUnavailableError(self.refusal)
        return Endpoint(self.system, "embedded", "memory", "1.0", in_process=True)

    def source(self, endpoint: Endpoint, namespace: str, table: TableSpec) -> Source:
        """Return a source, unless it is broken."""
        if self.broken:
            raise RuntimeError(self.broken)
        return MemorySource(source_kind(self.system), table)

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return a sink."""
        return LossySink() if self.lossy else MemorySink()


def _class(of: System) -> type[MemorySystem]:
    class InMemory(MemorySystem):
        system: ClassVar[System] = of

    return InMemory


CLASSES: Mapping[System, type[MemorySystem]] = {system: _class(system) for system in System}
"""One resource class per system, flawless unless its fields say otherwise."""


def memory_systems() -> dict[str, MemorySystem]:
    """PostgreSQL and REST work, ClickHouse loses rows as a sink and breaks as a source, the others are not there."""
    flaws: dict[System, dict[str, object]] = {
        System.MSSQL: {"refusal": "SQL Server: not here"},
        System.KAFKA: {"refusal": "Kafka: not here"},
        System.BIGQUERY: {"refusal": "BigQuery: not here"},
        System.CLICKHOUSE: {"lossy": True, "broken": "out of\norder"},
    }
    return {system.value: CLASSES[system](**flaws.get(system, {})) for system in System}
