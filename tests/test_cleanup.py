"""Promises of `matrix cleanup`: what old runs left is found by its name's age, listed first, dropped when told so.

The services are real and local; what is young, foreign or merely similar stays. It may import everything.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from postgres_local import TABLE, connect, drain, rows
from psycopg.pq import ExecStatus
from test_cli import Run, run  # noqa: F401 - a fixture

from assets.cleanup import Found, older_than, remove, search
from matrix_defs import definitions
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.errors import UsageError
from matrix_defs.namespace import new_run, sink_namespace, source_namespace
from matrix_defs.ports import LoadTarget, ReadMode, ReadRequest
from matrix_defs.systems import System
from resources.endpoints import schema_registry
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.external import VARIABLES
from resources.endpoints.registry import Endpoints, environment
from resources.postgres.source import PostgresSource
from resources.registry import RESOURCES
from resources.system import SystemResource

NOW = datetime.now(UTC)
OLD, YOUNG = new_run(NOW - timedelta(days=3)), new_run(NOW - timedelta(hours=1))
DAY = timedelta(hours=24)
CDC = CASES_BY_ID["postgres_to_postgres__cdc"]


def look(resource: SystemResource, endpoint: Endpoint, age: timedelta = DAY) -> tuple[Found, ...]:
    """Search one system as the command does."""
    system = resource.system
    kinds = {known: "external" if known is system else "embedded" for known in System}
    held = SimpleNamespace(kinds=kinds, absence=lambda _: "", resources={system: resource}, endpoint=lambda _: endpoint)
    found = search(held, age, NOW)  # type: ignore[arg-type]
    assert found.remarks == ()
    return found.found


def names(found: tuple[Found, ...]) -> list[tuple[str, str]]:
    return sorted((one.leftover.kind, one.leftover.name) for one in found)


def dropped(found: tuple[Found, ...]) -> list[str]:
    """Drop everything, and return what could not be."""
    return [problem for _, problem in remove(found) if problem]


def name_it(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """Let the environment name the service, as its owner's would."""
    definitions.stop_services()
    for name, value in environment([endpoint]).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    """Local services that the systems besides PostgreSQL are looked for on."""
    held = Endpoints()
    yield held
    held.stop_all()


class TestPostgres:
    """Slots keep WAL, so they matter most."""

    @pytest.fixture
    def broken_off(self, postgres_endpoint: Endpoint) -> Iterator[str]:
        """A source of an old run that was killed behind its first change read: schema, publication, slot."""
        namespace = source_namespace(OLD, CDC)
        source = PostgresSource(postgres_endpoint, namespace, TABLE)
        source.seed(rows((1, "a", "x")))
        drain(source.read(ReadRequest(ReadMode.CHANGES, None)))
        source._session.close()
        yield namespace
        source.drop()

    @pytest.fixture
    def bystanders(self, postgres_endpoint: Endpoint) -> Iterator[list[str]]:
        """Schemas that must stay: of a young run, somebody else's, and ones that look alike."""
        schemas = [sink_namespace(YOUNG, CDC), "m_orders", f"m_{OLD}_backup", f"x{sink_namespace(OLD, CDC)[:50]}"]
        with connect(postgres_endpoint) as sql:
            for name in schemas:
                sql.execute(f'CREATE SCHEMA "{name}"')
            yield schemas
            for name in schemas:
                sql.execute(f'DROP SCHEMA "{name}"')

    def test_slot_publication_and_schema_of_an_old_run_are_dropped_and_nothing_else(
        self, postgres_endpoint, broken_off, bystanders
    ):
        resource = RESOURCES[System.POSTGRES]()
        found = look(resource, postgres_endpoint)
        assert names(found) == [(kind, broken_off) for kind in ("publication", "replication slot", "schema")]
        assert found[0].leftover.kind == "replication slot"
        assert dropped(found) == []
        assert look(resource, postgres_endpoint) == ()
        with connect(postgres_endpoint) as sql:
            left = {name for (name,) in sql.execute("SELECT nspname FROM pg_namespace").fetchall()}
        assert left >= set(bystanders)

    def test_a_younger_age_finds_the_young_run_too(self, postgres_endpoint, broken_off, bystanders):
        found = look(RESOURCES[System.POSTGRES](), postgres_endpoint, timedelta(minutes=30))
        assert ("schema", bystanders[0]) in names(found)
        assert [one.age for one in found] == sorted((one.age for one in found), reverse=True)

    def test_a_slot_that_is_in_use_is_told_and_the_rest_is_dropped(self, postgres_endpoint, broken_off):
        options = f"(proto_version '1', publication_names '{broken_off}')"
        start = f'START_REPLICATION SLOT "{broken_off}" LOGICAL 0/0 {options}'
        ended = (
            f"SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '{broken_off}'"
        )
        with closing(connect(postgres_endpoint, replication="database")) as reader, connect(postgres_endpoint) as sql:
            assert reader.pgconn.exec_(start.encode()).status == ExecStatus.COPY_BOTH
            (problem,) = dropped(look(RESOURCES[System.POSTGRES](), postgres_endpoint))
            assert sql.execute(ended).fetchone() == (True,)
        assert problem.startswith("PostgreSQL, dropping a leftover: ")
        assert "is active" in problem
        assert "\n" not in problem

    def test_the_command_lists_and_drops_only_when_told_yes(
        self,
        postgres_endpoint,
        broken_off,
        monkeypatch,
        run: Run,  # noqa: F811
    ):
        name_it(monkeypatch, postgres_endpoint)
        code, out, err = run("cleanup")
        assert (code, len(out.splitlines())) == (0, 3)
        assert all(
            line.startswith("found") and broken_off in line and "3 days old" in line for line in out.splitlines()
        )
        assert "3 leftover(s) older than 24h: --yes drops them" in err
        code, out, _ = run("cleanup", "--older-than", "4d", "--yes")
        assert (code, out) == (0, "")
        assert look(RESOURCES[System.POSTGRES](), postgres_endpoint) != ()
        code, out, _ = run("cleanup", "--yes")
        assert code == 0
        assert out.splitlines()[3:] == [f"dropped {broken_off}"] * 3
        assert look(RESOURCES[System.POSTGRES](), postgres_endpoint) == ()

    def test_a_service_that_cannot_be_searched_is_no_success(self, postgres_endpoint, monkeypatch, run: Run):  # noqa: F811
        name_it(monkeypatch, postgres_endpoint)
        monkeypatch.setenv("MATRIX_POSTGRES_PORT", "1")
        code, out, err = run("cleanup")
        assert (code, out) == (1, "")
        assert "not searched: postgres: " in err

    def test_a_service_that_is_half_set_up_is_no_success_beside_one_that_was_searched(
        self,
        postgres_endpoint,
        monkeypatch,
        run: Run,  # noqa: F811
    ):
        name_it(monkeypatch, postgres_endpoint)
        monkeypatch.setenv("MATRIX_ENDPOINTS", "postgres=external,mssql=external")
        monkeypatch.delenv("MATRIX_MSSQL_HOST", raising=False)
        assert run("cleanup", "--older-than", "9999d")[0] == 0
        monkeypatch.setenv("MATRIX_MSSQL_HOST", "127.0.0.1")
        definitions.stop_services()
        code, _, err = run("cleanup", "--older-than", "9999d")
        assert code == 1
        assert "not searched: mssql: set MATRIX_MSSQL_USER" in err

    def test_where_nothing_is_set_up_nothing_was_searched_and_that_is_no_success(self, monkeypatch, run: Run):  # noqa: F811
        definitions.stop_services()
        for variable in VARIABLES:
            monkeypatch.delenv(variable.name, raising=False)
        assert run("cleanup", "--endpoints", "external")[0] == 1


class TestOthers:
    """The other systems, as their sinks leave them."""

    @pytest.mark.parametrize(
        ("system", "kind", "each"),
        [(System.MSSQL, "schema", 1), (System.KAFKA, "topic", 2), (System.BIGQUERY, "dataset", 1)],
    )
    def test_a_target_of_an_old_run_is_found_and_dropped_and_that_of_a_young_one_stays(
        self, endpoints, system, kind, each
    ):
        self.leave_and_clean(RESOURCES[system](), endpoints.endpoint(system), kind, each)

    def test_databases_of_clickhouse(self):
        resource = RESOURCES[System.CLICKHOUSE]()
        try:
            self.leave_and_clean(resource, resource.endpoint("embedded"), "database", 1)
        finally:
            resource.close()
            definitions.stop_services()

    @staticmethod
    def leave_and_clean(resource: SystemResource, endpoint: Endpoint, kind: str, each: int) -> None:
        case = CASES_BY_ID[f"postgres_to_{resource.system}__full_refresh"]
        old, young = sink_namespace(OLD, case), sink_namespace(YOUNG, case)
        for namespace in (old, young):
            resource.own_sink(endpoint).create(LoadTarget(namespace, TABLE))
        found = look(resource, endpoint)
        assert {one.leftover.kind for one in found} == {kind}
        assert {one.leftover.namespace for one in found} == {old}
        assert len(found) == each
        assert dropped(found) == []
        assert look(resource, endpoint) == ()
        left = look(resource, endpoint, timedelta(0))
        assert {one.leftover.namespace for one in left} == {young}
        assert dropped(left) == []

    def test_subjects_that_outlived_their_topics_are_found_in_the_registry(self, endpoints, monkeypatch):
        endpoint = endpoints.endpoint(System.KAFKA)
        case = CASES_BY_ID["postgres_to_kafka__full_refresh"]
        registry = schema_registry.start()
        try:
            here = replace(endpoint, options={**endpoint.options, "registry_url": registry.base_url})
            resource = RESOURCES[System.KAFKA](message_format="avro")
            goal = LoadTarget(sink_namespace(OLD, case), TABLE)
            resource.own_sink(here).create(goal)
            cluster = resource._cluster(here)
            cluster.delete(cluster.topics(goal.namespace))
            found = look(resource, here)
            assert names(found) == [("subjects", f"{goal.namespace}.{TABLE.name}")]
            assert dropped(found) == []
            assert look(resource, here) == ()
        finally:
            registry.stop()


@pytest.mark.parametrize(("text", "hours"), [("24h", 24), ("90m", 1.5), ("7d", 168), ("0h", 0)])
def test_an_age_is_minutes_hours_or_days(text, hours):
    assert older_than(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "24", "h", "1w", "-1h", "1.5h", "24h1m", "9999999d"])
def test_any_other_age_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"^--older-than is .*; give minutes, hours or days such as 30m, 24h or 7d$"):
        older_than(text)
