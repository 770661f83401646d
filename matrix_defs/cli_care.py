"""How `matrix doctor` and `matrix cleanup` look on a terminal.

Here live lines alone; what was found is said by the assets, and the commands live in `cli`. It imports the standard
library only.
"""

from collections.abc import Iterator
from typing import Any

_MARKS = {"met": "ok", "unmet": "MISSING", "not asked": "?"}
_WIDTH = 20


def doctor_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield what `matrix doctor` prints of a report's JSON: a head for each profile and a line for each requirement."""
    for profile in report["profiles"]:
        yield _head(profile)
        for look in profile["requirements"]:
            yield _line(look)
        yield from (f"  {'note':<8} {note}" for note in profile["notes"])
    yield f"{report['runnable']} of {report['cases']} selected cases can run here ({report['run_mode']})"


def _head(profile: dict[str, Any]) -> str:
    name, endpoint = f"{profile['profile']:<16}", profile["endpoint"]
    if profile["kind"] is None:
        return f"{name} not needed"
    what = f"{endpoint['engine']} {endpoint['version']}, {endpoint['address']}" if endpoint else "cannot be had"
    imitation = ", an emulator" if endpoint and endpoint["emulator"] else ""
    return f"{name} {_cases(profile['cases'])}, {profile['kind']}: {what}{imitation}"


def _line(look: dict[str, Any]) -> str:
    mark = "without" if look["optional"] and look["state"] == "unmet" else _MARKS[look["state"]]
    told = look["reason"] or look["meaning"]
    if look["state"] == "not asked":
        told = f"{told}: {look['remedy']}"
    return f"  {mark:<8} {look['name']:<{_WIDTH}} {_cases(look['cases']):>9}  {told}"


def _cases(number: int) -> str:
    return f"{number} case" if number == 1 else f"{number} cases"


def leftover_line(system: str, kind: str, name: str, seconds: float, did: str) -> str:
    """Return the line of one leftover: what was or would be done, where, what, how old."""
    hours = seconds / 3600
    age = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 1 else f"{hours * 60:.0f} min"
    return f"{did:<8} {system:<11} {kind:<17} {name}  ({age} old)"
