"""Promises of the endpoints that Docker Compose runs.

Here `docker` is a program of the test's own on the PATH, which writes down what it is asked and starts nothing; behind
the ports that Compose would publish are embedded servers. It may import `resources.endpoints` and `matrix_defs`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import compose
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import Endpoints, environment, kind_of

CANARY = "canary-p4ssw0rd"
ROOT = Path(__file__).parents[1]
PROGRAM = f"""#!{sys.executable} -IS
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}) + "\\n")
sys.stderr.write((folder / "stderr").read_text() if (folder / "stderr").exists() else "")
sys.exit(1 if (folder / "stderr").exists() else 0)
"""


class Docker:
    """The program, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "docker").write_text(PROGRAM)
        (folder / "docker").chmod(0o755)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What it was asked, in order."""
        written = self.folder / "calls"
        return [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []

    def fails(self, *stderr: str) -> None:
        """Let it fail from now on."""
        (self.folder / "stderr").write_text("\n".join(stderr) + "\n")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MATRIX_", "COMPOSE_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Docker(folder)


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    endpoints = Endpoints()
    try:
        yield endpoints
    finally:
        endpoints.stop_all()


@pytest.fixture
def variables(postgres_endpoint: Endpoint) -> dict[str, str]:
    """What points to the server that stands where Compose would publish its own."""
    return {
        "MATRIX_POSTGRES_PORT": str(postgres_endpoint.port),
        "MATRIX_POSTGRES_PASSWORD": postgres_endpoint.password or "",
    }


def refusal(system: System, environ: dict[str, str]) -> str:
    with pytest.raises(SystemUnavailableError) as caught:
        compose.start(system, environ)
    message = str(caught.value)
    assert "\n" not in message
    assert CANARY not in message
    return message


def test_compose_starts_the_systems_own_profile_and_waits_for_its_health(
    docker: Docker, variables: dict[str, str]
) -> None:
    compose.start(System.POSTGRES, variables)
    (call,) = docker.calls
    assert call["argv"] == [
        "compose",
        "--file",
        str(ROOT / "docker-compose.yml"),
        "--profile",
        "postgres",
        "up",
        "-d",
        "--wait",
    ]
    assert {name: call["env"][name] for name in variables} == variables


def test_what_was_started_is_reached_like_an_external_endpoint_and_tells_its_version(
    docker: Docker, variables: dict[str, str], postgres_endpoint: Endpoint
) -> None:
    endpoint = compose.start(System.POSTGRES, variables).endpoint
    told = endpoint.describe()
    assert told == {**postgres_endpoint.describe(), "kind": "compose", "engine": "PostgreSQL", "emulator": False}


def test_variables_of_another_service_do_not_lead_astray(docker: Docker, variables: dict[str, str]) -> None:
    elsewhere = {"HOST": "db.example.org", "USER": "somebody", "DATABASE": "theirs", "SSLMODE": "verify-full"}
    others = {f"MATRIX_POSTGRES_{name}": value for name, value in elsewhere.items()}
    endpoint = compose.start(System.POSTGRES, {**variables, **others}).endpoint
    assert (endpoint.host, endpoint.user, endpoint.database) == ("127.0.0.1", "postgres", "postgres")


def test_a_kafka_of_compose_is_entered_without_the_login_of_another() -> None:
    assert compose.SETTLED[System.KAFKA]["security_protocol"] == "PLAINTEXT"
    assert not compose.SETTLED[System.KAFKA]["sasl_mechanism"]


def test_passwords_of_other_systems_are_given_where_they_are_missing_and_kept_where_not(
    docker: Docker, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATRIX_MSSQL_PASSWORD", CANARY)
    monkeypatch.setenv("MATRIX_CLICKHOUSE_PASSWORD", "")
    compose.start(System.POSTGRES, variables)
    (call,) = docker.calls
    assert call["env"]["MATRIX_MSSQL_PASSWORD"] == CANARY
    assert call["env"]["MATRIX_CLICKHOUSE_PASSWORD"]


def test_a_process_asks_docker_once_and_never_to_stop(
    docker: Docker, endpoints: Endpoints, variables: dict[str, str]
) -> None:
    first = endpoints.endpoint(System.POSTGRES, "compose", variables)
    assert endpoints.endpoint(System.POSTGRES, "compose", variables) is first
    endpoints.stop_all()
    assert len(docker.calls) == 1


def test_what_docker_says_last_is_the_reason_without_the_password(docker: Docker) -> None:
    docker.fails(" Container integration-matrix-postgres-1  Starting", f"port is allocated, not {CANARY}", "")
    message = refusal(System.POSTGRES, {"MATRIX_POSTGRES_PASSWORD": CANARY})
    assert message == (
        "postgres: docker compose did not start it: port is allocated, not ***;"
        " see: docker compose --profile postgres logs"
    )


def test_a_docker_without_compose_is_told_as_such(docker: Docker) -> None:
    docker.fails("unknown flag: --file", "", "Usage:  docker [OPTIONS]", "", "Run 'docker --help' for more information")
    message = refusal(System.POSTGRES, {"MATRIX_POSTGRES_PASSWORD": CANARY})
    assert message.startswith(
        "postgres: docker compose did not start it: this `docker` has no compose plugin; install "
    )


def test_a_docker_that_fails_in_silence_is_told_by_its_exit_code(docker: Docker) -> None:
    docker.fails("")
    assert "exit code 1" in refusal(System.POSTGRES, {"MATRIX_POSTGRES_PASSWORD": CANARY})


def test_a_docker_that_is_no_program_is_one_line_too(docker: Docker) -> None:
    (docker.folder / "docker").write_text("#!/nowhere/interpreter\n")
    assert "docker cannot be run" in refusal(System.POSTGRES, {"MATRIX_POSTGRES_PASSWORD": CANARY})


def test_a_service_that_is_healthy_but_refuses_the_password_is_told(docker: Docker, variables: dict[str, str]) -> None:
    message = refusal(System.POSTGRES, {**variables, "MATRIX_POSTGRES_PASSWORD": CANARY})
    assert "cannot log in to PostgreSQL at 127.0.0.1:" in message


@pytest.mark.parametrize("system", [System.POSTGRES, System.MSSQL, System.CLICKHOUSE])
def test_a_missing_password_is_named_before_docker_is_asked(docker: Docker, system: System) -> None:
    assert f"MATRIX_{system.upper()}_PASSWORD" in refusal(system, {})
    assert docker.calls == []


def test_without_docker_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = refusal(System.KAFKA, {})
    assert message.startswith("kafka: compose endpoints need the command `docker`, which is not on the PATH; install ")


def test_a_project_without_its_file_says_so(docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "FILE", tmp_path / "docker-compose.yml")
    assert str(tmp_path) in refusal(System.KAFKA, {})


def test_bigquery_has_no_service_and_rest_stays_embedded(docker: Docker) -> None:
    assert refusal(System.BIGQUERY, {}) == (
        "bigquery: docker-compose.yml has no BigQuery; use embedded or external endpoints"
    )
    assert kind_of(System.REST, {"MATRIX_ENDPOINTS": "compose"}) == "embedded"
    assert docker.calls == []


def test_kafkas_version_is_that_of_its_image(
    docker: Docker, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = endpoints.endpoint(System.KAFKA)
    there = {**compose.SETTLED[System.KAFKA], "bootstrap_servers": broker.options["bootstrap_servers"]}
    monkeypatch.setitem(compose.SETTLED, System.KAFKA, there)
    version = endpoints.endpoint(System.KAFKA, "compose", {}).version
    assert f"image: apache/kafka:{version}\n" in (ROOT / "docker-compose.yml").read_text()


def test_the_status_says_what_could_be_started_without_asking_docker(docker: Docker) -> None:
    told = Endpoints().status({"MATRIX_ENDPOINTS": "compose", "MATRIX_MSSQL_PASSWORD": CANARY})
    rows = {row["system"]: row for row in told}
    assert CANARY not in json.dumps(told)
    assert (rows["mssql"]["kind"], rows["mssql"]["state"]) == ("compose", "available")
    assert rows["mssql"]["address"] == "127.0.0.1:1433"
    assert rows["kafka"]["address"] == "127.0.0.1:9092"
    assert "MATRIX_POSTGRES_PASSWORD" in rows["postgres"]["reason"]
    assert "no BigQuery" in rows["bigquery"]["reason"]
    assert rows["rest"]["kind"] == "embedded"
    assert docker.calls == []


def test_another_process_can_use_what_compose_runs(docker: Docker, variables: dict[str, str]) -> None:
    told = environment([compose.start(System.POSTGRES, variables).endpoint])
    assert told["MATRIX_ENDPOINTS"] == "postgres=external"
    assert told["MATRIX_POSTGRES_HOST"] == "127.0.0.1"
    assert {name: told[name] for name in variables} == variables


def test_a_case_passes_on_it_and_its_result_names_the_kind(
    docker: Docker, variables: dict[str, str], tmp_path: Path
) -> None:
    case = "postgres_to_postgres__full_refresh"
    chosen = ["--endpoints", "postgres=compose", "--case-id", case, "--rows", "50", "--wide-columns", "15"]
    command = [sys.executable, "-c", "from matrix_defs.cli import main; main()", "run", *chosen]
    environ = {**os.environ, **variables, "PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(tmp_path / ".dagster")}
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads((tmp_path / "artifacts" / "mock_local" / f"{case}.json").read_text())
    assert [result["endpoints"][side]["kind"] for side in ("source", "sink")] == ["compose", "compose"]
    assert len(docker.calls) == 1
