"""The options that commands share, and the request that they add up to.

Here lives reading and checking what a user asked for; every default can come from the environment.
It may import click and the pure parts of this package.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from matrix_defs.cases import Case, Exclusion, Filters, select, select_excluded
from matrix_defs.run_modes import Engines, RunMode, RunSettings
from matrix_defs.workload import WorkloadSpec

_DEFAULT = WorkloadSpec()
_LIST = "Comma list; empty or * is all."

Decorated = Callable[..., Any]


def option(name: str, variable: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """An option that a variable of the environment can give too; help and errors name both."""
    return click.option(name, envvar=variable, show_envvar=True, **settings)


_FILTERS = (
    option("--source", "MATRIX_SOURCE", default="", help=f"Sources. {_LIST}"),
    option("--sink", "MATRIX_SINK", default="", help=f"Sinks. {_LIST}"),
    option("--strategy", "MATRIX_STRATEGY", default="", help=f"Load strategies. {_LIST}"),
    option("--case-id", "MATRIX_CASE_ID", default="", help=f"Case ids. {_LIST}"),
    option(
        "--run-mode",
        "MATRIX_RUN_MODE",
        default=RunMode.MOCK_LOCAL.value,
        type=click.Choice([mode.value for mode in RunMode]),
        show_default=True,
        help="How far a case goes.",
    ),
    click.option(
        "--format",
        "output",
        default="table",
        type=click.Choice(["table", "json"]),
        show_default=True,
        help="json prints one object on stdout.",
    ),
)

HISTORY = option(
    "--history",
    "MATRIX_HISTORY",
    default="",
    metavar="FILE",
    help="Append one line per case and run to this file; the report then shows what changed.",
)

ENDPOINTS = option(
    "--endpoints",
    "MATRIX_ENDPOINTS",
    default="",
    metavar="KIND",
    help="Where services are found: embedded, compose, external or postgres=external,... Default: by run mode.",
)

_RUN = (
    option("--rows", "MATRIX_ROWS", default=_DEFAULT.rows, show_default=True, help="Rows of the baseline."),
    option(
        "--changed-ratio",
        "MATRIX_CHANGED_RATIO",
        default=_DEFAULT.changed_ratio,
        show_default=True,
        help="Share of the rows that changes.",
    ),
    option(
        "--deleted-ratio",
        "MATRIX_DELETED_RATIO",
        default=_DEFAULT.deleted_ratio,
        show_default=True,
        help="Share of the changes that are deletes.",
    ),
    option(
        "--wide-columns",
        "MATRIX_WIDE_COLUMNS",
        default=_DEFAULT.wide_columns,
        show_default=True,
        help="Sparse columns beside the ordinary ones.",
    ),
    option("--seed", "MATRIX_SEED", default=_DEFAULT.seed, show_default=True, help="Seed of the workload."),
    option(
        "--allow-rows",
        "MATRIX_ALLOW_ROWS",
        default=RunSettings.allow_rows,
        show_default=True,
        help="Most rows that vendor_live takes.",
    ),
    ENDPOINTS,
    option(
        "--engines",
        "MATRIX_ENGINES",
        default=Engines.ANY.value,
        type=click.Choice([engines.value for engines in Engines]),
        show_default=True,
        help="real: a case that would need an emulator is not run.",
    ),
    option(
        "--artifacts",
        "MATRIX_ARTIFACT_DIR",
        default="",
        metavar="DIR",
        help="Folder of the artifacts. Default: artifacts",
    ),
    option(
        "--jobs",
        "MATRIX_JOBS",
        default=RunSettings.jobs,
        show_default=True,
        help="Cases under way at a time, of those that follow one another in the list; each takes longer then.",
    ),
    click.option("--keep-on-failure", is_flag=True, help="Leave the tables of failed cases in place."),
    click.option("--require-all", is_flag=True, help="Exit 1 also when a case could not run."),
)


@dataclass(frozen=True)
class Choice:
    """Which cases, and how the answer is printed."""

    filters: Filters
    run_mode: RunMode
    json: bool
    cases: tuple[Case, ...]
    excluded: tuple[Exclusion, ...]


@dataclass(frozen=True)
class RunRequest(Choice):
    """Which cases to run, and how."""

    settings: RunSettings
    endpoints: str
    artifacts: str
    history: str
    """Empty where no history is kept."""
    require_all: bool


def choice_options(command: Decorated) -> Decorated:
    """Give a command the options that `choice` reads."""
    return _give(command, _FILTERS)


def run_options(command: Decorated) -> Decorated:
    """Give a command the options that `run_request` reads."""
    return _give(command, (*_FILTERS, *_RUN))


def _give(command: Decorated, options: tuple[Callable[[Decorated], Decorated], ...]) -> Decorated:
    for option in reversed(options):
        command = option(command)
    return command


def choice(**given: Any) -> Choice:
    """Read the options. Raises UsageError for an unknown name."""
    return Choice(**_choice(given))


def run_request(**given: Any) -> RunRequest:
    """Read the options. Raises UsageError for an unknown name and for a workload that cannot be."""
    workload = WorkloadSpec(**{field.name: given[field.name] for field in fields(WorkloadSpec)})
    settings = RunSettings(
        RunMode(given["run_mode"]),
        workload,
        given["keep_on_failure"],
        Engines(given["engines"]),
        given["jobs"],
        given["allow_rows"],
    )
    return RunRequest(
        **_choice(given),
        settings=settings,
        endpoints=given["endpoints"],
        artifacts=given["artifacts"],
        history=given.get("history", ""),
        require_all=given["require_all"],
    )


def _choice(given: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(given["source"], given["sink"], given["strategy"], given["case_id"])
    return {
        "filters": filters,
        "run_mode": RunMode(given["run_mode"]),
        "json": given["output"] == "json",
        "cases": select(filters),
        "excluded": select_excluded(filters),
    }
