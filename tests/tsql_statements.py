"""`python -m tests.tsql_statements`: which statements of the SQL Server steps does an engine accept, and which not?

Here lives the list docs/tsql-statements.md: what the local endpoint, or the server that MATRIX_MSSQL_... names, says of
each, and beside it an engine that nobody here wrote: iridium_server, a Rust crate, by its program `compat-query`, whose
path MATRIX_TEST_IRIDIUM tells. It may import `dialect_steps`, the endpoints and the drivers.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyodbc

sys.path.insert(0, str(Path(__file__).parent))
from dialect_steps import plan_of

from matrix_defs.ports import Step
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.external import is_named
from resources.endpoints.registry import ENDPOINTS
from resources.mssql import driver
from resources.mssql.dialect import MssqlDialect

PAGE = Path(__file__).parents[1] / "docs" / "tsql-statements.md"
ACCEPTED = "accepted"

Engine = Callable[[list[str], str], str]
"""(statements that were accepted before, statement) -> `accepted`, or why it was refused."""


def statements(step: Step, *, switch: bool) -> Iterator[str]:
    """Yield what a load that takes this step says, from the namespace to its end, in order."""
    plan, dialect = plan_of(step), MssqlDialect(partition_switch=switch)
    target = plan.target
    made = [*dialect.create_namespace(target.namespace), *dialect.create_target(target), *dialect.create_state(target)]
    yield from (statement.text for statement in made)
    yield from dialect.plan(target, plan.load, plan.steps)
    dropped = [dialect.read_position(target), *dialect.drop_namespace(target.namespace)]
    yield from (statement.text for statement in dropped)


def server(endpoint: Endpoint) -> Engine:
    """Return a server that is asked through Microsoft's driver, one statement after the other in one session."""
    connection = driver.connect(endpoint, 10)

    def ask(before: list[str], statement: str) -> str:
        if not before:
            connection.execute("IF @@TRANCOUNT > 0 ROLLBACK")
        try:
            connection.execute(statement)
        except pyodbc.Error as error:
            return re.sub(r"^(\[[^\]]*\] ?)+|\(SQLExecDirectW\)", "", str(error.args[-1])).strip()
        return ACCEPTED

    return ask


def iridium(program: str) -> Engine:
    """Return iridium_server's engine: each time a new one, to which all is said again."""

    def ask(before: list[str], statement: str) -> str:
        # It takes no precision of these types.
        text = re.sub(r"(DATETIME2|DATETIMEOFFSET)\(6\)", r"\1", ";\n".join([*before, statement]))
        told = json.loads(subprocess.run([program, text], capture_output=True, text=True, check=False).stdout)
        return ACCEPTED if told["ok"] else f"{told['error']['number']}: {told['error']['message']}"

    return ask


def asked(engine: Engine) -> dict[str, str]:
    """Return every statement of every step with the engine's answer, in the order in which they first come."""
    found: dict[str, str] = {}
    for step, switch in [*((step, False) for step in Step), (Step.REPLACE_PARTITIONS, True)]:
        before: list[str] = []
        for statement in statements(step, switch=switch):
            answer = engine(before, statement)
            found.setdefault(statement, answer)
            before += [statement] if answer == ACCEPTED else []
    return found


def page(answers: Mapping[str, Mapping[str, str]]) -> str:
    """Return the list as Markdown: what every engine accepts, and then each engine's refusals."""
    lines = [
        "<!-- Written by `python -m tests.tsql_statements`; changes by hand are lost. -->",
        "# Statements of the SQL Server steps, by engine",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, on a small table; each step starts with nothing there. What follows from a"
        " refused statement is refused with it.",
        "",
    ]
    for name, found in answers.items():
        accepted = sum(answer == ACCEPTED for answer in found.values())
        lines.append(f"- {name}: {accepted} of {len(found)} accepted")
    everywhere = [s for s in next(iter(answers.values())) if all(found[s] == ACCEPTED for found in answers.values())]
    lines += ["", "## Accepted by all", "", *(f"- `{_cell(statement)}`" for statement in everywhere)]
    for name, found in answers.items():
        refused = {statement: answer for statement, answer in found.items() if answer != ACCEPTED}
        lines += ["", f"## Refused by {name}", "", "| it says | statement |", "|---|---|"]
        lines += [f"| {_cell(answer)} | `{_cell(statement)}` |" for statement, answer in refused.items()]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Ask the engines that are there, and write the page."""
    endpoint = ENDPOINTS.endpoint(System.MSSQL, "external" if is_named(System.MSSQL) else "embedded")
    try:
        answers = {endpoint.engine: asked(server(endpoint))}
        if "MATRIX_TEST_IRIDIUM" in os.environ:
            answers["iridium_server"] = asked(iridium(os.environ["MATRIX_TEST_IRIDIUM"]))
    finally:
        ENDPOINTS.stop_all()
    PAGE.write_text(page(answers), encoding="utf-8")
    print(f"written: {PAGE}")  # noqa: T201


if __name__ == "__main__":
    main()
