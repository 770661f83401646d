"""The decoder of pgoutput against messages that a small encoder writes from the vendor's page.

Here no server runs; the stream of a real one is in `test_postgres_cdc`. It may import everything.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_defs.errors import ReadError
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.postgres.pgoutput import Decoder

TABLE = TableSpec(
    "orders",
    (
        Column("note", LogicalType.TEXT),
        Column("order_id", LogicalType.INT64, nullable=False),
        Column("item_code", LogicalType.TEXT, nullable=False),
        Column("paid", LogicalType.BOOL),
        Column("content", LogicalType.BINARY),
    ),
    key=("order_id", "item_code"),
    cursor="order_id",
    partition="order_id",
)

UNCHANGED = object()
"""The mark of a TOAST value that an update did not touch."""

Row = tuple[object, ...]
"""Values in the table's order; None is NULL."""


# ---------------------------------------------------------------------- the encoder


def cell(value: object) -> bytes:
    if value is None:
        return b"n"
    if value is UNCHANGED:
        return b"u"
    match value:
        case bool():
            text = b"t" if value else b"f"
        case bytes():
            text = b"\\x" + value.hex().encode()
        case _:
            text = str(value).encode()
    return b"t" + struct.pack(">i", len(text)) + text


def written(row: Row) -> bytes:
    return struct.pack(">h", len(row)) + b"".join(map(cell, row))


def key_of(row: Row) -> Row:
    """What a replica identity of the primary key sends of a row."""
    return tuple(value if column.name in TABLE.key else None for column, value in zip(TABLE.columns, row, strict=True))


def begin(commit: int) -> bytes:
    return b"B" + struct.pack(">qqi", commit, 0, 7)


def commit(at: int, end: int) -> bytes:
    return b"C\0" + struct.pack(">qqq", at, end, 0)


RELATION = b"R" + struct.pack(">i", 16384) + b"public\0orders\0f" + struct.pack(">h", 0)


def insert(new: Row) -> bytes:
    return b"I" + struct.pack(">i", 16384) + b"N" + written(new)


def update(new: Row, old: Row | None = None, letter: bytes = b"O") -> bytes:
    before = letter + written(old) if old is not None else b""
    return b"U" + struct.pack(">i", 16384) + before + b"N" + written(new)


def delete(old: Row, letter: bytes = b"O") -> bytes:
    return b"D" + struct.pack(">i", 16384) + letter + written(old)


TRUNCATE = b"T" + struct.pack(">ibi", 1, 0, 16384)


# ---------------------------------------------------------------------- what to decode

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
keys = st.tuples(st.integers(-(2**63), 2**63 - 1), texts)
contents = st.tuples(st.none() | texts, st.none() | st.booleans(), st.none() | st.binary(max_size=9))


def row_of(key: tuple[int, str], content: tuple[object, ...]) -> Row:
    return (content[0], *key, *content[1:])


Expected = list[tuple[object, ...]]


@dataclass
class Change:
    """A message and the changes that it must become: values and operation."""

    message: bytes
    expected: Expected = field(default_factory=list)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    new = row_of(draw(keys), draw(contents))
    old = row_of(draw(keys), draw(contents))
    same = row_of((new[1], new[2]), draw(contents))  # type: ignore[arg-type]
    gone = [(*key_of(old), "delete")]
    match draw(st.sampled_from("IUFKTDd")):
        case "I":
            return Change(insert(new), [(*new, "upsert")])
        case "U":
            return Change(update(new), [(*new, "upsert")])
        case "F":
            return Change(update(new, same), [(*new, "upsert")])
        case "K":
            letter = draw(st.sampled_from([b"O", b"K"]))
            before = old if letter == b"O" else key_of(old)
            moved = (old[1], old[2]) != (new[1], new[2])
            return Change(update(new, before, letter), [*(gone if moved else []), (*new, "upsert")])
        case "T":
            sent = tuple(
                UNCHANGED if kept is not None and draw(st.booleans()) else now
                for kept, now in zip(same, new, strict=True)
            )
            arrives = tuple(kept if now is UNCHANGED else now for kept, now in zip(same, sent, strict=True))
            return Change(update(sent, same), [(*arrives, "upsert")])
        case "D":
            return Change(delete(old), gone)
        case _:
            return Change(delete(key_of(old), b"K"), gone)


@dataclass
class Stream:
    """Messages, what must come of those committed behind `since`, and where the last commit ends."""

    messages: list[bytes]
    expected: Expected
    since: int
    reached: int


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Transactions in the order of their commits; the position lies behind any of them."""
    transactions = draw(st.lists(st.lists(changes(), max_size=5), max_size=5))
    since = 1_000 * draw(st.integers(0, len(transactions))) + (2**40)
    messages, expected = [], []
    reached = since
    for number, transaction in enumerate(transactions):
        at = 2**40 + 1_000 * number + draw(st.integers(0, 900))
        end = 2**40 + 1_000 * (number + 1)
        messages += [begin(at), RELATION, *(change.message for change in transaction), commit(at, end)]
        if end > since:
            expected += [wanted for change in transaction for wanted in change.expected]
        reached = max(reached, end)
    return Stream(messages, expected, since, reached)


def decode(decoder: Decoder, messages: Sequence[bytes], cuts: Sequence[int] = ()) -> pa.Table:
    """Decode in chunks that end at the cuts. Each is a slice of one array, as a driver hands it over."""
    array = pa.array(messages, pa.binary())
    bounds = [0, *sorted(cut % (len(messages) + 1) for cut in cuts), len(messages)]
    chunks = [decoder.rows(array.slice(a, b - a)) for a, b in pairwise(bounds)]
    table = pa.Table.from_batches(chunks)
    table.validate(full=True)
    return table


def listed(table: pa.Table) -> Expected:
    return [tuple(row.values())[:-1] for row in table.to_pylist()]


@given(streams(), st.lists(st.integers(0, 60), max_size=4))
def test_every_change_comes_out_in_order_wherever_the_chunks_are_cut(stream: Stream, cuts: list[int]) -> None:
    decoder = Decoder(TABLE, stream.since)
    table = decode(decoder, stream.messages, cuts)
    assert listed(table) == stream.expected
    assert table.column("_seq").to_pylist() == list(range(len(stream.expected)))
    assert decoder.reached == stream.reached
    assert table.schema.types[:-2] == TABLE.schema.types


ONE = (None, 1, "a", True, b"\x00\xff")
TWO = ("two", 2, "a", False, None)


def transaction(*messages: bytes, at: int = 100, end: int = 110) -> list[bytes]:
    return [begin(at), *messages, commit(at, end)]


def test_a_moved_key_is_deleted_under_its_old_name_before_it_arrives_under_the_new_one() -> None:
    table = decode(Decoder(TABLE, 0), transaction(insert(ONE), update(TWO, ONE), delete(TWO)))
    assert listed(table) == [(*ONE, "upsert"), (*key_of(ONE), "delete"), (*TWO, "upsert"), (*key_of(TWO), "delete")]
    assert table.column("_seq").to_pylist() == [0, 1, 2, 3]


def test_a_key_value_that_was_not_touched_did_not_move() -> None:
    new = ("new", UNCHANGED, UNCHANGED, True, None)
    table = decode(Decoder(TABLE, 0), transaction(update(new, ONE)))
    assert listed(table) == [("new", 1, "a", True, None, "upsert")]


@pytest.mark.parametrize("old", [None, key_of(ONE)], ids=["no old row", "old key only"])
def test_an_unchanged_value_that_is_not_in_the_stream_is_refused_with_its_column(old: Row | None) -> None:
    message = update((UNCHANGED, *ONE[1:]), old, b"K")
    with pytest.raises(ReadError, match=r"unchanged TOAST value of orders\.note .* REPLICA IDENTITY FULL") as caught:
        decode(Decoder(TABLE, 0), transaction(message))
    assert "\n" not in str(caught.value)


def test_a_truncate_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(ReadError, match=r"orders was truncated.*drop the target with its position and load anew"):
        decode(Decoder(TABLE, 0), transaction(insert(ONE), TRUNCATE))


@pytest.mark.parametrize(("since", "arrives"), [(99, True), (100, True), (110, False), (111, False)])
def test_a_transaction_that_ended_at_or_before_the_position_is_dropped(since: int, arrives: bool) -> None:
    table = decode(Decoder(TABLE, since), transaction(insert(ONE)))
    assert table.num_rows == arrives


def test_the_position_moves_with_the_commit_and_not_before() -> None:
    decoder = Decoder(TABLE, 50)
    *open_transaction, end = transaction(insert(ONE))
    decode(decoder, open_transaction)
    assert decoder.reached == 50
    decode(decoder, [end])
    assert decoder.reached == 110


def test_a_dropped_transaction_never_moves_the_position_back() -> None:
    decoder = Decoder(TABLE, 500)
    decode(decoder, transaction(insert(ONE)))
    assert decoder.reached == 500


def test_no_message_is_no_change() -> None:
    decoder = Decoder(TABLE, 50)
    assert decode(decoder, []).num_rows == 0
    assert decode(decoder, [RELATION]).num_rows == 0
    assert decoder.reached == 50
