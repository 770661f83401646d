"""What Dagster shows of a run: what is green, which checks failed, what was observed, how the run ended."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest
from memory_systems import SMALL, memory_systems

from assets.certify import Services
from assets.config import CaseConfig, RunModeName, config_of
from assets.events import link
from assets.in_process import ToldStore, run_in_process, sort_out
from assets.verdicts import ahead
from matrix_defs.cases import CASES_BY_ID, Case, Filters, select
from matrix_defs.definitions import build_defs
from matrix_defs.errors import SystemUnavailableError
from matrix_defs.jobs import CASE_RESULT, job_name
from matrix_defs.partitions import CASE_PARTITIONS, range_tags, ranges
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec
from resources.artifacts import ArtifactStore
from resources.endpoints.endpoint import Endpoint
from resources.system import SystemResource

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KEY = dg.AssetKey(CASE_RESULT)
PASSES, FAILS = "postgres_to_postgres__cdc", "postgres_to_clickhouse__full_refresh"
REFUSED, BREAKS = "postgres_to_mssql__cdc", "clickhouse_to_clickhouse__backfill"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(folder=str(tmp_path / "artifacts"))


@pytest.fixture
def defs(store: ArtifactStore) -> dg.Definitions:
    return build_defs({**memory_systems(), "artifacts": store})


@dataclass
class Ran:
    """A run that ended, and the instance that knows what it logged: the outcome of a failed step does not."""

    outcome: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance

    @property
    def success(self) -> bool:
        return self.outcome.success

    @property
    def failure(self) -> str:
        return self.outcome.failure_data_for_node(CASE_RESULT).user_failure_data.description

    def materialized(self) -> dict[str, dg.AssetMaterialization]:
        found = [data.materialization for data in self._logged(dg.DagsterEventType.ASSET_MATERIALIZATION)]
        return {materialization.partition: materialization for materialization in found}

    def observed(self) -> dict[str, dg.AssetObservation]:
        found = [data.asset_observation for data in self._logged(dg.DagsterEventType.ASSET_OBSERVATION)]
        return {observation.partition: observation for observation in found}

    def evaluations(self) -> dict[str, dict[str, dg.AssetCheckEvaluation]]:
        found: dict[str, dict[str, dg.AssetCheckEvaluation]] = {}
        for evaluation in self._logged(dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            found.setdefault(evaluation.partition, {})[evaluation.check_name] = evaluation
        return found

    def _logged(self, kind: dg.DagsterEventType) -> list[Any]:
        entries = self.instance.all_logs(self.outcome.run_id, of_type=kind)
        return [entry.dagster_event.event_specific_data for entry in entries]


def execute(defs: dg.Definitions, instance: dg.DagsterInstance, first: str, last: str = "", **config: Any) -> Ran:
    neighbours = [CASES_BY_ID[first], CASES_BY_ID[last or first]]
    outcome = defs.resolve_job_def(job_name(RunMode.MOCK_LOCAL)).execute_in_process(
        instance=instance,
        tags=range_tags(neighbours),
        run_config={"ops": {CASE_RESULT: {"config": {**SMALL, **config}}}, **QUIET},
        raise_on_error=False,
    )
    return Ran(outcome, instance)


def test_a_run_with_a_failed_case_fails_and_only_the_passed_case_is_materialized(defs, instance):
    outcome = execute(defs, instance, PASSES, FAILS)
    assert not outcome.success
    assert outcome.failure == f"1 of 2 cases failed: {FAILS}"
    assert set(outcome.materialized()) == {PASSES}
    assert instance.get_materialized_partitions(KEY) == {PASSES}


def test_a_passed_case_carries_its_counts_seconds_endpoints_and_artifact(defs, instance, store):
    metadata = execute(defs, instance, PASSES).materialized()[PASSES].metadata
    assert metadata["verdict"].value == "passed"
    assert metadata["endpoints"].value["sink"]["engine"] == "memory"
    assert Path(metadata["artifact"].value).exists()
    assert metadata["report"].value == f"{Path(store.folder)}/report.html#case={PASSES}"
    loads = metadata["loads"].records
    assert [record.data["stage"] for record in loads] == ["baseline", "changes", "replay", "returns", "emptied"]
    assert metadata["rows"].value == sum(record.data["staged"] for record in loads) > 0
    assert metadata["seconds"].value > 0


def test_a_run_carries_the_names_that_the_search_of_the_ui_finds_it_by(defs, instance):
    execute(defs, instance, "postgres_to_postgres__cdc", "postgres_to_clickhouse__incremental_append")
    (run,) = instance.get_runs()
    expected = {"source": "postgres", "sink": "postgres,clickhouse", "strategy": "cdc,full_refresh,incremental_append"}
    assert {name: run.tags[name] for name in expected} == expected


def test_the_loads_of_a_backfill_are_one_line_per_stage(defs, instance):
    case_id = "postgres_to_postgres__backfill"
    metadata = execute(defs, instance, case_id).materialized()[case_id].metadata
    records = [record.data for record in metadata["loads"].records]
    assert [record["stage"] for record in records] == ["baseline", "changes", "returns", "emptied"]
    assert all(record["loads"] > 1 for record in records)
    assert metadata["rows"].value == sum(record["staged"] for record in records)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/data/artifacts/report.html", dg.MetadataValue.path("/data/artifacts/report.html")),
        ("gs://bucket/a/report.html", dg.MetadataValue.url("https://storage.cloud.google.com/bucket/a/report.html")),
    ],
)
def test_a_place_is_a_link_where_a_browser_can_follow_it(place, shown):
    assert link(place) == shown


def test_a_failed_case_says_why_in_its_check_and_in_an_observation(defs, instance):
    outcome = execute(defs, instance, PASSES, FAILS)
    check = outcome.evaluations()[FAILS]["rows_match"]
    assert not check.passed
    assert "133 rows, 134 are expected" in check.metadata["detail"].value
    assert check.metadata["differences"].records[0].data["difference"] == "missing"
    assert outcome.observed()[FAILS].metadata["verdict"].value == "failed"


def test_checks_belong_to_the_partition_of_their_case(defs, instance):
    found = execute(defs, instance, PASSES, FAILS).evaluations()
    assert found.keys() == {PASSES, FAILS}
    assert all(evaluation.passed for evaluation in found[PASSES].values())
    assert "history_valid" not in found[PASSES], "a check that does not apply is absent, never passed"


def test_a_case_that_cannot_run_is_observed_with_its_reason_and_never_green(defs, instance, store):
    outcome = execute(defs, instance, REFUSED, "postgres_to_postgres__full_refresh")
    assert outcome.success
    assert set(outcome.materialized()) == {"postgres_to_postgres__full_refresh"}
    assert outcome.observed()[REFUSED].metadata["reason"].value == "SQL Server: not here"
    assert store.read(RunMode.MOCK_LOCAL)[REFUSED]["verdict"] == "not_run"


def test_a_run_in_which_nothing_can_run_succeeds(defs, instance):
    outcome = execute(defs, instance, REFUSED)
    assert outcome.success
    assert not outcome.materialized()


def test_an_unexpected_error_fails_its_case_and_no_other(defs, instance, store):
    outcome = execute(defs, instance, BREAKS, "rest_to_postgres__full_refresh")
    artifacts = store.read(RunMode.MOCK_LOCAL)
    assert artifacts[BREAKS]["reason"] == "RuntimeError: out of order"
    assert set(outcome.materialized()) == {"rest_to_postgres__full_refresh"}


def test_a_case_that_fails_after_it_passed_turns_red_and_green_again(store, instance):
    good, bad = memory_systems(), memory_systems()
    bad["postgres"] = type(bad["postgres"])(lossy=True)
    colours = []
    for systems in (good, bad, good):
        execute(build_defs({**systems, "artifacts": store}), instance, PASSES)
        status = instance.get_status_by_partition(KEY, [PASSES], CASE_PARTITIONS)
        colours.append(status[PASSES].value if status else None)
    assert colours == ["MATERIALIZED", "FAILED", "MATERIALIZED"]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"rows": 10}, "workload: rows is 10; give at least 50"),
        ({"endpoints": "borrowed"}, "MATRIX_ENDPOINTS: 'borrowed' is neither a kind"),
    ],
)
def test_values_that_dagster_cannot_check_fail_the_step_with_one_line_at_once(defs, instance, store, config, line):
    outcome = execute(defs, instance, PASSES, **config)
    assert outcome.failure.startswith(line)
    assert not store.read(RunMode.MOCK_LOCAL)


@pytest.mark.parametrize("config", [{"run_mode": "bogus"}, {"rows": "many"}, {"row_count": 50}])
def test_names_types_and_run_modes_are_refused_at_launch(defs, instance, config):
    with pytest.raises(dg.DagsterInvalidConfigError):
        execute(defs, instance, PASSES, **config)
    assert not instance.get_runs()


def test_an_unwritable_artifact_folder_fails_the_step_before_any_case(tmp_path, instance):
    (tmp_path / "file").write_text("")
    defs = build_defs({**memory_systems(), "artifacts": ArtifactStore(folder=str(tmp_path / "file"))})
    outcome = execute(defs, instance, PASSES)
    assert outcome.failure.startswith(f"artifacts: cannot write to '{tmp_path / 'file'}'")
    assert not outcome.observed()


def test_no_password_reaches_a_log_metadata_run_config_or_artifact(monkeypatch, instance, store):
    canary = "c4n4ry-p4ssw0rd"
    unused = socket.create_server(("127.0.0.1", 0))
    port = unused.getsockname()[1]
    unused.close()
    for name, value in {"HOST": "127.0.0.1", "PORT": str(port), "USER": "certifier", "PASSWORD": canary}.items():
        monkeypatch.setenv(f"MATRIX_POSTGRES_{name}", value)
    others = {name: system for name, system in memory_systems().items() if name != "postgres"}
    defs = build_defs({**others, "artifacts": store})
    outcome = execute(defs, instance, "postgres_to_postgres__scd2", endpoints="postgres=external")
    shown = outcome.observed()["postgres_to_postgres__scd2"].metadata
    assert f"127.0.0.1:{port} as certifier" in shown["reason"].value
    (run,) = instance.get_runs()
    logs = [dg.serialize_value(entry) for entry in instance.all_logs(run.run_id)]
    artifacts = [path.read_text() for path in Path(store.folder).rglob("*.json")]
    assert artifacts
    assert canary not in "".join([*logs, *artifacts, dg.serialize_value(run)])


def test_the_config_form_knows_exactly_the_run_modes_and_gives_back_what_it_was_given():
    assert RunModeName.__args__ == tuple(mode.value for mode in RunMode)
    settings = RunSettings(RunMode.VENDOR_LIVE, WorkloadSpec(77, 0.5, 0.1, 30, 4), keep_on_failure=True)
    assert CaseConfig(**config_of(settings, "external")).settings() == settings
    assert CaseConfig().settings() == RunSettings()


def test_a_refusing_system_is_asked_once_for_all_cases_of_a_run():
    asked = []

    class Refusing(SystemResource):
        system: ClassVar[System] = System.POSTGRES

        def endpoint(self, kind: str) -> Endpoint:
            asked.append(kind)
            raise SystemUnavailableError("gone")

    services = Services({System.POSTGRES: Refusing()}, RunSettings(RunMode.MOCK_LOCAL))
    assert {services.refusal(case) for case in select(Filters(source="postgres", sink="postgres"))} == {"gone"}
    assert len(asked) == 1


class TestInProcess:
    """What `matrix run` does once its options are read."""

    @pytest.fixture
    def told(self, store: ArtifactStore) -> ToldStore:
        self.heard: list[CaseResult] = []
        return ToldStore(store, self.heard.append)

    def run(self, cases: list[Case], told: ToldStore, instance: dg.DagsterInstance) -> None:
        systems = memory_systems()
        settings = RunSettings(workload=WorkloadSpec(**SMALL), jobs=2)
        services = Services({system: systems[system.value] for system in System}, RunSettings(RunMode.MOCK_LOCAL))
        runs = ranges(sort_out(cases, settings, services, told))
        with ahead(runs, settings, services) as verdicts:
            defs = build_defs({**systems, "artifacts": told, "verdicts": verdicts})
            run_in_process(defs, runs, settings, endpoints="", told=told, instance=instance)

    def test_every_case_gets_a_verdict_that_is_told_once_and_kept(self, told, instance, store):
        cases = list(select(Filters(source="postgres", strategy="full_refresh,cdc")))
        self.run(cases, told, instance)
        assert {result.case for result in self.heard} == set(cases)
        assert len(self.heard) == len(cases)
        verdicts = {result.case.case_id: result.verdict for result in self.heard}
        assert verdicts[PASSES] is Verdict.PASSED
        assert verdicts[FAILS] is Verdict.FAILED
        assert verdicts[REFUSED] is Verdict.NOT_RUN
        assert set(store.read(RunMode.MOCK_LOCAL)) == set(verdicts)

    def test_cases_that_cannot_run_are_not_submitted_and_each_range_of_neighbours_is_one_run(self, told, instance):
        cases = list(select(Filters(source="postgres,rest", strategy="full_refresh")))
        self.run(cases, told, instance)
        runs = instance.get_runs(filters=dg.RunsFilter(job_name=job_name(RunMode.MOCK_LOCAL)))
        starts = {run.tags["dagster/asset_partition_range_start"] for run in runs}
        runnable = {
            f"{source}_to_{sink}__full_refresh"
            for source in ("postgres", "rest")
            for sink in ("postgres", "clickhouse")
        }
        assert starts == runnable

    def test_the_report_is_drawn_anew_at_the_end(self, told, instance):
        self.run([CASES_BY_ID[PASSES]], told, instance)
        report = instance.get_latest_materialization_event(dg.AssetKey("matrix_report"))
        assert report.asset_materialization.metadata["passed"].value == 1

    def test_a_run_that_dies_leaves_no_case_without_a_verdict(self, told, instance, store):
        class Dying(ToldStore):
            def check_writable(self) -> None:
                raise MemoryError

        dying = Dying(store, self.heard.append)
        self.run([CASES_BY_ID[PASSES]], dying, instance)
        (result,) = self.heard
        assert result.verdict is Verdict.FAILED
        assert "ended before the case had a verdict" in result.reason


def test_ranges_are_the_fewest_runs_of_neighbours():
    cases = [CASES_BY_ID[REFUSED], *select(Filters(source="postgres", sink="postgres")), CASES_BY_ID[BREAKS]]
    assert [len(neighbours) for neighbours in ranges(cases)] == [11, 1]
    assert [case for neighbours in ranges(reversed(cases)) for case in neighbours] == cases


def test_the_inventory_shows_all_250_combinations_with_needs_or_reason(defs):
    outcome = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey("case_inventory")]
    )
    (shown,) = outcome.asset_materializations_for_node("case_inventory")
    records = [record.data for record in shown.metadata["inventory"].records]
    assert len(records) == shown.metadata["combinations"].value == 250
    assert sum(record["status"].startswith("excluded") for record in records) == 50
    assert all(record["note"] for record in records)


def test_the_report_adds_up_to_250_and_calls_what_never_ran_not_run(defs, instance):
    execute(defs, instance, PASSES, FAILS)
    job = defs.resolve_implicit_global_asset_job_def()
    outcome = job.execute_in_process(asset_selection=[dg.AssetKey("matrix_report")], instance=instance)
    (shown,) = outcome.asset_materializations_for_node("matrix_report")
    counts = {name: shown.metadata[name].value for name in ("passed", "failed", "not_run", "excluded")}
    assert counts == {"passed": 1, "failed": 1, "not_run": 198, "excluded": 50}
    grid = shown.metadata["grid"].value.splitlines()
    assert len(grid) >= 7
    assert grid[2].count("🟩") == grid[2].count("❌") == 1
    assert FAILS in shown.metadata["failed_cases"].value
    assert "198 x has not been run" in shown.metadata["not_run_reasons"].value
    for name in ("report", "junit", "summary"):
        assert Path(shown.metadata[name].value).exists()
    assert "since_the_previous_run" not in shown.metadata


def test_the_report_says_what_changed_where_a_history_is_kept_and_refuses_a_bad_one_in_one_line(
    defs, instance, store, tmp_path
):
    file = tmp_path / "history.jsonl"
    job = defs.resolve_implicit_global_asset_job_def()

    def report() -> dg.ExecuteInProcessResult:
        config = {"ops": {"matrix_report": {"config": {"history": str(file)}}}, **QUIET}
        selected = [dg.AssetKey("matrix_report")]
        return job.execute_in_process(
            asset_selection=selected, instance=instance, run_config=config, raise_on_error=False
        )

    for _ in range(2):
        execute(defs, instance, PASSES)
        outcome = report()
    (shown,) = outcome.asset_materializations_for_node("matrix_report")
    assert shown.metadata["since_the_previous_run"].value.startswith(("1 cases compared", "- "))
    file.write_text("no JSON\n")
    assert report().failure_data_for_node("matrix_report").user_failure_data.description.startswith("history: line 1")
