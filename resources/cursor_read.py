"""The rule of cursor reads that all state sources share: inclusive at the boundary, nothing delivered twice.

Here lives the bookkeeping on what a system returned; how the lower bound becomes a predicate is each system's matter.
A bound that is exclusive loses rows that tie with the boundary, an inclusive one repeats them; so the position lists
the rows delivered at exactly the boundary, and those are left out (https://github.com/dlt-hub/dlt/issues/2269,
https://github.com/airbytehq/airbyte/issues/14732). It may import `matrix_defs` and pyarrow.
"""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import Position
from matrix_defs.row_hash import row_hash
from matrix_defs.table import TableSpec


class CursorRead:
    """One incremental read: give it every batch of rows with cursor >= `lower_bound`, in any order."""

    def __init__(self, table: TableSpec, position: Position | None) -> None:
        self._table = table
        self._start = position
        value = position.value if position else {"cursor": None, "delivered": []}
        self.lower_bound: str | None = value["cursor"]
        """The inclusive bound as ISO 8601 text in UTC with microseconds; None on a first read."""
        self._delivered = {tuple(entry) for entry in value["delivered"]}
        self._highest: datetime | None = _instant(self.lower_bound)
        self._at_highest: set[tuple[object, ...]] = set(self._delivered)

    def new_rows(self, rows: pa.Table) -> pa.Table:
        """Return the rows that no earlier read delivered, in the order given. NULL cursors are never delivered."""
        rows = rows.filter(pc.is_valid(rows.column(self._table.cursor)))
        if self._delivered:
            rows = rows.filter(pa.array(self._unseen(rows)))
        if rows.num_rows:
            self._advance(rows)
        return rows

    def position(self) -> Position | None:
        """The position after all rows passed; the one it began with when nothing new came."""
        if self._highest is None:
            return self._start
        delivered = sorted([list(entry) for entry in self._at_highest], key=repr)
        return Position({"cursor": _text(self._highest), "delivered": delivered})

    def _unseen(self, rows: pa.Table) -> np.ndarray:
        bound = pa.scalar(_instant(self.lower_bound), pa.timestamp("us", "UTC"))
        at_bound = np.asarray(pc.equal(rows.column(self._table.cursor), bound))
        unseen = ~at_bound
        unseen[at_bound] = [entry not in self._delivered for entry in self._entries(rows.filter(pa.array(at_bound)))]
        return unseen

    def _advance(self, rows: pa.Table) -> None:
        cursor = rows.column(self._table.cursor)
        highest = pc.max(cursor).as_py()
        if self._highest is not None and highest < self._highest:
            return
        if highest != self._highest:
            self._at_highest = set()
        self._highest = highest
        self._at_highest.update(self._entries(rows.filter(pc.equal(cursor, pc.max(cursor)))))

    def _entries(self, rows: pa.Table) -> list[tuple[object, ...]]:
        keys = rows.select(list(self._table.key)).to_pylist()
        hashes = row_hash(rows, self._table.hashed).to_pylist()
        return [(*key.values(), digest) for key, digest in zip(keys, hashes, strict=True)]


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
