"""The workload's promises besides its traps: sizes by formula, exact columns, days, windows, one seed one workload."""

import json
import math
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_views import SIZES, TRAP_KEYS, everything, key_of, keys_of, states_of

from matrix_defs.errors import UsageError
from matrix_defs.ports import Op
from matrix_defs.table import LogicalType
from matrix_defs.traps import TRAP_ROWS
from matrix_defs.values import canonical_json
from matrix_defs.workload import Phase, Workload, WorkloadSpec, apply_changes, build_workload


@pytest.fixture(scope="module", params=SIZES, ids=lambda rows: f"{rows} rows")
def workload(request: pytest.FixtureRequest) -> Workload:
    return build_workload(WorkloadSpec(rows=request.param))


@pytest.fixture
def states(workload: Workload) -> dict[Phase, pa.Table]:
    return states_of(workload)


def test_the_table_has_sixteen_ordinary_columns_and_eight_wide_ones_of_each_type(workload: Workload) -> None:
    table = workload.table
    assert (table.name, table.key, table.cursor, table.partition) == (
        "orders",
        ("order_id", "item_code"),
        "updated_at",
        "business_date",
    )
    assert len(table.columns) == 16 + 120
    assert [c.name for c in table.columns if not c.nullable] == ["order_id", "item_code", "business_date", "updated_at"]
    wide = table.columns[16:]
    assert {c.name for c in wide} == {f"w_{kind}_{n}" for kind in LogicalType for n in range(1, 9)}
    assert [c.type for c in wide[:15]] == list(LogicalType)
    assert all(c.name.startswith(f"w_{c.type}_") for c in wide)


def test_every_table_has_the_exact_schema_and_deletes_have_the_key_alone(workload: Workload) -> None:
    schema = workload.table.schema
    key = pa.schema([schema.field(name) for name in workload.table.key])
    assert workload.baseline.schema == schema
    assert workload.late.schema == schema
    for phase in Phase:
        for change in workload.changes_of(phase):
            assert change.rows.schema == (key if change.op is Op.DELETE else schema)
            change.rows.validate(full=True)
    workload.baseline.validate(full=True)
    workload.late.validate(full=True)


def test_no_cell_of_a_not_null_column_is_null(workload: Workload) -> None:
    for table in everything(workload):
        for name in table.column_names:
            if not table.schema.field(name).nullable:
                assert table[name].null_count == 0


def test_keys_are_unique_after_every_phase_and_emptied_leaves_none(states: dict[Phase, pa.Table]) -> None:
    for state in states.values():
        keys = keys_of(state)
        assert len(set(keys)) == len(keys)
    assert states[Phase.RETURNS].num_rows > 0
    assert states[Phase.EMPTIED].num_rows == 0


def test_every_change_meets_the_keys_it_expects(workload: Workload) -> None:
    state = workload.baseline.select(workload.table.key)
    for phase in (Phase.CHANGES, Phase.RETURNS, Phase.EMPTIED):
        if phase is Phase.RETURNS:
            state = pa.concat_tables([state, workload.late.select(workload.table.key)])
        for change in workload.changes_of(phase):
            before, touched = set(keys_of(state)), keys_of(change.rows)
            assert len(set(touched)) == len(touched)
            assert before.isdisjoint(touched) if change.op is Op.INSERT else before.issuperset(touched)
            state = apply_changes(state, [change], workload.table.key)


def ordinary(table: pa.Table) -> int:
    return sum(key not in TRAP_KEYS for key in keys_of(table))


def check_null_density(workload: Workload) -> None:
    for name in workload.baseline.column_names[16:]:
        assert 0.5 <= workload.baseline[name].null_count / workload.baseline.num_rows <= 0.6, name


def check_counts(workload: Workload) -> None:
    spec = workload.spec
    changed = round(spec.rows * spec.changed_ratio)
    deleted = round(changed * spec.deleted_ratio)
    inserted = min(deleted, changed - deleted)
    expected = {Op.DELETE: deleted, Op.INSERT: inserted, Op.UPDATE: changed - deleted - inserted}
    counted = dict.fromkeys(Op, 0)
    for change in workload.changes:
        counted[change.op] += ordinary(change.rows)
    assert counted == expected
    assert (spec.changed, spec.deleted, spec.inserted, spec.updated) == (changed, *expected.values())
    assert ordinary(workload.baseline) == spec.rows
    assert workload.baseline.num_rows == spec.rows + sum(row.in_baseline for row in TRAP_ROWS)


def test_ordinary_changes_are_the_formulas_numbers_and_traps_come_on_top(workload: Workload) -> None:
    check_counts(workload)


@settings(max_examples=20, deadline=None)
@given(
    st.builds(
        WorkloadSpec,
        rows=st.integers(50, 200),
        changed_ratio=st.floats(0, 1),
        deleted_ratio=st.floats(0, 1),
        wide_columns=st.integers(0, 20),
        seed=st.integers(0, 2**64),
    )
)
def test_any_spec_within_the_ranges_can_be_built(spec: WorkloadSpec) -> None:
    workload = build_workload(spec)
    check_counts(workload)
    assert workload.baseline.num_columns == 16 + spec.wide_columns
    check_null_density(workload)
    assert sum(change.rows.num_rows for change in workload.emptied) > 0


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("rows", 49, "rows is 49; give at least 50"),
        ("changed_ratio", 1.5, "changed_ratio is 1.5; give a share of the rows between 0 and 1"),
        ("changed_ratio", -0.1, "changed_ratio is -0.1; give a share"),
        ("changed_ratio", math.nan, "changed_ratio is nan; give a share"),
        ("deleted_ratio", 1.01, "deleted_ratio is 1.01, so more rows would be deleted than changed; give a share"),
        ("deleted_ratio", -1, "deleted_ratio is -1; give a share of the changed rows between 0 and 1"),
        ("deleted_ratio", math.nan, "deleted_ratio is nan; give a share"),
        ("wide_columns", -1, "wide_columns is -1; give a number from 0 to 120"),
        ("wide_columns", 121, "wide_columns is 121; give a number from 0 to 120"),
        ("seed", -1, "seed is -1; give 0 or a positive number"),
    ],
)
def test_a_spec_out_of_range_is_refused_in_one_line(option: str, value: float, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        WorkloadSpec(**{option: value})
    assert str(refused.value).startswith(f"workload: {says}")
    assert "\n" not in str(refused.value)


def test_the_same_spec_gives_the_same_rows_and_another_seed_gives_others() -> None:
    spec = WorkloadSpec(rows=60, wide_columns=15)
    fresh = build_workload.__wrapped__
    once, again, other = fresh(spec), fresh(spec), fresh(replace(spec, seed=spec.seed + 1))
    assert all(a.equals(b) for a, b in zip(everything(once), everything(again), strict=True))
    assert not once.baseline.equals(other.baseline)
    assert not once.changes[1].rows.equals(other.changes[1].rows)
    assert build_workload(spec) is build_workload(spec)


def test_a_workload_held_without_loss_is_the_very_same_and_one_with_a_loss_has_other_content(
    workload: Workload,
) -> None:
    assert workload.held_as(lambda rows: rows) is workload
    copied = workload.held_as(lambda rows: rows.slice(0))
    assert copied is not workload
    assert copied.content == workload.content
    for name in ("baseline", "late", "returns"):
        held = workload.held_as(lambda rows, name=name: rows.slice(1) if rows is first_rows(workload, name) else rows)
        assert held.content != workload.content
        assert held.emptied is workload.emptied
        assert [c.rows.num_rows for c in held.changes if c.op is Op.DELETE] == [
            c.rows.num_rows for c in workload.changes if c.op is Op.DELETE
        ]


def first_rows(workload: Workload, name: str) -> pa.Table:
    """Return the first table of whole rows that a part of the workload has."""
    part = getattr(workload, name)
    return part if isinstance(part, pa.Table) else next(c.rows for c in part if c.op is not Op.DELETE)


def test_wide_columns_are_half_null_and_a_little_more(workload: Workload) -> None:
    check_null_density(workload)


def test_ordinary_columns_hold_both_values_and_nulls(workload: Workload) -> None:
    for name in workload.baseline.column_names[4:16]:
        assert 0 < workload.baseline[name].null_count < workload.baseline.num_rows / 2, name


def test_ordinary_updates_change_several_columns_some_of_them_to_null(
    workload: Workload,
) -> None:
    before = {(row["order_id"], row["item_code"]): row for row in workload.baseline.to_pylist()}
    updated = [
        row for row in workload.changes[1].rows.to_pylist() if (row["order_id"], row["item_code"]) not in TRAP_KEYS
    ]
    assert len(updated) == workload.spec.updated
    nulled = 0
    for row in updated[:100]:
        old = before[row["order_id"], row["item_code"]]
        changed = [name for name in row if row[name] != old[name]]
        assert "updated_at" in changed
        assert "business_date" not in changed
        assert 3 < len(changed) < 80
        nulled += sum(row[name] is None for name in changed)
    assert nulled > 0


def test_text_is_valid_without_nul_and_floats_are_finite(workload: Workload) -> None:
    for table in everything(workload):
        for column in workload.table.columns:
            if column.name not in table.column_names:
                continue
            if column.type in (LogicalType.TEXT, LogicalType.JSON):
                assert not pc.any(pc.match_substring(table[column.name], "\x00")).as_py()
            if column.type is LogicalType.FLOAT64:
                assert pc.all(pc.is_finite(table[column.name])).as_py() in (True, None)


def test_dates_and_instants_lie_between_1970_and_2200(workload: Workload) -> None:
    for column in workload.table.columns:
        if column.type in (LogicalType.DATE, LogicalType.DATETIME, LogicalType.INSTANT):
            years = pc.min_max(pc.year(workload.baseline[column.name])).as_py()
            assert 1970 <= years["min"] <= years["max"] <= 2200, column.name


def rendered(value: Any) -> str:
    """JSON text by jsonb's rule, written out a second way."""
    match value:
        case dict():
            members = sorted(value.items(), key=lambda member: (len(member[0].encode()), member[0].encode()))
            return "{" + ", ".join(f"{rendered(name)}: {rendered(item)}" for name, item in members) + "}"
        case list():
            return "[" + ", ".join(map(rendered, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def test_json_is_in_the_canonical_form_without_repeated_keys(workload: Workload) -> None:
    def distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(members)) == len(members)
        return dict(members)

    texts = {
        text
        for table in everything(workload)
        for column in workload.table.columns
        if column.type is LogicalType.JSON and column.name in table.column_names
        for text in pc.unique(table[column.name]).drop_null().to_pylist()
    }
    assert len(texts) > 100
    assert [text for text in texts if rendered(json.loads(text, object_pairs_hook=distinct)) != text] == []


def test_canonical_json_orders_keys_by_length_then_bytes() -> None:
    value = {"b": 1, "é": {"zz": [], "a": None}, "B": True, "": '\t\u0001é"\\'}
    assert canonical_json(value) == '{"": "\\t\\u0001é\\"\\\\", "B": true, "b": 1, "é": {"a": null, "zz": []}}'


def test_the_days_are_five_in_a_row_unevenly_filled_and_one_holds_three_rows_in_every_phase(
    workload: Workload, states: dict[Phase, pa.Table]
) -> None:
    days = workload.days
    assert len(days) == 5
    assert all((b - a).days == 1 for a, b in pairwise(days))
    for phase in (Phase.BASELINE, Phase.CHANGES, Phase.RETURNS):
        counts = {c["values"]: c["counts"] for c in pc.value_counts(states[phase]["business_date"]).to_pylist()}
        assert set(counts) <= set(days)
        assert counts[days[3]] == len(workload.traps["three_row_day"].keys) == 3
        assert counts[days[0]] > 3 < counts[days[1]]
        assert counts.get(days[2], 0) == (4 if phase is Phase.BASELINE else 0)


def test_the_baseline_reads_the_whole_range_and_later_phases_a_strict_part_of_it(
    workload: Workload, states: dict[Phase, pa.Table]
) -> None:
    whole = workload.window(Phase.BASELINE)
    assert workload.partitions(Phase.BASELINE) == workload.all_days()
    assert workload.all_days().days == workload.days
    assert all(whole.start <= day < whole.end for day in workload.baseline["business_date"].unique().to_pylist())
    for phase in (Phase.CHANGES, Phase.RETURNS, Phase.EMPTIED):
        window = workload.window(phase)
        assert whole.start < window.start < window.end < whole.end
        days = workload.partitions(phase).days
        assert days == tuple(day for day in workload.days if window.start <= day < window.end)
        assert set(days) < set(workload.days)
        present = set(states[Phase.CHANGES]["business_date"].to_pylist())
        assert any(day < window.start for day in present)
        assert any(day >= window.end for day in present)
        assert any(window.start <= day < window.end for day in present)


def cursors(table: pa.Table) -> set[datetime]:
    return set(table["updated_at"].to_pylist())


def test_each_phases_cursors_lie_behind_the_next_ones_but_for_the_old_ones(workload: Workload) -> None:
    baseline = cursors(workload.baseline)
    assert len(baseline) > workload.spec.rows / 2
    written = [c.rows for c in workload.changes if c.op is not Op.DELETE]
    changes = set().union(*map(cursors, written))
    assert {cursor for cursor in changes if cursor <= max(baseline)} == {max(baseline)}
    old = {key_of(workload, "value_returns_old_cursor"), key_of(workload, "key_returns_old_cursor")}
    for change in workload.returns:
        for row in change.rows.to_pylist():
            is_old = (row["order_id"], row["item_code"]) in old
            assert (row["updated_at"] <= max(baseline)) if is_old else (row["updated_at"] > max(changes))
