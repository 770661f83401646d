"""Promises of the one door to a system: a name that is no case's own is never created, changed, read or dropped.

The server is a real one, with a schema of somebody else's in it. It may import `resources`, `matrix_defs` and psycopg.
"""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgres_local import TABLE, connect, load_number, rows, target
from postgres_local import batch_of as batch

from assets.certify import Services, certify
from matrix_defs import runner
from matrix_defs.cases import CASES, CASES_BY_ID
from matrix_defs.errors import ForeignNameError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.namespace import doctor_namespace, new_run, require_own, sink_namespace, source_namespace
from matrix_defs.ports import LoadTarget, Sink, Step
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec
from resources.endpoints.endpoint import Endpoint
from resources.own_names import Leftover, OwnSink
from resources.postgres.resource import PostgresResource

RUN, CASE = new_run(), CASES_BY_ID["postgres_to_postgres__full_refresh"]
OWN = sink_namespace(RUN, CASE)
VICTIM = "warehouse"

FOREIGN = [
    VICTIM,
    "public",
    "",
    "m_",
    "m_orders",
    OWN.upper(),
    f"{OWN} ",
    f"{OWN}\n",
    f" {OWN}",
    f"{OWN}_src_src",
    f'{OWN}"; DROP SCHEMA {VICTIM} CASCADE; --',
    f'{OWN}".orders',
    f"{OWN}'; DROP SCHEMA {VICTIM} CASCADE; --",
    f"{OWN}]; DROP SCHEMA {VICTIM}; --",
    f"{OWN}`",
    f"{OWN}.{VICTIM}",
    f"m_{RUN}_not_a_case",
    f"x{OWN}",
    OWN.replace("_", "‿"),
    OWN.replace("m_", "м_", 1),
]
"""Somebody else's names, names that look like a case's own, and names that mean something else unless quoted."""

OPERATIONS: dict[str, Callable[[Sink, LoadTarget], object]] = {
    "create": lambda sink, to: sink.create(to),
    "load": lambda sink, to: sink.load(to, load_number(1), batch(rows((1, "a", "x"))), (Step.INSERT_STAGED,)),
    "plan": lambda sink, to: sink.plan(to, load_number(1), (Step.INSERT_STAGED,)),
    "position": lambda sink, to: sink.position(to),
    "read": lambda sink, to: sink.read(to),
    "leftovers": lambda sink, to: sink.leftovers(to),
    "drop": lambda sink, to: sink.drop(to),
}


@pytest.fixture(scope="module")
def warehouse(postgres_endpoint: Endpoint) -> Iterator[psycopg.Connection]:
    """A schema of somebody else's on the shared server, with one row in it."""
    with connect(postgres_endpoint) as sql:
        sql.execute(
            f"CREATE SCHEMA {VICTIM}; CREATE TABLE {VICTIM}.orders (id int); INSERT INTO {VICTIM}.orders VALUES (7)"
        )
        yield sql
        sql.execute(f"DROP SCHEMA {VICTIM} CASCADE")


def schemas(sql: psycopg.Connection) -> list[str]:
    return [name for (name,) in sql.execute("SELECT nspname FROM pg_namespace ORDER BY 1").fetchall()]


@pytest.mark.parametrize("name", FOREIGN)
def test_no_operation_of_a_sink_reaches_a_foreign_name(postgres_endpoint, warehouse, name):
    before = schemas(warehouse)
    sink = PostgresResource().own_sink(postgres_endpoint)
    for operation in OPERATIONS.values():
        with pytest.raises(ForeignNameError, match="nothing in it is created, changed or dropped"):
            operation(sink, target(name))
    assert schemas(warehouse) == before
    assert warehouse.execute(f"SELECT id FROM {VICTIM}.orders").fetchall() == [(7,)]


@pytest.mark.parametrize("name", FOREIGN)
def test_no_source_is_made_on_a_foreign_name(postgres_endpoint, warehouse, name):
    with pytest.raises(ForeignNameError):
        PostgresResource().own_source(postgres_endpoint, name, TABLE)
    assert VICTIM in schemas(warehouse)


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_foreign_is_removed_as_a_leftover(name):
    dropped: list[str] = []
    left = Leftover("schema", name, name, lambda: dropped.append(name))
    assert left.began is None
    with pytest.raises(ForeignNameError):
        left.remove()
    assert dropped == []


@given(st.text())
def test_of_all_texts_only_those_that_the_module_makes_are_own(text):
    with pytest.raises(ForeignNameError):
        require_own(text)


@given(st.sampled_from(CASES))
def test_every_name_that_the_module_makes_is_own(case):
    for name in (sink_namespace(RUN, case), source_namespace(RUN, case), doctor_namespace(RUN)):
        require_own(name)


def test_every_question_that_a_sink_can_be_asked_is_passed_on_or_checked():
    asked = {name for name in vars(Sink) if not name.startswith("_")} | set(Sink.__annotations__)
    assert asked - {"supported_steps", "encodings", "represent"} == set(OPERATIONS)
    assert all(hasattr(OwnSink(MemorySink()), name) for name in asked)


def test_a_runner_that_goes_astray_fails_its_case_and_nothing_else(postgres_endpoint, warehouse, monkeypatch):
    monkeypatch.setattr(runner, "sink_namespace", lambda run, case: VICTIM)
    settings = RunSettings(RunMode.MOCK_LOCAL, WorkloadSpec(rows=50, wide_columns=15))

    class Here(PostgresResource):
        def endpoint(self, kind: str) -> Endpoint:
            return postgres_endpoint

    result = certify(CASE, settings, Services({System.POSTGRES: Here()}, settings), new_run())
    assert result.verdict is Verdict.FAILED
    assert f"'{VICTIM}' is no namespace of a case" in result.reason
    assert warehouse.execute(f"SELECT id FROM {VICTIM}.orders").fetchall() == [(7,)]


def test_what_is_listed_as_left_behind_is_a_cases_own(postgres_endpoint, warehouse):
    resource = PostgresResource()
    names = {left.name for left in resource.find_leftovers(postgres_endpoint)}
    assert {VICTIM, "public"} <= names
    assert all(left.began for left in resource.leftovers(postgres_endpoint))
