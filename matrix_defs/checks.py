"""The checks: what each promise means when a target is looked at.

Here lives one function per check, on what was read back, reported and expected; when they run is the runner's matter.
Keys and rows are compared by their hashes, column-wise. It may import `compare`, `oracle`, `result` and `story`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.compare import UNKNOWN, digests, fingerprints
from matrix_defs.oracle import Counts, Expectation
from matrix_defs.ports import LoadReport, Position
from matrix_defs.row_hash import row_hash
from matrix_defs.strategies.base import Strategy, marks
from matrix_defs.table import TableSpec

CHECK_NAMES = (
    "rows_match",
    "keys_unique",
    "replay_is_idempotent",
    "untouched_rows_kept",
    "deletes_applied",
    "history_valid",
    "wide_columns_kept",
    "counts_reported",
    "position_committed",
    "null_key_refused",
    "nothing_left_behind",
)
"""The checks of a case that really runs, in the order in which they are shown."""


@dataclass(frozen=True)
class Seen:
    """A target as it was read back: the table's columns, then the strategy's marks, loads told by ordinal."""

    rows: pa.Table
    table: TableSpec
    """The source's table."""
    key: tuple[str, ...]
    """The target's key."""
    strategy: Strategy

    @cached_property
    def current(self) -> pa.Table:
        """The rows that are valid now: all of them, or the open versions."""
        return self.rows.filter(pc.is_null(self.rows.column("valid_to"))) if self.strategy.keeps_history else self.rows

    @cached_property
    def _content(self) -> pa.Array:
        return row_hash(self.rows, self.table.hashed)

    @cached_property
    def fingerprints(self) -> np.ndarray:
        """One hash per row, in the order of `rows`."""
        return fingerprints(self.rows, self.table.key, self._content, marks(self.strategy))

    @cached_property
    def fingerprints_without_load(self) -> np.ndarray:
        """The same without the load that wrote the row."""
        return fingerprints(self.rows, self.table.key, self._content, [m for m in marks(self.strategy) if m != "load"])

    def fingerprints_reopened(self, first_load: int) -> np.ndarray:
        """One hash per row, as if no load since `first_load` had closed a version."""
        if not self.strategy.keeps_history:
            return self.fingerprints
        end = self.rows.column("valid_to")
        reopened = pc.if_else(pc.greater_equal(end, first_load), pa.scalar(None, end.type), end)
        rows = self.rows.set_column(self.rows.column_names.index("valid_to"), "valid_to", reopened)
        return fingerprints(rows, self.table.key, self._content, marks(self.strategy))


def rows_match(seen: Seen, expected: Expectation) -> str:
    """The multiset of rows equals the expected one, loads included unless the strategy may rewrite rows identically."""
    if seen.strategy.rereads:
        equal = np.array_equal(np.sort(seen.fingerprints_without_load), expected.fingerprints_without_load)
        strangers = pc.sum(pc.equal(seen.rows.column("load"), UNKNOWN)).as_py() or 0
        if equal and strangers:
            return f"{strangers} row(s) carry a load_id or loaded_at of no load of this case"
    else:
        equal = np.array_equal(np.sort(seen.fingerprints), expected.fingerprints)
    return "" if equal else f"the target holds {seen.rows.num_rows} rows, {expected.rows} are expected, and they differ"


def keys_unique(seen: Seen) -> str:
    """No key of the target occurs twice; for versions neither twice open nor twice from the same instant on."""
    repeats = _repeats(seen.current, seen.key)
    if seen.strategy.keeps_history and not repeats:
        repeats = _repeats(seen.rows, (*seen.key, "valid_from"))
    return f"{repeats} key(s) occur more than once" if repeats else ""


def _repeats(rows: pa.Table, key: Iterable[str]) -> int:
    hashes = digests(rows, list(key))
    return int((hashes[1:] == hashes[:-1]).sum())


def deletes_applied(seen: Seen, expected: Expectation) -> str:
    """No key that the source has lost is still there, unless the strategy's meaning keeps it."""
    present = np.unique(digests(seen.current, list(seen.table.key)))
    allowed = np.unique(expected.open_keys)
    still = np.setdiff1d(np.intersect1d(present, expected.gone_keys), allowed)
    return f"{len(still)} deleted key(s) are still in the target" if len(still) else ""


def wide_columns_kept(seen: Seen, expected: Expectation) -> str:
    """Every column has as many NULLs as the expected rows have."""
    found = {name: seen.rows.column(name).null_count for name in expected.null_counts}
    wrong = [name for name, count in expected.null_counts.items() if found[name] != count]
    if not wrong:
        return ""
    name = wrong[0]
    numbers = f"{found[name]}, not {expected.null_counts[name]}"
    return f"{len(wrong)} column(s) have another number of NULLs, first {name}: {numbers}"


def untouched_rows_kept(before: Seen, after: Seen, first_load: int) -> str:
    """Every row that no load since `first_load` claims to have written was there before, the same to the bit.

    A version that such a load closed was there too, open.
    """
    old = np.asarray(pc.less(after.rows.column("load"), first_load))
    kept = np.sort(after.fingerprints_reopened(first_load)[old])
    held = np.sort(before.fingerprints)
    values, counts = np.unique(kept, return_counts=True)
    there = np.searchsorted(held, values, "right") - np.searchsorted(held, values, "left")
    touched = int(np.maximum(counts - there, 0).sum())
    return f"{touched} row(s) of earlier loads were changed or repeated" if touched else ""


def replay_is_idempotent(before: Seen, after: Seen) -> str:
    """The same load again leaves the same rows: to the load_id, or but for it where a replay writes the rows anew."""
    seen = [s.fingerprints_without_load if after.strategy.replay_rewrites else s.fingerprints for s in (before, after)]
    same = np.array_equal(np.sort(seen[0]), np.sort(seen[1]))
    return (
        ""
        if same
        else f"a replay with nothing new changed the target: {before.rows.num_rows} -> {after.rows.num_rows} rows"
    )


def history_valid(seen: Seen, live: Mapping[int, np.ndarray]) -> str:
    """Versions of a key do not overlap, none is empty or runs backwards; gaps are times in which the key was absent.

    `live`: for every load by ordinal the sorted hashes of the keys that the source held.
    """
    keys = row_hash(seen.rows, list(seen.table.key)).to_numpy(zero_copy_only=False)
    forever = len(live) + 1
    start = seen.rows.column("valid_from").to_numpy()
    end = pc.fill_null(seen.rows.column("valid_to"), forever).to_numpy()
    if (start < 1).any() or (end < 1).any():
        return "a version begins or ends at an instant of no load of this case"
    if (end <= start).any():
        return f"{int((end <= start).sum())} version(s) end before or when they begin"
    order = np.lexsort((start, keys))
    keys, start, end = keys[order], start[order], end[order]
    same = keys[1:] == keys[:-1]
    overlaps = same & (start[1:] < end[:-1])
    if overlaps.any():
        return f"{int(overlaps.sum())} version(s) overlap the next one of their key"
    last = np.append(~same, True)
    for ordinal, present in live.items():
        gap_after = (
            (end <= ordinal)
            & (np.append(np.where(same, start[1:], forever), forever) > ordinal)
            & ~(last & (end == forever))
        )
        wrong = np.isin(keys[gap_after], present).sum()
        if wrong:
            return f"{int(wrong)} key(s) have no version at load {ordinal}, though the source held them"
    return ""


def counts_reported(reports: Iterable[LoadReport], expected: tuple[Counts, ...], *, rereads: bool) -> str:
    """Each load reported what it did; a strategy that reads rows again may report more rewritten rows."""
    reports = list(reports)
    if len(reports) != len(expected):
        return f"{len(reports)} load(s) ran and {len(expected)} are expected"
    for number, (report, counts) in enumerate(zip(reports, expected, strict=True), 1):
        got = Counts(report.inserted, report.updated, report.deleted)
        fits = got.updated >= counts.updated if rereads else got.updated == counts.updated
        if (got.inserted, got.deleted) != (counts.inserted, counts.deleted) or not fits:
            return f"load {number} of the stage reported {_shown(got)}, and did {_shown(counts)}"
    return ""


def _shown(counts: Counts) -> str:
    return f"inserted={counts.inserted} updated={counts.updated} deleted={counts.deleted}"


def position_committed(
    reports: Iterable[LoadReport],
    *,
    committed: Position | None,
    reached: Position | None,
    before: Position | None,
    stays: bool,
) -> str:
    """The sink holds and reports the position that the last read reached; it is never given up again.

    `before` is the position at the stage's begin; `stays`: the stage can find nothing new, so it must still be that.
    """
    if committed != reached:
        return f"the sink holds position {_text(committed)}, the read reached {_text(reached)}"
    if (stays or committed is None) and committed != before:
        return f"the position moved from {_text(before)} to {_text(committed)}, though nothing new was read"
    *_, told = [committed, *(report.position for report in reports)]
    return "" if told == committed else f"the sink holds position {_text(committed)}, the load reported {_text(told)}"


def _text(position: Position | None) -> str:
    text = position.to_json() if position else "none"
    return text if len(text) < 200 else text[:197] + "..."
