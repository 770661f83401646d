"""Comparison of what a target holds with what must result: canonical rows, multiset difference.

Here lives comparison alone; what must result is the oracle's matter. Everything is columns: no loop over rows or cells
but over the few that are shown. It may import numpy, pyarrow, `ports` and `row_hash`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.row_hash import row_hash

UNKNOWN = -1
"""Ordinal of a load that the case did not make, or of a row whose load_id and loaded_at disagree."""


@dataclass(frozen=True)
class Loads:
    """The loads that a case has made so far: their ids and instants, in order; ordinals count from 1."""

    load_ids: tuple[str, ...]
    instants: tuple[datetime, ...]


def with_ordinals(rows: pa.Table, loads: Loads, columns: Sequence[str]) -> pa.Table:
    """Return a target's rows with loads told by ordinal, as the oracle tells them, cut to `columns` in order.

    `load` is the ordinal of load_id where loaded_at is that load's instant, else UNKNOWN. `valid_from` and `valid_to`
    become ordinals; NULL stays NULL, an instant of no load becomes UNKNOWN.
    """
    instants = pa.array(loads.instants, pa.timestamp("us", "UTC"))
    by_id = _ordinal(rows.column("load_id"), pa.array(loads.load_ids, pa.string()))
    by_instant = _ordinal(rows.column("loaded_at"), instants)
    ordinal = pc.if_else(pc.equal(by_id, by_instant), by_id, pa.scalar(UNKNOWN, pa.int64()))
    made = {"load": ordinal}
    for name in ("valid_from", "valid_to"):
        if name in columns:
            made[name] = pc.if_else(pc.is_null(rows.column(name)), None, _ordinal(rows.column(name), instants))
    return pa.table({name: made[name] if name in made else rows.column(name) for name in columns})


def _ordinal(values: pa.ChunkedArray, known: pa.Array) -> pa.ChunkedArray:
    index = pc.add(pc.index_in(values, value_set=known).cast(pa.int64()), 1)
    return pc.fill_null(index, UNKNOWN)


def digests(rows: pa.Table, columns: Sequence[str] | None = None) -> np.ndarray:
    """Return the sorted hashes of all rows over the named columns (default: all): equal for equal multisets of rows."""
    names = list(columns) if columns is not None else rows.column_names
    return np.sort(row_hash(rows, names).to_numpy(zero_copy_only=False))


def fingerprints(rows: pa.Table, key: Sequence[str], content: pa.Array, marks: Sequence[str]) -> np.ndarray:
    """Return one hash per row, unsorted, over its key, the hash of its other columns, and what loads noted about it.

    The wide columns are hashed once, into `content`; every comparison after that costs four narrow columns.
    """
    narrow = {name: rows.column(name) for name in (*key, *marks)} | {"_content": content}
    return np.asarray(row_hash(pa.table(narrow), list(narrow)))


def altered_cells(rows: pa.Table, held: pa.Table) -> int:
    """Return how many cells differ between the rows and what a system can hold of them, to the bit."""
    hashes = ((np.asarray(row_hash(table, [name])) for table in (rows, held)) for name in rows.column_names)
    return sum(int((before != after).sum()) for before, after in hashes)


@dataclass(frozen=True)
class Diff:
    """What separates two multisets of rows: rows on one side only, and keys that are on both with other values."""

    missing: pa.Table
    """Rows that must be there and are not, and whose key is not there either."""
    unexpected: pa.Table
    """Rows that are there and must not be, under a key that must not be there or not so often."""
    changed_expected: pa.Table
    """For keys found with other values: the row that must be there ..."""
    changed_actual: pa.Table
    """... and the row that is there instead; aligned with `changed_expected`."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows missing, unexpected and changed."""
        return {
            "missing": self.missing.num_rows,
            "unexpected": self.unexpected.num_rows,
            "changed": self.changed_expected.num_rows,
        }

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def changed_columns(self) -> list[str]:
        """Names of the columns in which changed rows differ."""
        names = self.changed_expected.column_names
        return [name for name in names if altered_cells(self.changed_expected.select([name]), self.changed_actual)]

    def summary(self, limit: int = 20) -> dict[str, Any]:
        """Counts, differing columns and the first differing cells as text: small enough for metadata."""
        return {**self.counts, "columns": self.changed_columns(), "first": self.first(limit)}

    def first(self, limit: int = 20) -> list[dict[str, str]]:
        """The first differing rows: kind, key columns are part of `row`; a changed row lists its differing cells."""
        shown: list[dict[str, str]] = []
        for kind, rows in (("missing", self.missing), ("unexpected", self.unexpected)):
            shown += [{"kind": kind, "row": _text(row)} for row in rows.slice(0, limit).to_pylist()]
        old_rows, new_rows = (
            self.changed_expected.slice(0, limit).to_pylist(),
            self.changed_actual.slice(0, limit).to_pylist(),
        )
        for old, new in zip(old_rows, new_rows, strict=True):
            cells = {
                name: f"{_show(old[name])} -> {_show(new[name])}" for name in old if repr(old[name]) != repr(new[name])
            }
            shown.append({"kind": "changed", "row": _text(dict(list(old.items())[:4])), "cells": _text(cells)})
        return shown[:limit]


def diff(expected: pa.Table, actual: pa.Table, key: Sequence[str]) -> Diff:
    """Return what separates the two tables (same columns, same types) as multisets of rows.

    A row on each side with the same key counts as changed; keys that repeat are paired in order, what is left over is
    missing or unexpected.
    """
    lone_expected, lone_actual = _surplus(expected, actual), _surplus(actual, expected)
    left = np.asarray(row_hash(lone_expected, list(key)))
    right = np.asarray(row_hash(lone_actual, list(key)))
    left_pairs, right_pairs = _pair(left, right)
    return Diff(
        missing=_without(lone_expected, left_pairs),
        unexpected=_without(lone_actual, right_pairs),
        changed_expected=lone_expected.take(left_pairs),
        changed_actual=lone_actual.take(right_pairs),
    )


def _surplus(rows: pa.Table, others: pa.Table) -> pa.Table:
    """Rows that occur more often than in `others`, as often as they do so."""
    mine, theirs = np.asarray(row_hash(rows, rows.column_names)), np.asarray(row_hash(others, rows.column_names))
    order = np.argsort(mine, kind="stable")
    ranked = mine[order]
    rank = np.arange(len(ranked)) - np.searchsorted(ranked, ranked, side="left")
    theirs = np.sort(theirs)
    held = np.searchsorted(theirs, ranked, side="right") - np.searchsorted(theirs, ranked, side="left")
    return rows.take(np.sort(order[rank >= held]))


def _pair(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of equal values in both arrays, each position used once."""
    by_value: dict[int, list[int]] = {}
    for position, value in enumerate(right.tolist()):
        by_value.setdefault(value, []).append(position)
    pairs = [(i, by_value[value].pop(0)) for i, value in enumerate(left.tolist()) if by_value.get(value)]
    return np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)


def _without(rows: pa.Table, positions: np.ndarray) -> pa.Table:
    keep = np.ones(rows.num_rows, bool)
    keep[positions] = False
    return rows.filter(pa.array(keep))


def _show(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _text(cells: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value if isinstance(value, str) and '->' in value else _show(value)}"
        for name, value in list(cells.items())[:8]
    )
