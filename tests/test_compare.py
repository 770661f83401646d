"""Tables are compared as multisets of rows, to the bit; a difference is missing, unexpected and changed rows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.compare import UNKNOWN, Loads, altered_cells, diff, digests, fingerprints, with_ordinals
from matrix_defs.row_hash import row_hash

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def table(*rows: tuple[Any, ...]) -> pa.Table:
    """Rows of id, text, number."""
    types = {"id": pa.int64(), "text": pa.string(), "number": pa.float64()}
    return pa.table({name: pa.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(types.items())})


A, B, C = (1, "a", 1.0), (2, "b", 2.0), (3, None, None)


def test_order_and_chunks_do_not_matter_but_how_often_a_row_occurs_does() -> None:
    chunked = pa.concat_tables([table(C), table(A, B)])
    assert np.array_equal(digests(table(A, B, C)), digests(chunked))
    assert not np.array_equal(digests(table(A, B, B)), digests(table(A, A, B)))
    assert not diff(table(A, B, C), chunked, ["id"])


@pytest.mark.parametrize(
    ("expected", "actual", "counts"),
    [
        ([A, B], [A], (1, 0, 0)),
        ([A], [A, B], (0, 1, 0)),
        ([A, A], [A], (1, 0, 0)),
        ([A], [A, A, A], (0, 2, 0)),
        ([A, B], [A, (2, "x", 2.0)], (0, 0, 1)),
        ([A, B], [A, (2, "x", 2.0), (2, "y", 2.0)], (0, 1, 1)),
        ([A, B], [C], (2, 1, 0)),
        ([], [A], (0, 1, 0)),
        ([A], [], (1, 0, 0)),
        ([(1, "", 0.0)], [(1, None, 0.0)], (0, 0, 1)),
        ([(1, "", 0.0)], [(1, "", -0.0)], (0, 0, 1)),
    ],
)
def test_a_difference_counts_missing_unexpected_and_changed_rows(
    expected: list[Any], actual: list[Any], counts: tuple[int, int, int]
) -> None:
    found = diff(table(*expected), table(*actual), ["id"])
    assert tuple(found.counts.values()) == counts
    assert bool(found)


def test_a_key_of_several_columns_is_compared_column_by_column() -> None:
    found = diff(table((1, "23", 0.0)), table((12, "3", 0.0)), ["id", "text"])
    assert found.counts == {"missing": 1, "unexpected": 1, "changed": 0}


@pytest.mark.parametrize(
    ("before", "after", "column"),
    [
        ((1, "a", 1.0), (1, "b", 1.0), "text"),
        ((1, "a", 0.0), (1, "a", -0.0), "number"),
        ((1, "", 0.0), (1, None, 0.0), "text"),
        ((1, "a", float("nan")), (1, "a", 1.0), "number"),
    ],
)
def test_a_changed_row_names_the_columns_that_differ_to_the_bit_and_shows_both_cells(
    before: tuple[Any, ...], after: tuple[Any, ...], column: str
) -> None:
    found = diff(table(before, B), table(after, B), ["id"])
    assert found.changed_columns() == [column]
    (shown,) = found.first()
    value = table(before).column_names.index(column)
    assert shown["kind"] == "changed"
    assert f"{column}={before[value]!r} -> {after[value]!r}" in shown["cells"]
    assert "id=1" in shown["row"]


def test_equal_nans_are_no_change() -> None:
    found = diff(table((1, "a", float("nan"))), table((1, "b", float("nan"))), ["id"])
    assert found.changed_columns() == ["text"]


def test_a_summary_is_small_plain_json_whatever_differs() -> None:
    expected = table(*((n, "x" * 1000, float(n)) for n in range(100)))
    actual = table(*((n, "y" * 1000, float(n)) for n in range(50, 150)))
    summary = diff(expected, actual, ["id"]).summary(limit=5)
    assert (summary["missing"], summary["unexpected"], summary["changed"]) == (50, 50, 50)
    assert summary["columns"] == ["text"]
    assert len(summary["first"]) == 5
    assert len(json.dumps(summary)) < 3000


def test_altered_cells_counts_the_cells_that_differ_to_the_bit() -> None:
    assert altered_cells(table(A, B, C), table(A, B, C)) == 0
    assert altered_cells(table((1, "a ", 0.0), B, C), table((1, "a", -0.0), B, (3, "", None))) == 3


def test_loads_are_told_by_ordinal_where_load_id_and_loaded_at_agree() -> None:
    loads = Loads(("x-1", "x-2"), (FIRST, FIRST + TICK))
    instants = [FIRST, FIRST + TICK, FIRST, FIRST + 2 * TICK, None]
    rows = pa.table(
        {
            "id": [1, 2, 3, 4, 5],
            "load_id": ["x-1", "x-2", "x-2", "y-1", None],
            "loaded_at": pa.array(instants, pa.timestamp("us", "UTC")),
            "valid_from": pa.array(instants, pa.timestamp("us", "UTC")),
            "valid_to": pa.array([None, FIRST, FIRST + TICK, FIRST + 2 * TICK, None], pa.timestamp("us", "UTC")),
        }
    )
    told = with_ordinals(rows, loads, ["id", "load", "valid_from", "valid_to"])
    assert told.to_pydict() == {
        "id": [1, 2, 3, 4, 5],
        "load": [1, 2, UNKNOWN, UNKNOWN, UNKNOWN],
        "valid_from": [1, 2, 1, UNKNOWN, None],
        "valid_to": [None, 1, 2, UNKNOWN, None],
    }
    assert told.schema.types == [pa.int64()] * 4


def test_a_fingerprint_changes_with_key_content_and_marks() -> None:
    rows = table(A, B).append_column("load", pa.array([1, 1]))
    content = row_hash(rows, ["text", "number"])
    whole = fingerprints(rows, ["id"], content, ["load"])
    later = rows.set_column(3, "load", pa.array([1, 2]))
    assert len(set(whole)) == 2
    assert (fingerprints(later, ["id"], content, ["load"]) == whole).tolist() == [True, False]
    assert (fingerprints(later, ["id"], content, []) == fingerprints(rows, ["id"], content, [])).all()
    other = row_hash(table(A, (2, "x", 2.0)), ["text", "number"])
    assert (fingerprints(rows, ["id"], other, ["load"]) == whole).tolist() == [True, False]


ROW = st.tuples(st.integers(1, 3), st.sampled_from(["a", "", None]), st.sampled_from([0.0, -0.0]))
ROWS = st.lists(ROW, max_size=8)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_a_difference_accounts_for_every_row_of_both_sides(expected: list[Any], actual: list[Any]) -> None:
    found = diff(table(*expected), table(*actual), ["id"])
    text = [sorted(map(repr, rows)) for rows in (expected, actual)]
    assert bool(found) == (text[0] != text[1])
    counts = found.counts
    surplus = len(expected) - counts["missing"] - counts["changed"]
    assert surplus == len(actual) - counts["unexpected"] - counts["changed"]
    assert found.changed_expected.column("id").equals(found.changed_actual.column("id"))
    lone = {*found.missing.column("id").to_pylist()} & {*found.unexpected.column("id").to_pylist()}
    assert not lone
