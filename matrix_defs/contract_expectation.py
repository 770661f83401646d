"""What must be true of the oracle's expectations, whatever the rows: its own invariants, and its twin in memory.

Here live the invariants of a fold and their formulas; folding itself lives in `oracle`, steps in `arrow_steps`.
It may import the pure modules of this package.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.cases import CASES, Case
from matrix_defs.compare import digests
from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.oracle import Expected, fold
from matrix_defs.ports import ReadMode
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.runner import run_case
from matrix_defs.story import Stage, scopes, target_key
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy, in_scope
from matrix_defs.systems import SourceKind, source_kind
from matrix_defs.traps import TRAP_ROWS
from matrix_defs.workload import Workload, WorkloadSpec, build_workload

_COMPLETE = {ReadMode.SNAPSHOT, ReadMode.XMIN, ReadMode.CHANGES}
"""Reads after which nothing that the source holds is missing, and nothing that it lost is left."""


def live_rows(spec: WorkloadSpec) -> dict[Stage, int]:
    """Return how many rows the source holds after each stage: the spec's numbers and the lives of the traps."""
    born = spec.rows + sum(row.in_baseline for row in TRAP_ROWS)
    kept = sum(not row.late and not row.changes.endswith("D") for row in TRAP_ROWS)
    changed = spec.rows - spec.deleted + spec.inserted + kept
    back = sum(row.late or (row.returns is not None and row.changes.endswith("D")) for row in TRAP_ROWS)
    return {
        Stage.BASELINE: born,
        Stage.CHANGES: changed,
        Stage.REPLAY: changed,
        Stage.RETURNS: changed + back,
        Stage.EMPTIED: 0,
    }


def expectation_flaw(case: Case, spec: WorkloadSpec) -> str:
    """Return what contradicts itself in what is expected of a case, in one line; empty where nothing does."""
    workload, kind = build_workload(spec), source_kind(case.source)
    folded = _folded(case.strategy_name, kind, spec)
    return invariant_broken(case.strategy, kind, workload, folded) or _memory_differs(case.strategy_name, kind, spec)


@lru_cache
def _folded(name: str, kind: SourceKind, spec: WorkloadSpec) -> Mapping[Stage, Expected]:
    return fold(STRATEGIES[name], kind, build_workload(spec))


@lru_cache
def _memory_differs(name: str, kind: SourceKind, spec: WorkloadSpec) -> str:
    """Return how a sink in memory that takes the strategy's steps departs from what is expected; empty if not."""
    case = next(case for case in CASES if case.strategy_name == name and source_kind(case.source) is kind)
    source, settings = MemorySource(kind, build_workload(spec).table), RunSettings(RunMode.MOCK_CONTRACT, spec)
    result = run_case(case, source, MemorySink(), settings, run="contract", endpoints={})
    return "" if result.verdict is Verdict.PASSED else f"a sink in memory departs from it: {result.reason}"


def invariant_broken(strategy: Strategy, kind: SourceKind, workload: Workload, folded: Mapping[Stage, Expected]) -> str:
    """Return the first invariant that the expectations of a story break, in one line; empty where they keep all."""
    before, live, key = 0, live_rows(workload.spec), target_key(strategy, workload)
    for stage, expected in folded.items():
        truths = {
            f"the source must hold {live[stage]} rows": expected.live_keys.num_rows == live[stage],
            "a load must add inserted and take away deleted rows": _adds_up(strategy, expected, before),
            "keys must be unique": strategy.appends or _unique(_current(strategy, expected), key),
            "rows and deletes must be the source's": _keeps_up(strategy, kind, workload, stage, expected),
        }
        broken = next((what for what, holds in truths.items() if not holds), "")
        if broken:
            return f"after {stage}: {broken}; {expected.rows.num_rows} rows and {expected.counts} are expected"
        before = expected.rows.num_rows
    return ""


def _current(strategy: Strategy, expected: Expected) -> pa.Table:
    rows = expected.rows
    return rows.filter(pc.is_null(rows.column("valid_to"))) if strategy.keeps_history else rows


def _adds_up(strategy: Strategy, expected: Expected, before: int) -> bool:
    inserted, deleted = (sum(getattr(counts, name) for counts in expected.counts) for name in ("inserted", "deleted"))
    written_once = not (deleted and (strategy.appends or strategy.keeps_history))
    return written_once and expected.rows.num_rows == before + inserted - deleted


def _unique(rows: pa.Table, key: Sequence[str]) -> bool:
    hashes = digests(rows, key)
    return not (hashes[1:] == hashes[:-1]).any()


def _keeps_up(strategy: Strategy, kind: SourceKind, workload: Workload, stage: Stage, expected: Expected) -> bool:
    """Whether the target follows the source as far as a read of the strategy's mode can show it."""
    key = workload.table.key
    held, live = digests(_current(strategy, expected), key), digests(expected.live_keys, key)
    if stage is Stage.BASELINE:
        return np.array_equal(held, live)
    if strategy.appends:
        return True
    if strategy.moves_leave_copies:
        rows, day = expected.rows, workload.table.partition
        loaded = [rows.filter(in_scope(rows, scope, day)) for scope in scopes(strategy, stage, workload)]
        return not any(np.setdiff1d(digests(inside, key), live).size for inside in loaded)
    if strategy.reads in _COMPLETE or kind is SourceKind.LOG:
        return np.array_equal(held, live)
    return not np.setdiff1d(held, live).size
