"""SQL Server for tests: the caller's own where MATRIX_ENDPOINTS says so, else the local one; a small table in it.

Here live no tests. It may import `resources` and `matrix_defs`; a driver's module is imported inside the functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import Endpoints, kind_of


@contextmanager
def local_mssql() -> Iterator[Endpoint]:
    """Yield the endpoint; the tests are skipped with the reason where there is none."""
    endpoints = Endpoints()
    try:
        try:
            endpoint = endpoints.endpoint(System.MSSQL, kind_of(System.MSSQL))
        except SystemUnavailableError as reason:
            pytest.skip(str(reason))
        yield endpoint
    finally:
        endpoints.stop_all()


class Seeded:
    """A source with a table in it, and a connection that writes to the table as any application would."""

    def __init__(self, endpoint: Endpoint, namespace: str, table: TableSpec, seed: pa.Table) -> None:
        from resources.mssql.session import Session
        from resources.mssql.source import MssqlSource

        self.namespace = namespace
        self.source = MssqlSource(endpoint, namespace, table)
        self.session = Session(endpoint)
        self.source.drop()
        self.source.seed(seed)

    def run(self, text: str) -> int:
        """Run a statement in which {t} stands for the table."""
        return self.session.execute(text.format(t=f"[{self.namespace}].[orders]"))

    def value(self, text: str) -> Any:
        """Return the one value of a query in which {t} stands for the table."""
        return self.session.value(text.format(t=f"[{self.namespace}].[orders]"))

    def close(self) -> None:
        """Drop everything."""
        self.session.close()
        self.source.drop()
