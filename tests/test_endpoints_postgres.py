"""Promises of the embedded PostgreSQL server: who gets in, where it listens, how it is set, what a failed start says.

Here real servers are started; that they end with their owner is in `test_endpoints_lifetime`.
It may import `resources.endpoints`, `matrix_defs` and psycopg.
"""

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import embedded_postgres, external, ports
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import Endpoints, environment


def connect(endpoint: Endpoint, password: str | None) -> psycopg.Connection:
    return psycopg.connect(
        host=endpoint.host, port=endpoint.port, user=endpoint.user, password=password, dbname=endpoint.database
    )


def server_process(endpoint: Endpoint) -> psutil.Process:
    """The one server under this process's supervisors that was told to listen on the endpoint's port."""
    servers = [server for supervisor in psutil.Process().children() for server in supervisor.children()]
    (found,) = [server for server in servers if str(endpoint.port) in server.cmdline()]
    return found


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    held = Endpoints()
    yield held
    held.stop_all()


@pytest.fixture(scope="module")
def endpoint(endpoints: Endpoints) -> Endpoint:
    return endpoints.endpoint(System.POSTGRES)


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty temporary folder that the server's user can reach, for tests that look for what is left behind."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_the_password_opens_the_server_and_its_version_is_the_server_s_own(endpoint: Endpoint) -> None:
    with connect(endpoint, endpoint.password) as connection:
        (version,) = connection.execute("show server_version").fetchone() or ()
    assert version == endpoint.version


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_any_other_password_is_refused(
    endpoint: Endpoint, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(endpoint, password)


def test_it_listens_on_the_loopback_interface_only(endpoint: Endpoint) -> None:
    process = server_process(endpoint)
    listening = [c.laddr for c in process.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", endpoint.port)]
    assert not [c for c in process.net_connections(kind="unix") if c.laddr]


def test_it_runs_as_an_unprivileged_user(endpoint: Endpoint) -> None:
    assert server_process(endpoint).uids().effective != 0


def test_its_settings_are_in_force(endpoint: Endpoint) -> None:
    with connect(endpoint, endpoint.password) as connection:
        shown = {name: connection.execute(f"show {name}").fetchone() for name in embedded_postgres.SETTINGS}
    assert shown == {name: (value,) for name, value in embedded_postgres.SETTINGS.items()}
    wanted = {"wal_level": "logical", "timezone": "UTC", "synchronous_commit": "on", "fsync": "off"}
    assert wanted.items() <= embedded_postgres.SETTINGS.items()


def test_text_sorts_by_code_point_on_every_machine(endpoint: Endpoint) -> None:
    with connect(endpoint, endpoint.password) as connection:
        rows = connection.execute("select x from unnest(array['b', 'a', 'B', 'é', 'z', '_']) x order by x").fetchall()
    assert [row[0] for row in rows] == ["B", "_", "a", "b", "z", "é"]


def test_a_change_is_decoded_straight_after_its_commit(endpoint: Endpoint) -> None:
    with connect(endpoint, endpoint.password) as connection:
        connection.autocommit = True
        connection.execute("create table decoded (a int primary key)")
        connection.execute("select pg_create_logical_replication_slot('decoded', 'test_decoding')")
        try:
            connection.execute("insert into decoded select generate_series(1, 100)")
            peek = "select count(*) from pg_logical_slot_peek_changes('decoded', null, null) where data like '%INSERT%'"
            assert connection.execute(peek).fetchone() == (100,)
        finally:
            connection.execute("select pg_drop_replication_slot('decoded')")
            connection.execute("drop table decoded")


def test_every_call_returns_the_same_endpoint(endpoints: Endpoints, endpoint: Endpoint) -> None:
    assert endpoints.endpoint(System.POSTGRES) is endpoint


def test_another_process_can_use_it_as_external_without_owning_it(endpoint: Endpoint) -> None:
    other = external.start(System.POSTGRES, environment([endpoint]))
    assert (other.endpoint.kind, other.endpoint.version) == ("external", endpoint.version)
    other.stop()
    connect(endpoint, endpoint.password).close()


def test_a_refused_password_is_told_without_repeating_it(endpoint: Endpoint) -> None:
    environ = environment([endpoint]) | {"MATRIX_POSTGRES_PASSWORD": "canary-p4ssw0rd"}
    with pytest.raises(SystemUnavailableError, match="password authentication failed") as caught:
        external.start(System.POSTGRES, environ)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_server_survives_the_thread_that_started_it_and_a_stopped_one_starts_anew(folders: Path) -> None:
    endpoints = Endpoints()
    thread = threading.Thread(target=endpoints.endpoint, args=(System.POSTGRES,))
    thread.start()
    thread.join()
    first = endpoints.endpoint(System.POSTGRES)
    connect(first, first.password).close()
    process = server_process(first)
    endpoints.stop_all()
    assert not process.is_running()
    assert list(folders.iterdir()) == []
    second = endpoints.endpoint(System.POSTGRES)
    connect(second, second.password).close()
    assert second.password != first.password
    endpoints.stop_all()


def test_a_port_taken_in_between_is_replaced_by_another(folders: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        choices = iter([taken.getsockname()[1], ports.free_port()])
        running = embedded_postgres.start(lambda: next(choices))
        running.stop()
        assert next(choices, None) is None
        assert running.endpoint.port != taken.getsockname()[1]


def test_a_start_that_finds_no_port_says_so_and_leaves_nothing(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORT_ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemUnavailableError, match="Address already in use"):
            embedded_postgres.start(lambda: port)
    assert list(folders.iterdir()) == []


def test_a_failed_start_shows_the_server_s_own_words(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(embedded_postgres.SETTINGS, "shared_buffers", "plenty")
    with pytest.raises(SystemUnavailableError) as caught:
        embedded_postgres.start()
    assert 'invalid value for parameter "shared_buffers": "plenty"' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(folders.iterdir()) == []


def test_a_failing_disk_is_a_reason_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prefix: str) -> None:
        raise OSError(28, "No space left on device", prefix)

    monkeypatch.setattr(embedded_postgres, "Supervised", fail)
    with pytest.raises(SystemUnavailableError, match="No space left on device"):
        embedded_postgres.start()
