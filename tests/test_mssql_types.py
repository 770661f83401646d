"""Promises of SQL Server's types: hard values of every type come back bit by bit, NULL as NULL.

Values go through a real table, by the same two ways that sources and sinks use, and by the slower writers. The types
of the server that no logical type is stored as are here too: tables of other people have them.
"""

import gc
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from mssql_local import local_mssql

from matrix_defs.row_hash import row_hash
from matrix_defs.table import ARROW, Column, LogicalType
from resources.endpoints.endpoint import Endpoint
from resources.mssql.dialect import MssqlDialect
from resources.mssql.types import TYPES

if TYPE_CHECKING:
    from resources.mssql.session import Session

T = LogicalType
DIALECT = MssqlDialect()
KEY = Column("k", T.INT64, nullable=False)
DENORMAL = struct.unpack("<d", struct.pack("<Q", 1))[0]
NINES = "99999999999999999999999999999.999999999"
WALL = (
    datetime(1, 1, 1),
    datetime(1970, 1, 1),
    datetime(1970, 1, 1, 0, 0, 0, 1),
    datetime(2026, 3, 29, 2, 30, 0, 123456),  # an hour that daylight saving skips
    datetime(2200, 12, 31, 23, 59, 59, 999999),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
)
TEXTS = (
    *("", " ", "a ", "  a  ", "A", "a", "á", "\t\n\r\"'\\", "\\N", "?", "{x}", "NULL", "\x01\x7f", "e\u0301"),
    *("\U0001f600", "👩‍👩‍👧", "שלום", "\u07ff\uffee\U0010fffd", "x" * 4001, "東" * 12_000),
)
VALUES: dict[LogicalType, tuple[Any, ...]] = {
    T.BOOL: (True, False),
    T.INT16: (-(2**15), -1, 0, 2**15 - 1),
    T.INT32: (-(2**31), 0, 2**31 - 1),
    T.INT64: (-(2**63), 0, 2**53 + 1, 2**63 - 1),
    T.DECIMAL_18_4: (Decimal("-99999999999999.9999"), Decimal("0.0001"), Decimal("0"), Decimal("99999999999999.9999")),
    T.DECIMAL_38_9: (Decimal(f"-{NINES}"), Decimal("0.000000001"), Decimal("0"), Decimal(NINES)),
    T.FLOAT64: (0.0, -0.0, DENORMAL, -DENORMAL, 1.7976931348623157e308, -1.7976931348623157e308, 0.1, 0.1 + 0.2),
    T.TEXT: TEXTS,
    T.BINARY: (b"", bytes(range(256)), b"\xff\xfe", b"\x00", bytes(9000)),
    T.DATE: (date(1, 1, 1), date(1970, 1, 1), date(2026, 2, 28), date(9999, 12, 31)),
    T.TIME: (time(0), time(0, 0, 0, 1), time(23, 59, 59, 999999)),
    T.DATETIME: WALL,
    T.INSTANT: tuple(value.replace(tzinfo=UTC) for value in WALL),
    T.UUID: (b"\x00" * 16, b"\xff" * 16, bytes(range(16))),
    T.JSON: ('{"b": 1, "a": [1.50, 12345678901234567890]}', "{}", "null", '"\u00e9"', '{"n": {"x": null}}'),
}
BIN2_UTF8 = "COLLATE Latin1_General_100_BIN2_UTF8"
OTHERS: dict[str, pa.Array] = {
    "TINYINT": pa.array([0, 1, 255, None], pa.uint8()),
    "MONEY": pa.array(
        [Decimal("-922337203685477.5808"), Decimal("0.0001"), Decimal("922337203685477.5807"), None],
        pa.decimal128(19, 4),
    ),
    "REAL": pa.array(
        [
            *(0.0, -0.0, 3.4028234663852886e38, -3.4028234663852886e38),
            *(1.401298464324817e-45, -1.401298464324817e-45, 0.10000000149011612, None),
        ],
        pa.float32(),
    ),
    "DECIMAL(38, 0)": pa.array([Decimal("9" * 38), Decimal("-" + "9" * 38), None], pa.decimal128(38, 0)),
    "DECIMAL(38, 38)": pa.array([Decimal("0." + "9" * 38), Decimal("1E-38"), None], pa.decimal128(38, 38)),
    "CHAR(4)": pa.array(["    ", "a   ", "  a ", "abcd", "\t\n\x01\x7f", None]),
    f"CHAR(12) {BIN2_UTF8}": pa.array([" " * 12, "e\u0301 👍    ", "👍👍👍", "東京é    ", "\U0010ffff" * 3, None]),
    f"CHAR(8000) {BIN2_UTF8}": pa.array([" " * 8000, "👍" * 2000, "x" * 8000, None]),
    "NCHAR(6)": pa.array([" " * 6, "e\u0301 👍 ", "👍👍👍", "東京é   ", "\U0010ffff" * 3, "שלום  ", None]),
    "NCHAR(4000)": pa.array([" " * 4000, "👍" * 2000, "東" * 4000, None]),
    "BINARY(3)": pa.array([b"\0\0\0", b"\xff\xff\xff", b"a\0\0", b"\0\0a", b"   ", None], pa.binary()),
    "BINARY(8000)": pa.array([bytes(8000), b"\xff" * 8000, bytes(range(250)) * 32, None], pa.binary()),
    "NVARCHAR(40)": pa.array(["", " ", "a ", "e\u0301 👍🏽", None]),
    f"VARCHAR(80) {BIN2_UTF8}": pa.array(["", " ", "a ", "e\u0301 👍🏽 東京", None]),
    f"VARCHAR(MAX) {BIN2_UTF8}": pa.array(["", " ", "👍" * 5000, None]),
    "XML": pa.array(['<a b="1">é👍</a>', "<a/>", None]),
}
"""Types of the server that no logical type is stored as, with values of the Arrow type that they are written from."""

WINDOWS_1252 = (
    "mssql-python's bulk copy writes CHAR and VARCHAR in Windows-1252, whatever the collation: `?` for the rest"
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_mssql() as endpoint:
        yield endpoint


@pytest.fixture(params=["bulkcopy", "fast_executemany"])
def session(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator["Session"]:
    from resources.mssql.session import Session
    from resources.mssql.writers import choose

    session = Session(endpoint)
    session.writer = choose(request.param)
    session.execute("DROP TABLE IF EXISTS types_test")
    yield session
    session.execute("DROP TABLE IF EXISTS types_test")
    session.close()


def create(session: "Session", *definitions: str) -> None:
    session.execute(f"CREATE TABLE types_test ([k] BIGINT NOT NULL, {', '.join(definitions)})")


def written_and_read(session: "Session", column: Column, values: Sequence[Any]) -> pa.Table:
    create(session, DIALECT.definition(column))
    schema = pa.schema([KEY.field, column.field])
    rows = pa.table([pa.array(range(len(values)), pa.int64()), pa.array(values, ARROW[column.type])], schema=schema)
    session.write("[types_test]", (KEY, column), rows.to_batches(max_chunksize=3))
    batches = session.rows("SELECT [k], [v] FROM types_test ORDER BY [k]", (KEY, column))
    read = pa.Table.from_batches(list(batches), schema)
    assert read.to_pydict() == rows.to_pydict()
    assert row_hash(read, ["k", "v"]).equals(row_hash(rows, ["k", "v"]))
    return read


def test_every_logical_type_has_a_stored_type_and_none_loses_anything() -> None:
    assert list(TYPES) == list(LogicalType) == list(VALUES)
    assert not [kind for kind, stored in TYPES.items() if stored.loss]


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_nullable_column_come_back_bit_by_bit_and_null_as_null(
    session: "Session", kind: LogicalType
) -> None:
    read = written_and_read(session, Column("v", kind), [None, *VALUES[kind], None])
    assert read["v"].null_count == 2


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_column_without_null_come_back_bit_by_bit(session: "Session", kind: LogicalType) -> None:
    values = [value for value in VALUES[kind] if kind is not T.TEXT or len(value) <= 400]
    written_and_read(session, Column("v", kind, nullable=False), values)


@pytest.mark.parametrize("kind", LogicalType)
def test_a_null_in_a_column_without_null_is_an_error_and_never_a_default(session: "Session", kind: LogicalType) -> None:
    from resources.mssql.session import DRIVER_ERRORS

    column = Column("v", kind, nullable=False)
    create(session, DIALECT.definition(column))
    rows = pa.table({"k": pa.array([1], pa.int64()), "v": pa.nulls(1, ARROW[kind])})
    with pytest.raises(DRIVER_ERRORS, match=r"(?i)null"):
        session.write("[types_test]", (KEY, column), rows.to_batches())
    assert session.value("SELECT COUNT(*) FROM types_test") == 0


@pytest.mark.parametrize("ddl", OTHERS)
def test_hard_values_of_other_types_of_the_server_come_back_bit_by_bit(session: "Session", ddl: str) -> None:
    values = OTHERS[ddl]
    if BIN2_UTF8 in ddl and session.writer.name == "bulkcopy":
        pytest.skip(WINDOWS_1252)
    create(session, f"[v] {ddl} NULL")
    rows = pa.table({"k": pa.array(range(len(values)), pa.int64()), "v": values})
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
    session.writer.write(session, "[types_test]", reader)
    with session.arrow.cursor() as cursor:
        cursor.execute("SELECT [v] FROM types_test ORDER BY [k]")
        read = cursor.arrow().column("v").cast(values.type).combine_chunks()
    assert read.equals(values)
    if pa.types.is_floating(values.type):
        size = 4 * (len(values) - 1)
        assert read.buffers()[1].to_pybytes()[:size] == values.buffers()[1].to_pybytes()[:size]


SHORTER: dict[str, tuple[Any, Any]] = {
    "CHAR(3)": ("a", "a  "),
    f"CHAR(3) {BIN2_UTF8}": ("é", "é "),
    "NCHAR(3)": ("👍", "👍 "),
    "BINARY(3)": (b"a", b"a\0\0"),
    "TIME(0)": (time(23, 59, 59, 700000), time(0)),
    "TIME(3)": (time(23, 59, 59, 999400), time(23, 59, 59, 999000)),
    "DATETIME2(0)": (datetime(2026, 12, 31, 23, 59, 59, 700000), datetime(2027, 1, 1)),
}
CUT = {"TIME(0)": time(23, 59, 59), "DATETIME2(0)": datetime(2026, 12, 31, 23, 59, 59)}
"""What mssql-python's bulk copy makes of them itself: it cuts to the column's digits before it sends."""


@pytest.mark.parametrize("ddl", SHORTER)
def test_a_value_shorter_or_finer_than_its_column_comes_back_filled_up_or_rounded(session: "Session", ddl: str) -> None:
    if BIN2_UTF8 in ddl and session.writer.name == "bulkcopy":
        pytest.skip(WINDOWS_1252)
    given, kept = SHORTER[ddl]
    if session.writer.name == "bulkcopy":
        kept = CUT.get(ddl, kept)
    create(session, f"[v] {ddl} NULL")
    rows = pa.table({"k": pa.array([1, 2], pa.int64()), "v": pa.array([given, None])})
    session.writer.write(session, "[types_test]", pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches()))
    with session.arrow.cursor() as cursor:
        cursor.execute("SELECT [v] FROM types_test ORDER BY [k]")
        assert cursor.arrow().column("v").to_pylist() == [kept, None]


INSTANTS = {
    "2026-01-02 00:30:00.123456 +02:00": datetime(2026, 1, 1, 22, 30, 0, 123456, UTC),
    "2025-12-31 20:00:00 -14:00": datetime(2026, 1, 1, 10, tzinfo=UTC),
    "0001-01-01 14:00:00 +14:00": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31 09:59:59.999999 -14:00": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    "2026-03-29 02:30:00 +05:45": datetime(2026, 3, 28, 20, 45, tzinfo=UTC),
}


@pytest.mark.parametrize("text", INSTANTS)
def test_an_instant_with_another_offset_than_zero_comes_back_as_the_same_instant(session: "Session", text: str) -> None:
    create(session, "[v] DATETIMEOFFSET(6) NULL")
    session.execute(f"INSERT INTO types_test VALUES (1, '{text}'), (2, CAST('{text}' AS DATETIMEOFFSET(6))), (3, NULL)")
    column = Column("v", T.INSTANT)
    read = pa.Table.from_batches(list(session.rows("SELECT [k], [v] FROM types_test ORDER BY [k]", (KEY, column))))
    assert read["v"].to_pylist() == [INSTANTS[text], INSTANTS[text], None]


def test_the_endpoint_names_the_types_that_it_lacks_in_the_words_of_its_refusal(session: "Session") -> None:
    import pyodbc

    from resources.mssql.server_types import OFFSET, SERVER_TYPES

    lacks = dict(session.endpoint.lacks)
    assert lacks.pop(OFFSET) == "the instant is kept, the offset is shown as +00:00"
    assert {"GEOGRAPHY", "ROWVERSION", "SWITCH PARTITION"} <= lacks.keys() <= {*SERVER_TYPES, "SWITCH PARTITION"}
    assert not {"MONEY", "XML", "DATETIME"} & lacks.keys()
    assert lacks.pop("TIME(7)") == "10:00:00.1234567 becomes 10:00:00.1234570"
    assert "1234567 becomes" in lacks.pop("DATETIME2(7)")
    assert "1234567 +00:00 becomes" in lacks.pop("DATETIMEOFFSET(7)")
    for name in lacks.keys() & set(SERVER_TYPES):
        with pytest.raises(pyodbc.Error) as refusal:
            create(session, f"[v] {name}")
        assert lacks[name].removesuffix(" (102)") in str(refusal.value)
    assert session.names("SELECT name FROM sys.tables WHERE name LIKE '%offered%'") == []


def test_texts_that_differ_by_case_accent_or_trailing_blanks_are_different_keys(session: "Session") -> None:
    texts = ["a", "A", "á", "a ", "a  ", ""]
    create(session, DIALECT.definition(Column("v", T.TEXT, nullable=False)))
    rows = pa.table({"k": pa.array(range(len(texts)), pa.int64()), "v": texts})
    session.write("[types_test]", (KEY, Column("v", T.TEXT, nullable=False)), rows.to_batches())
    pairs = f"SELECT COUNT(*) FROM types_test AS o JOIN types_test AS t ON {DIALECT.same(('v',))}"
    assert session.value(pairs) == len(texts)


def test_a_text_that_does_not_fit_is_refused_and_never_cut(session: "Session") -> None:
    from resources.mssql.session import DRIVER_ERRORS

    column = Column("v", T.TEXT, nullable=False)
    create(session, DIALECT.definition(column))
    rows = pa.table({"k": pa.array([1], pa.int64()), "v": ["x" * 401]})
    with pytest.raises(DRIVER_ERRORS):
        session.write("[types_test]", (KEY, column), rows.to_batches())
    assert session.value("SELECT COUNT(*) FROM types_test") == 0


def test_what_a_failed_load_held_is_freed_with_its_error_and_never_inside_the_next_load(session: "Session") -> None:
    from resources.mssql.session import DRIVER_ERRORS

    create(session, DIALECT.definition(Column("v", T.DATE)))
    rows = pa.table({"k": pa.array([1, None], pa.int64()), "v": pa.nulls(2, pa.date32())})
    with pytest.raises(DRIVER_ERRORS) as error:
        session.write("[types_test]", (KEY, Column("v", T.DATE)), rows.to_batches())
    error.value.args = (error,)  # a cycle, as errors that are kept often are in one
    del error

    def chunks() -> Iterator[pa.RecordBatch]:
        gc.collect()  # where the driver pulls rows: a connection freed here makes mssql-python panic
        yield from rows.slice(0, 1).to_batches()

    assert session.write("[types_test]", (KEY, Column("v", T.DATE)), chunks()) == 1
