"""Which cases the gate runs: the environment variables of the `matrix` command choose them.

Here lives the choice; the test is in `test_matrix`. It may import `matrix_defs`.
"""

from collections.abc import Iterator
from functools import cache

import click
import pytest

from matrix_defs.cli_options import RunRequest, run_options, run_request
from matrix_defs.definitions import Session
from matrix_defs.errors import UsageError


@cache
def asked() -> RunRequest:
    """What the environment asks for, read as the command reads it."""
    return click.command()(run_options(run_request)).main([], standalone_mode=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases that were not asked for; where the gate is deselected itself, the environment is not read."""
    gate = [item for item in items if item.get_closest_marker("integration_matrix")]
    if not gate:
        return
    try:
        chosen = {case.case_id for case in asked().cases}
    except (UsageError, click.ClickException) as error:
        raise pytest.UsageError(error.format_message() if isinstance(error, click.ClickException) else error) from None
    others = {item for item in gate if item.callspec.params["case"].case_id not in chosen}
    config.hook.pytest_deselected(items=list(others))
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """The systems that all cases of the gate share; stopped at the end."""
    request = asked()
    with Session(request.settings, request.endpoints, request.artifacts) as session:
        yield session
