"""Every trap is there at every size and does what its name says, in the phase where it matters."""

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc
import pytest
from workload_views import (
    SIZES,
    TRAP_KEYS,
    Key,
    Lives,
    everything,
    history,
    key_of,
    keys_of,
    lives_of,
    nullable_columns,
    trap_rows,
    versions,
    without_cursor,
)

from matrix_defs.ports import Op
from matrix_defs.table import LogicalType
from matrix_defs.traps import BOUNDARY, CATCHES, TRAP_ROWS
from matrix_defs.workload import Phase, Trap, Workload, WorkloadSpec, build_workload


@pytest.fixture(scope="module", params=SIZES, ids=lambda rows: f"{rows} rows")
def workload(request: pytest.FixtureRequest) -> Workload:
    return build_workload(WorkloadSpec(rows=request.param))


@pytest.fixture
def lives(workload: Workload) -> Lives:
    return lives_of(workload)


def test_every_trap_has_a_name_a_sentence_and_keys_of_its_own(workload: Workload) -> None:
    assert set(workload.traps) == {row.trap for row in TRAP_ROWS} == set(CATCHES)
    for name, trap in workload.traps.items():
        assert isinstance(trap, Trap)
        assert trap.name == name
        assert trap.catches.endswith(".")
        assert trap.keys
    keys = [key for trap in workload.traps.values() for key in trap.keys]
    assert len(set(keys)) == len(keys) == len(TRAP_ROWS)


def test_every_key_of_every_trap_appears(workload: Workload) -> None:
    assert {key for table in everything(workload) for key, _ in trap_rows(table)} == TRAP_KEYS


def test_boundary_tie_brings_a_twin_at_exactly_the_greatest_cursor_of_the_baseline(
    workload: Workload, lives: Lives
) -> None:
    first, twin = workload.traps["boundary_tie"].keys
    greatest = pc.max(workload.baseline["updated_at"]).as_py()
    assert greatest == lives[first][Phase.BASELINE]["updated_at"] == BOUNDARY
    assert workload.baseline["updated_at"].to_pylist().count(greatest) == 1
    assert Phase.BASELINE not in lives[twin]
    assert lives[twin][Phase.CHANGES]["updated_at"] == greatest
    assert history(workload, twin) == [Op.INSERT]


def test_late_rows_commit_behind_the_position_and_one_is_touched_again(workload: Workload, lives: Lives) -> None:
    keys = workload.traps["late_rows"].keys
    assert sorted(keys_of(workload.late)) == sorted(keys)
    assert len(keys) >= 3
    baseline = set(workload.baseline["updated_at"].to_pylist())
    assert all(min(baseline) < cursor < max(baseline) for cursor in workload.late["updated_at"].to_pylist())
    assert [history(workload, key) for key in keys] == [[], [], []]
    assert [history(workload, key, Phase.RETURNS) for key in keys] == [[], [Op.UPDATE], []]
    assert lives[keys[1]][Phase.RETURNS]["updated_at"] > max(baseline)
    assert len({row["business_date"] for row in workload.late.to_pylist()}) == 2


def test_moved_rows_cross_the_windows_edges_by_an_update(workload: Workload, lives: Lives) -> None:
    window = workload.window(Phase.CHANGES)
    for trap, before, after in (("moved_in", False, True), ("moved_out", True, False)):
        key = key_of(workload, trap)
        old, new = lives[key][Phase.BASELINE], lives[key][Phase.CHANGES]
        assert (window.start <= old["business_date"] < window.end) is before
        assert (window.start <= new["business_date"] < window.end) is after
        assert new["updated_at"] > BOUNDARY
        assert history(workload, key) == [Op.UPDATE]


def test_emptied_day_lies_in_the_window_and_loses_every_row_by_delete_or_move(workload: Workload, lives: Lives) -> None:
    keys = workload.traps["emptied_day"].keys
    (day,) = {lives[key][Phase.BASELINE]["business_date"] for key in keys}
    assert day in workload.partitions(Phase.CHANGES).days
    assert {op for key in keys for op in history(workload, key)} == {Op.DELETE, Op.UPDATE}
    assert all(lives[key][Phase.CHANGES]["business_date"] != day for key in keys if Phase.CHANGES in lives[key])


@pytest.mark.parametrize(
    ("trap", "same_cursor"), [("value_returns_old_cursor", True), ("value_returns_new_cursor", False)]
)
def test_a_value_returns_to_what_it_was(workload: Workload, lives: Lives, trap: str, same_cursor: bool) -> None:
    life = lives[key_of(workload, trap)]
    first, between, last = life[Phase.BASELINE], life[Phase.CHANGES], life[Phase.RETURNS]
    assert without_cursor(first) != without_cursor(between)
    assert without_cursor(first) == without_cursor(last)
    assert (first["updated_at"] == last["updated_at"]) is same_cursor


@pytest.mark.parametrize(("trap", "same_cursor"), [("key_returns_old_cursor", True), ("key_returns_new_cursor", False)])
def test_a_deleted_key_returns_identical(workload: Workload, lives: Lives, trap: str, same_cursor: bool) -> None:
    key = key_of(workload, trap)
    life = lives[key]
    assert history(workload, key) == [Op.DELETE]
    assert Phase.CHANGES not in life
    assert history(workload, key, Phase.RETURNS) == [Op.INSERT]
    assert without_cursor(life[Phase.BASELINE]) == without_cursor(life[Phase.RETURNS])
    assert (life[Phase.BASELINE]["updated_at"] == life[Phase.RETURNS]["updated_at"]) is same_cursor


def test_one_key_lives_and_dies_inside_one_batch_in_three_consecutive_changes(workload: Workload, lives: Lives) -> None:
    key = key_of(workload, "insert_update_delete")
    assert history(workload, key) == [Op.INSERT, Op.UPDATE, Op.DELETE]
    assert [c.op for c in workload.changes[-3:]] == [Op.INSERT, Op.UPDATE, Op.DELETE]
    assert lives[key] == {}


def test_one_key_is_deleted_and_inserted_again_inside_one_batch(workload: Workload, lives: Lives) -> None:
    key = key_of(workload, "delete_reinsert")
    assert history(workload, key) == [Op.DELETE, Op.INSERT]
    assert without_cursor(lives[key][Phase.BASELINE]) != without_cursor(lives[key][Phase.CHANGES])


def test_the_later_of_two_updates_inside_one_batch_has_the_earlier_cursor(workload: Workload, lives: Lives) -> None:
    key = key_of(workload, "two_updates")
    (op, first), (op_again, second) = versions(workload, key, Phase.CHANGES)
    assert (op, op_again) == (Op.UPDATE, Op.UPDATE)
    assert BOUNDARY < second["updated_at"] < first["updated_at"]
    assert without_cursor(first) != without_cursor(second)
    assert lives[key][Phase.CHANGES] == second


def test_confusable_keys_stand_side_by_side_and_only_one_of_them_is_deleted(workload: Workload, lives: Lives) -> None:
    def folds_together(trap: str, fold: Any) -> None:
        keys = workload.traps[trap].keys
        gone = [key for key in keys if history(workload, key) == [Op.DELETE]]
        assert len(gone) == 1
        groups: dict[Any, set[Key]] = {}
        for key in keys:
            groups.setdefault(fold(key), set()).add(key)
        assert any(gone[0] in group and len(group) > 1 for group in groups.values())
        assert all(Phase.BASELINE in lives[key] for key in keys)
        assert all(Phase.CHANGES in lives[key] for key in keys if key not in gone)

    folds_together("keys_by_case", lambda key: (key[0], key[1].lower()))
    folds_together("keys_by_accent", lambda key: (key[0], key[1].replace("\u0301", "").replace("é", "e")))
    folds_together("keys_by_trailing_space", lambda key: (key[0], key[1].rstrip(" ")))
    folds_together("keys_concatenated", lambda key: f"{key[0]}{key[1]}")
    folds_together("keys_above_2_53", lambda key: (float(key[0]), key[1]))
    assert set(workload.traps["keys_concatenated"].keys) == {(1, "23"), (12, "3")}


HARD: dict[str, dict[LogicalType, set[Any]]] = {
    "empty_beside_null": {LogicalType.TEXT: {"", None}, LogicalType.BINARY: {b"", None}},
    "trailing_spaces": {LogicalType.TEXT: {"padded", "padded "}},
    "control_characters": {LogicalType.TEXT: {"a\tb", "a\nb\n", "a\rb\r", "a\r\nb\r\n"}},
    "escapes": {LogicalType.TEXT: {"\\N", "\\.", "C:\\new\\table\\"}},
    "unicode": {LogicalType.TEXT: {"👍🏽 👩‍👩‍👧 🇪🇺", "e\u0301 n\u0303 Z\u0351\u036b", "é ñ"}},
    "numeric_extremes": {
        LogicalType.INT16: {-32768, 32767},
        LogicalType.INT32: {-(2**31), 2**31 - 1},
        LogicalType.INT64: {-(2**63), 2**63 - 1},
        LogicalType.DECIMAL_18_4: {Decimal(sign + "9" * 14 + "." + "9" * 4) for sign in "+-"},
        LogicalType.DECIMAL_38_9: {Decimal(sign + "9" * 29 + "." + "9" * 9) for sign in "+-"},
        LogicalType.FLOAT64: {1.7976931348623157e308, -1.7976931348623157e308},
    },
    "smallest_step": {
        LogicalType.DECIMAL_18_4: {Decimal("0.0001"), Decimal("-0.0001")},
        LogicalType.DECIMAL_38_9: {Decimal("0.000000001"), Decimal("-0.000000001")},
        LogicalType.FLOAT64: {5e-324, -5e-324},
    },
    "digits_lost_in_a_double": {LogicalType.INT64: {2**53 + 1}, LogicalType.FLOAT64: {0.1 + 0.2}},
    "first_and_last_instants": {
        LogicalType.DATE: {date(1970, 1, 1), date(2200, 12, 31)},
        LogicalType.TIME: {time(0), time(23, 59, 59, 999_999)},
        LogicalType.DATETIME: {datetime(1970, 1, 1), datetime(2200, 12, 31, 23, 59, 59, 999_999)},
        LogicalType.INSTANT: {
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        },
    },
    "microseconds": {LogicalType.INSTANT: {datetime(1970, 1, 1, microsecond=1, tzinfo=UTC)}},
    "dst_gap": {LogicalType.DATETIME: {datetime(2026, 3, 29, 2, 30)}},
    "all_bytes": {LogicalType.BINARY: {bytes(range(256))}},
    "uuid_byte_order": {LogicalType.UUID: {bytes.fromhex("00112233445566778899aabbccddeeff"), bytes(16)}},
    "booleans": {LogicalType.BOOL: {False, True, None}},
}


@pytest.mark.parametrize("phase", [Phase.BASELINE, Phase.CHANGES])
@pytest.mark.parametrize("trap", HARD)
def test_hard_values_fill_every_column_of_their_type_in_baseline_and_changes(
    workload: Workload, lives: Lives, trap: str, phase: Phase
) -> None:
    rows = [lives[key][phase] for key in workload.traps[trap].keys]
    for kind, values in HARD[trap].items():
        for name in nullable_columns(workload, kind):
            assert values <= {row[name] for row in rows}, name


@pytest.mark.parametrize("phase", [Phase.BASELINE, Phase.CHANGES])
def test_hard_values_that_need_a_closer_look_are_there(workload: Workload, lives: Lives, phase: Phase) -> None:
    def column(trap: str, kind: LogicalType) -> list[Any]:
        return [lives[key][phase][nullable_columns(workload, kind)[-1]] for key in workload.traps[trap].keys]

    assert [math.copysign(1, value) for value in column("negative_zero", LogicalType.FLOAT64)] == [-1, 1]
    assert set(map(chr, range(1, 32))) < set(column("control_characters", LogicalType.TEXT)[-1])
    assert len(column("long_text", LogicalType.TEXT)[0]) == 12_000
    documents = [json.loads(text) for text in column("nested_json", LogicalType.JSON)]
    assert {"above": 2**53 + 1, "max": 2**63 - 1, "min": -(2**63)} in documents
    assert any("東京" in str(document) and "[[], {}, [None" in str(document) for document in documents)
    (empty,) = (lives[key][phase] for key in workload.traps["all_null"].keys)
    assert all(empty[c.name] is None for c in workload.table.columns if c.nullable)


def test_without_wide_columns_the_ordinary_ones_carry_what_they_can() -> None:
    workload = build_workload(WorkloadSpec(rows=50, wide_columns=0))
    for trap, values in HARD.items():
        rows = [row for key, row in trap_rows(workload.baseline) if key in workload.traps[trap].keys]
        for kind in values:
            for name in nullable_columns(workload, kind):
                assert values[kind] <= {row[name] for row in rows}, (trap, name)
