"""Promises of docker-compose.yml: it is valid, safe on a shared machine, and what `compose` endpoints reach.

No Docker engine is at hand here, so nothing is started: the file is read, and compared with what the resources ask for.
"""

import inspect
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from matrix_defs.requirements import requirements
from matrix_defs.systems import System
from resources.endpoints import embedded_postgres, external
from resources.endpoints.compose import FILE, SETTLED
from resources.mssql import types

TEXT = FILE.read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
SCHEMA = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
PLACEHOLDER = re.compile(r"\$\{(\w+)(:[-?])([^}]*)\}")
"""A variable of the caller's; `$$` is a sign for the shell in the container."""

services = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
systems = pytest.mark.parametrize("system", SETTLED)


def defaults(text: str) -> str:
    """The text as Compose reads it where no variable is set."""
    return PLACEHOLDER.sub(lambda found: found[3] if found[2] == ":-" else "", text)


def own(system: System) -> dict[str, external.Variable]:
    return {variable.field: variable for variable in external.VARIABLES if variable.system is system}


def test_the_file_is_valid_by_the_published_schema() -> None:
    jsonschema.validate(DOCUMENT, SCHEMA)


def test_the_schema_refuses_a_misspelt_key() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"postgres": {"image": "postgres", "healthchek": {}}}}, SCHEMA)


@services
def test_every_image_is_pinned_to_a_version(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[\w./-]+:(\d+\.){1,3}\d+|[\w./-]+:20\d\d-CU\d+-[\w.-]+", service["image"])


@services
def test_every_service_says_when_it_is_healthy(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["healthcheck"]["retries"] > 0


@services
def test_every_port_is_bound_to_loopback(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@services
def test_no_service_starts_without_its_profile(service: dict[str, Any]) -> None:
    (profile,) = service["profiles"]
    assert profile in SETTLED


@systems
def test_every_system_has_the_service_of_its_name(system: System) -> None:
    assert SERVICES[system.value]["profiles"] == [system.value]


def test_a_service_waits_only_for_services_of_its_profile() -> None:
    for service in SERVICES.values():
        for other in service.get("depends_on", {}):
            assert SERVICES[other]["profiles"] == service["profiles"]


def test_passwords_have_no_default_and_are_the_secrets_that_endpoints_send() -> None:
    demanded = {name for name, mark, _ in PLACEHOLDER.findall(TEXT) if mark == ":?"}
    sent = {v.name for s in SETTLED for v in own(s).values() if v.secret and v.field not in SETTLED[s]}
    assert demanded == sent
    assert len(sent) == 3
    given = [value for s in SERVICES.values() for name, value in s["environment"].items() if "PASSWORD" in name]
    assert len(given) == 3
    assert all(PLACEHOLDER.fullmatch(value)[2] == ":?" for value in given)


def test_every_other_variable_is_a_port_with_the_default_of_the_endpoint() -> None:
    known = {variable.name: variable for variable in external.VARIABLES}
    chosen = {name: default for name, mark, default in PLACEHOLDER.findall(TEXT) if mark == ":-"}
    assert chosen == {name: known[name].default for name in chosen}
    assert {known[name].field for name in chosen} == {"port"}


def test_no_other_placeholder_hides_in_the_file() -> None:
    assert "$" not in PLACEHOLDER.sub("", TEXT).replace("$$", "")


@systems
def test_the_published_port_is_the_one_that_is_reached(system: System) -> None:
    port = own(system)["port"].default if "port" in own(system) else SETTLED[system]["bootstrap_servers"].split(":")[1]
    published = [defaults(text).split(":")[1] for text in SERVICES[system.value]["ports"]]
    assert published == [port]


def test_what_the_file_does_not_settle_is_how_to_get_in_and_how_to_work() -> None:
    left = {(system, field) for system in SETTLED for field in own(system) if field not in SETTLED[system]}
    login = {(s, f) for s in (System.POSTGRES, System.MSSQL, System.CLICKHOUSE) for f in ("port", "password")}
    how = {(System.MSSQL, "writer"), (System.MSSQL, "cdc_mode"), (System.KAFKA, "message_format")}
    limits = {(s, "statement_seconds") for s in (System.POSTGRES, System.MSSQL, System.CLICKHOUSE)}
    assert left == login | how | limits


class TestPostgres:
    service = SERVICES["postgres"]

    def test_changes_can_be_captured(self) -> None:
        assert "-cwal_level=logical" in self.service["command"]

    def test_every_setting_is_that_of_the_embedded_server(self) -> None:
        assert set(self.service["command"]) < {
            "postgres",
            *(f"-c{n}={v}" for n, v in embedded_postgres.SETTINGS.items()),
        }

    def test_text_is_ordered_as_in_the_embedded_server(self) -> None:
        arguments = self.service["environment"]["POSTGRES_INITDB_ARGS"].split()
        assert arguments
        assert all(f'"{argument}"' in inspect.getsource(embedded_postgres) for argument in arguments)

    def test_the_login_is_the_one_that_the_image_makes(self) -> None:
        # https://hub.docker.com/_/postgres: the user is `postgres` and the database has the user's name.
        assert not {"POSTGRES_USER", "POSTGRES_DB"} & set(self.service["environment"])
        assert (SETTLED[System.POSTGRES]["user"], SETTLED[System.POSTGRES]["database"]) == ("postgres", "postgres")


class TestSqlServer:
    environment = SERVICES["mssql"]["environment"]
    setup = environment["MATRIX_SETUP"]

    def test_text_is_compared_by_code_points(self) -> None:
        assert self.environment["MSSQL_COLLATION"] == f"{types.COLLATION}_UTF8"
        assert f"'{types.COLLATION}_UTF8'" in self.setup

    def test_the_agent_that_captures_changes_runs(self) -> None:
        assert self.environment["MSSQL_AGENT_ENABLED"] == "true"

    def test_the_licence_is_accepted(self) -> None:
        assert self.environment["ACCEPT_EULA"] == "Y"

    def test_the_database_is_the_one_that_is_reached(self) -> None:
        assert f"CREATE DATABASE {SETTLED[System.MSSQL]['database']};" in self.setup

    @pytest.mark.parametrize(
        ("requirement", "statement"),
        [
            ("snapshot_isolation", "SET ALLOW_SNAPSHOT_ISOLATION ON"),
            ("change_tracking", "SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS)"),
            ("change_data_capture", "EXEC {}sys.sp_cdc_enable_db"),
        ],
    )
    def test_what_the_source_asks_of_a_database_is_done(self, requirement: str, statement: str) -> None:
        (asked,) = (one for one in requirements(System.MSSQL) if one.name == requirement)
        assert statement.format("") in asked.remedy()
        assert statement.format("matrix.") in self.setup

    def test_it_is_healthy_only_once_that_is_done(self) -> None:
        (shell,) = SERVICES["mssql"]["healthcheck"]["test"][1:]
        assert '-Q "$$MATRIX_SETUP"' in shell
        assert " -b " in shell  # an error of the server is an exit code

    def test_the_password_is_not_in_the_command_line_of_the_check(self) -> None:
        (shell,) = SERVICES["mssql"]["healthcheck"]["test"][1:]
        assert shell.startswith('SQLCMDPASSWORD="$$MSSQL_SA_PASSWORD" ')
        assert " -P" not in shell


class TestClickHouse:
    def test_the_user_is_the_one_that_is_reached(self) -> None:
        assert SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"] == SETTLED[System.CLICKHOUSE]["user"]


class TestKafka:
    settled = SETTLED[System.KAFKA]
    environment = SERVICES["kafka"]["environment"]

    def test_clients_are_told_the_address_that_they_came_to(self) -> None:
        assert f"CLIENTS://{self.settled['bootstrap_servers']}," in self.environment["KAFKA_ADVERTISED_LISTENERS"]

    def test_one_node_is_broker_and_controller(self) -> None:
        assert self.environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
        assert not [name for name in self.environment if "ZOOKEEPER" in name]

    def test_its_own_topics_need_no_second_node(self) -> None:
        copies = [value for name, value in self.environment.items() if name.endswith(("REPLICATION_FACTOR", "MIN_ISR"))]
        assert copies == [1] * 5
        assert {"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"} < set(
            self.environment
        )

    def test_a_question_about_a_topic_does_not_make_it(self) -> None:
        assert self.environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"

    def test_it_is_the_version_that_the_tests_run_from_jars(self) -> None:
        pom = Path(__file__).with_name("kafka_apache.pom.xml").read_text()
        assert f"<version>{SERVICES['kafka']['image'].partition(':')[2]}</version>" in pom

    def test_the_registry_keeps_its_schemas_there_and_is_the_one_that_is_reached(self) -> None:
        registry = SERVICES["schema-registry"]
        told = registry["environment"]
        assert told["SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS"] == "PLAINTEXT://kafka:19092"
        assert "INSIDE://kafka:19092" in self.environment["KAFKA_ADVERTISED_LISTENERS"]
        assert told["SCHEMA_REGISTRY_LISTENERS"] == "http://0.0.0.0:8081"
        assert registry["ports"] == [f"{self.settled['registry_url'].removeprefix('http://')}:8081"]
