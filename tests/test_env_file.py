"""Promises of `.env`: the command reads it, the environment wins, and `.env.example` names every variable.

Here the command runs in a process of its own, because what it reads from the file stays in its environment.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
from dotenv import dotenv_values

from matrix_defs.cases import CASES
from matrix_defs.cli import cli
from resources.endpoints.external import VARIABLES, Variable

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / ".env.example"
CANARY = "canary-p4ssw0rd"


def matrix(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MATRIX_")}
    return subprocess.run(
        [sys.executable, "-c", "from matrix_defs.cli import main; main()", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def sources(ran: subprocess.CompletedProcess[str]) -> set[str]:
    assert ran.returncode == 0, ran.stderr
    return {line.partition("_to_")[0] for line in ran.stdout.splitlines() if "excluded (" not in line}


def test_variables_are_read_from_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MATRIX_SOURCE=rest\n")
    assert sources(matrix(tmp_path, "list")) == {"rest"}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MATRIX_SOURCE=rest\nMATRIX_SINK=kafka\n")
    assert sources(matrix(tmp_path, "list", MATRIX_SOURCE="kafka")) == {"kafka"}


def test_a_variable_that_is_set_to_nothing_wins_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MATRIX_SOURCE=rest\n")
    assert sources(matrix(tmp_path, "list", MATRIX_SOURCE="")) == {case.source.value for case in CASES}


def test_a_file_of_a_folder_above_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MATRIX_SOURCE=rest\n")
    (tmp_path / "below").mkdir()
    assert len(sources(matrix(tmp_path / "below", "list"))) == 5


def test_a_value_is_taken_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MATRIX_ENDPOINTS=postgres=external\nMATRIX_POSTGRES_PORT='${HOME}'\n")
    told = matrix(tmp_path, "endpoints", "status", MATRIX_POSTGRES_HOST="h", MATRIX_POSTGRES_USER="u")
    assert "not '${HOME}'" in told.stdout


def test_a_file_that_is_no_text_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MATRIX_POSTGRES_PASSWORD=" + CANARY.encode() + b"\xff\n")
    told = matrix(tmp_path, "list")
    assert (told.returncode, told.stderr) == (2, "matrix: .env cannot be read: it is not UTF-8\n")


def test_a_line_that_means_nothing_is_told_without_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"MATRIX_SOURCE=rest\nMATRIX_POSTGRES_PASSWORD={CANARY}'\n'{CANARY}\n")
    told = matrix(tmp_path, "list")
    assert "line 3" in told.stderr
    assert CANARY not in told.stdout + told.stderr


def comments() -> dict[str, str]:
    """The comment above each variable of the example."""
    lines = EXAMPLE.read_text().splitlines()
    return {
        line.removesuffix("="): above.removeprefix("# ")
        for above, line in pairwise(lines)
        if line.startswith("MATRIX_") and above.startswith("# ")
    }


def option_variables(command: click.Command) -> Iterator[str]:
    for option in command.params:
        yield from [option.envvar] if isinstance(option.envvar, str) else []
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from option_variables(below)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_the_example_explains_every_variable_of_a_service(variable: Variable) -> None:
    comment = comments()[variable.name]
    assert variable.meaning.lower() in comment.lower()
    assert all(choice in comment for choice in variable.choices)
    assert comment.endswith(f" ({variable.default})") == bool(variable.default)
    assert (variable.required and not variable.only_with) == ("external endpoints need it" in comment)


def test_the_example_names_nothing_that_is_not_read() -> None:
    known = {variable.name for variable in VARIABLES} | set(option_variables(cli))
    assert set(dotenv_values(EXAMPLE)) <= known


def test_a_copy_of_the_example_changes_nothing() -> None:
    assert not any(dotenv_values(EXAMPLE).values())


def test_a_file_with_secrets_is_not_committed() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
