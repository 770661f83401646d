"""The checks of mock_contract: all cases pass, and for every check a planted defect makes it red."""

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from matrix_defs import contract
from matrix_defs.cases import CASES, CASES_BY_ID, Case
from matrix_defs.contract import CONTRACT_SPEC, Project, check_case
from matrix_defs.contract_expectation import expectation_flaw, invariant_broken, live_rows
from matrix_defs.manifest import manifest
from matrix_defs.oracle import Counts, Expected, fold
from matrix_defs.ports import Step
from matrix_defs.result import CONTRACT_CHECK_NAMES, CaseResult, Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.story import Stage
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Read
from matrix_defs.systems import FACTS, Profile, SourceKind, System
from matrix_defs.workload import build_workload
from resources.plan_check import SqlPlanner
from resources.postgres.dialect import PostgresDialect
from resources.project import extra_flaws, read_project
from resources.project import project as the_project
from resources.sql_plan import Plan, Statement

CASE = CASES_BY_ID["rest_to_postgres__full_refresh"]


@pytest.fixture
def project() -> Project:
    return the_project()


def failed(result: CaseResult) -> dict[str, str]:
    return {check.name: check.detail for check in result.checks if not check.passed}


def only_failure(name: str, case: Case, project: Project) -> str:
    """Return what the only failed check found; it must be the one named."""
    result = check_case(case, project)
    found = failed(result)
    assert list(found) == [name]
    assert (result.verdict, result.reason) == (Verdict.FAILED, f"{name}: {found[name]}")
    return found[name]


def test_all_200_cases_keep_their_contract(project: Project) -> None:
    results = [check_case(case, project) for case in CASES]
    assert {result.case.case_id: result.reason for result in results if result.verdict is not Verdict.PASSED} == {}
    assert {tuple(check.name for check in result.checks) for result in results} == {CONTRACT_CHECK_NAMES}
    assert {result.run_mode for result in results} == {RunMode.MOCK_CONTRACT}


def test_no_connection_is_made(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert failed(check_case(CASE, project)) == {}


class TestDefinitions:
    """Defects of what a case is and needs."""

    def test_an_excluded_combination_is_no_case_and_nothing_else_is_said_of_it(self, project: Project) -> None:
        result = check_case(Case(System.REST, System.KAFKA, "cdc"), project)
        assert [check.name for check in result.checks] == ["case_is_canonical"]
        assert "rest_to_kafka__cdc is none of the 200 cases" in result.reason

    def test_a_guide_that_is_missing_is_named(self, project: Project) -> None:
        bare = replace(project, guides=project.guides - {"rest-to-postgres.md"})
        assert "docs/source-sink/rest-to-postgres.md" in only_failure("guide_exists", CASE, bare)

    def test_an_extra_that_is_not_declared_is_named(self, project: Project) -> None:
        bare = replace(project, extra_flaws={})
        assert only_failure("extras_installable", CASE, bare) == "extra postgres: not declared in pyproject.toml"

    def test_a_profile_that_no_system_answers_for_is_named(self, project: Project) -> None:
        bare = replace(project, profiles=project.profiles - {Profile.POSTGRES_LIVE})
        assert only_failure("profiles_known", CASE, bare) == "no system answers for postgres_live"

    def test_a_profile_of_another_name_is_unknown(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        facts: Any = replace(FACTS[System.REST], profile="rest_moon")
        monkeypatch.setitem(FACTS, System.REST, facts)
        found = failed(check_case(CASE, project))
        assert found["profiles_known"] == "no system answers for rest_moon"
        assert "manifest_valid" in found

    @pytest.mark.parametrize(
        "spoilt",
        [{"password": "x"}, {"case_id": "rest to postgres"}, {"extras": ["oracle"]}, {"profiles": {}}],
        ids=["credential", "case_id", "extras", "profiles"],
    )
    def test_a_manifest_that_departs_from_its_schema_is_refused(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(contract, "manifest", lambda case: {**manifest(case), **spoilt})
        assert only_failure("manifest_valid", CASE, project)


class TestExtras:
    """What makes an extra installable."""

    @pytest.mark.parametrize(
        ("requirement", "flaw"),
        [
            ("pyarrow>=1", ""),
            ("pinned-thing>=2", ""),
            ("own[other]", ""),
            ("pyarrow>=999", "does not allow pyarrow"),
            ("pinned-thing>=3", "does not allow pinned-thing 2.5"),
            ("no-such-thing>=1", "no-such-thing is neither installed nor pinned in constraints.txt"),
            ("own[typo]", "names the undeclared extra typo"),
            ("pyarrow >>= 1", "is no requirement"),
        ],
    )
    def test_a_requirement_is_installed_or_pinned_in_a_version_that_it_allows(
        self, tmp_path: Path, requirement: str, flaw: str
    ) -> None:
        extras = f'[project.optional-dependencies]\nit = ["{requirement}"]\nother = ["pyarrow"]\n'
        (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "own"\n{extras}', encoding="utf-8")
        (tmp_path / "constraints.txt").write_text("# exact\npinned-thing==2.5  # why\n", encoding="utf-8")
        found = extra_flaws(tmp_path)["it"]
        assert flaw in found
        assert bool(flaw) == bool(found)

    def test_an_extra_without_requirements_brings_no_driver(self, tmp_path: Path) -> None:
        text = '[project]\nname = "own"\n[project.optional-dependencies]\nit = []\n'
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        assert extra_flaws(tmp_path) == {"it": "it is empty"}

    def test_a_folder_without_the_published_schemas_is_no_project(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r"manifest\.schema\.json"):
            read_project(tmp_path)


class TestPlans:
    """Statements that prove nothing."""

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM WHERE x",
            "VACUUM FULL x",
            "ASSERT x",
            "",
            "-- nothing",
            "SELECT 1; VACUUM x",
            "ALTER TABLE x DETACH PARTITION y CASCADE",
        ],
        ids=[
            "no SQL",
            "a Command",
            "an expression",
            "empty",
            "a comment",
            "a Command behind a query",
            "near a template",
        ],
    )
    def test_a_statement_that_does_not_hold_up_is_shown_with_its_load(self, project: Project, statement: str) -> None:
        class Defective(PostgresDialect):
            def swap_in(self, plan: Plan) -> list[Statement]:
                return [*super().swap_in(plan), Statement(statement)]

        found = only_failure("plan_renders", CASE, planning(project, Defective()))
        assert found.startswith("baseline, load plan-1: ")
        assert " ".join(statement.split()) in found

    def test_a_statement_of_a_later_load_alone_is_seen_too(self, project: Project) -> None:
        class Defective(PostgresDialect):
            def swap_in(self, plan: Plan) -> list[Statement]:
                last = plan.load.load_id == "plan-5"
                return [*super().swap_in(plan), *([Statement("VACUUM x")] if last else [])]

        assert only_failure("plan_renders", CASE, planning(project, Defective())).startswith("emptied, load plan-5: ")

    def test_the_tables_that_a_case_makes_and_drops_are_looked_at(self, project: Project) -> None:
        class Defective(PostgresDialect):
            def drop_namespace(self, namespace: str) -> list[Statement]:
                return [Statement(f"VACUUM {namespace}")]

        found = only_failure("plan_renders", CASE, planning(project, Defective()))
        assert found.startswith("before and after the loads: ")

    def test_a_step_that_the_sink_has_not_is_named(self, project: Project) -> None:
        class Without(PostgresDialect):
            swap_in = None  # type: ignore[assignment]

        assert "swap_in" in only_failure("plan_renders", CASE, planning(project, Without()))

    def test_a_plan_without_statements_is_none(self, project: Project) -> None:
        class Silent(PostgresDialect):
            def plan(self, *_: object) -> list[str]:
                return []

        found = only_failure("plan_renders", CASE, planning(project, Silent()))
        assert found == "baseline, load plan-1: no statement at all"


def planning(project: Project, dialect: PostgresDialect) -> Project:
    return replace(project, planners={**project.planners, System.POSTGRES: SqlPlanner(dialect)})


class TestExpectations:
    """Expectations that contradict themselves, or what the steps do."""

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_a_strategy_without_its_last_step_departs_from_what_is_expected(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        strategy = STRATEGIES[name]
        monkeypatch.setitem(STRATEGIES, name, replace(strategy, steps=strategy.steps[:-1]))
        assert expectation_flaw(case_of(name), replace(CONTRACT_SPEC, seed=1)).startswith("a sink in memory departs")

    def test_an_expect_that_forgets_deletes_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        strategy = STRATEGIES["snapshot_diff"]

        def forgetful(target: pa.Table, read: Read, key: Sequence[str]) -> pa.Table:
            return strategy.expect(target, read, key) if read.rows.num_rows else target

        monkeypatch.setitem(STRATEGIES, "snapshot_diff", replace(strategy, expect=forgetful))
        flaw = expectation_flaw(case_of("snapshot_diff"), replace(CONTRACT_SPEC, seed=2))
        assert flaw.startswith("after emptied: rows and deletes must be the source's")

    @pytest.mark.parametrize(
        ("name", "truth"),
        [
            ("lost row", "rows and deletes must be the source's"),
            ("row twice", "keys must be unique"),
            ("one insert too many", "a load must add inserted and take away deleted rows"),
            ("key kept alive", "the source must hold"),
        ],
    )
    def test_an_invariant_that_is_broken_is_told(self, name: str, truth: str) -> None:
        strategy, workload = STRATEGIES["full_refresh"], build_workload(CONTRACT_SPEC)
        folded = fold(strategy, SourceKind.STATE, workload)
        assert invariant_broken(strategy, SourceKind.STATE, workload, folded) == ""
        folded[Stage.BASELINE] = DEFECTS[name](folded[Stage.BASELINE])
        assert truth in invariant_broken(strategy, SourceKind.STATE, workload, folded)

    @pytest.mark.parametrize("rows", [50, 51, 200])
    @pytest.mark.parametrize(("changed", "deleted"), [(0.0, 0.0), (0.2, 0.05), (1.0, 1.0), (0.5, 0.6)])
    def test_the_formula_counts_what_the_workload_holds(self, rows: int, changed: float, deleted: float) -> None:
        spec = replace(CONTRACT_SPEC, rows=rows, changed_ratio=changed, deleted_ratio=deleted, wide_columns=0)
        folded = fold(STRATEGIES["full_refresh"], SourceKind.LOG, build_workload(spec))
        assert {stage: expected.live_keys.num_rows for stage, expected in folded.items()} == live_rows(spec)


def case_of(strategy: str) -> Case:
    return next(case for case in CASES if case.strategy_name == strategy)


def recounted(expected: Expected, inserted: int) -> tuple[Counts, ...]:
    (counts,) = expected.counts
    return (replace(counts, inserted=counts.inserted + inserted),)


DEFECTS = {
    "lost row": lambda e: replace(e, rows=e.rows.slice(1), counts=recounted(e, -1)),
    "row twice": lambda e: replace(e, rows=pa.concat_tables([e.rows, e.rows.slice(0, 1)]), counts=recounted(e, 1)),
    "one insert too many": lambda e: replace(e, counts=recounted(e, 1)),
    "key kept alive": lambda e: replace(e, live_keys=pa.concat_tables([e.live_keys, e.live_keys.slice(0, 1)])),
}


def test_a_step_is_reached_by_at_least_one_case_of_every_sink_that_supports_it(project: Project) -> None:
    for sink, planner in project.planners.items():
        reached = {step for case in CASES if case.sink is sink for step in case.strategy.steps}
        assert reached == planner.supported_steps & frozenset(Step)
