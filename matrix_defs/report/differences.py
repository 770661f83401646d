"""The first differing rows of a failed case, side by side: what must be there, what is there, and where they part.

Here lives which rows and cells are shown and how a value is written; the rows come from the artifact's Parquet file.
It may import pyarrow and `orders`.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.orders import orders_table

LIMIT = 20
"""Differing rows that are shown of a case."""
_WIDTH = 120
"""Characters that are shown of a value."""
_CONTEXT = 5
"""Equal columns that are shown besides the key and the differing ones."""
_KEY = orders_table(0).key


@dataclass(frozen=True)
class Cell:
    """One column of a differing row; a side is None where there is no such row."""

    column: str
    expected: str | None
    found: str | None
    differs: bool


@dataclass(frozen=True)
class Difference:
    """One differing row."""

    stage: str
    kind: str
    """missing, unexpected or changed."""
    key: str
    cells: tuple[Cell, ...]
    """The key, then what differs, then the first equal columns."""
    hidden: int
    """Equal columns that are not shown."""


def side_by_side(rows: pa.Table, limit: int = LIMIT) -> list[Difference]:
    """Return the first differing rows, the stages in turn so that none hides the next.

    `rows` are those of an artifact: `_stage` and `_difference` before the columns of the target.
    """
    stages = [_of_stage(rows.filter(pc.equal(rows["_stage"], stage)), limit) for stage in pc.unique(rows["_stage"])]
    share = max(1, math.ceil(limit / len(stages))) if stages else limit
    return [found for stage in stages for found in stage[:share]][:limit]


def _of_stage(rows: pa.Table, limit: int) -> list[Difference]:
    def side(kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = rows.filter(pc.equal(rows["_difference"], kind)).slice(0, limit).to_pylist()
        return found

    changed = zip(side("changed_expected"), side("changed_actual"), strict=True)
    return [
        *(_difference("changed", expected, found) for expected, found in changed),
        *(_difference("missing", row, None) for row in side("missing")),
        *(_difference("unexpected", None, row) for row in side("unexpected")),
    ]


def _difference(kind: str, expected: dict[str, Any] | None, found: dict[str, Any] | None) -> Difference:
    row = expected or found or {}
    columns = [name for name in row if not name.startswith("_")]
    cells = [_cell(name, expected, found) for name in columns]
    lone = expected is None or found is None
    shown = [cell for cell in cells if cell.column in _KEY]
    shown += [cell for cell in cells if cell.differs and not lone and cell not in shown]
    shown += [cell for cell in cells if cell not in shown][:_CONTEXT]
    return Difference(
        stage=row["_stage"],
        kind=kind,
        key=", ".join(f"{name} = {written(row[name])}" for name in _KEY if name in row),
        cells=tuple(shown),
        hidden=len(cells) - len(shown),
    )


def _cell(name: str, expected: dict[str, Any] | None, found: dict[str, Any] | None) -> Cell:
    left = written(expected[name]) if expected else None
    right = written(found[name]) if found else None
    differs = left != right
    if differs and left and right:
        left, right = _around(left, right)
    return Cell(name, left and _cut(left), right and _cut(right), differs)


def written(value: object) -> str:
    """Return a value as one line: text quoted with its control characters escaped, bytes in hexadecimal, NULL."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return repr(value) if isinstance(value, str | float) else str(value)


def _around(left: str, right: str) -> tuple[str, str]:
    """Let long values begin shortly before the place where they part."""
    place = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = place - _WIDTH // 3
    return (
        (left, right)
        if start <= 0 or max(len(left), len(right)) <= _WIDTH
        else (f"…{left[start:]}", f"…{right[start:]}")
    )


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
