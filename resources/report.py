"""The report as files: `report.html`, `junit.xml` and `summary.md` in the folder of the artifacts, and the history.

Here live rendering, reading and writing; what the report says is in `matrix_defs.report`, how it looks in
`templates/report`. It may import `matrix_defs`, the registries of `resources`, jinja2 and the standard library.
"""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from matrix_defs.errors import UsageError
from matrix_defs.report import history, page
from matrix_defs.report.differences import Difference, side_by_side
from matrix_defs.report.junit import junit
from matrix_defs.report.markdown import summary
from matrix_defs.report.records import Record, Records, complete, skipped
from matrix_defs.run_modes import RunMode
from matrix_defs.strategies import STRATEGIES
from matrix_defs.summary import Mark
from matrix_defs.systems import FACTS, SINKS, SOURCES, System
from matrix_defs.table import LogicalType
from resources.artifacts import ArtifactStore
from resources.planners import TYPES
from resources.types_table import fidelity

PAGE, JUNIT, SUMMARY = "report.html", "junit.xml", "summary.md"

_FOLDER = Path(__file__).parent / "templates" / "report"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_SCRIPTS = ("highlight.min.js", "report.js")
"""What runs in the page; the first is highlight.js as published (see highlight.LICENSE)."""


@dataclass(frozen=True)
class Written:
    """Where the report was written, and what it says."""

    page: str
    junit: str
    summary: str
    records: Records
    changes: history.Changes | None


def write_report(store: ArtifactStore, run_mode: RunMode | None = None, history_file: str = "") -> Written:
    """Write the report on the latest results of a run mode, by default of the mode that ran last.

    With a history, results that it does not know yet are appended to it. Raises UsageError for a folder without
    artifacts and for a history that cannot be read or written.
    """
    mode = run_mode or store.latest_run_mode()
    if mode is None:
        raise UsageError(f"no artifacts in {store.folder!r}: `matrix run` makes them; or name another folder")
    records = complete(store.read(mode), mode)
    changes = _remembered(records, mode, history_file) if history_file else None
    return Written(
        page=store.write_text(PAGE, render(records, mode, store, changes)),
        junit=store.write_text(JUNIT, junit(records, mode)),
        summary=store.write_text(SUMMARY, summary(records, mode, changes)),
        records=records,
        changes=changes,
    )


def _remembered(records: Records, run_mode: RunMode, file: str) -> history.Changes:
    """Append to the history what it lacks, at once and whole, and return what changed since the previous run."""
    known = read_history(file)
    lines = "".join(entry.to_line() for entry in history.unrecorded(records, known))
    with Path(file).open("ab", buffering=0) as kept:
        kept.write(lines.encode())
    return history.changes(records, known, run_mode)


def read_history(file: str) -> list[history.Entry]:
    """Return the lines of a history, which is made if need be.

    Raises UsageError for a file that cannot be appended to, and for a line that is no result.
    """
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"history: cannot append to {file!r} ({error}); name another file") from None
    return history.parse(text, file)


def render(records: Records, run_mode: RunMode, store: ArtifactStore, changes: history.Changes | None = None) -> str:
    """Return the page: one HTML document that needs nothing besides itself."""
    squares = page.squares(records)
    scripts = [_text(name) for name in _SCRIPTS]
    return _TEMPLATES.get_template("report.html.j2").render(
        head=page.head(records, run_mode, datetime.now(UTC)),
        grid=page.grid(squares),
        sinks=[FACTS[sink].label for sink in SINKS],
        strategies=[{"name": name, "promise": strategy.promise} for name, strategy in STRATEGIES.items()],
        filters={
            "source": {str(s): FACTS[s].label for s in SOURCES},
            "sink": {str(s): FACTS[s].label for s in SINKS},
            "strategy": {name: name for name in STRATEGIES},
            "verdict": {str(m): m.replace("_", " ") for m in Mark if m is not Mark.NOT_SELECTED},
        },
        listed=page.listed(squares),
        timed=page.timed(squares),
        stage_names=page.stage_names(squares),
        stage_totals=page.stage_totals(squares),
        changed=page.changed(changes),
        compared=changes.compared if changes else 0,
        systems=[FACTS[system].label for system in System],
        fidelity=_fidelity(),
        skipped=skipped(records),
        index=[square.brief for square in squares],
        details={square.case_id: _detail(square, records.get(square.case_id), store) for square in squares},
        style=Markup(_text("report.css")),
        scripts=[Markup(script) for script in scripts],
        script_hashes=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
    )


def _detail(square: page.Square, record: Record | None, store: ArtifactStore) -> str:
    """Return what an opened case shows, as compressed HTML: most of it is statements, which resemble each other."""
    differences: list[Difference] = []
    evidence = ""
    if record and record["differences"]:
        mode = RunMode(record["run_mode"])
        rows = store.read_rows(mode, square.case_id)
        differences = side_by_side(rows) if rows is not None else []
        evidence = f"{mode}/{square.case_id}.parquet"
    html = _TEMPLATES.get_template("case.html.j2").render(page.case_view(square, record, differences, evidence))
    return base64.b64encode(gzip.compress(html.encode(), 9, mtime=0)).decode()


def _fidelity() -> list[dict[str, Any]]:
    """Return a row per logical type with what each system makes of it."""
    return [{"type": str(kind), "cells": [_stored(system, kind) for system in System]} for kind in LogicalType]


def _stored(system: System, kind: LogicalType) -> Mapping[str, str]:
    stored = TYPES[system][kind]
    return {"system": FACTS[system].label, "ddl": stored.ddl, "fidelity": fidelity(stored), "words": _words(stored)}


def _words(stored: Any) -> str:
    return stored.loss or ("" if stored.reads_back == "as written" else stored.reads_back)


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return what the page's policy names a script by: no other script runs in it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
