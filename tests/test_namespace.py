"""Every case has names of its own that all systems accept, and they tell which run made them, and when."""

import re
from datetime import UTC, datetime

import pytest

from matrix_defs.cases import CASES, Case
from matrix_defs.namespace import new_run, sink_namespace, source_namespace, started_at
from matrix_defs.systems import System

SECOND = datetime(2026, 6, 1, 12, 30, 59, tzinfo=UTC)
CASE = Case(System.POSTGRES, System.MSSQL, "scd2")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case_id)
def test_names_fit_the_63_characters_of_a_postgresql_identifier_and_need_no_quotes(case: Case) -> None:
    run = new_run()
    for name in (sink_namespace(run, case), source_namespace(run, case)):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)
        assert case.case_id in name
        assert started_at(name) is not None


def test_no_two_names_of_a_run_are_equal_and_two_runs_share_none() -> None:
    run, other = new_run(SECOND), new_run(SECOND)
    assert run != other
    names = [name(r, case) for r in (run, other) for case in CASES for name in (sink_namespace, source_namespace)]
    assert len(set(names)) == 4 * len(CASES)


def test_a_name_tells_the_utc_second_in_which_its_run_began() -> None:
    run = new_run(SECOND.replace(microsecond=999_999))
    assert len(run) == 12
    assert started_at(sink_namespace(run, CASE)) == SECOND
    assert started_at(source_namespace(run, CASE)) == SECOND
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= started_at(sink_namespace(new_run(), CASE)) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "name",
    [
        "public",
        "m_orders",
        "m_postgres_to_mssql__scd2",
        "m_0123456789a_postgres_to_mssql__scd2",
        "m_0123456789abpostgres_to_mssql__scd2",
        "M_0123456789ab_postgres_to_mssql__scd2",
        "my_0123456789ab_postgres_to_mssql__scd2",
        "m_0123456789ab_",
        "m_0123456789ab_x;drop",
        "m_0123456789ab_postgres_to_mssql__scd2\n",
        "m_0123456789ab_backup",
    ],
)
def test_a_name_that_is_no_cases_own_is_never_taken_for_one(name: str) -> None:
    assert started_at(name) is None
