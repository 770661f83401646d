"""The story of a case as data: its stages, and which loads each stage makes.

Here lives the plot that the runner plays and the oracle folds, so that both tell the same story.
It may import `ledger`, `ports`, `strategies.base`, `systems` and `workload`.
"""

from enum import StrEnum

from matrix_defs.ledger import chunks
from matrix_defs.ports import ReadMode, Scope
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import SourceKind
from matrix_defs.workload import Phase, Workload


class Stage(StrEnum):
    """A part of the story: something happens to the source, then the strategy loads, then the target is compared."""

    BASELINE = "baseline"
    """The source was seeded; first load."""
    CHANGES = "changes"
    """Late rows wait in an open transaction, the changes are applied; second load."""
    REPLAY = "replay"
    """Nothing happened; the same load again."""
    RETURNS = "returns"
    """The late rows were committed, then the returns applied; third load."""
    EMPTIED = "emptied"
    """Every row was deleted; last load."""

    @property
    def phase(self) -> Phase:
        """The phase of the workload that the stage's loads see; a replay sees the changes again."""
        return Phase.CHANGES if self is Stage.REPLAY else Phase(self.value)


def scopes(strategy: Strategy, stage: Stage, workload: Workload) -> tuple[Scope, ...]:
    """Return the scope of each load of the stage, in order. A replayed backfill is finished and makes no load."""
    if strategy.chunked:
        return () if stage is Stage.REPLAY else chunks(workload.all_days())
    if strategy.reads is ReadMode.WINDOW:
        return (workload.window(stage.phase),)
    if strategy.reads is ReadMode.PARTITIONS:
        return (workload.partitions(stage.phase),)
    return (None,)


def finds_nothing_new(strategy: Strategy, kind: SourceKind, stage: Stage) -> bool:
    """Return whether the stage's cursor read must yield nothing, so that the position stays exactly where it was.

    Other positions (a log sequence number, a transaction id) may move on while nothing of the table happens.
    """
    if strategy.reads not in (ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES):
        return False
    return stage is Stage.REPLAY or (stage is Stage.EMPTIED and kind is SourceKind.STATE)


def target_key(strategy: Strategy, workload: Workload) -> tuple[str, ...]:
    """Return the target's key: the table's, behind the partition column where moves leave copies."""
    table = workload.table
    return (table.partition, *table.key) if strategy.moves_leave_copies else table.key


def backfill_id(stage: Stage) -> str:
    """Return the id of the stage's backfill: a phase of the workload is a backfill of its own, a replay is none."""
    return str(stage.phase)
