"""Promises of the services of one run: which kind of endpoint is asked for, and that none waits for another.

It may import everything.
"""

import threading
from typing import ClassVar

from assets.certify import Services
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.errors import SystemUnavailableError
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.system import SystemResource


def test_the_systems_of_the_cases_are_looked_at_all_at_a_time_and_no_other():
    both, asked = threading.Barrier(2), []

    class Resource(SystemResource):
        def endpoint(self, kind: str) -> Endpoint:
            asked.append(self.system)
            both.wait(10)  # broken, which is an error, unless the other one is asked too
            raise SystemUnavailableError("nobody")

    class Postgres(Resource):
        system: ClassVar[System] = System.POSTGRES

    class Kafka(Resource):
        system: ClassVar[System] = System.KAFKA

    services = Services({System.POSTGRES: Postgres(), System.KAFKA: Kafka()}, RunSettings(RunMode.MOCK_LOCAL))
    case = CASES_BY_ID["postgres_to_kafka__full_refresh"]
    services.look_at_all([case])
    assert services.refusal(case).count("nobody") == 2
    assert sorted(asked) == [System.KAFKA, System.POSTGRES]
    Services({}, RunSettings(RunMode.MOCK_CONTRACT)).look_at_all([case])


def test_the_kind_of_endpoint_is_the_runs_else_the_environments_else_the_modes(monkeypatch):
    asked = []

    class Resource:
        def endpoint(self, kind: str) -> None:
            asked.append(kind)

    resources = {System.POSTGRES: Resource()}
    monkeypatch.delenv("MATRIX_ENDPOINTS", raising=False)
    Services(resources, RunSettings(RunMode.MOCK_LOCAL)).endpoint(System.POSTGRES)
    Services(resources, RunSettings(RunMode.VENDOR_LIVE)).endpoint(System.POSTGRES)
    monkeypatch.setenv("MATRIX_ENDPOINTS", "postgres=external")
    Services(resources, RunSettings(RunMode.MOCK_LOCAL)).endpoint(System.POSTGRES)
    Services(resources, RunSettings(RunMode.MOCK_LOCAL), "embedded").endpoint(System.POSTGRES)
    assert asked == ["embedded", "external", "external", "embedded"]
