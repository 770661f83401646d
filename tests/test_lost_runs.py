"""A command that is killed does not hold up what is queued behind its runs, and one that lives is left alone.

It may import `assets`.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.instance import open_instance
from assets.lost_runs import HOLDER, end_lost_runs, holding

COMMAND = """
import sys
from dagster import DagsterInstance, DagsterRunStatus
from assets.lost_runs import holding
instance = DagsterInstance.from_config(sys.argv[1])
with holding(instance) as tags:
    instance.create_run_for_job(JOB, tags=tags, status=DagsterRunStatus.STARTED)
    print("started", flush=True)
    sys.stdin.read()
"""
JOB = "__import__('tests.test_lost_runs', fromlist=['job']).job"


@dg.job
def job() -> None:
    """Does nothing."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def command(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """A command that lives, one of whose runs is in progress."""
    source = COMMAND.replace("JOB", JOB)
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


def statuses(instance: dg.DagsterInstance) -> list[str]:
    return [run.status.value for run in instance.get_runs()]


def test_a_run_of_a_command_that_lives_is_left_alone(command: "subprocess.Popen[str]") -> None:
    with open_instance() as instance:
        assert end_lost_runs(instance) == 0
        assert statuses(instance) == ["STARTED"]


def test_whoever_opens_the_instance_next_fails_the_runs_of_a_command_that_was_killed(
    command: "subprocess.Popen[str]", home: Path
) -> None:
    command.kill()
    command.wait()
    with open_instance() as instance:
        assert statuses(instance) == ["FAILURE"]
        assert not list((home / "holders").iterdir())
        assert end_lost_runs(instance) == 0


def test_runs_of_others_and_those_whose_lock_is_not_here_are_left_alone(home: Path) -> None:
    with open_instance() as instance:
        for tags in ({}, {HOLDER: "0123456789abcdef"}):
            instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert end_lost_runs(instance) == 0
        assert statuses(instance) == ["STARTED", "STARTED"]


def test_a_command_that_ends_leaves_no_lock(home: Path) -> None:
    with open_instance() as instance:
        with holding(instance) as tags:
            assert [path.name for path in (home / "holders").iterdir()] == [tags[HOLDER]]
        assert not list((home / "holders").iterdir())
