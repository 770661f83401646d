"""The oracle knows what each kind of source shows of what happened, and what a target must hold for it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import pyarrow as pa
import pytest

from matrix_defs import oracle
from matrix_defs.compare import digests
from matrix_defs.oracle import Counts, SourceModel, expectations, fold
from matrix_defs.ports import DELETE, Change, Op, Partitions, ReadMode, Scope, Window
from matrix_defs.story import Stage
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import SourceKind
from matrix_defs.table import Column, LogicalType, TableSpec
from matrix_defs.workload import WorkloadSpec, build_workload

STATE, LOG = SourceKind.STATE, SourceKind.LOG
TABLE = TableSpec(
    "orders",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("value", LogicalType.TEXT),
        Column("at", LogicalType.INSTANT),
        Column("day", LogicalType.DATE),
    ),
    key=("id",),
    cursor="at",
    partition="day",
)
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
DAY = date(2026, 4, 1)


def rows(text: str) -> pa.Table:
    """`1a5` is key 1 with the value a, the cursor five minutes after noon, and the fifth day after the first."""
    made = [
        (int(t[0]), t[1], NOON + timedelta(minutes=int(t[2])), DAY + timedelta(days=int(t[2]))) for t in text.split()
    ]
    columns = list(zip(*made, strict=True)) or [()] * 4
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE.schema, strict=True)], schema=TABLE.schema)


def put(text: str) -> Change:
    return Change(Op.UPDATE, rows(text))


def delete(*ids: int) -> Change:
    return Change(Op.DELETE, pa.table({"id": pa.array(ids, pa.int64())}))


def shown(model: SourceModel, mode: ReadMode, scope: Scope = None) -> str:
    """What a read shows, in order: key and value, `-` before a delete."""
    read, _ = model.read(mode, scope)
    assert read.column("_seq").to_pylist() == sorted(set(read.column("_seq").to_pylist()))
    return " ".join(f"-{r['id']}" if r["_op"] == DELETE else f"{r['id']}{r['value']}" for r in read.to_pylist())


def model(kind: SourceKind, text: str = "1a1 2b2") -> SourceModel:
    return SourceModel(kind, TABLE, rows(text))


@pytest.mark.parametrize("kind", [STATE, LOG])
def test_a_snapshot_a_window_and_partitions_show_present_rows_once(kind: SourceKind) -> None:
    source = model(kind, "1a1 2b2 3c3")
    source.apply([put("1d1"), delete(2), put("4e2"), delete(4), put("5f2")])
    assert shown(source, ReadMode.SNAPSHOT) == "3c 1d 5f"
    assert shown(source, ReadMode.WINDOW, Window(DAY + timedelta(days=1), DAY + timedelta(days=3))) == "1d 5f"
    assert shown(source, ReadMode.PARTITIONS, Partitions((DAY + timedelta(days=3), DAY))) == "3c"


@pytest.mark.parametrize("mode", [ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES])
def test_a_state_source_shows_rows_at_or_after_the_bound_less_those_delivered_at_it(mode: ReadMode) -> None:
    source = model(STATE)
    assert shown(source, mode) == "1a 2b"
    assert shown(source, mode) == ""
    source.apply([put("8u2")])
    assert shown(source, mode) == "8u"
    assert shown(source, mode) == ""
    source.apply([put("3t2 4l1"), put("1c3")])
    assert shown(source, mode) == "3t 1c"
    source.apply([put("2x2"), delete(3)])
    assert shown(source, mode) == ""
    source.apply([put("1d3 5e3")])
    assert shown(source, mode) == "1d 5e"
    source.apply([delete(1, 2, 4, 5)])
    assert shown(source, mode) == ""
    source.apply([put("6f2 7g4")])
    assert shown(source, mode) == "7g"


def test_a_log_source_shows_every_event_and_its_tombstones_where_deletes_are_asked_for() -> None:
    for mode, told in (
        (ReadMode.INCREMENTAL, "1c 3d 1a"),
        (ReadMode.INCREMENTAL_AND_DELETES, "1c 3d -3 -2 1a"),
    ):
        source = model(LOG)
        assert shown(source, mode) == "1a 2b"
        source.apply([put("1c3"), put("3d0"), delete(3), delete(2), put("1a1")])
        assert shown(source, mode) == told
        assert shown(source, mode) == ""


def test_a_change_stream_begins_with_a_snapshot_and_goes_on_with_every_change() -> None:
    source = model(STATE)
    source.apply([put("1c1"), delete(2)])
    assert shown(source, ReadMode.CHANGES) == "1c"
    source.apply([put("2d0"), put("2e0"), delete(1)])
    assert shown(source, ReadMode.CHANGES) == "2d 2e -1"
    assert shown(source, ReadMode.CHANGES) == ""


def test_xmin_shows_present_rows_that_were_written_since_whatever_their_cursor() -> None:
    source = model(STATE)
    assert shown(source, ReadMode.XMIN) == "1a 2b"
    source.apply([put("3l0"), put("4x9"), delete(4), put("1c1")])
    assert shown(source, ReadMode.XMIN) == "3l 1c"
    assert shown(source, ReadMode.XMIN) == ""


@pytest.mark.parametrize(
    ("kind", "mode", "keys"),
    [
        (STATE, ReadMode.SNAPSHOT, [1, 3]),
        (LOG, ReadMode.SNAPSHOT, [1, 3]),
        (STATE, ReadMode.INCREMENTAL, None),
        (STATE, ReadMode.INCREMENTAL_AND_DELETES, [1, 3]),
        (LOG, ReadMode.INCREMENTAL_AND_DELETES, None),
        (STATE, ReadMode.XMIN, [1, 3]),
        (STATE, ReadMode.CHANGES, None),
    ],
)
def test_the_key_list_is_the_present_keys_where_the_mode_shows_them(
    kind: SourceKind, mode: ReadMode, keys: list[int] | None
) -> None:
    source = model(kind)
    source.apply([put("3c3"), delete(2)])
    _, listed = source.read(mode, None)
    assert (None if listed is None else sorted(listed.column("id").to_pylist())) == keys


# ---------------------------------------------------------------------- the fold over the workload

WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=0))


def held(name: str, kind: SourceKind, stage: Stage, order_id: int) -> list[str]:
    """Item codes of an order in the expected target, once for every row."""
    found = fold(STRATEGIES[name], kind, WORKLOAD)[stage].rows.to_pylist()
    return sorted(row["item_code"] for row in found if row["order_id"] == order_id)


def test_late_rows_are_missed_by_cursors_until_they_change_and_by_nobody_else() -> None:
    late = ["never touched", "on another day", "touched again"]
    for name in ("full_refresh", "snapshot_diff", "scd2", "backfill", "xmin", "cdc"):
        assert held(name, STATE, Stage.RETURNS, 102) == late, name
    for name in ("incremental_append", "incremental_merge"):
        assert held(name, STATE, Stage.RETURNS, 102) == ["touched again"]
        assert set(held(name, LOG, Stage.RETURNS, 102)) == set(late)


def test_the_twin_at_the_boundary_arrives_and_nothing_arrives_twice() -> None:
    for name in STRATEGIES:
        if name not in ("replace", "partition_replace"):
            assert held(name, STATE, Stage.REPLAY, 101) == ["first", "twin"], name


def test_a_key_that_returns_with_its_old_cursor_is_missed_by_cursors_of_a_state_source_alone() -> None:
    for kind, old in ((STATE, []), (LOG, ["a"])):
        assert held("incremental_merge", kind, Stage.RETURNS, 109) == old
        assert held("incremental_merge", kind, Stage.RETURNS, 110) == ["a"]
    assert held("cdc", STATE, Stage.RETURNS, 109) == held("xmin", STATE, Stage.RETURNS, 109) == ["a"]


KEEPS_ROWS = ("incremental_append", "scd2", "replace", "partition_replace")


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in KEEPS_ROWS])
def test_an_emptied_source_empties_the_target(name: str) -> None:
    assert fold(STRATEGIES[name], STATE, WORKLOAD)[Stage.EMPTIED].rows.num_rows == 0


def test_an_emptied_source_leaves_appended_rows_closed_versions_and_days_outside_the_window() -> None:
    for name in KEEPS_ROWS:
        assert fold(STRATEGIES[name], STATE, WORKLOAD)[Stage.EMPTIED].rows.num_rows > 0
    versions = fold(STRATEGIES["scd2"], STATE, WORKLOAD)[Stage.EMPTIED].rows
    assert versions.column("valid_to").null_count == 0


@pytest.mark.parametrize(
    ("name", "kind"), [("full_refresh", STATE), ("cdc", STATE), ("snapshot_diff", LOG), ("scd2", STATE)]
)
def test_counts_of_a_replay_are_none_or_those_of_rows_written_anew(name: str, kind: SourceKind) -> None:
    replay = fold(STRATEGIES[name], kind, WORKLOAD)[Stage.REPLAY]
    rewritten = replay.rows.num_rows if name == "full_refresh" else 0
    assert replay.counts == (Counts(0, rewritten, 0),)


def test_counts_add_up_to_what_the_target_gains_and_loses() -> None:
    for name in STRATEGIES:
        before = 0
        for stage, expected in fold(STRATEGIES[name], STATE, WORKLOAD).items():
            gained = sum(c.inserted - c.deleted for c in expected.counts)
            assert expected.rows.num_rows == before + gained, (name, stage)
            before = expected.rows.num_rows


def test_an_expectation_is_remembered_for_the_same_rows_and_made_anew_where_one_value_is_lost() -> None:
    scd2 = STRATEGIES["scd2"]
    remembered = expectations(scd2, STATE, WORKLOAD)
    assert expectations(scd2, STATE, replace(WORKLOAD)) is remembered
    assert expectations(scd2, SourceKind.LOG, WORKLOAD) is not remembered
    assert expectations(STRATEGIES["incremental_merge"], STATE, WORKLOAD) is not remembered
    lost = expectations(scd2, STATE, WORKLOAD.held_as(without_last_late_note))
    assert [(remembered[s].fingerprints != lost[s].fingerprints).any() for s in (Stage.REPLAY, Stage.RETURNS)] == [
        False,
        True,
    ]


def test_cases_under_way_at_the_same_time_fold_an_expectation_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folds, both = [], Barrier(2)

    def told(*args: Any) -> Any:
        folds.append(args)
        return fold(*args)

    def ask() -> Any:
        both.wait()
        return expectations(STRATEGIES["scd2"], STATE, other)

    monkeypatch.setattr(oracle, "fold", told)
    other = build_workload(WorkloadSpec(rows=51))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(ask), pool.submit(ask)
        assert first.result() is second.result()
    assert len(folds) == 1


def without_last_late_note(rows: pa.Table) -> pa.Table:
    """Return the rows as a system holds them that loses one value of the late rows and no other."""
    if rows is not WORKLOAD.late:
        return rows
    notes = [*rows.column("note").to_pylist()[:-1], "lost"]
    return rows.set_column(rows.column_names.index("note"), rows.schema.field("note"), [pa.array(notes, pa.string())])


def test_live_and_gone_keys_are_those_of_the_source_in_each_stage() -> None:
    key = list(WORKLOAD.table.key)
    expected = fold(STRATEGIES["full_refresh"], STATE, WORKLOAD)
    assert (digests(expected[Stage.BASELINE].live_keys) == digests(WORKLOAD.baseline.select(key))).all()
    assert expected[Stage.BASELINE].gone_keys.num_rows == 0
    assert expected[Stage.EMPTIED].live_keys.num_rows == 0
    for stage in Stage:
        assert not set(digests(expected[stage].live_keys)) & set(digests(expected[stage].gone_keys))
