"""Fixtures that several test files share.

Here live services that are started once for all tests; what a test needs of its own lives with the test.
It may import everything.
"""

from collections.abc import Iterator

import pytest

from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import Endpoints


@pytest.fixture(scope="session")
def postgres_endpoint() -> Iterator[Endpoint]:
    """One embedded PostgreSQL server; tests share it and keep to namespaces of their own."""
    endpoints = Endpoints()
    try:
        yield endpoints.endpoint(System.POSTGRES)
    finally:
        endpoints.stop_all()
