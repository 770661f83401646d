"""The table `orders` and the making of its rows, ordinary ones and those of traps.

Here live its columns and how a row comes about; when a row appears, changes and goes is decided in `workload`.
It may import numpy, pyarrow and the words, values and traps of this package.
"""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import ARROW, Column, LogicalType, TableSpec
from matrix_defs.traps import BASELINE_FROM, BIG, BOUNDARY, DAYS, OPEN, SMALL, TRAP_ROWS
from matrix_defs.values import Draw, draw_rows, pin

_FIRST_ORDER = 1_000
"""Ordinary orders are numbered from here on, three items each; the traps use numbers below it, or from 2**53 on."""
_ITEMS = pa.array(["item-1", "item-2", "item-3"])
_SHARES = {BIG: 0.5, OPEN: 0.35, SMALL: 0.15}
"""How the ordinary rows spread over the days."""
_FEW_NULLS, _HALF_NULLS = (0.05, 0.15), (0.53, 0.57)
"""Shares of NULLs of ordinary and of wide columns; the latter leave room for traps that are born after the baseline."""
_CHANGED_SHARE = 0.3
"""Share of its columns that an ordinary update draws anew."""
_POOLS = {
    "status": pa.array(["new", "paid", "packed", "shipped", "returned"]),
    "currency": pa.array(["EUR", "USD", "GBP", "JPY", "SEK"]),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=BOUNDARY.tzinfo)
_PINS = pin([row.values for row in TRAP_ROWS])
_NO_PINS = pin([])


def orders_table(wide_columns: int) -> TableSpec:
    """Return the table: key, day, cursor, twelve ordinary columns, then the wide ones, cycling through the types."""
    kinds = tuple(LogicalType)
    return TableSpec(
        "orders",
        (
            Column("order_id", LogicalType.INT64, nullable=False),
            Column("item_code", LogicalType.TEXT, nullable=False),
            Column("business_date", LogicalType.DATE, nullable=False),
            Column("updated_at", LogicalType.INSTANT, nullable=False),
            Column("customer_id", LogicalType.INT64),
            Column("status", LogicalType.TEXT),
            Column("channel", LogicalType.INT16),
            Column("quantity", LogicalType.INT32),
            Column("unit_price", LogicalType.DECIMAL_18_4),
            Column("discount", LogicalType.FLOAT64),
            Column("currency", LogicalType.TEXT),
            Column("is_paid", LogicalType.BOOL),
            Column("ordered_at", LogicalType.DATETIME),
            Column("note", LogicalType.TEXT),
            Column("external_id", LogicalType.UUID),
            Column("attributes", LogicalType.JSON),
            *(
                Column(f"w_{kinds[n % len(kinds)]}_{n // len(kinds) + 1}", kinds[n % len(kinds)])
                for n in range(wide_columns)
            ),
        ),
        key=("order_id", "item_code"),
        cursor="updated_at",
        partition="business_date",
    )


class OrderRows:
    """Makes rows of the table, every call drawing on from where the last one stopped."""

    def __init__(self, table: TableSpec, rng: np.random.Generator) -> None:
        self.rng = rng
        self._table = table
        self._draws = tuple(
            Draw(column, _HALF_NULLS if column.name.startswith("w_") else _FEW_NULLS, _POOLS.get(column.name))
            for column in table.columns
            if column.nullable
        )

    def baseline(self, n: int) -> tuple[pa.Table, pa.Table]:
        """Return the first `n` ordinary rows, and one row for each of the traps as it is born."""
        count = len(TRAP_ROWS)
        payload = draw_rows(self._draws, count + n, self.rng, _PINS)
        cursors = self._between(BASELINE_FROM, BOUNDARY, count)
        for index, row in enumerate(TRAP_ROWS):
            if row.cursor is not None:
                cursors[index] = _microseconds(row.cursor)
        traps = self._assemble(*_TRAP_KEYS, _TRAP_DAYS, cursors, payload.slice(0, count))
        return self._ordinary(0, BASELINE_FROM, BOUNDARY, payload.slice(count)), traps

    def traps(self, start: datetime, end: datetime) -> pa.Table:
        """Return one row for each of the traps as an update makes it, the cursors in [start, end)."""
        payload = draw_rows(self._draws, len(TRAP_ROWS), self.rng, _PINS)
        return self._assemble(*_TRAP_KEYS, _TRAP_LATER_DAYS, self._between(start, end, len(TRAP_ROWS)), payload)

    def ordinary(self, first: int, n: int, start: datetime, end: datetime) -> pa.Table:
        """Return ordinary rows number `first` and on, their cursors in [start, end)."""
        return self._ordinary(first, start, end, draw_rows(self._draws, n, self.rng, _NO_PINS))

    def updated(self, rows: pa.Table, start: datetime, end: datetime) -> pa.Table:
        """Return the rows with new cursors in [start, end), and some of their other columns changed, also to NULL."""
        n = rows.num_rows
        new = draw_rows(self._draws, n, self.rng, _NO_PINS)
        columns = {
            **{name: rows[name] for name in self._table.names},
            **{
                name: pc.if_else(self.rng.random(n) < _CHANGED_SHARE, new[name], rows[name])
                for name in new.column_names
            },
            self._table.cursor: _instants(self._between(start, end, n)),
        }
        return pa.table(columns, schema=self._table.schema)

    def _ordinary(self, first: int, start: datetime, end: datetime, payload: pa.Table) -> pa.Table:
        n = payload.num_rows
        numbers = np.arange(first, first + n)
        days = self.rng.choice(list(_SHARES), n, p=list(_SHARES.values()))
        cursors = self._between(start, end, n)
        items = _ITEMS.take(pa.array(numbers % len(_ITEMS)))
        return self._assemble(pa.array(_FIRST_ORDER + numbers // len(_ITEMS)), items, days, cursors, payload)

    def _assemble(
        self, order_ids: pa.Array, item_codes: pa.Array, days: np.ndarray, cursors: np.ndarray, payload: pa.Table
    ) -> pa.Table:
        dates = pa.array(DAYS, ARROW[LogicalType.DATE]).take(pa.array(days))
        return pa.table([order_ids, item_codes, dates, _instants(cursors), *payload.columns], schema=self._table.schema)

    def _between(self, start: datetime, end: datetime, n: int) -> np.ndarray:
        return self.rng.integers(_microseconds(start), _microseconds(end), n)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _instants(microseconds: np.ndarray) -> pa.Array:
    return pa.array(microseconds).view(ARROW[LogicalType.INSTANT])


_TRAP_KEYS = (
    pa.array([row.key[0] for row in TRAP_ROWS], ARROW[LogicalType.INT64]),
    pa.array([row.key[1] for row in TRAP_ROWS], ARROW[LogicalType.TEXT]),
)
_TRAP_DAYS = np.array([row.day for row in TRAP_ROWS])
_TRAP_LATER_DAYS = np.array([row.day if row.moves_to is None else row.moves_to for row in TRAP_ROWS])
