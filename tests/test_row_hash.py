"""The row hash tells rows apart exactly where their canonical values differ in a bit, and stays the same for ever."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.row_hash import row_hash
from matrix_defs.table import ARROW, LogicalType

T = LogicalType
SAMPLES: dict[LogicalType, list[Any]] = {
    T.BOOL: [True, False],
    T.INT16: [0, 1, -(2**15), 2**15 - 1],
    T.INT32: [0, 1, -(2**31), 2**31 - 1],
    T.INT64: [0, 1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1],
    T.DECIMAL_18_4: [Decimal("0"), Decimal("0.0001"), Decimal("-0.0001"), Decimal("99999999999999.9999")],
    T.DECIMAL_38_9: [Decimal("0"), Decimal("0.000000001"), Decimal("99999999999999999999999999999.999999999")],
    T.FLOAT64: [0.0, -0.0, 5e-324, 0.1, 0.1 + 0.2, 0.3, float("inf"), float("nan")],
    T.TEXT: ["", " ", "a", "a ", "A", "é", "e\u0301", "\x00", "NULL"],
    T.BINARY: [b"", b"\x00", b"\x00\x00", b"a", b"NULL"],
    T.DATE: [date(1970, 1, 1), date(1970, 1, 2), date(2200, 12, 31)],
    T.TIME: [time(0), time(0, 0, 0, 1), time(23, 59, 59, 999_999)],
    T.DATETIME: [datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 0, 0, 1)],
    T.INSTANT: [datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 0, 1, UTC)],
    T.UUID: [bytes(16), bytes(15) + b"\x01", b"\x01" + bytes(15)],
    T.JSON: ["{}", "[]", "null", '{"a": 1}'],
}
STORED: dict[str, list[int]] = {
    "bool": [-5046771455836805116, -1736479610468651237],
    "int16": [-961457011628302320, -4047486946437946344],
    "int32": [7525119447505202090, 877814558428299346],
    "int64": [5264990392537511122, -4444820636462503601],
    "decimal_18_4": [4316900457614826111, 7157813340879444056],
    "decimal_38_9": [8725630122137046144, 7157813340879444056],
    "float64": [951278573421573263, -4444820636462503601],
    "text": [9125727530489584450, 6916941513914781373],
    "binary": [9125727530489584450, 6916941513914781373],
    "date": [4509548859518061168, 877814558428299346],
    "time": [7255501340494138739, -4444820636462503601],
    "datetime": [7701959460281321584, -4444820636462503601],
    "instant": [7701959460281321584, -4444820636462503601],
    "uuid": [5341211079504212406, 7157813340879444056],
    "json": [-3761641965799679405, 6916941513914781373],
}
"""The hashes of the last sample of each type and of NULL: changing them makes every stored row look changed."""


def column(kind: LogicalType, values: list[Any]) -> pa.Table:
    return pa.table({"x": pa.array(values, ARROW[kind])})


def hashes(rows: pa.Table, *columns: str) -> list[int]:
    return row_hash(rows, columns or rows.column_names).to_pylist()


@pytest.mark.parametrize("kind", LogicalType)
def test_every_value_of_every_type_and_null_have_hashes_of_their_own(kind: LogicalType) -> None:
    rows = column(kind, [*SAMPLES[kind], None])
    assert len(set(hashes(rows))) == rows.num_rows
    assert row_hash(rows, ["x"]).type == pa.int64()
    assert row_hash(rows, ["x"]).null_count == 0


@pytest.mark.parametrize("kind", LogicalType)
def test_a_hash_does_not_depend_on_chunks_slices_or_neighbours(kind: LogicalType) -> None:
    rows = column(kind, [None, *SAMPLES[kind], None, *SAMPLES[kind]])
    whole = hashes(rows)
    assert whole == [value for index in range(rows.num_rows) for value in hashes(rows.slice(index, 1))]
    assert whole[1:] == hashes(rows.slice(1))
    assert whole == hashes(pa.concat_tables([rows.slice(0, 1), rows.slice(1, 0), rows.slice(1)]))
    assert whole[:1] + whole[3:] == hashes(pa.concat_tables([rows.slice(0, 1), rows.slice(3)]))
    assert whole[::-1] == hashes(rows.take(list(range(rows.num_rows))[::-1]))


@pytest.mark.parametrize("kind", LogicalType)
def test_a_column_without_any_value_is_hashed_however_it_was_made(kind: LogicalType) -> None:
    made = column(kind, [None, None])
    (value,) = set(hashes(made))
    assert hashes(pa.table({"x": pa.nulls(2, ARROW[kind])})) == [value] * 2
    assert hashes(column(kind, [SAMPLES[kind][0], None, None]).slice(1)) == [value] * 2


@pytest.mark.parametrize("kind", LogicalType)
def test_a_null_is_the_same_null_whatever_lies_beneath_it(kind: LogicalType) -> None:
    values = pa.array(SAMPLES[kind][:2] * 2, ARROW[kind])
    masked = pc.if_else(pa.array([True, False, False, True]), values, None)
    assert hashes(pa.table({"x": masked}))[1:3] == hashes(column(kind, [None, None]))


def test_values_do_not_run_into_their_neighbours() -> None:
    rows = pa.table({"a": ["ab", "a", "", "abc", None, ""], "b": ["c", "bc", "abc", "", "abc", None]})
    assert len(set(hashes(rows))) == rows.num_rows
    swapped = pa.table({"a": ["x", None], "b": [None, "x"]})
    assert len(set(hashes(swapped))) == 2
    narrow = pa.table({"a": pa.array([1, 256], pa.int16()), "b": pa.array([256, 1], pa.int16())})
    assert len(set(hashes(narrow))) == 2


def test_only_the_named_columns_count_and_in_the_order_named() -> None:
    rows = pa.table({"a": [1, 1], "b": [2, 2], "c": ["x", "y"]})
    assert len(set(hashes(rows, "a", "b"))) == 1
    assert len(set(hashes(rows, "a", "b", "c"))) == 2
    assert hashes(rows, "a", "b") != hashes(rows, "b", "a")
    assert hashes(rows, "a", "b") == hashes(rows.rename_columns(["x", "y", "c"]), "x", "y")


def test_no_rows_and_no_columns_are_hashed_too() -> None:
    rows = pa.table({"a": [1, 2]})
    assert hashes(rows.slice(0, 0)) == []
    assert row_hash(rows.slice(0, 0), ["a"]).type == pa.int64()
    assert len(set(row_hash(rows, []).to_pylist())) == 1


def test_a_stored_hash_stays_true_in_every_process_and_release() -> None:
    assert {kind.value: hashes(column(kind, [SAMPLES[kind][-1], None])) for kind in LogicalType} == STORED


VALUES = st.one_of(st.none(), st.text(alphabet="ab\x00 é", max_size=3))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=12))
def test_rows_have_equal_hashes_exactly_when_they_are_equal(rows: list[tuple[Any, ...]]) -> None:
    names = ("a", "b", "c")
    types = (pa.string(), pa.string(), pa.int16())
    table = pa.table({n: pa.array([row[i] for row in rows], types[i]) for i, n in enumerate(names)})
    found = row_hash(table, names).to_pylist()
    assert len(set(found)) == len(set(rows))
    assert all((found[i] == found[j]) == (rows[i] == rows[j]) for i in range(len(rows)) for j in range(len(rows)))


def test_rows_that_are_encoded_in_parts_have_the_hashes_that_they_have_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = pa.table({"n": range(10), "text": [None, "", *"abcdefgh"], "flag": [True, False, None, True, False] * 2})
    together = row_hash(rows, rows.column_names)
    monkeypatch.setattr("matrix_defs.row_hash._AT_ONCE", 3)
    assert row_hash(rows, rows.column_names).equals(together)
