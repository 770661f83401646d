"""A cursor read delivers every row once: inclusive at the boundary, nothing twice, and it never moves back."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.ports import Position
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.cursor_read import CursorRead

TABLE = TableSpec(
    "orders",
    (
        Column("order_id", LogicalType.INT64, nullable=False),
        Column("item_code", LogicalType.TEXT, nullable=False),
        Column("business_date", LogicalType.DATE),
        Column("updated_at", LogicalType.INSTANT),
        Column("value", LogicalType.TEXT),
    ),
    key=("order_id", "item_code"),
    cursor="updated_at",
    partition="business_date",
)
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
Row = tuple[int, int | None, str]
"""Key, cursor in microseconds after noon, value."""


def rows(*given: Row) -> pa.Table:
    made = [
        (key, f"item-{key}", date(2026, 4, 1), None if at is None else NOON + timedelta(microseconds=at), value)
        for key, at, value in given
    ]
    columns = list(zip(*made, strict=True)) or [()] * len(TABLE.names)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE.schema, strict=True)], schema=TABLE.schema)


def read(position: Position | None, *batches: pa.Table) -> tuple[list[tuple[int, str]], Position | None]:
    """One read of the batches, each cut by the bound as a system would; the position passes through its text."""
    stored = Position.from_json(position.to_json()) if position else None
    reading = CursorRead(TABLE, stored)
    delivered: list[tuple[int, str]] = []
    for batch in batches:
        if reading.lower_bound:
            bound = pa.scalar(datetime.fromisoformat(reading.lower_bound), pa.timestamp("us", "UTC"))
            batch = batch.filter(pc.greater_equal(batch.column("updated_at"), bound))
        new = reading.new_rows(batch)
        delivered += zip(new.column("order_id").to_pylist(), new.column("value").to_pylist(), strict=True)
    return delivered, reading.position()


A, B, TIE = (1, 1, "a"), (2, 5, "b"), (3, 5, "tie")


def test_a_first_read_has_no_bound_and_stops_at_the_greatest_cursor() -> None:
    reading = CursorRead(TABLE, None)
    assert reading.lower_bound is None
    delivered, position = read(None, rows(B, A))
    assert delivered == [(2, "b"), (1, "a")]
    assert position is not None
    assert position.value["cursor"] == "2026-04-01T12:00:00.000005+00:00"
    assert [entry[:2] for entry in position.value["delivered"]] == [[2, "item-2"]]


def test_a_row_that_ties_with_the_position_arrives_once_and_the_one_before_it_not_again() -> None:
    _, first = read(None, rows(A, B))
    delivered, second = read(first, rows(A, B, TIE))
    assert delivered == [(3, "tie")]
    delivered, third = read(second, rows(A, B, TIE))
    assert (delivered, third) == ([], second)


def test_rows_at_the_same_bound_are_listed_together_over_several_reads() -> None:
    _, first = read(None, rows(B))
    _, second = read(first, rows(B, TIE))
    assert second is not None
    assert [entry[0] for entry in second.value["delivered"]] == [2, 3]
    assert read(second, rows(B, TIE, (4, 5, "third")))[0] == [(4, "third")]


def test_a_greater_cursor_forgets_the_rows_listed_before() -> None:
    _, first = read(None, rows(A, B))
    _, second = read(first, rows(B, TIE, (4, 9, "later")))
    assert second is not None
    assert [entry[0] for entry in second.value["delivered"]] == [4]


def test_a_row_that_changed_under_the_same_cursor_arrives_again() -> None:
    _, first = read(None, rows(B))
    delivered, second = read(first, rows((2, 5, "changed")))
    assert delivered == [(2, "changed")]
    assert read(second, rows((2, 5, "changed")))[0] == []
    assert read(second, rows((2, 5, "b")))[0] == []


def test_an_empty_read_or_an_emptied_source_leaves_the_position_as_it_was() -> None:
    _, first = read(None, rows(A, B))
    assert read(first, rows()) == ([], first)
    assert read(first) == ([], first)
    assert read(None, rows()) == ([], None)


def test_the_position_never_moves_back_whatever_a_system_returns() -> None:
    _, first = read(None, rows(A, B))
    reading = CursorRead(TABLE, first)
    assert reading.new_rows(rows(A)).num_rows == 1
    assert reading.position() == first


def test_batches_may_come_in_any_order() -> None:
    batches = [rows(B), rows(A, (4, 9, "last")), rows(TIE)]
    assert read(None, *batches)[1] == read(None, *batches[::-1])[1]


def test_rows_without_a_cursor_are_never_delivered() -> None:
    assert read(None, rows((1, None, "x"), B)) == read(None, rows(B))
    assert read(None, rows((1, None, "x"))) == ([], None)


def test_equal_reads_give_positions_of_equal_text_in_any_order_of_rows() -> None:
    tied = [(key, 5, "x") for key in (10, 9, 2, 1)]
    texts = {position.to_json() for order in (tied, tied[::-1]) if (position := read(None, rows(*order))[1])}
    assert len(texts) == 1


STEPS = st.lists(
    st.tuples(st.lists(st.integers(0, 2), max_size=4), st.integers(1, 3), st.randoms(use_true_random=False)),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_every_row_of_a_growing_table_arrives_exactly_once(steps: list[tuple[list[int], int, Any]]) -> None:
    """Each step adds rows whose cursors go on from the greatest so far, or tie with it, and then reads."""
    held: list[Row] = []
    arrived: list[tuple[int, str]] = []
    position, cursor = None, 0
    for advances, size, order in steps:
        for advance in advances:
            cursor += advance
            held.append((len(held), cursor, f"row {len(held)}"))
        shuffled = order.sample(held, len(held))
        batches = [rows(*shuffled[at : at + size]) for at in range(0, len(shuffled), size)]
        before = position
        delivered, position = read(position, *batches)
        arrived += delivered
        assert sorted(arrived) == sorted((key, value) for key, _, value in held)
        assert delivered or position == before
        assert position is None or position.value["cursor"] == read(None, rows(*held))[1].value["cursor"]
