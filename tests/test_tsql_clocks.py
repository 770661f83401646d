"""Times of day and moments in fewer digits than they come with; bytes of one size.

SQL Server rounds a time of day at the end of its day to midnight, and carries a datetime2 into the next day.
"""

from datetime import UTC, datetime, time
from typing import Any

import pyarrow as pa
import pytest
from tsql_local import Client, columns, parameter

from resources.endpoints.mssql_emulator.engine import Kind, SqlError

LAST = time(23, 59, 59, 999999)
NEXT = datetime(2026, 1, 2)
ROUNDED: list[tuple[str, Any]] = [
    ("CAST('23:59:59.7' AS TIME(0))", time(0)),
    ("CAST('23:59:59.4' AS TIME(0))", time(23, 59, 59)),
    ("CAST('10:00:00.4999999' AS TIME(0))", time(10)),
    ("CAST('23:59:59.9999999' AS TIME(6))", time(0)),
    ("CAST('23:59:59.9999999' AS TIME(7))", LAST),
    ("CAST(CAST('23:59:59.96' AS TIME(2)) AS TIME(1))", time(0)),
    ("CAST(CAST('2026-01-01 23:59:59.7' AS DATETIME2(3)) AS TIME(0))", time(0)),
    ("CAST(CAST('2026-01-01 23:59:59.997' AS DATETIME) AS TIME(2))", time(0)),
    ("CAST('2026-01-01 23:59:59.7' AS DATETIME2(0))", NEXT),
    ("CAST(CAST('2026-01-01 23:59:59.7' AS DATETIME2(3)) AS DATETIME2(0))", NEXT),
    ("CAST('2026-01-01 23:59:59.9999999' AS DATETIME2(7))", datetime(2026, 1, 1, 23, 59, 59, 999999)),
    ("CAST('9999-12-31 23:59:59.9999999' AS DATETIME2)", datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("CAST('2026-01-01 23:59:59.7+00:00' AS DATETIMEOFFSET(0))", NEXT.replace(tzinfo=UTC)),
    ("DATEADD(millisecond, 700, CAST('23:59:59' AS TIME(0)))", time(0)),
    ("TRY_CAST('23:59:59.7' AS TIME(0))", time(0)),
]


@pytest.mark.parametrize(("expression", "value"), ROUNDED)
def test_a_moment_is_rounded_once_and_a_time_of_day_goes_on_at_midnight(
    tsql: Client, expression: str, value: Any
) -> None:
    assert tsql.value(f"SELECT {expression}") == value


@pytest.mark.parametrize("text", ["24:00:00", "23:59:60", "2026-01-01 24:00:00", "2026-01-01T23:59:60.5"])
def test_no_day_has_a_24th_hour_and_no_minute_a_60th_second(tsql: Client, schema: str, text: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (a TIME(3), b DATETIME2(3))")
    for type_, number in (("TIME(0)", 241), ("TIME", 241), ("DATETIME2(0)", 241), ("DATETIME", 242)):
        tsql.refuses(number, f"SELECT CAST('{text}' AS {type_})")
    tsql.refuses(241, f"INSERT INTO {schema}.t (a) VALUES ('{text}')")
    tsql.refuses(241, f"INSERT INTO {schema}.t (b) VALUES ('{text}')")


@pytest.mark.parametrize("type_", ["DATE", "DATETIME", "SMALLDATETIME", "DATETIME2(3)", "DATETIMEOFFSET(3)"])
@pytest.mark.parametrize("text", ["yesterday", "Now", "infinity", "-infinity", "epoch"])
def test_words_of_postgresql_are_no_dates(tsql: Client, schema: str, type_: str, text: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (v {type_}); INSERT INTO {schema}.t VALUES ('Jan 5 2026'), ('2026-01-05')")
    assert tsql.value(f"SELECT COUNT(DISTINCT v) FROM {schema}.t") == 1
    number = 295 if type_ == "SMALLDATETIME" else 241
    tsql.refuses(number, f"INSERT INTO {schema}.t VALUES ('{text}')")
    tsql.refuses(number, f"UPDATE {schema}.t SET v = '{text}'")
    tsql.refuses(number, f"SELECT CAST('{text}' AS {type_})")


@pytest.mark.parametrize(
    ("type_", "kept"),
    [("TIME(0)", time(0)), ("TIME(3)", time(0)), ("TIME(6)", LAST), ("TIME(7)", LAST), ("DATETIME2(0)", NEXT)],
)
def test_a_column_rounds_what_it_gets_by_every_way_in(tsql: Client, schema: str, type_: str, kept: Any) -> None:
    t, given = f"{schema}.t", "23:59:59.9999990"
    day = "" if type_.startswith("TIME") else "2026-01-01 "
    kind = Kind.TIME if type_.startswith("TIME") else Kind.DATETIME2
    tsql.run(f"CREATE TABLE {t} (id INT, v {type_} DEFAULT '{day}{given}')")
    tsql.run(f"INSERT INTO {t} VALUES (1, '{day}{given}')")
    tsql.run(f"INSERT INTO {t} VALUES (2, CAST('{day}{given}' AS {kind}(6)))")
    tsql.run(f"INSERT INTO {t} (id) VALUES (3); INSERT INTO {t} SELECT 4, '{day}{given}'")
    tsql.run(f"INSERT INTO {t} VALUES (5, NULL); UPDATE {t} SET v = '{day}{given}' WHERE id = 5")
    moment = datetime(2026, 1, 1, 23, 59, 59, 999999)
    value = moment.time() if kind is Kind.TIME else moment
    tsql.run(f"INSERT INTO {t} VALUES (6, @v)", parameter("@v", value, kind, scale=7))
    scale = columns(tsql, t, ["v"])[0].type.scale
    tsql.run(f"INSERT INTO {t} VALUES (7, @v)", parameter("@v", value, kind, scale=scale))
    asked = columns(tsql, t, ["id", "v"])
    arrays = [pa.array([8, 9], pa.int32()), pa.array([value, None], asked[1].type.arrow)]
    tsql.session.bulk_insert(t, asked, [pa.record_batch(arrays, ["id", "v"])])
    assert tsql.rows(f"SELECT v FROM {t} ORDER BY id") == [*[(kept,)] * 8, (None,)]


def test_bytes_of_one_size_are_filled_up_with_zeros_by_every_way_in(tsql: Client, schema: str) -> None:
    t = f"{schema}.t"
    tsql.run(f"CREATE TABLE {t} (id INT, v BINARY(3) DEFAULT 0x61)")
    tsql.run(f"INSERT INTO {t} VALUES (1, 0x61); INSERT INTO {t} (id) VALUES (2); INSERT INTO {t} SELECT 3, 0x61")
    tsql.run(f"INSERT INTO {t} VALUES (4, 0x); UPDATE {t} SET v = CAST(0x61 AS VARBINARY(8)) WHERE id = 4")
    tsql.run(f"INSERT INTO {t} VALUES (5, @v)", parameter("@v", b"a", Kind.VARBINARY, 8000))
    assert tsql.value("SELECT @v", parameter("@v", b"a", Kind.BINARY, 3)) == b"a\0\0"
    assert tsql.value("SELECT @v", parameter("@v", b"abcd", Kind.VARBINARY, 3)) == b"abc"
    asked = columns(tsql, t, ["id", "v"])
    batch = pa.record_batch([pa.array([6, 7], pa.int32()), pa.array([b"a", None])], ["id", "v"])
    tsql.session.bulk_insert(t, asked, [batch])
    assert tsql.rows(f"SELECT v FROM {t} ORDER BY id") == [*[(b"a\0\0",)] * 6, (None,)]
    tsql.refuses(8152, f"INSERT INTO {t} VALUES (8, 0x61626364)")
    with pytest.raises(SqlError) as caught:
        tsql.session.bulk_insert(t, asked, [batch.set_column(1, "v", pa.array([b"abcd", None]))])
    assert caught.value.number == 2628
