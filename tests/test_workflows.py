"""Promises of the workflows: when they run, what they may do, and that what a person fills in reaches the command.

Here no runner is at hand: the files are read, and their shell lines are run as a runner would run them.
"""

import json
import re
import shlex
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from matrix_defs.cases import CASES_BY_ID
from matrix_defs.cli_options import RunRequest, run_options, run_request
from matrix_defs.run_modes import RunMode
from matrix_defs.workload import WorkloadSpec

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json").read_text())


def read(name: str) -> dict[str, Any]:
    document = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    document["on"] = document.pop(True)  # YAML 1.1, which PyYAML speaks, takes `on` for a truth
    return document


NAMES = sorted(path.name for path in (ROOT / ".github" / "workflows").iterdir())
GATE, MATRIX = read("gate.yml"), read("integration-matrix.yml")
INPUTS = MATRIX["on"]["workflow_dispatch"]["inputs"]
(JOB,) = MATRIX["jobs"].values()
FILLED_IN = {
    "run_mode": "vendor_live",
    "source_filter": "postgres,rest",
    "sink_filter": "clickhouse",
    "strategy_filter": "scd2,full_refresh",
    "case_id_filter": "rest_to_clickhouse__scd2",
    "rows": "77",
}

every_workflow = pytest.mark.parametrize("name", NAMES)


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


def step(name: str) -> dict[str, Any]:
    (found,) = [step for step in JOB["steps"] if step.get("name") == name]
    return found


def shell(text: str, folder: Path, **environ: str) -> None:
    """Run a step's lines as a runner does."""
    subprocess.run(["bash", "-e", "-c", text], cwd=folder, env={"PATH": "/usr/bin:/bin", **environ}, check=True)


def command_of(line: str) -> list[str]:
    """The `matrix` command that a step's `make` runs, as make itself tells it."""
    told = subprocess.run(["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=True)
    (command,) = [line for line in told.stdout.splitlines() if line.startswith(".venv/bin/matrix ")]
    return shlex.split(command)[1:]


def understood(arguments: list[str], monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> RunRequest:
    """What `matrix run` makes of its arguments and the environment."""
    assert arguments[0] == "run"
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return click.command()(run_options(run_request)).main(arguments[1:], standalone_mode=False)


def on_a_runner(filled_in: dict[str, str]) -> dict[str, str]:
    """The job's environment once a person has filled in the form."""
    given = {f"${{{{ inputs.{name} }}}}": value for name, value in filled_in.items()}
    return {name: given[value] for name, value in JOB["env"].items()}


@every_workflow
def test_a_workflow_is_valid_by_the_published_schema(name: str) -> None:
    jsonschema.validate(read(name), SCHEMA)


@every_workflow
def test_a_workflow_may_read_the_repository_and_nothing_else(name: str) -> None:
    document = read(name)
    assert document["permissions"] == {"contents": "read"}
    assert not [job for job in document["jobs"].values() if "permissions" in job]
    checkouts = [step for step in steps(document) if step.get("uses", "").startswith("actions/checkout@")]
    assert [checkout["with"]["persist-credentials"] for checkout in checkouts] == [False]


@every_workflow
def test_an_action_is_pinned_to_a_major_version(name: str) -> None:
    used = [step["uses"] for step in steps(read(name)) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)


@every_workflow
def test_nothing_is_interpolated_into_the_text_of_a_shell(name: str) -> None:
    assert not [step for step in steps(read(name)) if "${{" in step.get("run", "")]


@every_workflow
def test_a_workflow_calls_what_people_call(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [step["run"].split()[1] for step in steps(read(name)) if step.get("run", "").startswith("make ")]
    assert {"setup", "run"} <= set(called) <= targets


@every_workflow
def test_a_step_that_fails_fails_the_job(name: str) -> None:
    assert "continue-on-error" not in json.dumps(read(name))
    made = [step["run"] for step in steps(read(name)) if step.get("run", "").startswith("make ")]
    assert not [line for line in made if re.search(r"[|;&]", line)]


class TestGate:
    lines = tuple(step.get("run", "") for step in steps(GATE))

    def test_it_runs_on_push_and_on_pull_requests(self) -> None:
        assert set(GATE["on"]) == {"push", "pull_request"}

    def test_it_runs_lint_and_all_tests(self) -> None:
        assert "make lint" in self.lines
        assert "make test" in self.lines

    def test_it_checks_the_contract_of_every_case(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (line,) = [line for line in self.lines if line.startswith("make run")]
        request = understood(command_of(line), monkeypatch, {})
        assert request.run_mode is RunMode.MOCK_CONTRACT
        assert len(request.cases) == len(CASES_BY_ID)

    def test_it_uses_no_secret(self) -> None:
        assert "secrets" not in json.dumps(GATE)


class TestIntegrationMatrix:
    def test_it_is_started_by_hand_only(self) -> None:
        assert set(MATRIX["on"]) == {"workflow_dispatch"}

    def test_a_form_that_is_filled_in_reaches_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert set(INPUTS) == set(FILLED_IN)
        request = understood(command_of("make run"), monkeypatch, on_a_runner(FILLED_IN))
        assert request.run_mode is RunMode.VENDOR_LIVE
        assert vars(request.filters) == {
            "source": "postgres,rest",
            "sink": "clickhouse",
            "strategy": "scd2,full_refresh",
            "case_id": "rest_to_clickhouse__scd2",
        }
        assert request.settings.workload.rows == 77

    def test_a_form_that_is_left_as_it_is_means_every_case_as_make_run_does(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = {name: str(field.get("default", "")) for name, field in INPUTS.items()}
        request = understood(command_of("make run"), monkeypatch, on_a_runner(left))
        assert request.run_mode is RunMode.MOCK_LOCAL
        assert len(request.cases) == len(CASES_BY_ID)
        assert request.settings.workload == WorkloadSpec()

    def test_the_form_offers_the_run_modes_that_exist(self) -> None:
        assert INPUTS["run_mode"]["options"] == [mode.value for mode in RunMode]

    def test_the_run_is_told_nothing_that_the_form_does_not_say(self) -> None:
        assert [step for step in JOB["steps"] if step.get("run") == "make run"] == [{"run": "make run"}]

    def test_the_services_are_described_by_a_file_that_only_the_job_can_read(self, tmp_path: Path) -> None:
        written = step("Write .env")
        assert written["env"] == {"MATRIX_ENV": "${{ secrets.MATRIX_ENV }}"}
        text = "MATRIX_POSTGRES_HOST=db\nMATRIX_POSTGRES_PASSWORD='a $(id) \"b\" %s'"
        shell(written["run"], tmp_path, MATRIX_ENV=text)
        assert (tmp_path / ".env").read_text() == f"{text}\n"
        assert (tmp_path / ".env").stat().st_mode & 0o077 == 0

    def test_the_summary_is_shown_after_a_failed_case_too(self, tmp_path: Path) -> None:
        shown = step("Write the job summary")
        assert shown["if"] == "${{ !cancelled() && hashFiles('artifacts/summary.md') != '' }}"
        (tmp_path / "artifacts").mkdir()
        (tmp_path / "artifacts" / "summary.md").write_text("# Verdicts\n")
        shell(shown["run"], tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "shown"))
        assert (tmp_path / "shown").read_text() == "# Verdicts\n"

    def test_artifacts_junit_and_report_are_kept_after_a_failed_case_too(self) -> None:
        kept = step("Keep the artifacts, junit.xml and report.html")
        assert kept["if"] == "${{ !cancelled() }}"
        assert kept["with"]["path"] == "artifacts"
        assert JOB["steps"].index(kept) > JOB["steps"].index({"run": "make run"})

    def test_a_second_run_waits_for_the_first(self) -> None:
        assert MATRIX["concurrency"] == {"group": "integration-matrix"}
