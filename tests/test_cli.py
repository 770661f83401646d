"""The `matrix` command: what it prints, how it exits, and that nothing is left behind when it is interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphql
import httpx
import pytest
from dagster_graphql.schema import create_schema
from memory_systems import CLASSES, memory_systems

from matrix_defs import cli_launch, definitions
from matrix_defs.cases import CASES, CASES_BY_ID, EXCLUSIONS, Filters, select
from matrix_defs.cli import main
from matrix_defs.cli_launch import Dagster
from matrix_defs.errors import UsageError
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.systems import System

SMALL = ("--rows", "50", "--wide-columns", "15")
PAIR = ("--source", "postgres", "--sink", "postgres,clickhouse,mssql", "--strategy", "full_refresh")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of its own, no variable of the caller's, systems in memory."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MATRIX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    monkeypatch.setattr(definitions, "system_resource", lambda system, *_: memory_systems()[system.value])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Call the command as a shell would: exit code, stdout, stderr."""

    def called(*arguments: str) -> tuple[int, str, str]:
        handler = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(sys, "argv", ["matrix", *arguments])
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, handler)
        assert signal.set_wakeup_fd(-1) == -1, "signals are still watched behind the command"
        told = capfd.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return called


class TestList:
    def test_every_case_and_every_exclusion_is_a_line(self, run):
        code, out, _ = run("list")
        lines = out.splitlines()
        assert code == 0
        assert [line.split()[0] for line in lines] == [
            *(case.case_id for case in CASES),
            *(exclusion.case.case_id for exclusion in EXCLUSIONS),
        ]

    def test_json_is_one_object(self, run):
        _, out, _ = run("list", "--source", "kafka", "--sink", "kafka", "--format", "json")
        listed = json.loads(out)
        assert len(listed["cases"]) == 5
        assert [e["kind"] for e in listed["excluded"]] == ["never"] * 5


class TestManifest:
    def test_it_is_the_manifest_of_the_case(self, run):
        code, out, _ = run("manifest", "postgres_to_clickhouse__scd2")
        assert code == 0
        assert json.loads(out)["case_id"] == "postgres_to_clickhouse__scd2"

    def test_an_excluded_combination_is_refused_with_its_reason(self, run):
        code, _, err = run("manifest", "postgres_to_kafka__scd2")
        assert code == 2
        assert "excluded (never)" in err
        assert "is a log" in err


class TestRun:
    def test_json_is_one_object_on_stdout_with_exactly_the_promised_keys(self, run):
        code, out, err = run("run", *PAIR, *SMALL, "--format", "json")
        found = json.loads(out)
        assert list(found) == ["run_mode", "passed", "emulated", "failed", "not_run", "excluded", "seconds", "cases"]
        assert [found[name] for name in ("passed", "failed", "not_run", "excluded")] == [1, 1, 1, 0]
        keys = {"case_id", "verdict", "emulated", "reason", "seconds", "checks", "rows", "endpoints"}
        assert all(set(case) == keys for case in found["cases"])
        assert found["cases"][1]["checks"]["rows_match"] is True
        assert code == 1
        assert "passed  postgres_to_postgres__full_refresh" in err

    def test_it_exits_0_when_nothing_failed_and_1_when_everything_is_required(self, run):
        refused = ("run", "--source", "kafka", "--strategy", "scd2", *SMALL)
        assert run(*refused)[0] == 0
        assert run(*refused, "--require-all")[0] == 1

    def test_it_ends_with_the_path_of_the_report(self, run, tmp_path):
        _, _, err = run("run", *PAIR, *SMALL)
        assert err.splitlines()[-1] == f"report: {tmp_path / 'artifacts' / 'report.html'}"
        for name in ("report.html", "junit.xml", "summary.md"):
            assert (tmp_path / "artifacts" / name).stat().st_size > 1000

    def test_a_history_gets_a_line_for_every_case_of_every_run(self, run, tmp_path):
        file = tmp_path / "history.jsonl"
        for _ in range(2):
            run("run", *PAIR, *SMALL, "--history", str(file))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["verdict"] for line in lines] == ["not_run", "passed", "failed"] * 2
        assert len({(line["case_id"], line["run"]) for line in lines}) == 6
        assert "Since last run" in (tmp_path / "artifacts" / "report.html").read_text()

    def test_the_totals_add_up_to_250_and_reasons_are_told(self, run):
        _, out, _ = run("run", *PAIR, *SMALL)
        assert out.splitlines()[-1] == "1 passed + 1 failed + 1 not run + 197 not selected + 50 excluded = 250"
        assert "1 not run: SQL Server: not here" in out
        assert "failed postgres_to_clickhouse__full_refresh: rows_match" in out
        grid = next(line for line in out.splitlines() if "PostgreSQL │" in line)
        assert [cell.strip()[:1] for cell in grid.split("│")[2:5]] == ["□", "■", "✗"]

    def test_every_selected_case_leaves_its_artifact_where_it_was_asked_for(self, run, tmp_path):
        run("run", *PAIR, *SMALL, "--artifacts", str(tmp_path / "evidence"))
        kept = {path.stem for path in (tmp_path / "evidence" / "mock_local").glob("*.json")}
        assert kept == {
            case.case_id for case in select(Filters("postgres", "postgres,clickhouse,mssql", "full_refresh"))
        }

    def test_the_environment_gives_the_defaults(self, run, monkeypatch, tmp_path):
        for name, value in {"SOURCE": "postgres", "SINK": "postgres", "STRATEGY": "replace", "ROWS": "60"}.items():
            monkeypatch.setenv(f"MATRIX_{name}", value)
        monkeypatch.setenv("MATRIX_ARTIFACT_DIR", str(tmp_path / "here"))
        assert run("run", "--wide-columns", "15")[0] == 0
        (artifact,) = (tmp_path / "here").rglob("*.json")
        assert json.loads(artifact.read_text())["settings"]["rows"] == 60

    def test_the_verdict_is_seen_in_the_instance_of_the_folder(self, run, tmp_path):
        import dagster as dg

        run("run", *PAIR, *SMALL)
        with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
            assert instance.get_materialized_partitions(dg.AssetKey("case_result")) == {
                "postgres_to_postgres__full_refresh"
            }

    def test_the_contract_of_all_200_cases_is_checked_without_asking_any_system(self, run, monkeypatch):
        monkeypatch.setattr(CLASSES[System.POSTGRES], "endpoint", lambda *_: pytest.fail("an endpoint was asked for"))
        _, out, _ = run("run", "--run-mode", "mock_contract", "--source", "postgres", "--sink", "postgres")
        assert "0 not run" in out

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["run", "--source", "oracle"], "unknown source 'oracle'; valid: postgres, mssql, clickhouse, rest, kafka"),
            (["run", "--case-id", "nope"], "unknown case_id 'nope'"),
            (["run", "--source", "rest", "--strategy", "cdc"], "no case matches source=rest, strategy=cdc"),
            (["run", "--rows", "10"], "workload: rows is 10; give at least 50"),
            (
                ["run", "--rows", "many"],
                "Invalid value for '--rows' (env var: 'MATRIX_ROWS'): 'many' is not a valid integer.",
            ),
            (["run", "--changed-ratio", "2"], "workload: changed_ratio is 2.0"),
            (["run", "--deleted-ratio", "1.5"], "workload: deleted_ratio is 1.5, so more rows would be deleted"),
            (["run", "--run-mode", "bogus"], "Invalid value for '--run-mode' (env var: 'MATRIX_RUN_MODE'): 'bogus'"),
            (["run", "--endpoints", "borrowed"], "MATRIX_ENDPOINTS: 'borrowed' is neither a kind"),
            (["run", "--artifacts", "/dev/null/below"], "artifacts: cannot write to '/dev/null/below'"),
            (["launch", "--url", "http://127.0.0.1:9"], "no Dagster answers at http://127.0.0.1:9"),
            (["run", "--history", "/dev/null/below"], "history: cannot append to '/dev/null/below'"),
            (["report"], "no artifacts in 'artifacts': `matrix run` makes them"),
            (["report", "--run-mode", "bogus"], "Invalid value for '--run-mode' (env var: 'MATRIX_RUN_MODE'): 'bogus'"),
            (["docs", "--folder", "/dev/null"], "docs: cannot write to '/dev/null'"),
            (["frobnicate"], "No such command 'frobnicate'."),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_bad_usage_is_one_line_and_exit_code_2_and_nothing_is_written(self, run, tmp_path, arguments, line):
        code, out, err = run(*arguments)
        assert code == 2
        assert not out
        assert err.startswith(f"matrix: {line}")
        assert len(err.splitlines()) == 1
        assert not list(tmp_path.rglob("*.json"))


def test_report_writes_anew_what_the_artifacts_say_and_prints_where(run, tmp_path):
    folder = str(tmp_path / "kept")
    run("run", *PAIR, *SMALL, "--artifacts", folder)
    for path in (tmp_path / "kept").glob("*.*"):
        path.unlink()
    code, out, _ = run("report", "--artifacts", folder)
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == ["report.html", "junit.xml", "summary.md"]
    assert all(Path(line).exists() for line in out.splitlines())


BLOCKING = """
import signal, sys
sys.path.insert(0, {tests!r})
from memory_systems import CLASSES, memory_systems
from matrix_defs import definitions
from matrix_defs.cli import main
from matrix_defs.memory_sink import MemorySink

definitions.system_resource = lambda system, *_: memory_systems()[system.value]
definitions.ENDPOINTS.stop_all = lambda: print("stopped", flush=True)
sink = CLASSES["postgres"].sink
def blocking(self, *_):
    (ready := open({ready!r}, "w")).close()
    try:
        signal.pause()
    except BaseException:
        if {swallowed!r}:
            raise RuntimeError("The driver did not supply an error!")
        raise
{place} = blocking
sys.argv = ["matrix", "run", "--source", "postgres", "--sink", "postgres", "--rows", "50"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("swallowed", [False, True], ids=["raised", "swallowed by a driver"])
def test_an_interrupt_stops_the_services_and_leaves_nothing_half_written(tmp_path, number, swallowed):
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    place = "MemorySink.create" if swallowed else 'CLASSES["postgres"].sink'
    code = BLOCKING.format(tests=str(Path(__file__).parent), ready=str(ready), swallowed=swallowed, place=place)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with ready.open():
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "stopped\n"
    assert err.splitlines()[-1] == "matrix: interrupted; services are stopped"
    assert "Traceback" not in err
    assert not list((tmp_path / "artifacts").rglob("*"))


class TestLaunch:
    """The conversation with a Dagster, on scripted answers; its queries are held against the real schema."""

    CASES = ("postgres_to_postgres__full_refresh", "postgres_to_clickhouse__full_refresh", "postgres_to_postgres__cdc")

    @pytest.mark.parametrize("name", ["_LAUNCH", "_BACKFILL", "_RUNS", "_DAEMON", "_EVENTS"])
    def test_a_real_dagster_understands_every_query(self, name):
        flaws = graphql.validate(create_schema().graphql_schema, graphql.parse(getattr(cli_launch, name)))
        assert flaws == []

    @staticmethod
    def event(kind: str, case_id: str, verdict: str, reason: str = "") -> dict[str, Any]:
        entries = [
            {"label": "verdict", "text": verdict},
            {"label": "reason", "text": reason},
            {"label": "seconds", "floatValue": 1.5},
            {"label": "checks", "jsonString": '{"rows_match": true}'},
            {"label": "rows", "intValue": 7},
            {"label": "endpoints", "jsonString": "{}"},
        ]
        return {"__typename": kind, "partition": case_id, "metadataEntries": entries}

    @pytest.fixture
    def dagster(self, monkeypatch: pytest.MonkeyPatch) -> Dagster:
        """Three polls: first one case has a verdict, then the backfill calls itself completed, at last the run ends."""
        monkeypatch.setattr(cli_launch, "POLL_SECONDS", 0)
        passed, failed, _ = self.CASES
        self.sent: list[dict[str, Any]] = []
        script = {
            "Launch": [{"__typename": "LaunchBackfillSuccess", "backfillId": "b1"}],
            "Backfill": [
                {"__typename": "PartitionBackfill", "status": "REQUESTED", "error": None},
                {"__typename": "PartitionBackfill", "status": "COMPLETED_SUCCESS", "error": None},
                {"__typename": "PartitionBackfill", "status": "COMPLETED_SUCCESS", "error": None},
            ],
            "Runs": [
                {"__typename": "Runs", "results": [{"runId": "r1", "status": "STARTED"}]},
                {"__typename": "Runs", "results": [{"runId": "r1", "status": "STARTED"}]},
                {"__typename": "Runs", "results": [{"runId": "r1", "status": "FAILURE"}]},
            ],
            "Daemon": [],
            "Events": [
                self.page(self.event("MaterializationEvent", passed, "passed")),
                self.page(),
                self.page(
                    self.event("ObservationEvent", failed, "failed", "rows differ"), {"__typename": "LogMessageEvent"}
                ),
            ],
        }

        self.script = script

        def answer(request: httpx.Request) -> httpx.Response:
            sent = json.loads(request.content)
            self.sent.append(sent)
            name = re.search(r"(?:query|mutation) (\w+)", sent["query"])[1]
            return httpx.Response(200, json={"data": {"field": script[name].pop(0)}})

        dagster = Dagster("http://dagster")
        dagster._client = httpx.Client(base_url="http://dagster", transport=httpx.MockTransport(answer))
        return dagster

    @staticmethod
    def page(*events: dict[str, Any]) -> dict[str, Any]:
        return {"__typename": "EventConnection", "cursor": "c", "hasMore": False, "events": list(events)}

    def certify(self, dagster: Dagster) -> tuple[dict[str, CaseResult], list[str]]:
        told: list[str] = []
        cases = [CASES_BY_ID[case_id] for case_id in self.CASES]
        self.waits: list[str] = []
        note = [lambda result: told.append(result.case.case_id), self.waits.append]
        found = dagster.certify(cases, RunMode.MOCK_LOCAL, {"ops": {}}, *note)
        return {case.case_id: result for case, result in found.items()}, told

    def test_verdicts_are_read_from_the_events_of_the_runs_as_they_come(self, dagster):
        results, told = self.certify(dagster)
        passed, failed, lost = self.CASES
        assert told == [passed, failed, lost]
        assert (results[passed].verdict, results[passed].rows, results[passed].seconds) == (
            Verdict.PASSED,
            7,
            {"total": 1.5},
        )
        assert results[failed].reason == "rows differ"

    def test_a_case_without_a_verdict_has_failed_although_the_backfill_completed(self, dagster):
        results, _ = self.certify(dagster)
        assert results[self.CASES[2]].verdict is Verdict.FAILED
        assert "COMPLETED_SUCCESS before the case had a verdict" in results[self.CASES[2]].reason

    def test_just_the_chosen_partitions_are_submitted_with_their_config(self, dagster):
        self.certify(dagster)
        params = self.sent[0]["variables"]["params"]
        assert params["partitionNames"] == list(self.CASES)
        assert params["runConfigData"] == {"ops": {}}
        assert {"key": "run_mode", "value": "mock_local"} in params["tags"]

    def test_a_refusal_is_one_line_of_bad_usage(self, dagster):
        refusal = {"__typename": "PartitionKeysNotFoundError", "message": "Partition keys\nnot found"}
        answer = httpx.Response(200, json={"data": {"field": refusal}})
        dagster._client = httpx.Client(base_url="http://dagster", transport=httpx.MockTransport(lambda _: answer))
        with pytest.raises(UsageError, match=r"^Dagster at http://dagster refuses: Partition keys not found$"):
            self.certify(dagster)

    def test_nothing_is_waited_for_once_the_runs_have_ended_with_every_verdict(self, dagster):
        self.script["Runs"][0]["results"][0]["status"] = "SUCCESS"
        self.script["Events"][0]["events"] = [self.event("MaterializationEvent", one, "passed") for one in self.CASES]
        results, _ = self.certify(dagster)
        assert {result.verdict for result in results.values()} == {Verdict.PASSED}
        assert len(self.script["Backfill"]) == 2, "it asked on after it was told that the backfill goes on"

    @pytest.mark.parametrize(
        ("healthy", "waits"),
        [(True, "waiting for Dagster's daemon, which"), (False, "no daemon is alive at http://dagster:")],
    )
    def test_what_is_waited_for_is_said_once_for_as_long_as_it_is_the_same(self, dagster, healthy, waits):
        begins = {"__typename": "PartitionBackfill", "status": "REQUESTED", "error": None}
        self.script["Backfill"] = [begins, begins, begins, begins, *self.script["Backfill"]]
        nothing, queued = [
            {"__typename": "Runs", "results": runs} for runs in ([], [{"runId": "r1", "status": "QUEUED"}])
        ]
        self.script["Runs"] = [nothing, nothing, queued, queued, *self.script["Runs"]]
        self.script["Events"] = [self.page(), self.page(), *self.script["Events"]]
        health = {"__typename": "Instance", "daemonHealth": {"daemonStatus": {"healthy": healthy}}}
        self.script["Daemon"] = [health, health]
        self.certify(dagster)
        submitted, behind = "backfill b1 of 3 case(s) was submitted", "waiting in Dagster's queue behind other runs"
        for line, begin in zip(self.waits, (submitted, waits, behind), strict=True):
            assert line.startswith(begin)

    def test_an_interrupt_says_that_the_backfill_goes_on(self, dagster, run, monkeypatch):
        def interrupted(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cli_launch.time, "sleep", interrupted)
        monkeypatch.setattr(dagster, "check", lambda: None)
        monkeypatch.setattr(cli_launch, "Dagster", lambda url: dagster)
        code, _, err = run("launch", *PAIR, *SMALL)
        assert code == 130
        told = "matrix: interrupted; backfill b1 goes on, see http://dagster/overview/backfills"
        assert err.splitlines()[-1] == told


def test_endpoints_status_starts_nothing_and_has_a_line_per_system(run):
    code, out, _ = run("endpoints", "status")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(System)
    assert not definitions.ENDPOINTS.running()


def test_without_arguments_the_help_is_shown(run):
    code, _, err = run()
    assert code == 2
    assert "Usage:" in err
    assert "130: interrupted" in " ".join(err.split())
