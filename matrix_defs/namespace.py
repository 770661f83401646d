"""Names of a case's own namespace: the only names that a case may create, change or drop.

Here lives how they are made and read; dropping is each system's matter. It may import the standard library, `cases`
and `errors`.
"""

import re
import secrets
from datetime import UTC, datetime

from matrix_defs.cases import CASES_BY_ID, Case
from matrix_defs.errors import ForeignNameError

_DOCTOR = "doctor"
"""Stands where a case id does, in the name of what is made only to see that it may be made."""

_PATTERN = re.compile(r"m_(?P<second>[0-9a-f]{8})[0-9a-f]{4}_(?P<case_id>[a-z0-9_]+?)(_src)?")


def new_run(now: datetime | None = None) -> str:
    """Return the name of a run: its UTC second in hexadecimal and four random digits, 12 characters."""
    second = int((now or datetime.now(UTC)).timestamp())
    return f"{second:08x}{secrets.token_hex(2)}"


def sink_namespace(run: str, case: Case) -> str:
    """Return the namespace of the case's target: at most 59 characters, lower case, digits and underscores."""
    return f"m_{run}_{case.case_id}"


def source_namespace(run: str, case: Case) -> str:
    """Return the namespace of the case's source: at most 63 characters, the limit of a PostgreSQL identifier."""
    return f"{sink_namespace(run, case)}_src"


def doctor_namespace(run: str) -> str:
    """Return the namespace of what is made, and dropped at once, to see that it may be made."""
    return f"m_{run}_{_DOCTOR}"


def started_at(namespace: str) -> datetime | None:
    """Return the UTC second in which the namespace's run began; None if the name is none that this module makes."""
    match = _PATTERN.fullmatch(namespace)
    if match is None or match["case_id"] not in (*CASES_BY_ID, _DOCTOR):
        return None
    return datetime.fromtimestamp(int(match["second"], 16), UTC)


def require_own(namespace: str) -> None:
    """Return if the name is one that this module makes. Raises ForeignNameError: anything else is somebody else's."""
    if started_at(namespace) is None:
        raise ForeignNameError(
            f"{namespace!r} is no namespace of a case, m_<run>_<case_id>: nothing in it is created, changed or dropped"
        )


def began(run: str) -> datetime | None:
    """Return the UTC second that the run's name tells; None for a text that is no such name."""
    return datetime.fromtimestamp(int(run[:8], 16), UTC) if re.fullmatch("[0-9a-f]{12}", run) else None
