"""Rows between the engine and Arrow: every type to the bit, in both directions, in bounded batches."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsql_local import Client, client, columns

from resources.endpoints.mssql_emulator.engine import Parameter, ResultSet, SqlError
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine

HARD_TEXTS = [
    "",
    " ",
    "a  ",
    "'",
    '"',
    '""',
    ",",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "\\.",
    "\\N",
    "NULL",
    "é👍e\u0301",
    "%s",
    "\x01",
]

VALUES: dict[str, list[Any]] = {
    "BIT": [True, False],
    "TINYINT": [0, 255],
    "SMALLINT": [-32768, 32767],
    "INT": [-(2**31), 2**31 - 1],
    "BIGINT": [-(2**63), 2**63 - 1],
    "DECIMAL(38, 9)": [
        Decimal("9" * 29 + "." + "9" * 9),
        Decimal("-" + "9" * 29 + "." + "9" * 9),
        Decimal("0.000000001"),
    ],
    "DECIMAL(18, 4)": [Decimal("99999999999999.9999"), Decimal("-0.0001")],
    "MONEY": [Decimal("922337203685477.5807"), Decimal("-922337203685477.5808")],
    "REAL": [3.4028234663852886e38, -1.1754943508222875e-38, -0.0],
    "FLOAT(53)": [1.7976931348623157e308, 5e-324, -0.0, 0.1, 1 / 3],
    "DATE": [date(1, 1, 1), date(9999, 12, 31)],
    "TIME(6)": [time(0), time(23, 59, 59, 999999), time(1, 2, 3, 100000)],
    "DATETIME": [datetime(1753, 1, 1), datetime(9999, 12, 31, 23, 59, 59)],
    "SMALLDATETIME": [datetime(2026, 1, 1, 10, 30)],
    "DATETIME2(6)": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(2026, 1, 1, 0, 0, 0, 1)],
    "DATETIMEOFFSET(6)": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    ],
    "UNIQUEIDENTIFIER": [uuid.UUID(int=0).bytes, uuid.UUID(int=2**128 - 1).bytes, uuid.UUID(int=1 << 100).bytes],
    "CHAR(3)": ["abc", "   "],
    "VARCHAR(10)": ["", "0123456789", "üüüüü"],
    "NCHAR(3)": ["abc", "üü "],
    "NVARCHAR(10)": ["", "👍👍👍👍👍"],
    "NVARCHAR(MAX)": [*HARD_TEXTS, "x" * 100_000],
    "BINARY(2)": [b"\0\0", b"\xff\xff"],
    "VARBINARY(4)": [b"", b"\0", b"\xff\xff\xff\xff"],
    "VARBINARY(MAX)": [b"", bytes(range(256)), b"x" * 100_000],
    "XML": ["<a>é</a>"],
}


@pytest.mark.parametrize("type_", VALUES)
def test_a_value_comes_back_to_the_bit_from_a_bulk_load_and_from_a_parameter(
    tsql: Client, schema: str, type_: str
) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT NOT NULL, v {type_} NULL)")
    asked = columns(tsql, f"[{schema}].t", ["id", "v"])
    values = [*VALUES[type_], None]
    batch = pa.record_batch(
        [pa.array(range(len(values)), pa.int32()), pa.array(values, asked[1].type.arrow)], names=["id", "v"]
    )
    assert tsql.session.bulk_insert(f"{schema}.t", asked, [batch]) == len(values)
    assert _table(tsql, f"SELECT id, v FROM {schema}.t ORDER BY id").equals(pa.Table.from_batches([batch]))
    assert [column.type for column in tsql.session.columns(f"{schema}.t", ["v"])] == [asked[1].type]
    tsql.run(f"TRUNCATE TABLE {schema}.t")
    for place, value in enumerate(values):
        tsql.run(f"INSERT INTO {schema}.t VALUES ({place}, @v)", Parameter("@v", asked[1].type, value))
    assert _table(tsql, f"SELECT id, v FROM {schema}.t ORDER BY id").equals(pa.Table.from_batches([batch]))


def _table(tsql: Client, query: str) -> pa.Table:
    [outcome] = [
        pa.Table.from_batches(list(found.batches), pa.schema([(c.name, c.type.arrow) for c in found.columns]))
        for found in tsql.session.execute(query)
        if isinstance(found, ResultSet)
    ]
    return outcome


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20),
            st.none() | st.binary(max_size=20),
            st.none() | st.decimals(-(10**15), 10**15, places=4),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),
            st.none() | st.uuids().map(lambda found: found.bytes),
            st.none() | st.booleans(),
        ),
        max_size=20,
    )
)
def test_any_rows_come_back_as_they_were_loaded(mssql_engine: PostgresEngine, rows: list[tuple[Any, ...]]) -> None:
    tsql = client(mssql_engine)
    try:
        tsql.run(
            "CREATE TABLE #r (i INT, a NVARCHAR(MAX), b VARBINARY(MAX), c DECIMAL(38, 9), d FLOAT, e DATETIME2(6), "
            "f UNIQUEIDENTIFIER, g BIT)"
        )
        asked = columns(tsql, "#r", list("iabcdefg"))
        arrays = [
            pa.array([row[place - 1] if place else n for n, row in enumerate(rows)], asked[place].type.arrow)
            for place in range(8)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=list("iabcdefg"))
        # a slice of a longer batch, whose buffers do not begin where its rows do
        padded = pa.concat_batches(
            [pa.RecordBatch.from_arrays([pa.nulls(3, a.type) for a in arrays], names=list("iabcdefg")), batch]
        )
        assert tsql.session.bulk_insert("#r", asked, [padded.slice(3)]) == len(rows)
        assert _table(tsql, "SELECT * FROM #r ORDER BY i").equals(pa.Table.from_batches([batch]))
    finally:
        tsql.session.close()


REFUSED = [
    ("NVARCHAR(3)", "abcd", 2628),
    ("NVARCHAR(3)", "👍👍", 2628),
    ("VARCHAR(3)", "üü", 2628),
    ("BINARY(2)", b"\0\0\0", 2628),
    ("DECIMAL(18, 4)", None, 515),
    ("FLOAT", float("nan"), 8115),
    ("FLOAT", float("inf"), 8115),
]


@pytest.mark.parametrize(("type_", "value", "number"), REFUSED)
def test_a_bulk_load_refuses_what_a_column_cannot_hold_and_leaves_nothing(
    tsql: Client, schema: str, type_: str, value: Any, number: int
) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (v {type_} NOT NULL)")
    asked = columns(tsql, f"{schema}.t", ["v"])
    good = {"NVARCHAR(3)": "abc", "VARCHAR(3)": "abc", "BINARY(2)": b"ab", "DECIMAL(18, 4)": 1, "FLOAT": 1.0}[type_]
    batches = [pa.record_batch([pa.array([cell], asked[0].type.arrow)], names=["v"]) for cell in (good, value)]
    with pytest.raises(SqlError) as caught:
        tsql.session.bulk_insert(f"{schema}.t", asked, batches)
    assert caught.value.number == number
    assert number in (8115,) or "'v'" in str(caught.value)
    assert tsql.value(f"SELECT COUNT(*) FROM {schema}.t") == 0


def test_a_bulk_load_is_part_of_the_transaction(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (n INT); BEGIN TRAN; INSERT INTO {schema}.t VALUES (1)")
    asked = columns(tsql, f"{schema}.t", ["n"])
    tsql.session.bulk_insert(f"{schema}.t", asked, [pa.record_batch([pa.array([2], pa.int32())], names=["n"])])
    assert tsql.value(f"SELECT COUNT(*) FROM {schema}.t") == 2
    tsql.session.rollback()
    assert tsql.value(f"SELECT COUNT(*) FROM {schema}.t") == 0


def test_a_bulk_load_wants_a_table_and_columns_that_are_there(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (n INT)")
    for table, names, number in [(f"{schema}.nope", ["n"], 208), (f"{schema}.t", ["m"], 207)]:
        with pytest.raises(SqlError) as caught:
            tsql.session.columns(table, names)
        assert caught.value.number == number


def test_rows_stream_in_bounded_batches(tsql: Client) -> None:
    query = (
        "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 120000) SELECT n, REPLICATE('x', 100) FROM c "
        "OPTION (MAXRECURSION 0)"
    )
    sizes = [
        batch.num_rows
        for found in tsql.session.execute(query)
        if isinstance(found, ResultSet)
        for batch in found.batches
    ]
    assert sum(sizes) == 120_000
    assert max(sizes) <= 50_000
    assert tsql.value("SELECT @@ROWCOUNT") == 120_000


def test_rows_that_nobody_reads_do_not_block_what_follows(tsql: Client) -> None:
    outcomes = tsql.session.execute("SELECT 1; SELECT 2")
    next(outcomes)
    second = next(outcomes)
    assert isinstance(second, ResultSet)
    assert next(iter(second.batches)).column(0).to_pylist() == [2]
    outcomes.close()
    assert tsql.value("SELECT 3") == 3


def test_format_only_describes_and_returns_no_rows(tsql: Client) -> None:
    tsql.run("SET FMTONLY ON; SELECT CAST(1 AS BIGINT) AS n; SET FMTONLY OFF")
    [(described, rows)] = tsql.results
    assert ([column.name for column in described], rows) == (["n"], [])


def test_a_column_of_a_table_reports_its_declared_type_through_joins_and_subqueries(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (a VARCHAR(7), b DATETIME2(3), c DECIMAL(9, 2), d BIT, e TINYINT NOT NULL)")
    query = (
        f"WITH w AS (SELECT * FROM {schema}.t) SELECT q.a, x.b, q.c, q.d, q.e FROM w AS q LEFT JOIN "
        f"{schema}.t AS x ON 1 = 1"
    )
    assert tsql.types(query) == ["varchar(7)", "datetime2(3)", "decimal(9,2)", "bit", "tinyint"]
    assert tsql.types(f"SELECT * FROM {schema}.t") == ["varchar(7)", "datetime2(3)", "decimal(9,2)", "bit", "tinyint"]


def test_a_day_of_values_in_every_precision_of_a_second(tsql: Client) -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 123456)
    for digits in range(7):
        rounded = moment.replace(microsecond=0) + timedelta(microseconds=round(123456, digits - 6))
        assert tsql.value(f"SELECT CAST('2026-01-01T12:00:00.123456' AS DATETIME2({digits}))") == rounded
