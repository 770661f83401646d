"""Promises of `vendor_live` on a PostgreSQL that is given as the caller's own: TLS, passwords, privileges.

The servers are real and on loopback; that each verdict is one clear line without a password is looked at every time. It
may import everything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from postgres_local import connect, private_server
from tls_local import Authority, role, tls_in_front_of, tls_server

from assets.certify import certify
from matrix_defs import definitions
from matrix_defs.cases import CASES, CASES_BY_ID
from matrix_defs.namespace import new_run
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.workload import WorkloadSpec
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.external import VARIABLES

SMALL = RunSettings(RunMode.VENDOR_LIVE, WorkloadSpec(rows=50, wide_columns=15))
REFRESH, CHANGES = "postgres_to_postgres__full_refresh", "postgres_to_postgres__cdc"
CANARY = "c4n4ry-p4ss"
Set = Callable[..., None]


@pytest.fixture(autouse=True)
def services_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of the caller's, and no endpoint of another test's."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    monkeypatch.delenv("MATRIX_ENDPOINTS", raising=False)
    definitions.stop_services()
    yield
    definitions.stop_services()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set the variables of PostgreSQL."""

    def set_all(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"MATRIX_POSTGRES_{name.upper()}", str(value))

    return set_all


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module", params=["proxy", "server"])
def secured(
    request: pytest.FixtureRequest, postgres_endpoint: Endpoint, authority: Authority
) -> Iterator[dict[str, object]]:
    """A server reached by TLS alone: behind what ends TLS for it, or speaking it itself."""
    pair = authority.issue("127.0.0.1")
    here = {"host": "127.0.0.1", "user": "postgres", "sslmode": "verify-full", "sslrootcert": authority.file}
    if request.param == "proxy":
        assert postgres_endpoint.port
        with tls_in_front_of(postgres_endpoint.port, *pair) as port:
            yield here | {"port": port, "password": postgres_endpoint.password}
    else:
        with tls_server(*pair, CANARY) as port:
            yield here | {"port": port, "password": CANARY}


@pytest.fixture(scope="module")
def plain(postgres_endpoint: Endpoint) -> dict[str, object]:
    """The shared server as it is: without TLS."""
    return {"host": "127.0.0.1", "port": postgres_endpoint.port, "sslmode": "disable"}


def verdict(case_id: str) -> CaseResult:
    return certify(CASES_BY_ID[case_id], SMALL, definitions.services(SMALL), new_run())


def refusal(case_id: str = REFRESH) -> str:
    """The reason why the case is not run: one line without the password, and the one that doctor gives."""
    result = verdict(case_id)
    assert result.verdict is Verdict.NOT_RUN, result.reason
    assert "\n" not in result.reason
    assert CANARY not in result.reason
    examined = definitions.look_at([CASES_BY_ID[case_id]], SMALL, "")
    assert examined["refusals"] == {case_id: result.reason}
    assert CANARY not in str(examined)
    return result.reason


@contextmanager
def login(endpoint: Endpoint, name: str, *grants: str) -> Iterator[None]:
    """A role of the shared server for as long as the block lasts."""
    with connect(endpoint) as sql:
        role(sql, name, CANARY, *grants)
        try:
            yield
        finally:
            sql.execute(f"DROP OWNED BY {name}")
            sql.execute(f"DROP ROLE {name}")


class TestTls:
    """The server proves who it is."""

    @pytest.mark.parametrize("case_id", [REFRESH, CHANGES])
    def test_a_case_passes_by_verified_tls(self, secured, given, case_id):
        given(**secured)
        result = verdict(case_id)
        assert result.verdict is Verdict.PASSED, result.reason
        assert result.endpoints["sink"]["kind"] == "external"

    def test_without_tls_nobody_gets_in(self, secured, given):
        given(**secured | {"sslmode": "disable"})
        assert refusal().startswith("postgres: cannot log in to PostgreSQL at 127.0.0.1:")

    def test_a_wrong_password_is_told_with_the_variables_to_check(self, secured, given):
        given(**secured | {"password": f"{CANARY}-wrong"})
        reason = refusal()
        assert "password authentication failed" in reason
        assert reason.endswith("check MATRIX_POSTGRES_USER and MATRIX_POSTGRES_PASSWORD")

    def test_a_certificate_of_another_authority_is_refused(self, secured, given, tmp_path):
        given(**secured | {"sslrootcert": Authority(tmp_path, "strangers").file})
        reason = refusal()
        assert "certificate verify failed" in reason
        assert "MATRIX_POSTGRES_SSLROOTCERT" in reason

    def test_a_missing_file_of_the_authority_is_named(self, secured, given, tmp_path):
        given(**secured | {"sslrootcert": tmp_path / "nowhere.pem"})
        reason = refusal()
        assert str(tmp_path / "nowhere.pem") in reason
        assert "MATRIX_POSTGRES_SSLROOTCERT" in reason

    @pytest.mark.parametrize(
        ("name", "ends", "words"),
        [
            ("127.0.0.1", -timedelta(hours=1), "certificate has expired"),
            ("db.example", timedelta(days=1), "does not match host name"),
        ],
    )
    def test_an_expired_or_foreign_certificate_is_refused_by_its_flaw(
        self, postgres_endpoint, authority, given, name, ends, words
    ):
        with tls_in_front_of(postgres_endpoint.port, *authority.issue(name, ends)) as port:
            given(host="127.0.0.1", port=port, user="postgres", password=postgres_endpoint.password)
            given(sslmode="verify-full", sslrootcert=authority.file)
            assert words in refusal()

    def test_a_server_without_tls_is_told_apart(self, postgres_endpoint, plain, given):
        given(**plain, user="postgres", password=postgres_endpoint.password)
        given(sslmode="require")
        assert "does not support SSL" in refusal()


class TestPrivileges:
    """What the role may do."""

    def test_a_role_that_may_not_create_schemas_is_told_the_grant(self, postgres_endpoint, plain, given):
        with login(postgres_endpoint, "reader", "GRANT pg_read_all_data TO reader"):
            given(**plain, user="reader", password=CANARY)
            reason = refusal()
        assert reason.startswith("postgres: permission denied for database postgres (42501); ")
        assert 'GRANT CREATE ON DATABASE "postgres" TO "reader"' in reason

    def test_a_read_only_role_is_told_that_its_transactions_may_not_write(self, postgres_endpoint, plain, given):
        grants = (
            "GRANT CREATE ON DATABASE postgres TO viewer",
            "ALTER ROLE viewer SET default_transaction_read_only = on",
        )
        with login(postgres_endpoint, "viewer", *grants):
            given(**plain, user="viewer", password=CANARY)
            assert "cannot execute CREATE SCHEMA in a read-only transaction" in refusal()

    def test_only_cdc_needs_a_role_that_may_replicate(self, postgres_endpoint, plain, given):
        with login(postgres_endpoint, "loader", "GRANT CREATE ON DATABASE postgres TO loader"):
            given(**plain, user="loader", password=CANARY)
            reason = refusal(CHANGES)
            result = verdict(REFRESH)
        assert "permission denied to start WAL sender" in reason
        assert 'ALTER ROLE "loader" REPLICATION' in reason
        assert result.verdict is Verdict.PASSED, result.reason

    def test_looking_leaves_nothing_behind(self, postgres_endpoint, plain, given):
        given(**plain, user="postgres", password=postgres_endpoint.password)
        definitions.look_at(CASES[:8], SMALL, "postgres=external")
        with connect(postgres_endpoint) as sql:
            left = sql.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%doctor%'").fetchall()
        assert left == []


class TestServer:
    """How the server is set."""

    def test_only_cdc_needs_wal_level_logical_and_a_free_slot(self, given):
        with private_server(wal_level="replica", max_replication_slots="0") as server:
            given(host="127.0.0.1", port=server.port, user=server.user, password=server.password, sslmode="disable")
            cdc = [case for case in CASES if case.case_id in (REFRESH, CHANGES, "postgres_to_postgres__xmin")]
            found = definitions.look_at(cdc, SMALL, "")
            reason = refusal(CHANGES)
        assert set(found["refusals"]) == {CHANGES}
        assert reason.startswith("postgres: wal_level is replica; set wal_level = logical")
        assert "all 0 replication slots are taken; raise max_replication_slots" in reason
        (profile,) = (profile for profile in found["profiles"] if profile["profile"] == "postgres_live")
        unmet = {look["name"]: look["cases"] for look in profile["requirements"] if look["state"] == "unmet"}
        assert unmet == {"wal_level": 1, "replication_slot": 1}

    def test_the_server_itself_ends_a_statement_that_runs_too_long(self, postgres_endpoint, plain, given):
        from resources.postgres.session import Session

        given(**plain, user="postgres", password=postgres_endpoint.password, statement_seconds=7)
        services = definitions.services(SMALL)
        session = Session(services.endpoint(CASES_BY_ID[REFRESH].source))
        try:
            assert session.value("SHOW statement_timeout") == "7s"
            with session.arrow.cursor() as cursor:
                cursor.execute("SELECT current_setting('statement_timeout')")
                assert cursor.fetchone() == ("7s",)
        finally:
            session.close()

    @pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1.5"])
    def test_a_limit_that_is_none_is_refused_by_name_and_value(self, plain, given, seconds):
        given(**plain, user="postgres", password=CANARY, statement_seconds=seconds)
        assert f"MATRIX_POSTGRES_STATEMENT_SECONDS must be a whole number of seconds, 1 or more, not {seconds!r}" in (
            refusal()
        )
