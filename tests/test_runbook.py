"""The runbook explains every check and every reason that this version can give."""

import ast
import re
from pathlib import Path

import pytest

from matrix_defs.checks import CHECK_NAMES
from matrix_defs.result import CONTRACT_CHECK_NAMES
from matrix_defs.run_modes import RunMode

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ERRORS = ("SystemUnavailableError", "ReadError", "LoadError")
SHORTEST = 12
"""Characters of a message's fixed part that people can look for."""


def fixed_parts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.JoinedStr):
        return [part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def reasons() -> dict[str, list[str]]:
    """Return the fixed parts of every message of these errors, by the longest."""
    found = {}
    for path in sorted(
        path for layer in ("matrix_defs", "resources", "assets") for path in (ROOT / layer).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
                parts = [part.strip(" .:,;'[]()") for part in fixed_parts(node.args[0])]
                longest = max(parts, key=len, default="")
                if len(longest) >= SHORTEST:
                    found[longest] = parts
    return found


@pytest.mark.parametrize("reason", reasons())
def test_a_reason_is_explained(reason):
    words = " ".join(RUNBOOK.split())
    assert any(part in words for part in reasons()[reason] if len(part) >= SHORTEST), (
        f"docs/runbook.md does not explain {reason!r}"
    )


@pytest.mark.parametrize("name", [*CHECK_NAMES, *CONTRACT_CHECK_NAMES, *RunMode])
def test_a_check_and_a_run_mode_are_explained(name):
    assert re.search(rf"^\| `{name}` \|", RUNBOOK, re.MULTILINE)


def test_the_reasons_are_found_in_the_code():
    assert len(reasons()) > 30
