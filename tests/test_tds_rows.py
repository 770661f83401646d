"""Rows on the wire: what is written is read back, for every type, however the stream is cut."""

import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tds_engine import ALL_TYPES, types_table

from resources.endpoints.mssql_emulator import scan
from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, SqlError, SqlType
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader
from resources.endpoints.mssql_emulator.rows import encode_rows, encode_value
from resources.endpoints.mssql_emulator.types import MAX, TypeInfo, read_type, type_info, write_type

DONE = b"\xfd" + bytes(12)


def decimals(precision: int, scale: int) -> st.SearchStrategy:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{scale}"))


def clock(scale: int) -> st.SearchStrategy:
    """Times of day that the scale can hold."""
    step = 10 ** max(6 - scale, 0)
    return st.integers(0, 86_400_000_000 // step - 1).map(lambda number: number * step)


def at(micros: int) -> time:
    seconds, micro = divmod(micros, 1_000_000)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro)


def moments(scale: int, **zone) -> st.SearchStrategy:
    return st.builds(lambda day, micros: datetime.combine(day, at(micros), **zone), st.dates(), clock(scale))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATETIME = st.builds(
    lambda day, ticks: datetime.combine(day, at((ticks * 10 + 1) // 3 * 1000)),
    st.dates(date(1753, 1, 1)),
    st.integers(0, 86_400 * 300 - 1),
)
SMALLDATETIME = st.builds(
    lambda day, minute: datetime.combine(day, at(minute * 60_000_000)),
    st.dates(date(1900, 1, 1), date(2079, 6, 5)),
    st.integers(0, 1439),
)
VALUES: dict[SqlType, st.SearchStrategy] = {
    SqlType(Kind.BIT): st.booleans(),
    SqlType(Kind.TINYINT): st.integers(0, 255),
    SqlType(Kind.SMALLINT): st.integers(-(2**15), 2**15 - 1),
    SqlType(Kind.INT): st.integers(-(2**31), 2**31 - 1),
    SqlType(Kind.BIGINT): st.integers(-(2**63), 2**63 - 1),
    **{
        SqlType(Kind.DECIMAL, precision=p, scale=s): decimals(p, s)
        for p, s in [(1, 0), (9, 2), (19, 19), (28, 5), (38, 9)]
    },
    SqlType(Kind.MONEY): st.integers(-(2**63), 2**63 - 1).map(lambda number: Decimal(number).scaleb(-4)),
    SqlType(Kind.REAL): st.floats(width=32, allow_nan=False),
    SqlType(Kind.FLOAT): st.floats(allow_nan=False),
    SqlType(Kind.DATE): st.dates(),
    **{SqlType(Kind.TIME, scale=s): clock(s).map(at) for s in range(8)},
    SqlType(Kind.DATETIME): DATETIME,
    SqlType(Kind.SMALLDATETIME): SMALLDATETIME,
    **{SqlType(Kind.DATETIME2, scale=s): moments(s) for s in range(8)},
    **{SqlType(Kind.DATETIMEOFFSET, scale=s): moments(s, tzinfo=UTC) for s in range(8)},
    SqlType(Kind.UNIQUEIDENTIFIER): st.binary(min_size=16, max_size=16),
    SqlType(Kind.CHAR, 80): text,
    SqlType(Kind.VARCHAR, 80): text,
    SqlType(Kind.VARCHAR): text,
    SqlType(Kind.NCHAR, 40): text,
    SqlType(Kind.NVARCHAR, 40): text,
    SqlType(Kind.NVARCHAR): text,
    SqlType(Kind.BINARY, 20): st.binary(max_size=20),
    SqlType(Kind.VARBINARY, 20): st.binary(max_size=20),
    SqlType(Kind.VARBINARY): st.binary(max_size=20),
    SqlType(Kind.XML): text.filter(lambda value: not value.startswith("\ufeff")),
}


def test_the_values_cover_every_kind():
    assert {sql.kind for sql in VALUES} == set(Kind)
    assert {sql.kind for sql, _ in ALL_TYPES.values()} == set(Kind)


def read_back(
    data: bytes, columns: list[ResultColumn], infos: list[TypeInfo] | None = None, size: int = 4088
) -> pa.Table:
    infos = infos or [type_info(column.type) for column in columns]
    chunks = (data[begin : begin + size] for begin in range(0, len(data), size))
    return pa.Table.from_batches(
        list(scan.decode_rows(chunks, columns, infos)),
        pa.schema([(column.name, column.type.arrow) for column in columns]),
    )


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("sql", VALUES, ids=str)
@given(data=st.data())
def test_a_column_is_read_back_as_it_was_written(sql, data):
    values = data.draw(st.lists(st.none() | VALUES[sql], max_size=30))
    skipped = data.draw(st.integers(0, len(values)))
    columns = [ResultColumn("before", sql), ResultColumn("n", SqlType(Kind.INT))]
    batch = pa.record_batch([pa.array(values, sql.arrow), pa.array(range(len(values)), pa.int32())], ["before", "n"])
    batch = batch.slice(skipped)
    rows = b"".join(encode_rows(batch, columns))
    with mock.patch.object(scan, "AT_ONCE", data.draw(st.integers(1, 200))):
        read = read_back(rows + DONE, columns, size=data.draw(st.integers(1, 50)))
    assert read.combine_chunks().to_batches() in ([batch], [])
    assert read.num_rows == batch.num_rows


@settings(max_examples=30, deadline=None)
@given(kinds=st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=40), data=st.data())
def test_rows_of_any_layout_are_read_back(kinds, data):
    count = data.draw(st.integers(0, 10))
    columns = [ResultColumn(f"c{place}", sql) for place, sql in enumerate(kinds)]
    arrays = [
        pa.array(data.draw(st.lists(st.none() | VALUES[sql], min_size=count, max_size=count)), sql.arrow)
        for sql in kinds
    ]
    batch = pa.record_batch(arrays, [column.name for column in columns])
    assert read_back(b"".join(encode_rows(batch, columns)) + DONE, columns).to_pylist() == batch.to_pylist()


@pytest.mark.parametrize("sql", VALUES, ids=str)
def test_a_type_is_read_back_as_it_was_written(sql):
    reader = Reader(write_type(sql))
    assert read_type(reader) == type_info(sql)
    assert not reader.left


def test_rows_that_are_cut_into_pieces_by_size_are_the_same_rows():
    columns, batch = types_table()
    many = pa.Table.from_batches([batch] * 300).combine_chunks().to_batches()[0]
    pieces = list(encode_rows(many, columns))
    assert len(pieces) > 1
    assert read_back(b"".join(pieces) + DONE, columns).combine_chunks().to_batches() == [many]


def chunked(*parts: bytes, announced: int = -2) -> bytes:
    body = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return struct.pack("<q", announced) + body + bytes(4)


def test_a_value_in_several_chunks_is_joined_beside_values_in_one_and_none():
    values = [chunked(b"ab", b"c"), chunked(b"de", announced=2), b"\xff" * 8, chunked()]
    columns = [ResultColumn("b", SqlType(Kind.VARBINARY))]
    data = b"".join(b"\xd1" + value for value in values) + DONE
    assert read_back(data, columns)["b"].to_pylist() == [b"abc", b"de", None, b""]


def test_a_character_may_be_cut_between_two_chunks():
    text = "ü𝄞".encode("utf-16-le")
    columns = [ResultColumn("n", SqlType(Kind.NVARCHAR))]
    assert read_back(b"\xd1" + chunked(text[:3], text[3:]) + DONE, columns)["n"].to_pylist() == ["ü𝄞"]


@pytest.mark.parametrize("value", [chunked(b"ab", announced=3), chunked(b"a", b"b", announced=1)])
def test_a_value_that_is_not_as_long_as_it_says_is_refused(value):
    with pytest.raises(ProtocolError, match="not as long as it says"):
        read_back(b"\xd1" + value + DONE, [ResultColumn("b", SqlType(Kind.VARBINARY))])


@pytest.mark.parametrize(
    ("sql", "value", "told"),
    [
        (SqlType(Kind.INT), b"\2\0\0", "not 4 bytes long"),
        (SqlType(Kind.DECIMAL, precision=5, scale=0), b"\5\1\xa0\x86\1\0", "more than 5 digits"),
        (SqlType(Kind.DECIMAL, precision=5, scale=0), b"\4\1\0\0\0", "5, 9, 13 or 17"),
        (SqlType(Kind.DATE), b"\3\xff\xff\xff", "after 9999-12-31"),
        (SqlType(Kind.TIME, scale=6), b"\5" + b"\xff" * 5, "time of day"),
        (SqlType(Kind.DATETIME), b"\x08" + b"\xff" * 8, "outside of its day"),
        (SqlType(Kind.SMALLDATETIME), b"\4" + b"\xff" * 4, "outside of its day"),
    ],
)
def test_a_value_that_its_type_does_not_have_is_refused(sql, value, told):
    with pytest.raises(ProtocolError, match=told):
        read_back(b"\xd1" + value + DONE, [ResultColumn("v", sql)])


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        (SqlType(Kind.NVARCHAR, 10), b"\3\0abc"),
        (SqlType(Kind.NVARCHAR, 10), b"\2\0\x34\xd8"),
        (SqlType(Kind.VARCHAR, 10), b"\1\0\xfc"),
    ],
)
def test_text_that_is_none_is_error_9833(sql, value):
    with pytest.raises(SqlError, match="Invalid data for UTF") as refused:
        read_back(b"\xd1" + value + DONE, [ResultColumn("v", sql)])
    assert refused.value.number == 9833


def test_surrogates_that_meet_across_two_values_do_not_make_a_character():
    high, low = "𝄞".encode("utf-16-le")[:2], "𝄞".encode("utf-16-le")[2:]
    data = b"\xd1\2\0" + high + b"\xd1\2\0" + low + DONE
    with pytest.raises(SqlError, match="UTF-16"):
        read_back(data, [ResultColumn("v", SqlType(Kind.NVARCHAR, 10))])


def test_text_of_another_code_page_is_read_by_it():
    info = TypeInfo(SqlType(Kind.VARCHAR, 10), type_info(SqlType(Kind.VARCHAR, 10)).framing, utf8=False)
    data = b"\xd1\3\0\xfc\x80a" + b"\xd1\xff\xff" + DONE
    assert read_back(data, [ResultColumn("v", info.sql)], [info])["v"].to_pylist() == ["ü€a", None]


def test_a_byte_order_mark_before_xml_is_dropped():
    document = "\ufeff<a/>".encode("utf-16-le")
    columns = [ResultColumn("x", SqlType(Kind.XML))]
    assert read_back(b"\xd1" + chunked(document) + DONE, columns)["x"].to_pylist() == ["<a/>"]


@pytest.mark.parametrize("end", [b"\xd1\4", b"\xd2\4\0\0\0\0", DONE + b"\0", DONE[:5]])
def test_a_stream_that_does_not_end_with_done_is_refused(end):
    with pytest.raises(ProtocolError, match="not with a DONE"):
        read_back(b"\xd1\4\1\0\0\0" + end, [ResultColumn("n", SqlType(Kind.INT))])


def test_a_column_that_came_in_another_arrow_type_is_named():
    batch = pa.record_batch([pa.array([1], pa.int64())], ["n"])
    with pytest.raises(TypeError, match="column 'n'"):
        list(encode_rows(batch, [ResultColumn("n", SqlType(Kind.INT))]))


def test_a_single_value_is_framed_and_so_is_null():
    assert encode_value(5, SqlType(Kind.INT)) == b"\4\5\0\0\0"
    assert encode_value(None, SqlType(Kind.NVARCHAR, 5)) == struct.pack("<H", MAX)
