"""Every fault that a source, a driver or a sink can commit fails the case, by the check that names it."""

from collections.abc import Iterator
from functools import cache

import pytest
from faults import FAULTS
from faulty import Fault, FaultySink, FaultySource
from sink_faults import without

from matrix_defs import judge
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.oracle import Expected, fold
from matrix_defs.ports import Step
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.story import Stage
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import SourceKind, source_kind
from matrix_defs.workload import Workload, WorkloadSpec, build_workload

CAUGHT_BY = """
fault                            full     append   merge    replace  parts    diff     scd2     backfill xmin     cdc      appendL  mergeL
lost row                         rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
row delivered twice              keys     rows     passes   keys     keys     passes   passes   keys     passes   passes   rows     passes
stale row delivered              rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
tie with the position lost       -        rows     rows     -        -        -        -        -        -        -        -        -
tie with the position repeated   -        rows     rows     -        -        -        -        -        passes   -        -        -
key list taken too early         -        -        rows     -        -        -        -        -        rows     -        -        -
key list not taken               -        -        deletes  -        -        -        -        -        deletes  -        -        -
nothing staged, nothing done     deletes  -        deletes  deletes  deletes  deletes  deletes  deletes  deletes  -        -        -
empty read moves position back   -        position position -        -        -        -        -        position position position position
emptied source moves it back     -        position position -        -        -        -        -        -        -        -        -
source includes the end          -        -        -        keys     refused  -        -        refused  -        -        -        -
sink includes the end            -        -        -        rows     rows     -        -        counts   -        -        -        -
both include the end             -        -        -        rows     rows     -        -        counts   -        -        -        -
source excludes the start        -        -        -        rows     rows     -        -        rows     -        -        -        -
sink excludes the start          -        -        -        keys     refused  -        -        refused  -        -        -        -
both exclude the start           -        -        -        rows     rows     -        -        rows     -        -        -        -
changes folded by time           -        -        repeats  -        -        repeats  repeats  -        repeats  rows     -        rows
first change kept                -        -        repeats  -        -        repeats  repeats  -        repeats  rows     -        rows
deletes win                      -        -        -        -        -        -        -        -        -        rows     -        rows
-0.0 becomes 0.0                 rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
trailing spaces trimmed          keys     rows     rows     keys     keys     rows     rows     keys     rows     rows     rows     rows
'' becomes NULL                  nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls
NULL becomes ''                  nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls    nulls
microseconds cut                 rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
key case folded                  keys     rows     rows     keys     keys     rows     rows     keys     rows     rows     rows     rows
row inserted twice               keys     rows     keys     keys     keys     keys     keys     keys     keys     keys     rows     keys
old version kept                 keys     -        keys     keys     keys     keys     keys     keys     keys     keys     -        keys
late delete                      deletes  -        deletes  deletes  deletes  deletes  deletes  deletes  deletes  deletes  -        deletes
older row touched                -        kept     kept     kept     kept     kept     kept     rows     kept     kept     kept     kept
wrong hash stored                -        -        -        -        -        rows     rows     -        -        -        -        -
wrong cell stored                rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
load_id shared by loads          rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
loaded_at per row                rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
replay adds a row                replay   replay   replay   replay   replay   replay   replay   -        replay   replay   replay   replay
replay rewrites a row            -        replay   rows     rows     rows     replay   replay   -        passes   replay   replay   rows
second open version              -        -        -        -        -        -        keys     -        -        -        -        -
valid_to a tick early            -        -        -        -        -        -        history  -        -        -        -        -
valid_to a tick late             -        -        -        -        -        -        history  -        -        -        -        -
valid_to one load early          -        -        -        -        -        -        history  -        -        -        -        -
valid_from a tick late           -        -        -        -        -        -        history  -        -        -        -        -
position not committed           -        position position -        -        -        -        position position position position position
position forgotten               -        position position -        -        -        -        position position position position position
one insert too many reported     counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts
one update not reported          counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts
one delete too many reported     counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts   counts
staging left behind              left     left     left     left     left     left     left     left     left     left     left     left
NULL key accepted                refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
NULL key refused, not named      refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
NULL key refused, rows lost      refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
NULL key refused, row doubled    refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
NULL key refused, row marked     refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
NULL key refused, row touched    rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows     rows
NULL key refused, position moved refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal  refusal
"""  # noqa: E501
"""Which check must catch which fault under which strategy; `L`: from a log source, all others from a state source.

`-`: the fault cannot occur there. `passes`: it occurs and does no harm, by the strategy's own promise. `refused`: the
load itself stops. `repeats`: harmless while a read brings each key once, caught as `rows` where keys repeat.
"""

CHECKS = {
    "rows": "rows_match",
    "keys": "keys_unique",
    "replay": "replay_is_idempotent",
    "kept": "untouched_rows_kept",
    "deletes": "deletes_applied",
    "history": "history_valid",
    "nulls": "wide_columns_kept",
    "counts": "counts_reported",
    "position": "position_committed",
    "refusal": "null_key_refused",
    "left": "nothing_left_behind",
}
COLUMNS = {
    "full": "full_refresh",
    "append": "incremental_append",
    "merge": "incremental_merge",
    "replace": "replace",
    "parts": "partition_replace",
    "diff": "snapshot_diff",
    "scd2": "scd2",
    "backfill": "backfill",
    "xmin": "xmin",
    "cdc": "cdc",
    "appendL": "incremental_append",
    "mergeL": "incremental_merge",
}
SETTINGS = RunSettings(workload=WorkloadSpec(rows=50, wide_columns=0))
NO_FAULT = Fault()


def cells() -> Iterator[tuple[str, str, str]]:
    """Each cell of the table: fault, column, what is expected."""
    heading, *rows = [(line[:33].strip(), line[33:].split()) for line in CAUGHT_BY.strip().splitlines()]
    for fault, expected in rows:
        yield from ((fault, column, cell) for column, cell in zip(heading[1], expected, strict=True))


def folds_repeats(column: str) -> bool:
    """Whether the column's strategy promises to fold keys that come several times in one read."""
    return Step.DEDUPE_STAGED in STRATEGIES[COLUMNS[column]].steps


OCCURRING = [cell for cell in cells() if cell[2] != "-"]
ON_REPEATS = [
    (fault, column, {"repeats": "rows"}.get(cell, cell)) for fault, column, cell in OCCURRING if folds_repeats(column)
]
FOLDING = [column for column in COLUMNS if folds_repeats(column)]
STEPS = [(column, step) for column, name in COLUMNS.items() for step in STRATEGIES[name].steps]
INERT = {("mergeL", Step.DELETE_ABSENT_KEYS)}
"""A log shows its deletes as tombstones, so the step finds no key list to act on."""


@cache
def expected_rows(strategy: Strategy, kind: SourceKind, workload: Workload) -> dict[Stage, Expected]:
    """What the runner folds to show the rows that differ: the same for every failure of a column."""
    return fold(strategy, kind, workload)


@pytest.fixture(autouse=True)
def _fold_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "fold", expected_rows)


def play(column: str, fault: Fault, *, repeats: bool = False) -> CaseResult:
    """Run the column's case with a fault."""
    case = CASES_BY_ID[f"{'kafka' if column.endswith('L') else 'postgres'}_to_postgres__{COLUMNS[column]}"]
    source = FaultySource(source_kind(case.source), build_workload(SETTINGS.workload).table, fault, repeats=repeats)
    return run_case(case, source, FaultySink(fault), SETTINGS, run="0123456789ab", endpoints={})


def assert_caught(result: CaseResult, expected: str) -> None:
    failed = {check.name for check in result.checks if not check.passed}
    if expected == "passes":
        assert (result.verdict, result.reason) == (Verdict.PASSED, "")
    elif expected == "refused":
        assert result.verdict is Verdict.FAILED
        assert "outside the partitions of this load" in result.reason
    else:
        assert result.verdict is Verdict.FAILED
        assert CHECKS[expected] in failed, f"failed: {sorted(failed)}; {result.reason}"


def test_the_table_shows_every_fault_and_every_strategy() -> None:
    assert sorted({fault for fault, _, _ in cells()}) == sorted(FAULTS)
    assert list(dict.fromkeys(column for _, column, _ in cells())) == list(COLUMNS)
    assert list(dict.fromkeys(COLUMNS.values())) == list(STRATEGIES)
    assert {cell for _, _, cell in cells()} == {*CHECKS, "-", "passes", "refused", "repeats"}
    assert {fault for fault, _, _ in OCCURRING} == set(FAULTS)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_case_without_a_fault_passes(column: str) -> None:
    assert_caught(play(column, NO_FAULT), "passes")


@pytest.mark.parametrize("column", FOLDING)
def test_reads_that_repeat_keys_pass_where_the_strategy_folds_them(column: str) -> None:
    assert_caught(play(column, NO_FAULT, repeats=True), "passes")


@pytest.mark.parametrize(("fault", "column", "expected"), OCCURRING)
def test_a_fault_is_caught_by_the_check_that_names_it(fault: str, column: str, expected: str) -> None:
    assert_caught(play(column, FAULTS[fault]), {"repeats": "passes"}.get(expected, expected))


@pytest.mark.parametrize(("fault", "column", "expected"), ON_REPEATS)
def test_a_fault_is_caught_too_where_reads_repeat_keys(fault: str, column: str, expected: str) -> None:
    assert_caught(play(column, FAULTS[fault], repeats=True), expected)


@pytest.mark.parametrize(("column", "step"), STEPS)
def test_a_case_that_leaves_out_a_step_fails(column: str, step: Step) -> None:
    result = play(column, Fault(load=without(step)), repeats=folds_repeats(column))
    assert result.verdict is (Verdict.PASSED if (column, step) in INERT else Verdict.FAILED)
