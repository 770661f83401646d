"""Promises of requirements: who needs which, how an unmet one stops just those cases, and what doctor makes of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from memory_systems import MemorySystem, memory_systems

from assets.certify import Services
from assets.doctor import examine
from matrix_defs.cases import CASES, CASES_BY_ID, Filters, select
from matrix_defs.cli_care import doctor_lines
from matrix_defs.errors import UsageError
from matrix_defs.requirements import DRIVER, REACHABLE, REQUIREMENTS, requirements
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import Profile, System
from matrix_defs.workload import WorkloadSpec

RUNBOOK = (Path(__file__).parents[1] / "docs" / "runbook.md").read_text()
LIVE = RunSettings(RunMode.VENDOR_LIVE)
PAIR = select(Filters(source="postgres", sink="postgres"))


class Picky(MemorySystem):
    """A PostgreSQL in memory that lacks what its class says."""

    system: ClassVar[System] = System.POSTGRES
    lacks: ClassVar[Mapping[str, str]] = {}

    def check(self, endpoint: object) -> Mapping[str, str]:
        names = [r.name for r in requirements(self.system) if r.name not in (DRIVER, REACHABLE)]
        return {name: self.lacks.get(name, "") for name in names}


def services(settings: RunSettings = LIVE, **lacks: str) -> Services:
    """The systems in memory, PostgreSQL among them without what is named."""
    kind = type("Lacking", (Picky,), {"lacks": lacks, "__annotations__": {}})
    resources = {System(name): resource for name, resource in memory_systems().items()}
    return Services(resources | {System.POSTGRES: kind()}, settings)


def test_names_are_unique_within_a_system_and_every_system_must_answer():
    for system in System:
        names = [requirement.name for requirement in requirements(system)]
        assert len(set(names)) == len(names)
        assert REACHABLE in names


@pytest.mark.parametrize("name", sorted({requirement.name for requirement in REQUIREMENTS}))
def test_the_runbook_explains_every_requirement(name):
    assert f"`{name}`" in RUNBOOK


def test_advice_names_the_endpoint_and_stands_for_what_is_not_known():
    (grant,) = (r for r in REQUIREMENTS if (r.system, r.name) == (System.POSTGRES, "create_schema"))
    assert grant.remedy(user="loader", database="dwh").startswith('GRANT CREATE ON DATABASE "dwh" TO "loader"')
    for requirement in REQUIREMENTS:
        assert "{" not in requirement.remedy()


@pytest.mark.parametrize("name", ["wal_level", "replication", "replication_slot"])
def test_what_only_a_change_stream_needs_stops_only_the_cases_that_read_one(name):
    found = services(**{name: "is not so"})
    stopped = {case.case_id for case in PAIR if found.refusal(case)}
    assert stopped == {"postgres_to_postgres__cdc"}
    assert found.refusal(CASES_BY_ID["postgres_to_postgres__cdc"]).startswith("postgres: is not so; ")


def test_what_a_source_of_sql_server_needs_stops_no_case_that_only_writes_there():
    (isolation,) = (r for r in REQUIREMENTS if r.name == "snapshot_isolation")
    needing = {case.case_id for case in CASES if isolation.needed(case)}
    assert needing == {case.case_id for case in CASES if case.source is System.MSSQL}


def test_an_optional_requirement_stops_nothing_and_is_told():
    (bcp,) = (r for r in REQUIREMENTS if r.name == "bcp")
    assert not any(map(bcp.needed, CASES))
    assert any(map(bcp.concerns, CASES))


def test_two_that_are_not_met_are_both_told_and_the_case_is_stopped_once():
    found = services(wal_level="wal_level is minimal", create_schema="permission denied")
    (cdc,) = (case for case in PAIR if case.strategy_name == "cdc")
    assert [line.partition(";")[0] for line in found.unmet(cdc)] == [
        "postgres: permission denied",
        "postgres: wal_level is minimal",
    ]


def test_a_system_is_looked_at_once_for_all_cases(monkeypatch):
    looked = []
    monkeypatch.setattr(Picky, "check", lambda self, endpoint: looked.append(endpoint) or {})
    found = services()
    for case in PAIR:
        found.refusal(case)
    assert len(looked) == 1


class TestDoctor:
    """What is made of it."""

    def test_every_profile_is_there_and_one_that_no_case_needs_is_not_asked(self):
        report = examine(PAIR, LIVE, services())
        assert [profile.profile for profile in report.profiles] == list(Profile)
        assert {p.profile for p in report.profiles if p.kind} == {Profile.POSTGRES_LIVE}
        assert (report.cases, report.runnable) == (len(PAIR), len(PAIR))

    def test_a_requirement_tells_how_many_of_the_selected_cases_it_opens(self):
        report = examine(PAIR, LIVE, services(wal_level="wal_level is replica"))
        looks = {look.name: look for look in report.profiles[0].requirements}
        assert (looks["wal_level"].state, looks["wal_level"].cases) == ("unmet", 1)
        assert (looks["create_schema"].state, looks["create_schema"].cases) == ("met", len(PAIR))
        assert report.runnable == len(PAIR) - 1

    def test_behind_a_system_that_cannot_be_had_nothing_is_claimed(self):
        cases = select(Filters(source="postgres", sink="mssql"))
        report = examine(cases, LIVE, services())
        (mssql,) = (profile for profile in report.profiles if profile.profile is Profile.MSSQL_LIVE)
        states = {look.name: look.state for look in mssql.requirements}
        assert states.pop(DRIVER) == "met"
        assert states.pop(REACHABLE) == "unmet"
        assert set(states.values()) == {"not asked"}
        assert report.runnable == 0

    def test_in_mock_contract_nothing_is_asked_and_everything_can_run(self):
        settings = RunSettings(RunMode.MOCK_CONTRACT)
        report = examine(CASES, settings, services(settings))
        assert (report.runnable, {profile.kind for profile in report.profiles}) == (200, {None})

    def test_its_lines_say_what_its_json_says(self):
        told = json.loads(json.dumps(examine(PAIR, LIVE, services(wal_level="wal_level is replica")).to_json()))
        lines = list(doctor_lines(told))
        assert len([line for line in lines if line.startswith("  MISSING")]) == 1
        assert lines[-1] == f"{len(PAIR) - 1} of {len(PAIR)} selected cases can run here (vendor_live)"


class TestRows:
    """How much is loaded into services that are somebody's."""

    def test_vendor_live_refuses_more_rows_than_are_allowed(self):
        with pytest.raises(
            UsageError, match=r"^rows is 100001; vendor_live takes at most 100000: .*--allow-rows 100001"
        ):
            RunSettings(RunMode.VENDOR_LIVE, WorkloadSpec(rows=100_001))

    def test_they_can_be_allowed_and_local_runs_have_no_bound(self):
        RunSettings(RunMode.VENDOR_LIVE, WorkloadSpec(rows=100_001), allow_rows=200_000)
        RunSettings(RunMode.MOCK_LOCAL, WorkloadSpec(rows=10_000_000))
