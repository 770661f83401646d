"""One load of a small table per step: what the tests of the SQL dialects render.

Here live no tests. It may import the words of the data model, the ports and the dialects.
"""

from datetime import UTC, date, datetime

from matrix_defs.ports import KeyList, Load, LoadTarget, Partitions, Scope, Step, Window
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.planners import SQL_DIALECTS
from resources.sql_plan import Plan

TABLE = TableSpec(
    "t",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("code", LogicalType.TEXT, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("at", LogicalType.INSTANT, nullable=False),
    ),
    key=("id", "code"),
    cursor="at",
    partition="day",
)
INSTANT = datetime(2026, 3, 1, 12, 30, 0, 1, tzinfo=UTC)
DAYS = (date(2026, 3, 1), date(2026, 3, 2))

_SCOPES: dict[Step, Scope] = {
    Step.DELETE_WINDOW: Window(*DAYS),
    Step.REPLACE_PARTITIONS: Partitions(DAYS[:1]),
}
_UNFOLDED = {Step.SWAP_IN, Step.DELETE_WINDOW, Step.REPLACE_PARTITIONS}
_HASHED = {Step.DELETE_CHANGED, Step.INSERT_MISSING}
_VERSIONED = {Step.CLOSE_CHANGED, Step.CLOSE_ABSENT, Step.OPEN_VERSIONS}


def plan_of(step: Step) -> Plan:
    """Return a load that takes the step, on a target and after a fold as the strategies with that step have them."""
    target = LoadTarget(
        namespace="s",
        table=TABLE,
        keeps_hash=step in _HASHED | _VERSIONED,
        keeps_history=step in _VERSIONED,
        partitioned=step is Step.REPLACE_PARTITIONS,
    )
    load = Load("load-1", INSTANT, _SCOPES.get(step), KeyList.LISTED)
    before = () if step in _UNFOLDED else (Step.DEDUPE_STAGED,)
    return Plan(target, load, (*before, step))


def rendered() -> dict[tuple[str, str], str]:
    """Return by step and system what each dialect says, one statement a line."""
    return {
        (step, system): "\n".join(s.text for s in getattr(dialect, step)(plan_of(step)))
        for step in Step
        for system, dialect in SQL_DIALECTS.items()
    }
