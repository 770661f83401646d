"""The plans of a case: what its sink would run in every load of the story.

Here live the loads that are planned and the question whether a statement holds up; how a system renders and parses one
is behind `Planner`. It may import the pure modules of this package.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from matrix_defs.cases import Case
from matrix_defs.errors import UnsupportedStepError
from matrix_defs.ledger import with_finished
from matrix_defs.ports import Load, LoadTarget, Position, Step, key_list
from matrix_defs.story import Stage, backfill_id, scopes, target_key
from matrix_defs.systems import source_kind
from matrix_defs.table import TableSpec
from matrix_defs.workload import Workload

_NAMESPACE = "m_plan"
"""One for all cases: what is planned does not depend on a name, and equal statements are parsed once."""
_FIRST_LOAD = datetime(2026, 1, 1, tzinfo=UTC)


class Planner(Protocol):
    """A system's plans, told without driver or connection."""

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that the system can do."""

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render every statement of a load. Raises UnsupportedStepError."""

    def frame(self, target: LoadTarget) -> list[str]:
        """Render what is created before the first load and dropped at the end."""

    def flaw(self, statement: str) -> str:
        """Return why the statement is none of the system's, in one line; empty where it is one."""


def planned_target(case: Case, table: TableSpec, key: tuple[str, ...]) -> LoadTarget:
    """Return the target that a case's plans are rendered for."""
    return LoadTarget(
        namespace=_NAMESPACE,
        table=table.keyed_by(key),
        keeps_hash=case.strategy.keeps_hash,
        keeps_history=case.strategy.keeps_history,
        partitioned=case.strategy.partitioned,
    )


def planned_loads(case: Case, workload: Workload) -> Iterator[tuple[Stage, Load]]:
    """Yield every load of the story, with the stage that it belongs to."""
    strategy, ledger = case.strategy, None
    number = 0
    for stage in Stage:
        for scope in scopes(strategy, stage, workload):
            number += 1
            ledger = with_finished(ledger, backfill_id(stage), scope) if strategy.chunked else None
            load = Load(
                load_id=f"plan-{number}",
                loaded_at=_FIRST_LOAD + timedelta(microseconds=number),
                scope=scope,
                key_list=key_list(strategy.reads, source_kind(case.source)),
                position=ledger or Position({"reads": number}),
            )
            yield stage, load


def plan_flaw(case: Case, workload: Workload, planner: Planner) -> str:
    """Return what is wrong with the first bad statement of a case's plans; empty where every statement holds up."""
    target = planned_target(case, workload.table, target_key(case.strategy, workload))
    try:
        plans = {
            f"{stage}, load {load.load_id}": planner.plan(target, load, case.strategy.steps)
            for stage, load in planned_loads(case, workload)
        }
    except UnsupportedStepError as error:
        return str(error)
    empty = next((where for where, statements in plans.items() if not statements), None)
    if empty:
        return f"{empty}: no statement at all"
    plans["before and after the loads"] = planner.frame(target)
    flaws = ((where, planner.flaw(statement)) for where, statements in plans.items() for statement in statements)
    return next((f"{where}: {flaw}" for where, flaw in flaws if flaw), "")
