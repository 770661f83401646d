"""Vectorised random values: one column of any logical type, or a table of them with an exact share of NULLs.

Here live the draws and the canonical JSON text; what rows mean, and values chosen by hand, are elsewhere.
It may import numpy, pyarrow and the words of `table`.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import ARROW, Column, LogicalType

_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000
_DAYS = (date(2200, 12, 31) - _EPOCH).days + 1
"""Days from 1970 to 2200, the years that every system's date and instant types hold."""
_WORDS = (
    "blue order",
    "café",
    "Größe",
    "naïve",
    "東京",
    "Привет",
    "pallet no. 7",
    "don't return:",
    "fragile (2x)",
    "½ price",
)
_POOL = 512


def canonical_json(value: Any) -> str:
    """Return JSON text as PostgreSQL's jsonb prints it. Numbers are integers, or floats that `repr` shows unscaled."""
    return json.dumps(_ordered(value), ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _ordered(value[k]) for k in sorted(value, key=lambda k: (len(k.encode()), k.encode()))}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


@cache
def _texts() -> pa.Array:
    pick = random.Random(1)
    return pa.array([" ".join(pick.choices(_WORDS, k=pick.randint(1, 4))) for _ in range(_POOL)])


@cache
def _documents() -> pa.Array:
    pick = random.Random(2)
    return pa.array(
        canonical_json({"n": pick.randint(0, 999), "ok": pick.random() < 0.5, "tags": pick.choices(_WORDS, k=2)})
        for _ in range(_POOL)
    )


def choose(pool: pa.Array, n: int, rng: np.random.Generator) -> pa.Array:
    """Return `n` values of the pool, drawn with repetition."""
    return pool.take(pa.array(rng.integers(0, len(pool), n, dtype=np.int32)))


def _integers(kind: LogicalType, low: int, high: int) -> Callable[[int, np.random.Generator], pa.Array]:
    """Draw integers in [low, high) and read them as the Arrow type of `kind`, which has their width."""
    type_ = ARROW[kind]
    width = np.dtype(f"int{type_.bit_width}")
    return lambda n, rng: pa.array(rng.integers(low, high, n, dtype=width)).view(type_)


def _decimals(kind: LogicalType, bound: int) -> Callable[[int, np.random.Generator], pa.Array]:
    """Draw decimals whose unscaled value lies within +-bound (below 2**63): the low and the high word of 16 bytes."""

    def draw_decimals(n: int, rng: np.random.Generator) -> pa.Array:
        low = rng.integers(-bound, bound, n, dtype=np.int64, endpoint=True)
        words = np.column_stack((low, low >> 63))
        return pa.Array.from_buffers(ARROW[kind], n, [None, pa.py_buffer(words)])

    return draw_decimals


def _binary(n: int, rng: np.random.Generator) -> pa.Array:
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(rng.integers(0, 33, n), out=offsets[1:])
    return pa.Array.from_buffers(
        pa.binary(), n, [None, pa.py_buffer(offsets), pa.py_buffer(rng.bytes(int(offsets[-1])))]
    )


def _uuids(n: int, rng: np.random.Generator) -> pa.Array:
    return pa.Array.from_buffers(ARROW[LogicalType.UUID], n, [None, pa.py_buffer(rng.bytes(16 * n))])


_DRAWS: dict[LogicalType, Callable[[int, np.random.Generator], pa.Array]] = {
    LogicalType.BOOL: lambda n, rng: pa.array(rng.random(n) < 0.5),
    LogicalType.INT16: _integers(LogicalType.INT16, -(2**15), 2**15),
    LogicalType.INT32: _integers(LogicalType.INT32, -(2**31), 2**31),
    LogicalType.INT64: _integers(LogicalType.INT64, -(2**63), 2**63),
    LogicalType.DECIMAL_18_4: _decimals(LogicalType.DECIMAL_18_4, 10**18 - 1),
    LogicalType.DECIMAL_38_9: _decimals(LogicalType.DECIMAL_38_9, 2**63 - 1),
    LogicalType.FLOAT64: lambda n, rng: pa.array(rng.normal(scale=1e6, size=n)),
    LogicalType.TEXT: lambda n, rng: choose(_texts(), n, rng),
    LogicalType.BINARY: _binary,
    LogicalType.DATE: _integers(LogicalType.DATE, 0, _DAYS),
    LogicalType.TIME: _integers(LogicalType.TIME, 0, _DAY),
    LogicalType.DATETIME: _integers(LogicalType.DATETIME, 0, _DAYS * _DAY),
    LogicalType.INSTANT: _integers(LogicalType.INSTANT, 0, _DAYS * _DAY),
    LogicalType.UUID: _uuids,
    LogicalType.JSON: lambda n, rng: choose(_documents(), n, rng),
}


@dataclass(frozen=True)
class Pins:
    """Values chosen by hand for one type in a table's first rows: `values` holds where `mask` is set, NULLs too."""

    mask: np.ndarray
    values: pa.Array


def pin(rows: Sequence[Mapping[LogicalType, Any]]) -> dict[LogicalType, Pins]:
    """Return the pins of each type, for rows that name a value for some types."""
    return {
        kind: Pins(
            np.array([kind in row for row in rows], dtype=bool), pa.array([row.get(kind) for row in rows], arrow)
        )
        for kind, arrow in ARROW.items()
    }


@dataclass(frozen=True)
class Draw:
    """How a column is drawn: the least and the greatest share of NULLs, and a pool in place of its type."""

    column: Column
    nulls: tuple[float, float]
    pool: pa.Array | None = None

    def array(self, n: int, rng: np.random.Generator, pins: Pins) -> pa.Array:
        """Return `n` values, the pinned ones first; the share of NULLs counts those that are pinned."""
        drawn = _DRAWS[self.column.type](n, rng) if self.pool is None else choose(self.pool, n, rng)
        free = np.concatenate((np.flatnonzero(~pins.mask), np.arange(len(pins.mask), n)))
        pinned_nulls = int(np.count_nonzero(pins.mask)) - (len(pins.values) - pins.values.null_count)
        wanted = round(rng.uniform(*self.nulls) * n) - pinned_nulls
        null = np.zeros(n, dtype=bool)
        null[rng.choice(free, min(max(wanted, 0), len(free)), replace=False, shuffle=False)] = True
        drawn = pc.if_else(null, pa.scalar(None, drawn.type), drawn)
        first = pc.if_else(pins.mask, pins.values, drawn.slice(0, len(pins.mask)))
        return pa.concat_arrays([first, drawn.slice(len(pins.mask))])


def draw_rows(draws: Iterable[Draw], n: int, rng: np.random.Generator, pins: Mapping[LogicalType, Pins]) -> pa.Table:
    """Return `n` rows of the drawn columns, the rows with pinned values first."""
    draws = tuple(draws)
    arrays = [draw.array(n, rng, pins[draw.column.type]) for draw in draws]
    return pa.table(arrays, schema=pa.schema([draw.column.field for draw in draws]))
