"""Endpoints that Docker Compose runs: docker-compose.yml starts what does not run yet, and it is left running.

Here lives how each service of that file is reached; what it consists of lives in the file, which a test compares with
this table. It may import `matrix_defs`, `external` and PyYAML.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import FACTS, System
from resources.endpoints import external
from resources.endpoints.endpoint import Endpoint, Running

FILE = Path(__file__).parents[2] / "docker-compose.yml"

START_SECONDS = 1800
"""Images are fetched first, and that of SQL Server has 1.6 GB."""

_HOST = "127.0.0.1"

SETTLED: dict[System, Mapping[str, str]] = {
    System.POSTGRES: {
        "host": _HOST,
        "user": "postgres",
        "database": "postgres",
        "sslmode": "disable",
        "sslrootcert": "",
    },
    System.MSSQL: {
        "host": _HOST,
        "user": "sa",
        "database": "matrix",
        "encrypt": "yes",
        "trust_server_certificate": "yes",  # the server makes one for itself
    },
    System.CLICKHOUSE: {"host": _HOST, "user": "default", "database": "default", "secure": "false"},
    System.KAFKA: {
        "bootstrap_servers": f"{_HOST}:9092",
        "security_protocol": "PLAINTEXT",
        "sasl_mechanism": "",
        "user": "",
        "password": "",
        "ssl_ca_location": "",
        "ssl_certificate_location": "",
        "ssl_key_location": "",
        "ssl_endpoint_identification_algorithm": "",
        "transactions": "true",
        "registry_url": f"http://{_HOST}:8081",
        "registry_user": "",
        "registry_password": "",
        "registry_ca_location": "",
    },
}
"""The systems that the file has, and what it settles whatever the variables say: those may describe another service."""


def start(system: System, environ: Mapping[str, str] = os.environ) -> Running:
    """Return the system's service, started if it did not run, once it is healthy and has told its version.

    It is never stopped here. Raises SystemUnavailableError.
    """
    endpoint = settings(system, environ)
    _up(system, _environment(system, environ), endpoint.password)
    image: str = yaml.safe_load(FILE.read_text())["services"][system.value]["image"]
    # Kafka's protocol tells no version; every other probe puts the server's own in its place.
    return Running(external.PROBES[system](replace(endpoint, version=image.rpartition(":")[2])))


def settings(system: System, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Return where the service is or will be, without starting or reaching it; the version is empty.

    Raises SystemUnavailableError where the file has no such service or is not there, and without docker or a password.
    """
    label = FACTS[system].label
    if system not in SETTLED:
        raise SystemUnavailableError(f"{system}: docker-compose.yml has no {label}; use embedded or external endpoints")
    if not FILE.is_file():
        raise SystemUnavailableError(f"{system}: no {FILE}; compose endpoints need the project's own folder")
    if not shutil.which("docker"):
        raise SystemUnavailableError(
            f"{system}: compose endpoints need the command `docker`, which is not on the PATH;"
            " install Docker with its compose plugin, or use embedded or external endpoints"
        )
    own = [variable for variable in external.VARIABLES if variable.system is system]
    missing = [v.name for v in own if v.secret and v.field not in SETTLED[system] and not environ.get(v.name)]
    if missing:
        raise SystemUnavailableError(f"{system}: set {missing[0]}, the password that the {label} of Compose is to have")
    settled = {v.name: SETTLED[system][v.field] for v in own if v.field in SETTLED[system]}
    return replace(external.settings(system, {**environ, **settled}), kind="compose")


def _environment(system: System, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for Compose.

    It asks for the passwords of all services (https://github.com/docker/compose/issues/11977), also of those that the
    profile leaves out: these are given a word that nobody will use.
    """
    given = {**os.environ, **environ}
    unused = [v.name for v in external.VARIABLES if v.secret and v.system is not system and not given.get(v.name)]
    return {**given, **dict.fromkeys(unused, "unused")}


_NO_COMPOSE = "this `docker` has no compose plugin; install docker-compose-plugin or docker-compose-v2"
"""What is wrong where Docker takes `compose` for no command of its own, and offers its help."""


def _up(system: System, environment: Mapping[str, str], password: str | None) -> None:
    """Let Compose start what is missing and wait until it is healthy; what runs already it leaves alone."""
    command = ["docker", "compose", "--file", str(FILE), "--profile", system.value]
    logs = f"see: docker compose --profile {system} logs"
    try:
        ran = subprocess.run(
            [*command, "up", "-d", "--wait"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS,
            check=False,
        )
    except OSError as error:
        raise SystemUnavailableError(f"{system}: docker cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        reason = f"not healthy within {START_SECONDS} seconds; {logs}"
    else:
        if ran.returncode == 0:
            return
        reason = _NO_COMPOSE if "docker --help" in ran.stderr else f"{_last_words(ran)}; {logs}"
    if password:
        reason = reason.replace(password, "***")
    raise SystemUnavailableError(f"{system}: docker compose did not start it: {reason}")


def _last_words(ran: subprocess.CompletedProcess[str]) -> str:
    said = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"exit code {ran.returncode}"
