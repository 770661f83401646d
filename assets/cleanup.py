"""What `matrix cleanup` finds on the caller's own services, and how it drops it: what broken-off runs have left behind.

Here lives the choice by age; what a system holds and how it drops it is the system's matter, and that nothing else can
be dropped is checked in `resources.own_names`. It may import `matrix_defs` and `resources`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from assets.certify import Services
from matrix_defs.errors import MatrixError, UsageError
from matrix_defs.systems import System
from resources.endpoints import external
from resources.own_names import Leftover

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Found:
    """A leftover and where it lies."""

    system: System
    leftover: Leftover
    age: timedelta


@dataclass(frozen=True)
class Search:
    """What was found, oldest first within each system, and why some systems were not searched."""

    found: tuple[Found, ...]
    remarks: tuple[str, ...]
    complete: bool
    """Whether a system was searched, and none that is set up here was left out: else finding nothing says nothing."""


def older_than(text: str) -> timedelta:
    """Return an age such as 30m, 24h or 7d. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if match is None:
        raise UsageError(f"--older-than is {text!r}; give minutes, hours or days such as 30m, 24h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def search(services: Services, age: timedelta, now: datetime | None = None) -> Search:
    """Return what runs that began longer ago have left on the external endpoints; embedded ones end with their run."""
    found: list[Found] = []
    remarks: list[str] = []
    searched, failed = 0, 0
    moment = now or datetime.now(UTC)
    for system in System:
        if services.kinds[system] == "embedded":
            continue
        try:
            refused = services.absence(system)
            left = [] if refused else services.resources[system].leftovers(services.endpoint(system))
        except MatrixError as error:
            refused, left = str(error), []
        remarks += [refused] if refused else []
        searched += not refused
        failed += bool(refused) and (services.kinds[system] != "external" or external.is_named(system))
        found += sorted(
            (Found(system, one, moment - one.began) for one in left if one.began and moment - one.began > age),
            key=lambda one: one.age,
            reverse=True,
        )
    return Search(tuple(found), tuple(remarks), complete=searched > 0 and not failed)


def remove(found: tuple[Found, ...]) -> Iterator[tuple[Found, str]]:
    """Drop one after the other, and yield each with why it could not be dropped; empty where it was."""
    for one in found:
        try:
            one.leftover.remove()
        except MatrixError as error:
            yield one, str(error)
        else:
            yield one, ""
