"""Runs of a command that was killed: Dagster keeps them in progress for ever, and its queue lets no other run begin.

Here lives how they are known and ended. A command holds a lock for as long as it lives, which the system lets go of
however it ends, and its runs name the lock. It may import Dagster and the standard library.
"""

import fcntl
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

HOLDER = "matrix/holder"
"""The tag of a run that names the lock of its command."""


@contextmanager
def holding(instance: dg.DagsterInstance) -> Iterator[Mapping[str, str]]:
    """Yield the tags of runs that end with this process."""
    folder = _folder(instance)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / secrets.token_hex(8)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield {HOLDER: path.name}
        finally:
            path.unlink()


def end_lost_runs(instance: dg.DagsterInstance) -> int:
    """Fail the runs of commands of this instance that are gone; return how many there were."""
    lost = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))
        if HOLDER in run.tags and _is_free(_folder(instance) / run.tags[HOLDER])
    ]
    for run in lost:
        instance.report_run_failed(run, "The command that executed this run was killed.")
    for name in {run.tags[HOLDER] for run in lost}:
        (_folder(instance) / name).unlink(missing_ok=True)
    return len(lost)


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "holders"


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock. One that is not here is of another machine, or of a run that is just ending."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
