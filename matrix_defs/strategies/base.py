"""What a strategy is, what the oracle tells it about a read, and the few row operations that `expect` is written with.

Here live the words that the ten strategy files share; each strategy's meaning lives in its own file, and how a system
carries out a step in that system's module. It may import pandas, pyarrow and `matrix_defs.ports`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import DELETE, Partitions, ReadMode, Scope, Step, Window


@dataclass(frozen=True)
class Read:
    """What the workload says that one read must yield, and the load that carries it."""

    rows: pa.Table
    """Rows in the order read: the source's columns, `row_hash`, `_op`, `_seq`."""
    load: int
    """Ordinal of the load in the case, from 1: stands for its load_id and its loaded_at."""
    keys: pa.Table | None = None
    """The complete key set of the source where the read shows it; None = unknown."""
    scope: Scope = None


@dataclass(frozen=True)
class Strategy:
    """A load strategy: how it reads, which steps it takes, and which rows must result."""

    name: str
    reads: ReadMode
    steps: tuple[Step, ...]
    expect: Callable[[pa.Table, Read, Sequence[str]], pa.Table]
    """(target before, read, key) -> target after. Loads appear as ordinals in `load`, `valid_from` and `valid_to`."""
    promise: str
    """One sentence: what users of the target may rely on."""
    keeps_hash: bool = False
    keeps_history: bool = False
    moves_leave_copies: bool = False
    """The target is cut by day: a row that moved to another day stays in its old day until that day loads, so the
    partition column is part of the target's key."""
    partitioned: bool = False
    chunked: bool = False
    """A load is one chunk per day, each recorded in a ledger and loaded once."""
    appends: bool = False
    """The target is a list of deliveries, without a key."""
    rereads: bool = False
    """A read may yield rows again that did not change; they are rewritten identically, under a new load_id."""
    replay_rewrites: bool = False
    """A replay writes the same rows again, under a new load_id."""

    @property
    def looks_into_rows(self) -> bool:
        """Whether a load must decode its rows: to hash them or to fold several changes of one key."""
        return self.keeps_hash or Step.DEDUPE_STAGED in self.steps


def marks(strategy: Strategy) -> tuple[str, ...]:
    """Return the columns of a target that a load adds, loads told by ordinal."""
    kept = ("row_hash",) if strategy.keeps_hash else ()
    return (*kept, "load", *(("valid_from", "valid_to") if strategy.keeps_history else ()))


def key_index(rows: pa.Table, key: Sequence[str]) -> pd.MultiIndex:
    """Return the key of every row, compared column by column."""
    return pd.MultiIndex.from_arrays([rows.column(name).to_pandas() for name in key])


def holds_key(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Array:
    """Return for every row whether `others` has a row of the same key."""
    if rows.num_rows == 0 or others.num_rows == 0:
        return pa.array([False] * rows.num_rows, pa.bool_())
    return pa.array(key_index(rows, key).isin(key_index(others, key)))


def chosen(rows: pa.Table, mask: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows for which the mask, without NULL, is true; no copy of a wide table where it is true of all."""
    return rows if pc.all(mask, min_count=0).as_py() else rows.filter(mask)


def with_keys_of(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the rows whose key `others` has."""
    return chosen(rows, holds_key(rows, others, key))


def without_keys_of(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the rows whose key `others` has not."""
    return chosen(rows, pc.invert(holds_key(rows, others, key)))


def last_per_key(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the row with the highest `_seq` of every key."""
    rows = rows.sort_by("_seq")
    return chosen(rows, pa.array(~key_index(rows, key).duplicated(keep="last"))) if rows.num_rows else rows


def upserts(rows: pa.Table) -> pa.Table:
    """Return the rows that are no deletes."""
    return chosen(rows, pc.not_equal(rows.column("_op"), DELETE))


def in_scope(rows: pa.Table, scope: Scope, column: str) -> pa.Array:
    """Return for every row whether its day lies in the scope; every day lies in no scope."""
    days = rows.column(column)
    if isinstance(scope, Window):
        return pc.and_(
            pc.greater_equal(days, pa.scalar(scope.start, pa.date32())),
            pc.less(days, pa.scalar(scope.end, pa.date32())),
        )
    if isinstance(scope, Partitions):
        return pc.is_in(days, pa.array(scope.days, pa.date32()))
    return pa.array([True] * rows.num_rows, pa.bool_())


def written(rows: pa.Table, read: Read) -> pa.Table:
    """Return the rows as this load writes them, marked with its ordinal."""
    ordinal = pa.array([read.load] * rows.num_rows, pa.int64())
    return rows.append_column("load", ordinal)


def together(target: pa.Table, rows: pa.Table) -> pa.Table:
    """Return the target with the rows added, cut to the target's columns."""
    return pa.concat_tables([target, rows.select(target.column_names)])
