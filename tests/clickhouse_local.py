"""The embedded ClickHouse for tests: opened for one test module, closed behind it.

Here live no tests. It may import `resources` and `matrix_defs`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from resources.clickhouse.resource import ClickHouseResource
from resources.endpoints.registry import ENDPOINTS


@contextmanager
def local_clickhouse() -> Iterator[ClickHouseResource]:
    """Yield the resource; its endpoint starts when it is first asked for."""
    resource = ClickHouseResource()
    try:
        yield resource
    finally:
        resource.close()
        ENDPOINTS.stop_all()
