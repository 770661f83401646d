"""The `matrix` command.

Here lives what each subcommand does, one after the other; options are in `cli_options`, pictures in `cli_grid`, the
conversation with a running Dagster in `cli_launch`. Assets and resources are reached through `definitions`, which is
imported only by the commands that need it.
"""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError
from dotenv import load_dotenv

from matrix_defs import interrupts
from matrix_defs.cases import CASES_BY_ID, EXCLUSIONS, Case, Exclusion
from matrix_defs.cli_care import doctor_lines, leftover_line
from matrix_defs.cli_options import (
    ENDPOINTS,
    HISTORY,
    RunRequest,
    choice,
    choice_options,
    option,
    run_options,
    run_request,
)
from matrix_defs.errors import UsageError
from matrix_defs.manifest import manifest as manifest_of
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunMode, extras, profiles
from matrix_defs.summary import Totals

INTERRUPTED = 130
ENV_FILE = ".env"

Tick = Callable[[CaseResult], None]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Certify that every source -> sink pair keeps the promises of ten load strategies.

    Exit code 0: nothing failed. 1: a case failed. 2: bad usage. 130: interrupted.
    """


@cli.command("list")
@choice_options
def list_(**given: Any) -> None:
    """List the cases and what each needs, then the excluded combinations and why."""
    asked = choice(**given)
    cases = [
        {
            "case_id": case.case_id,
            "source": str(case.source),
            "sink": str(case.sink),
            "strategy": case.strategy_name,
            "profiles": [str(profile) for profile in profiles(case, asked.run_mode)],
            "extras": list(extras(case)),
        }
        for case in asked.cases
    ]
    excluded = [{"case_id": e.case.case_id, "kind": str(e.kind), "reason": e.reason} for e in asked.excluded]
    if asked.json:
        click.echo(json.dumps({"cases": cases, "excluded": excluded}))
        return
    for case in cases:
        click.echo(f"{case['case_id']:<50} {', '.join(case['profiles'])}".rstrip())
    for exclusion in excluded:
        click.echo(f"{exclusion['case_id']:<50} excluded ({exclusion['kind']}): {exclusion['reason']}")
    click.echo(f"{len(cases)} cases, {len(excluded)} excluded", err=True)


@cli.command()
@click.argument("case_id")
def manifest(case_id: str) -> None:
    """Print the manifest of a case as JSON: what it is and what it needs, without credentials."""
    if case_id not in CASES_BY_ID:
        raise UsageError(_unknown(case_id))
    click.echo(json.dumps(manifest_of(CASES_BY_ID[case_id]), indent=2))


def _unknown(case_id: str) -> str:
    exclusion: Exclusion | None = next((e for e in EXCLUSIONS if e.case.case_id == case_id), None)
    if exclusion:
        return f"{case_id!r} is no case: excluded ({exclusion.kind}), {exclusion.reason}"
    return f"unknown case_id {case_id!r}; `matrix list` prints all of them"


@cli.command()
@run_options
@HISTORY
def run(**given: Any) -> None:
    """Certify cases in this process; the verdicts are also seen in the Dagster UI of this folder."""
    request = run_request(**given)
    from matrix_defs.definitions import Session

    with Session(request.settings, request.endpoints, request.artifacts, request.history) as session:
        _report(request, lambda tick: session.run(request.cases, tick), session.report)


@cli.command()
@run_options
@option(
    "--url",
    "MATRIX_DAGSTER_URL",
    default="http://127.0.0.1:3000",
    show_default=True,
    help="The webserver of the running Dagster.",
)
def launch(url: str, **given: Any) -> None:
    """Submit cases to a running Dagster as a backfill of their partitions, and wait for the verdicts."""
    request = run_request(**given)
    from matrix_defs.cli_launch import Dagster

    dagster = Dagster(url)
    dagster.check()
    from matrix_defs.definitions import Session

    def certify(tick: Tick) -> Mapping[Case, CaseResult]:
        with Session(request.settings, request.endpoints, request.artifacts) as session:
            runnable, refused = session.sort_out(request.cases, tick)
        return {**refused, **dagster.certify(runnable, request.run_mode, session.run_config(), tick, _say)}

    _report(request, certify)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _report(
    request: RunRequest, certify: Callable[[Tick], Mapping[Case, CaseResult]], page: str | None = None
) -> NoReturn:
    """Certify with progress, print what was found, and where its page is, and exit accordingly."""
    from matrix_defs.cli_grid import Ticker, show

    started = perf_counter()
    with Ticker(len(request.cases)) as ticker:
        found = certify(ticker.tick)
    results = [found[case] for case in request.cases]
    seconds = perf_counter() - started
    totals = Totals.of(((result.verdict, result.emulated) for result in results), len(request.excluded))
    if request.json:
        head = {"run_mode": request.run_mode.value, **vars(totals), "seconds": round(seconds, 3)}
        click.echo(json.dumps({**head, "cases": [result.to_summary() for result in results]}))
    else:
        show(results, seconds)
    if page:
        click.echo(f"report: {page}", err=True)
    sys.exit(1 if totals.failed or (request.require_all and totals.not_run) else 0)


@cli.command()
@option(
    "--artifacts",
    "MATRIX_ARTIFACT_DIR",
    default="",
    metavar="DIR",
    help="Folder of the artifacts, where the report is written too. Default: artifacts",
)
@option(
    "--run-mode",
    "MATRIX_RUN_MODE",
    default=None,
    type=click.Choice([mode.value for mode in RunMode]),
    help="Whose results. Default: of the mode that ran last.",
)
@HISTORY
def report(artifacts: str, run_mode: str | None, history: str) -> None:
    """Write report.html, junit.xml and summary.md from the artifacts of the latest runs."""
    from matrix_defs.definitions import artifact_store, write_report

    written = write_report(artifact_store(artifacts), RunMode(run_mode) if run_mode else None, history)
    for path in (written.page, written.junit, written.summary):
        click.echo(path)


@cli.command()
@run_options
def doctor(**given: Any) -> None:
    """Say what the selected cases need, whether it is here, and how to get it. Exit code 1: some cannot run."""
    request = run_request(**given)
    from matrix_defs import definitions

    try:
        found = definitions.look_at(request.cases, request.settings, request.endpoints)
    finally:
        definitions.stop_services()
    if request.json:
        click.echo(json.dumps(found))
    else:
        for line in doctor_lines(found):
            click.echo(line)
    sys.exit(1 if found["refusals"] else 0)


@cli.command()
@click.option("--older-than", default="24h", show_default=True, metavar="AGE", help="Such as 30m, 24h or 7d.")
@click.option("--yes", is_flag=True, help="Drop what is listed; without it nothing is changed.")
@ENDPOINTS
def cleanup(older_than: str, yes: bool, endpoints: str) -> None:
    """List what broken-off runs have left on your own services, and drop it.

    Exit code 1: something could not be dropped, or a service that is set up could not be searched.
    """
    from matrix_defs import definitions

    search = definitions.leftovers(older_than, endpoints)
    for remark in search.remarks:
        click.echo(f"not searched: {remark}", err=True)
    left = 0
    for one in search.found:
        name = (str(one.system), one.leftover.kind, one.leftover.name, one.age.total_seconds())
        click.echo(leftover_line(*name, "found"))
    for one, problem in definitions.remove(search.found) if yes else ():
        left += bool(problem)
        click.echo(f"{one.leftover.name}: {problem}" if problem else f"dropped {one.leftover.name}", err=bool(problem))
    more = "" if yes or not search.found else ": --yes drops them"
    click.echo(f"{len(search.found)} leftover(s) older than {older_than}{more}", err=True)
    sys.exit(1 if left or not search.complete else 0)


@cli.group()
def endpoints() -> None:
    """Local services."""


@endpoints.command()
def up() -> None:
    """Start the services that processes can share, print the variables that point to them, stay until stopped."""
    from matrix_defs import definitions

    try:
        for line in definitions.share_services():
            click.echo(line)
        click.echo("# services run until this command ends: press Ctrl+C", err=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        definitions.stop_services()


@endpoints.command()
def status() -> None:
    """Say for every system which service a run would use from here; nothing is started."""
    from matrix_defs import definitions

    for row in definitions.service_status():
        inside = "inside the process that uses it" if row["in_process"] else row["address"] or ""
        click.echo(f"{row['system']:<11} {row['kind']:<9} {row['state']:<12} {row['reason'] or inside}".rstrip())


@cli.command()
@click.option(
    "--folder", default="docs", type=click.Path(path_type=Path), show_default=True, help="Where documents live."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a document is stale.")
def docs(folder: Path, check: bool) -> None:
    """Write the documents that are generated from the definitions."""
    from matrix_defs.definitions import write_docs

    try:
        changed = write_docs(folder, check)
    except OSError as error:
        raise UsageError(
            f"docs: cannot write to {str(folder)!r} ({error}); name another folder with --folder"
        ) from None
    for path in changed:
        click.echo(f"{'stale' if check else 'written'}: {path}")
    sys.exit(1 if check and changed else 0)


def main() -> NoReturn:
    """Run the command. An error of usage is one line and exit code 2; an interrupt ends everything, exit code 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _read_env_file()
        with interrupts.watched():
            cli.main(standalone_mode=False)
    except NoArgsIsHelpError as error:
        _end(error.format_message(), 2)
    except (UsageError, click.ClickException) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _end(f"matrix: {text}", 2)
    except (KeyboardInterrupt, click.Abort) as error:
        interrupt = error.__cause__ or error  # click wraps it
        _end(f"matrix: interrupted; {str(interrupt) or 'services are stopped'}", INTERRUPTED)
    sys.exit(0)


def _read_env_file() -> None:
    """Take the variables of `.env` in the working folder, values as written. What the environment has already stays."""
    try:
        load_dotenv(ENV_FILE, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{ENV_FILE} cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}") from None


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)
