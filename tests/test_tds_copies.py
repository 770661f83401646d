"""Rows between ROW tokens and PostgreSQL's binary form: the same as by Arrow, whatever the bytes are.

It may import the modules of the wire, and the values of `test_tds_rows`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tds_rows import DONE, VALUES

from resources.endpoints.mssql_emulator import copy_in, copy_out, scan
from resources.endpoints.mssql_emulator.engine import CopiedRows, Kind, ResultColumn, SqlError, SqlType
from resources.endpoints.mssql_emulator.forms import FORMS, goes_into
from resources.endpoints.mssql_emulator.reading import ProtocolError
from resources.endpoints.mssql_emulator.rows import encode_rows
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo, longest, type_info

LAYOUTS = st.lists(
    st.sampled_from([*(type_info(sql) for sql in VALUES), TypeInfo(SqlType(Kind.INT), Framing.BARE, 4)]),
    min_size=1,
    max_size=4,
)
SMALL = st.sampled_from([0, 0, 0, 1, 2, 4, 5, 8, 16, 0xD1, 0xFE, 0xFF])
"""Bytes that lengths are made of, so that random data holds values that end, NULL and rows."""


def columns_of(infos: Sequence[TypeInfo]) -> list[ResultColumn]:
    return [ResultColumn(f"c{place}", info.sql) for place, info in enumerate(infos)]


def batch_of(data: st.DataObject, kinds: Sequence[SqlType], count: int) -> pa.RecordBatch:
    cells = [data.draw(st.lists(st.none() | VALUES[sql], min_size=count, max_size=count)) for sql in kinds]
    arrays = [pa.array(values, sql.arrow) for values, sql in zip(cells, kinds, strict=True)]
    return pa.record_batch(arrays, [f"c{place}" for place in range(len(kinds))])


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("sql", VALUES, ids=str)
@given(data=st.data())
def test_a_column_goes_into_a_copy_and_comes_out_of_it_byte_by_byte(sql: SqlType, data: st.DataObject) -> None:
    columns = [ResultColumn("c0", sql), ResultColumn("c1", SqlType(Kind.INT))]
    batch = batch_of(data, [sql, SqlType(Kind.INT)], data.draw(st.integers(0, 12)))
    sent = b"".join(encode_rows(batch, columns))
    copied, end = copy_in.copied_rows(sent, [type_info(sql), type_info(SqlType(Kind.INT))])
    assert (copied.num_rows, end) == (batch.num_rows, len(sent))
    assert bytes(copy_out.rows_of(copied.data, columns)) == sent


@settings(max_examples=60, deadline=None)
@given(kinds=st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=30), data=st.data())
def test_a_row_that_is_cut_off_is_left_for_later(kinds: list[SqlType], data: st.DataObject) -> None:
    infos = [type_info(sql) for sql in kinds]
    batch = batch_of(data, kinds, 2)
    first, whole = (b"".join(encode_rows(batch[:count], columns_of(infos))) for count in (1, 2))
    cut = data.draw(st.integers(1, len(whole) - len(first)))
    copied, end = copy_in.copied_rows(whole[:-cut], infos)
    assert (copied.num_rows, end) == (1, len(first))


def plainly(data: bytes, infos: Sequence[TypeInfo]) -> tuple[int, int, bytes]:
    """What the walk into a copy makes without being compiled; reading or writing beyond the end is an error here."""
    out = bytearray(60 * (len(data) + 1) * len(infos) + 2 * len(data) + 100)
    parts = [
        [FORMS[info.sql.kind] for info in infos],
        [int(info.framing) for info in infos],
        [info.sql.precision for info in infos],
        [info.sql.scale for info in infos],
        [info.width for info in infos],
        [info.sql.kind is Kind.XML for info in infos],
    ]
    rows, end, written = copy_in._walk(data, *parts, out)  # type: ignore[arg-type]
    return rows, end, bytes(out[:written])


@settings(max_examples=400, deadline=None)
@given(infos=LAYOUTS, noise=st.lists(SMALL, max_size=120).map(bytes))
def test_of_any_bytes_the_compiled_walk_makes_what_the_plain_one_makes(infos: list[TypeInfo], noise: bytes) -> None:
    data = b"\xd1" + noise
    copied, end = copy_in.copied_rows(data, infos)
    assert (copied.num_rows, end, bytes(copied.data)) == plainly(data, infos)


@settings(max_examples=200, deadline=None)
@given(kinds=st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=6), data=st.data())
def test_of_any_rows_the_compiled_walks_make_what_the_plain_ones_make(
    kinds: list[SqlType], data: st.DataObject
) -> None:
    infos = [type_info(sql) for sql in kinds]
    sent = b"".join(encode_rows(batch_of(data, kinds, 3), columns_of(infos)))
    copied, end = copy_in.copied_rows(sent, infos)
    assert (copied.num_rows, end, bytes(copied.data)) == plainly(sent, infos)
    out = bytearray(3 * len(sent) + 1000)
    parts = (
        [FORMS[info.sql.kind] for info in infos],
        [int(info.framing) for info in infos],
        [info.sql.scale for info in infos],
        [info.width or longest(info.sql) for info in infos],
    )
    rows, written, wrong = copy_out._walk(bytes(copied.data), 0, *parts, out)  # type: ignore[arg-type]
    assert (rows, bytes(out[:written]), wrong) == (3, sent, -1)


def outcome(data: bytes, infos: Sequence[TypeInfo], *, copies: bool) -> tuple[list[dict[str, object]], str]:
    """The rows that a stream holds, and what is wrong with it."""
    columns, rows = columns_of(infos), []
    try:
        for found in scan.decode_rows([data], columns, infos, copies=copies):
            if isinstance(found, CopiedRows):
                told = b"".join([copy_out.rows_of(found.data, columns), DONE])
                rows += pa.Table.from_batches(
                    scan.decode_rows([told], columns, [type_info(info.sql) for info in infos])
                ).to_pylist()
            else:
                rows += found.to_pylist()
    except (ProtocolError, SqlError) as error:
        return rows, f"{type(error).__name__}: {error}"
    return rows, ""


ODD = {
    "text in two chunks": (
        SqlType(Kind.NVARCHAR),
        b"\4" + bytes(7) + b"\2\0\0\0a\0" + b"\2\0\0\0b\0" + bytes(4),
    ),
    "text of unknown length": (SqlType(Kind.NVARCHAR), b"\xfe" + b"\xff" * 7 + b"\2\0\0\0a\0" + bytes(4)),
    "text that is no UTF-16": (SqlType(Kind.NVARCHAR, 4), b"\2\0\0\xd8"),
    "half a character": (SqlType(Kind.NVARCHAR, 4), b"\3\0a\0b"),
    "a document behind its mark": (SqlType(Kind.XML), b"\4" + bytes(7) + b"\4\0\0\0\xff\xfea\0" + bytes(4)),
    "an announced length that is another": (SqlType(Kind.NVARCHAR), b"\6" + bytes(7) + b"\2\0\0\0a\0" + bytes(4)),
    "a shorter decimal": (SqlType(Kind.DECIMAL, precision=38, scale=2), b"\5\1\7\0\0\0"),
    "a decimal of too many digits": (SqlType(Kind.DECIMAL, precision=2, scale=1), b"\5\1\x64\0\0\0"),
    "a decimal of 128 bits": (SqlType(Kind.DECIMAL, precision=38, scale=0), b"\x11\1" + b"\xff" * 16),
    "a decimal of another size": (SqlType(Kind.DECIMAL, precision=9, scale=0), b"\4\1\1\1\1"),
    "a date after the last": (SqlType(Kind.DATE), b"\3\xdb\xb9\x37"),
    "a time after midnight": (SqlType(Kind.TIME, scale=0), b"\3\x80\x51\1"),
    "a datetime outside of its day": (SqlType(Kind.DATETIME), b"\x08\0\0\0\0\0\x82\x8b\1"),
    "a smalldatetime outside of its day": (SqlType(Kind.SMALLDATETIME), b"\4\0\0\xa0\5"),
    "a number of another size": (SqlType(Kind.INT), b"\2\1\1"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_value_that_a_copy_does_not_take_is_read_or_refused_as_without_one(what: str) -> None:
    sql, value = ODD[what]
    fine = (
        b"\xd1\4\1\0\0\0"
        + b"".join(encode_rows(pa.record_batch([pa.nulls(1, sql.arrow)], ["c0"]), [ResultColumn("", sql)]))[1:]
    )
    sent = fine + b"\xd1\4\2\0\0\0" + value + fine + DONE
    infos = [type_info(SqlType(Kind.INT)), type_info(sql)]
    rows, wrong = outcome(sent, infos, copies=True)
    all_rows, same = outcome(sent, infos, copies=False)
    assert (rows if not wrong else all_rows, wrong) == (all_rows, same)


@settings(max_examples=300, deadline=None)
@given(infos=LAYOUTS, noise=st.lists(SMALL, max_size=80).map(bytes))
def test_any_stream_is_read_or_refused_with_copies_as_without(infos: list[TypeInfo], noise: bytes) -> None:
    rows, wrong = outcome(b"\xd1" + noise, infos, copies=True)
    all_rows, same = outcome(b"\xd1" + noise, infos, copies=False)
    assert wrong == same
    assert wrong or rows == all_rows


NUMERICS = {
    "no number": b"\0\0\0\0\xc0\0\0\0",
    "more digits behind the point": b"\0\1\xff\xff\0\0\0\4\0\1",
    "more digits before it": b"\0\2\0\1\0\0\0\0\0\1\0\0",
    "digits far behind the point": b"\0\1\xff\xf0\0\0\0\4\0\1",
    "a length that is not that of its digits": b"\0\2\0\0\0\0\0\0\0\1",
}


@pytest.mark.parametrize("what", NUMERICS)
def test_a_numeric_that_the_column_cannot_hold_is_an_error_and_no_other_number(what: str) -> None:
    value = NUMERICS[what]
    data = b"\0\1" + len(value).to_bytes(4, "big") + value
    if what == "more digits before it":
        data = b"\0\1\0\0\0\x0e" + b"\0\3\0\2\0\0\0\0\0\1\0\0\0\0"
    with pytest.raises(SqlError, match=r"a value of column 'n' is no decimal"):
        copy_out.rows_of(data, [ResultColumn("n", SqlType(Kind.DECIMAL, precision=4, scale=2))])


def test_only_what_needs_no_conversion_and_no_look_at_its_text_goes_into_a_column_as_it_is() -> None:
    assert goes_into(SqlType(Kind.NVARCHAR, 5), SqlType(Kind.VARCHAR))
    assert goes_into(SqlType(Kind.DATETIME), SqlType(Kind.DATETIME2, scale=3))
    assert not goes_into(SqlType(Kind.INT), SqlType(Kind.BIGINT))
    assert not goes_into(SqlType(Kind.NVARCHAR), SqlType(Kind.INT))
    assert not goes_into(SqlType(Kind.VARCHAR), SqlType(Kind.VARCHAR))
    assert goes_into(SqlType(Kind.BINARY, 4), SqlType(Kind.VARBINARY))
    assert not goes_into(SqlType(Kind.VARBINARY), SqlType(Kind.BINARY, 4))
    assert not goes_into(SqlType(Kind.NCHAR, 4), SqlType(Kind.NCHAR, 4))
    assert goes_into(SqlType(Kind.TIME, scale=6), SqlType(Kind.TIME, scale=6))
    assert not goes_into(SqlType(Kind.TIME, scale=7), SqlType(Kind.TIME, scale=3))


def test_a_narrow_out_is_never_written_beyond() -> None:
    infos = [type_info(SqlType(Kind.NVARCHAR)), type_info(SqlType(Kind.DECIMAL, precision=38, scale=37))]
    value = b"\1\xff\xff\xff\xff\xff\xff\xff\xff" + b"\xff" * 4 + b"\0\0\0\0"
    text = "ࠀ".encode("utf-16-le") * 500
    row = (
        b"\xd1" + len(text).to_bytes(8, "little") + len(text).to_bytes(4, "little") + text + bytes(4) + b"\x11" + value
    )
    copied, end = copy_in.copied_rows(row * 20, infos)
    assert (copied.num_rows, end) == (20, 20 * len(row))
    longest = 2 + sum(4 + (copy_in._LONGEST_NUMERIC if info.width else 0) for info in infos)
    assert len(copied.data) <= longest * (20 * len(row) // 2 + 1) + 3 * 20 * len(row) // 2
    assert bytes(copy_out.rows_of(copied.data, columns_of(infos))) == row * 20
    assert np.frombuffer(copied.data, np.uint8).size == len(copied.data)


def test_the_mark_before_a_document_is_left_out() -> None:
    sql, value = ODD["a document behind its mark"]
    copied, _ = copy_in.copied_rows(b"\xd1" + value, [type_info(sql)])
    assert bytes(copied.data) == b"\0\1\0\0\0\1a"
