"""Promises of `vendor_live` on services that are given as the caller's own: on other ports, with real passwords.

The services are the local ones, started by another holder and described by variables alone. It may import everything.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from assets.certify import certify
from matrix_defs import definitions
from matrix_defs.cases import CASES, CASES_BY_ID
from matrix_defs.errors import UsageError
from matrix_defs.namespace import new_run
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec
from resources.clickhouse import server
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.external import VARIABLES
from resources.endpoints.registry import Endpoints, environment
from resources.mssql import driver

SMALL = RunSettings(RunMode.VENDOR_LIVE, WorkloadSpec(rows=50, wide_columns=15))
SHARED = (System.POSTGRES, System.MSSQL, System.KAFKA, System.BIGQUERY)


@pytest.fixture(scope="module")
def described() -> Iterator[dict[str, str]]:
    """Services of somebody else, as variables."""
    held = Endpoints()
    yield environment([held.endpoint(system) for system in SHARED])
    held.stop_all()


@pytest.fixture(autouse=True)
def variables(described: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those variables and no others; no endpoint of another test's."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    for name, value in described.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MATRIX_ENDPOINTS")
    definitions.stop_services()
    yield
    definitions.stop_services()


def verdict(case_id: str) -> CaseResult:
    return certify(CASES_BY_ID[case_id], SMALL, definitions.services(SMALL), new_run())


@pytest.mark.parametrize(
    "case_id",
    [
        "postgres_to_mssql__full_refresh",
        "mssql_to_postgres__cdc",
        "kafka_to_postgres__incremental_merge",
        "rest_to_kafka__snapshot_diff",
        "postgres_to_bigquery__incremental_append",
    ],
)
def test_a_case_passes_between_services_that_variables_describe(case_id):
    result = verdict(case_id)
    assert result.verdict is Verdict.PASSED, result.reason
    kinds = {told["system"]: told["kind"] for told in result.endpoints.values()}
    assert {kind for system, kind in kinds.items() if system != "rest"} == {"external"}
    assert kinds.get("rest", "embedded") == "embedded"


@pytest.mark.parametrize("system", ["postgres", "mssql"])
def test_a_wrong_password_is_one_line_that_shows_none(monkeypatch, system):
    monkeypatch.setenv(f"MATRIX_{system.upper()}_PASSWORD", "c4n4ry-wrong")
    result = verdict(f"{system}_to_{system}__full_refresh")
    assert result.verdict is Verdict.NOT_RUN
    assert f"MATRIX_{system.upper()}_PASSWORD" in result.reason
    assert "\n" not in result.reason
    assert "c4n4ry" not in json.dumps(result.to_summary())


@pytest.mark.parametrize(
    ("option", "case_id", "reason"),
    [
        ("ALLOW_SNAPSHOT_ISOLATION OFF", "mssql_to_postgres__replace", "SET ALLOW_SNAPSHOT_ISOLATION ON"),
        ("CHANGE_TRACKING = OFF", "mssql_to_postgres__cdc", "SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS)"),
    ],
)
def test_a_database_that_lacks_what_a_source_needs_stops_the_cases_that_read_it(option, case_id, reason):
    endpoint = definitions.services(SMALL).endpoint(System.MSSQL)
    on = option.replace("OFF", "ON")
    with driver.reached(endpoint, 5) as connection:
        connection.execute(f"ALTER DATABASE [{endpoint.database}] SET {option}")
        try:
            found = definitions.services(SMALL)
            refusal = found.refusal(CASES_BY_ID[case_id])
            writing = found.refusal(CASES_BY_ID["postgres_to_mssql__full_refresh"])
        finally:
            connection.execute(f"ALTER DATABASE [{endpoint.database}] SET {on}")
    assert refusal.startswith(f"mssql: database {endpoint.database} ")
    assert refusal.endswith(reason)
    assert writing == ""


def test_a_writer_that_is_not_here_stops_what_asks_for_it_and_is_named_beside_a_server_that_answers(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("MATRIX_MSSQL_WRITER", "bcp")
    found = definitions.services(SMALL)
    refusal = found.refusal(CASES_BY_ID["postgres_to_mssql__full_refresh"])
    assert refusal.startswith("mssql: MATRIX_MSSQL_WRITER=bcp: bcp is not on PATH")
    told = found.findings(System.MSSQL)
    assert told["reachable"] == told["snapshot_isolation"] == ""
    assert told["writer"]


def test_without_unixodbc_the_76_cases_of_sql_server_are_not_run_and_say_what_to_install(monkeypatch):
    def without(name):
        raise ImportError("libodbc.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(driver, "import_module", without)
    local = replace(SMALL, run_mode=RunMode.MOCK_LOCAL)
    refusals = {case: definitions.services(local).refusal(case) for case in CASES}
    refused = {case: reason for case, reason in refusals.items() if reason}
    assert set(refused) == {case for case in CASES if System.MSSQL in (case.source, case.sink)}
    assert len(refused) == 76
    assert all("libodbc.so.2" in reason and "apt-get install unixodbc" in reason for reason in refused.values())


def test_avro_without_a_registry_that_answers_stops_cases_with_kafka_only(monkeypatch):
    monkeypatch.setenv("MATRIX_KAFKA_MESSAGE_FORMAT", "avro")
    monkeypatch.delenv("MATRIX_KAFKA_REGISTRY_URL", raising=False)
    found = definitions.services(SMALL)
    kafka = found.refusal(CASES_BY_ID["kafka_to_postgres__replace"])
    assert kafka.startswith("kafka: the avro format needs a schema registry; ")
    assert found.refusal(CASES_BY_ID["rest_to_postgres__replace"]) == ""
    monkeypatch.setenv("MATRIX_KAFKA_REGISTRY_URL", "http://127.0.0.1:9")
    definitions.stop_services()
    kafka = definitions.services(SMALL).refusal(CASES_BY_ID["kafka_to_postgres__replace"])
    assert "schema registry at http://127.0.0.1:9 cannot be asked" in kafka


def test_bigquery_without_credentials_says_so_before_anything_is_reached(monkeypatch, tmp_path):
    monkeypatch.setenv("MATRIX_BIGQUERY_BASE_URL", "https://bigquery.invalid")
    monkeypatch.setenv("MATRIX_BIGQUERY_CREDENTIALS_FILE", str(tmp_path / "none.json"))
    found = definitions.services(SMALL)
    assert dict(found.findings(System.BIGQUERY)).keys() == {"driver", "credentials"}
    reason = found.refusal(CASES_BY_ID["postgres_to_bigquery__replace"])
    assert reason.startswith(f"bigquery: MATRIX_BIGQUERY_CREDENTIALS_FILE={tmp_path}")


def test_what_a_bigquery_case_costs_is_estimated_by_a_dry_run(described):
    from resources.bigquery import requirements

    endpoint = definitions.services(SMALL).endpoint(System.BIGQUERY)
    note = requirements.cost(endpoint, 10_000)
    assert note.startswith("by a dry run 10000 rows are ")
    assert note.endswith("no limit a job: set MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED")
    resource = definitions.services(SMALL).resources[System.BIGQUERY]
    assert resource.leftovers(endpoint) == []


def test_an_external_rest_service_is_refused_in_one_line_and_external_alone_leaves_it_local():
    with pytest.raises(
        UsageError, match=r"^MATRIX_ENDPOINTS: 'rest=external': a foreign API cannot be seeded, [^\n]*$"
    ):
        definitions.services(SMALL, "rest=external")
    assert definitions.services(SMALL, "external").kinds[System.REST] == "embedded"
    assert definitions.services(SMALL, "rest=embedded").kinds[System.REST] == "embedded"


def test_statements_are_limited_on_external_services_only(monkeypatch):
    services = definitions.services(SMALL)
    assert services.endpoint(System.MSSQL).options["statement_seconds"] == "600"
    given: dict[str, object] = {}

    def get_client(**settings: object) -> None:
        given.update(settings)
        raise server.ClickHouseError

    monkeypatch.setattr(server.clickhouse_connect, "get_client", get_client)
    here = Endpoint(System.CLICKHOUSE, "external", "ClickHouse", "25.8", options={"statement_seconds": "7"})
    with pytest.raises(server.ClickHouseError):
        server.connect(here)
    assert given["settings"] == {"max_execution_time": 7}
    assert given["send_receive_timeout"] == 7 + server.ANSWER_SECONDS
