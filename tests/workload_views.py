"""Views of a workload that its tests share: the source's rows after each phase, and the life of each trap's key.

Here live no tests. It may import the workload and what it is made of.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import Op
from matrix_defs.table import LogicalType
from matrix_defs.traps import TRAP_ROWS
from matrix_defs.workload import Phase, Workload, apply_changes

Key = tuple[int, str]
Row = dict[str, Any]
Lives = dict[Key, dict[Phase, Row]]
SIZES = (50, 10_000)
TRAP_KEYS = frozenset(row.key for row in TRAP_ROWS)


@lru_cache(maxsize=2)
def states_of(workload: Workload) -> dict[Phase, pa.Table]:
    """The source's rows after each phase; the late rows are committed just before the returns."""
    key = workload.table.key
    changed = apply_changes(workload.baseline, workload.changes, key)
    returned = apply_changes(pa.concat_tables([changed, workload.late]), workload.returns, key)
    emptied = apply_changes(returned, workload.emptied, key)
    return {Phase.BASELINE: workload.baseline, Phase.CHANGES: changed, Phase.RETURNS: returned, Phase.EMPTIED: emptied}


@lru_cache(maxsize=2)
def lives_of(workload: Workload) -> Lives:
    """Each trap key's row in each phase that holds it."""
    lives: Lives = {key: {} for key in TRAP_KEYS}
    for phase, state in states_of(workload).items():
        for key, row in trap_rows(state):
            lives[key][phase] = row
    return lives


def trap_rows(table: pa.Table) -> Iterator[tuple[Key, Row]]:
    """The traps' rows of a table, each with its key."""
    wanted = table.filter(pc.is_in(table["order_id"], pa.array(sorted({order_id for order_id, _ in TRAP_KEYS}))))
    return (((row["order_id"], row["item_code"]), row) for row in wanted.to_pylist())


def keys_of(table: pa.Table) -> list[Key]:
    """The keys of a table in its order."""
    return list(zip(table["order_id"].to_pylist(), table["item_code"].to_pylist(), strict=True))


def key_of(workload: Workload, trap: str) -> Key:
    """The key of a trap that has one."""
    (key,) = workload.traps[trap].keys
    return key


def versions(workload: Workload, key: Key, phase: Phase) -> list[tuple[Op, Row]]:
    """What happens to a trap's key in a phase, in order."""
    return [(c.op, row) for c in workload.changes_of(phase) for found, row in trap_rows(c.rows) if found == key]


def history(workload: Workload, key: Key, phase: Phase = Phase.CHANGES) -> list[Op]:
    """The operations on a trap's key in a phase, in order."""
    return [op for op, _ in versions(workload, key, phase)]


def without_cursor(row: Row) -> Row:
    """The row but for its cursor."""
    return {name: value for name, value in row.items() if name != "updated_at"}


def nullable_columns(workload: Workload, kind: LogicalType) -> list[str]:
    """Names of the columns of a type that may hold any value of it."""
    return [column.name for column in workload.table.columns if column.type is kind and column.nullable]


def everything(workload: Workload) -> list[pa.Table]:
    """Every table of a workload."""
    return [workload.baseline, workload.late, *(c.rows for phase in Phase for c in workload.changes_of(phase))]
