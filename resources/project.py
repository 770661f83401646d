"""What the contract of a case looks at outside of the definitions: planners, guides, extras and published schemas.

Here live the reading of files and of what is installed; what must be true of it is said by `matrix_defs.contract`.
It may import `matrix_defs` and the registries of `resources`.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from matrix_defs.contract import Project
from matrix_defs.systems import FACTS
from resources.planners import planners
from resources.registry import RESOURCES

ROOT = Path(__file__).parents[1]
CONSTRAINTS = "constraints.txt"


@cache
def project() -> Project:
    """Return the project as it lies on disk, read once per process."""
    return read_project(ROOT)


def read_project(root: Path) -> Project:
    """Read a project's folder. Raises OSError where a file that every project has is missing."""
    docs = root / "docs"
    schema = json.loads((docs / "manifest.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    def manifest_flaw(manifest: Mapping[str, Any]) -> str:
        error = best_match(validator.iter_errors(manifest))
        return f"{error.json_path}: {error.message}" if error else ""

    return Project(
        planners=planners(docs),
        profiles=frozenset(FACTS[system].profile for system in RESOURCES),
        guides=frozenset(path.name for path in (docs / "source-sink").glob("*.md")),
        extra_flaws=extra_flaws(root),
        manifest_flaw=manifest_flaw,
    )


def extra_flaws(root: Path) -> dict[str, str]:
    """Return for every extra of pyproject.toml why it could not be installed; empty where it could.

    It could if each of its requirements is well formed and is either installed in a version that it allows or pinned
    by the constraints file to one. No package index is asked.
    """
    described = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = described.get("optional-dependencies", {})
    pins = dict(_pins(root / CONSTRAINTS))
    flaws = {extra: [_flaw(text, described["name"], extras, pins) for text in texts] for extra, texts in extras.items()}
    return {extra: "; ".join(filter(None, found)) if found else "it is empty" for extra, found in flaws.items()}


def _flaw(text: str, own_name: str, extras: Mapping[str, list[str]], pins: Mapping[str, str]) -> str:
    """Return why one requirement cannot be had; an extra of the project itself must be declared."""
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return f"{text!r} is no requirement"
    if canonicalize_name(wanted.name) == canonicalize_name(own_name):
        missing = sorted(wanted.extras - extras.keys())
        return f"{text!r} names the undeclared extra {', '.join(missing)}" if missing else ""
    had = _installed(wanted.name) or pins.get(canonicalize_name(wanted.name))
    if had is None:
        return f"{wanted.name} is neither installed nor pinned in {CONSTRAINTS}"
    return "" if wanted.specifier.contains(had, prereleases=True) else f"{text!r} does not allow {wanted.name} {had}"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pins(constraints: Path) -> Iterator[tuple[str, str]]:
    """Yield name and version of every `name==version` line; nothing where there is no such file."""
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints.exists() else []
    for line in lines:
        name, equals, version = line.split("#")[0].split(";")[0].strip().partition("==")
        if equals:
            yield canonicalize_name(name.partition("[")[0]), version.strip()
