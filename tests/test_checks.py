"""Every check is silent where its promise is kept and speaks up about exactly the defect that it looks for."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from check_views import SCD2, TABLE, Version, expected, history, key_hashes, seen
from faults import FAULTS
from faulty import Fault, FaultySink, FaultySource

from matrix_defs import checks
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.checks import CHECK_NAMES, Seen
from matrix_defs.compare import UNKNOWN
from matrix_defs.oracle import Counts
from matrix_defs.ports import LoadReport, Position
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import source_kind
from matrix_defs.workload import WorkloadSpec, build_workload

MERGE, XMIN, CDC, APPEND = (STRATEGIES[n] for n in ("incremental_merge", "xmin", "cdc", "incremental_append"))
SETTINGS = RunSettings(workload=WorkloadSpec(rows=50, wide_columns=0))


def play(fault: Fault) -> CaseResult:
    case = CASES_BY_ID["postgres_to_postgres__incremental_merge"]
    source = FaultySource(source_kind(case.source), build_workload(SETTINGS.workload).table, fault)
    return run_case(case, source, FaultySink(fault), SETTINGS, run="0123456789ab", endpoints={})


# ---------------------------------------------------------------------- one defect for every name

GOOD = seen((1, "a", 1), (2, "", 1))
LIVE = {1: key_hashes(1, 2), 2: key_hashes(1, 2), 3: key_hashes(1)}
"""The keys that the source held at each load."""
REPORT, COUNTS = LoadReport(3, 1, 1, 1), (Counts(1, 1, 1),)
P1, P2 = Position({"n": 1}), Position({"n": 2})


def position(**other: object) -> str:
    told = {"committed": P2, "reached": P2, "before": P1, "stays": False, "reported": P2, **other}
    return checks.position_committed([LoadReport(position=told.pop("reported"))], **told)


def after_a_case(name: str, fault: Fault) -> str:
    """What the named check of a whole case says."""
    return next(check.detail for check in play(fault).checks if check.name == name)


DEFECTS: dict[str, tuple[Callable[[], str], Callable[[], str], str]] = {
    "rows_match": (
        lambda: checks.rows_match(GOOD, expected(GOOD)),
        lambda: checks.rows_match(seen((1, "a", 1)), expected(GOOD)),
        "holds 1 rows, 2 are expected",
    ),
    "keys_unique": (
        lambda: checks.keys_unique(GOOD),
        lambda: checks.keys_unique(seen((1, "a", 1), (1, "b", 2))),
        "1 key(s) occur more than once",
    ),
    "replay_is_idempotent": (
        lambda: checks.replay_is_idempotent(GOOD, seen((2, "", 1), (1, "a", 1))),
        lambda: checks.replay_is_idempotent(GOOD, seen((1, "a", 1), (2, "", 1), (2, "", 2))),
        "a replay with nothing new changed the target: 2 -> 3 rows",
    ),
    "untouched_rows_kept": (
        lambda: checks.untouched_rows_kept(GOOD, seen((1, "a", 1), (2, "new", 2)), 2),
        lambda: checks.untouched_rows_kept(GOOD, seen((1, "touched", 1), (2, "new", 2)), 2),
        "1 row(s) of earlier loads were changed or repeated",
    ),
    "deletes_applied": (
        lambda: checks.deletes_applied(GOOD, expected(GOOD, live=(1, 2), gone=(3,))),
        lambda: checks.deletes_applied(seen((1, "a", 1), (3, "c", 1)), expected(GOOD, live=(1, 2), gone=(3,))),
        "1 deleted key(s) are still in the target",
    ),
    "history_valid": (
        lambda: checks.history_valid(history((1, "a", 1, 2), (1, "b", 2, None), (2, "c", 1, 3)), LIVE),
        lambda: checks.history_valid(history((1, "a", 1, 3), (1, "b", 2, None), (2, "c", 1, 3)), LIVE),
        "1 version(s) overlap the next one of their key",
    ),
    "wide_columns_kept": (
        lambda: checks.wide_columns_kept(GOOD, expected(GOOD)),
        lambda: checks.wide_columns_kept(seen((1, "a", 1), (2, None, 1)), expected(GOOD)),
        "1 column(s) have another number of NULLs, first value: 1, not 0",
    ),
    "counts_reported": (
        lambda: checks.counts_reported([REPORT], COUNTS, rereads=False),
        lambda: checks.counts_reported([LoadReport(3, 1, 2, 1)], COUNTS, rereads=False),
        "load 1 of the stage reported inserted=1 updated=2 deleted=1, and did inserted=1 updated=1 deleted=1",
    ),
    "position_committed": (
        lambda: position(),
        lambda: position(committed=P1),
        'the sink holds position {"n":1}, the read reached {"n":2}',
    ),
    "null_key_refused": (
        lambda: after_a_case("null_key_refused", Fault()),
        lambda: after_a_case("null_key_refused", FAULTS["NULL key accepted"]),
        "a batch with a NULL key was loaded",
    ),
    "nothing_left_behind": (
        lambda: after_a_case("nothing_left_behind", Fault()),
        lambda: after_a_case("nothing_left_behind", FAULTS["staging left behind"]),
        "left in the namespace: orders_staging",
    ),
}
"""For each check: where it is silent, a planted defect, and what it then says."""


def test_every_check_has_a_planted_defect() -> None:
    assert tuple(DEFECTS) == CHECK_NAMES


@pytest.mark.parametrize("name", CHECK_NAMES)
def test_a_check_is_silent_until_its_defect_is_planted(name: str) -> None:
    silent, planted, says = DEFECTS[name]
    assert silent() == ""
    assert says in planted()


# ---------------------------------------------------------------------- the finer points of each


@pytest.mark.parametrize(
    "wrong",
    [
        seen((1, "a", 1)),
        seen((1, "a", 1), (2, "", 1), (2, "", 1)),
        seen((1, "a", 1), (2, None, 1)),
        seen((1, "a", 1), (2, "", 2)),
        seen((1, "a", 1), (2, "", UNKNOWN)),
        seen((1, "a", 1), (3, "", 1)),
    ],
    ids=["lost", "twice", "null for empty", "another load", "no load of the case", "another key"],
)
def test_rows_match_tells_every_other_multiset_of_rows(wrong: Seen) -> None:
    assert checks.rows_match(wrong, expected(GOOD))
    assert checks.rows_match(GOOD, expected(wrong))


def test_rows_match_lets_a_strategy_that_rereads_write_rows_anew_but_by_loads_of_the_case() -> None:
    wanted = expected(seen((1, "a", 1), (2, "", 1), strategy=XMIN))
    assert checks.rows_match(seen((1, "a", 1), (2, "", 2), strategy=XMIN), wanted) == ""
    assert "no load of this case" in checks.rows_match(seen((1, "a", 1), (2, "", UNKNOWN), strategy=XMIN), wanted)
    assert checks.rows_match(seen((1, "a", 1), (2, "x", 2), strategy=XMIN), wanted)


def test_rows_match_includes_the_stored_hash_and_both_ends_of_a_version() -> None:
    good = history((1, "a", 1, 2), (1, "b", 2, None))
    for index, name in enumerate(good.rows.column_names):
        if name in ("row_hash", "valid_from", "valid_to"):
            column = pa.array([99, *good.rows.column(name).to_pylist()[1:]], pa.int64())
            wrong = Seen(good.rows.set_column(index, name, column), TABLE, TABLE.key, SCD2)
            assert checks.rows_match(wrong, expected(good)), name


def test_keys_unique_counts_open_versions_and_versions_that_begin_together() -> None:
    assert checks.keys_unique(history((1, "a", 1, 2), (1, "b", 2, None))) == ""
    assert checks.keys_unique(history((1, "a", 1, None), (1, "b", 2, None))) == "1 key(s) occur more than once"
    assert checks.keys_unique(history((1, "a", 1, 2), (1, "b", 1, 3))) == "1 key(s) occur more than once"


def test_a_replay_may_write_rows_anew_only_where_the_strategy_says_so() -> None:
    for strategy, allowed in ((MERGE, True), (XMIN, True), (CDC, False), (APPEND, False)):
        before, after = seen((1, "a", 1), strategy=strategy), seen((1, "a", 2), strategy=strategy)
        assert (checks.replay_is_idempotent(before, after) == "") is allowed, strategy.name
        assert checks.replay_is_idempotent(before, seen((1, "b", 1), strategy=strategy))


def test_untouched_rows_may_go_and_may_be_written_anew_but_not_appear_change_or_repeat() -> None:
    assert checks.untouched_rows_kept(GOOD, seen((1, "a", 1)), 2) == ""
    assert checks.untouched_rows_kept(GOOD, seen((1, "a", 1), (2, "x", 3)), 2) == ""
    for wrong in (seen((1, "a", 1), (1, "a", 1)), seen((3, "a", 1)), seen((1, "a", UNKNOWN))):
        assert checks.untouched_rows_kept(GOOD, wrong, 2) == "1 row(s) of earlier loads were changed or repeated"


def test_a_version_that_is_closed_must_have_been_there_open_and_the_same() -> None:
    before = history((1, "a", 1, None), (2, "b", 1, None))
    assert checks.untouched_rows_kept(before, history((1, "a", 1, 2), (1, "c", 2, None), (2, "b", 1, None)), 2) == ""
    for wrong in ((1, "touched", 1, 2), (1, "a", 1, 1), (3, "a", 1, 2)):
        assert checks.untouched_rows_kept(before, history(wrong, (2, "b", 1, None)), 2), wrong


def test_a_deleted_key_may_stay_only_where_it_is_expected_or_in_closed_versions() -> None:
    stays = expected(seen((1, "a", 1), (3, "c", 1)), gone=(3,))
    assert checks.deletes_applied(seen((1, "a", 1), (3, "c", 1)), stays) == ""
    closed = history((1, "a", 1, None), (3, "c", 1, 2))
    assert checks.deletes_applied(closed, expected(closed, gone=(3,))) == ""
    still_open = history((1, "a", 1, None), (3, "c", 1, None))
    assert checks.deletes_applied(still_open, expected(closed, gone=(3,))) == "1 deleted key(s) are still in the target"


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ([(1, "a", 1, 2), (1, "b", 3, None)], "1 key(s) have no version at load 2, though the source held them"),
        ([(1, "a", 1, 3)], "1 key(s) have no version at load 3, though the source held them"),
        ([(1, "a", 1, 1)], "1 version(s) end before or when they begin"),
        ([(1, "a", 2, 1)], "1 version(s) end before or when they begin"),
        ([(1, "a", 1, UNKNOWN)], "a version begins or ends at an instant of no load of this case"),
        ([(1, "a", UNKNOWN, None)], "a version begins or ends at an instant of no load of this case"),
        ([(1, "a", 1, None), (1, "b", 2, None)], "1 version(s) overlap the next one of their key"),
        ([(2, "a", 1, 2), (2, "b", 3, None)], "1 key(s) have no version at load 2, though the source held them"),
    ],
)
def test_history_valid_tells_what_is_wrong_with_the_versions_of_a_key(versions: list[Version], says: str) -> None:
    assert checks.history_valid(history(*versions), LIVE) == says


@pytest.mark.parametrize(
    "versions",
    [
        [],
        [(1, "a", 1, None), (2, "b", 1, 3)],
        [(1, "a", 1, 2), (1, "b", 2, 3), (1, "a", 3, None)],
        [(3, "a", 1, 2), (3, "a", 3, None)],
    ],
    ids=["nothing", "a key that went", "changes", "away while absent"],
)
def test_history_valid_is_silent_about_a_sound_history(versions: list[Version]) -> None:
    assert checks.history_valid(history(*versions), LIVE) == ""


def test_counts_must_be_those_of_every_load_in_order() -> None:
    two = (Counts(1, 0, 0), Counts(0, 0, 2))
    good = [LoadReport(1, 1, 0, 0), LoadReport(0, 0, 0, 2)]
    assert checks.counts_reported(good, two, rereads=False) == ""
    assert checks.counts_reported(good[::-1], two, rereads=False).startswith("load 1 of the stage reported")
    assert checks.counts_reported(good[:1], two, rereads=False) == "1 load(s) ran and 2 are expected"
    for wrong in (LoadReport(3, 0, 1, 1), LoadReport(3, 1, 0, 1), LoadReport(3, 1, 1, 0)):
        assert checks.counts_reported([wrong], COUNTS, rereads=True), wrong
    assert checks.counts_reported([LoadReport(3, 1, 5, 1)], COUNTS, rereads=True) == ""


def test_the_position_is_the_one_reached_and_is_reported_and_never_given_up() -> None:
    none = {"committed": None, "reached": None, "reported": None}
    assert position(before=None) == ""
    assert position(**none, before=None) == ""
    assert position(before=P2, stays=True) == ""
    assert "the load reported" in position(reported=P1)
    assert "the load reported none" in position(reported=None)
    assert "moved from" in position(stays=True)
    assert "moved from" in position(**none)
    assert checks.position_committed([], committed=P1, reached=P1, before=P1, stays=True) == ""
    assert checks.position_committed([], committed=P2, reached=P1, before=P1, stays=True)


@pytest.mark.parametrize("fault", [name for name in FAULTS if name.startswith("NULL key")])
def test_a_null_key_must_be_refused_by_name_and_leave_rows_and_position(fault: str) -> None:
    result = play(FAULTS[fault])
    found = [check.name for check in result.checks if not check.passed]
    # A cell that is changed under the mark of another load is no more the refusal's than any load's.
    assert found == (["rows_match", "untouched_rows_kept"] if fault.endswith("touched") else ["null_key_refused"])
