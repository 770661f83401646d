"""A datetimeoffset keeps its instant and not its offset: what would depend on the offset is refused, never guessed."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from tsql_local import Client, parameter

from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, SqlError, SqlType

INSTANT = datetime(2026, 1, 1, 22, 30, tzinfo=UTC)
ELSEWHERE = "CAST('2026-01-02 00:30:00 +02:00' AS DATETIMEOFFSET(3))"
ZERO = "CAST('2026-01-01 22:30:00 +00:00' AS DATETIMEOFFSET(3))"


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    tsql.run(f"CREATE TABLE {schema}.t (o DATETIMEOFFSET(3)); INSERT INTO {schema}.t VALUES ({ELSEWHERE})")
    return f"{schema}.t"


@pytest.mark.parametrize(
    "expression",
    [
        "CAST({} AS DATE)",
        "CONVERT(DATETIME2(3), {})",
        "TRY_CAST({} AS TIME)",
        "CAST({} AS DATETIME)",
        "CAST({} AS NVARCHAR(40))",
        "CONVERT(VARCHAR(40), {}, 126)",
        "DATEPART(hour, {})",
        "DATENAME(weekday, {})",
        "YEAR({})",
        "EOMONTH({})",
        "DATETRUNC(day, {})",
        "DATEADD(month, 1, {})",
        "CONCAT('at ', {})",
    ],
)
def test_what_depends_on_an_offset_is_refused_unless_it_is_known_to_be_zero(
    tsql: Client, t: str, expression: str
) -> None:
    for given in ("o", ELSEWHERE, "MAX(o)"):
        said = tsql.refuses(102, f"SELECT {expression.format(given)} FROM {t}")
        assert "offset is not kept" in said
    zero = tsql.rows(f"SELECT {expression.format(ZERO)}")
    for same in ("SWITCHOFFSET(o, '+00:00')", "o AT TIME ZONE 'UTC'"):
        assert tsql.rows(f"SELECT {expression.format(same)} FROM {t}") == zero
    for other in ("SYSDATETIMEOFFSET()", "CAST(CAST('2026-01-01' AS DATE) AS DATETIMEOFFSET)"):
        assert tsql.rows(f"SELECT {expression.format(other)}")


RIGHT: list[tuple[str, Any]] = [
    ("o", INSTANT),
    ("CAST(o AS DATETIMEOFFSET(0))", INSTANT),
    ("CONVERT(VARCHAR(40), o, 127)", "2026-01-01T22:30:00.000Z"),
    ("DATEADD(day, 1, o)", INSTANT.replace(day=2)),
    (f"DATEDIFF(minute, o, {ZERO})", 0),
    ("CASE WHEN o = CAST('2026-01-01 22:30' AS DATETIME2(0)) THEN 1 ELSE 0 END", 1),
    ("CASE WHEN o = '2026-01-02 01:30 +03:00' THEN 1 ELSE 0 END", 1),
    ("CAST(SWITCHOFFSET(o, '+00:00') AS DATE)", date(2026, 1, 1)),
]


@pytest.mark.parametrize(("expression", "value"), RIGHT)
def test_what_depends_on_the_instant_alone_is_right(tsql: Client, t: str, expression: str, value: Any) -> None:
    assert tsql.value(f"SELECT {expression} FROM {t}") == value


@pytest.mark.parametrize("type_", ["DATE", "DATETIME2(3)", "DATETIME", "TIME(0)", "VARCHAR(40)"])
def test_a_column_without_an_offset_takes_none_by_any_way_in(tsql: Client, schema: str, t: str, type_: str) -> None:
    u = f"{schema}.u"
    tsql.run(f"CREATE TABLE {u} (v {type_}); INSERT INTO {u} VALUES (NULL)")
    for statement in (
        f"INSERT INTO {u} SELECT o FROM {t}",
        f"INSERT INTO {u} VALUES ({ELSEWHERE})",
        f"UPDATE {u} SET v = {ELSEWHERE}",
        f"MERGE {u} AS u USING {t} AS t ON 1 = 1 WHEN MATCHED THEN UPDATE SET v = t.o;",
    ):
        assert "offset is not kept" in tsql.refuses(102, statement)
    at_two = INSTANT.astimezone(timezone(timedelta(hours=2)))
    tsql.refuses(102, f"INSERT INTO {u} VALUES (@o)", parameter("@o", at_two, Kind.DATETIMEOFFSET, scale=3))
    asked = [ResultColumn("v", SqlType(Kind.DATETIMEOFFSET, scale=3))]
    batch = pa.record_batch([pa.array([INSTANT], asked[0].type.arrow)], ["v"])
    with pytest.raises(SqlError, match="offset is not kept"):
        tsql.session.bulk_insert(u, asked, [batch])
    tsql.run(f"INSERT INTO {u} SELECT SWITCHOFFSET(o, '+00:00') FROM {t}; INSERT INTO {u} VALUES ({ZERO})")
    assert tsql.value(f"SELECT COUNT(DISTINCT v) FROM {u}") == 1


def test_a_parameter_at_offset_zero_is_known_to_be_that_until_it_is_set_anew(tsql: Client, schema: str, t: str) -> None:
    u = f"{schema}.u"
    zero = parameter("@o", INSTANT, Kind.DATETIMEOFFSET, scale=3)
    at_two = parameter("@o", INSTANT.astimezone(timezone(timedelta(hours=2))), Kind.DATETIMEOFFSET, scale=3)
    none = parameter("@o", None, Kind.DATETIMEOFFSET, scale=3)
    tsql.run(f"CREATE TABLE {u} (v DATETIME2(3))")
    insert = f"INSERT INTO {u} VALUES (@o)"
    for given in (zero, none):
        tsql.run(insert, given)
    tsql.refuses(102, insert, at_two)
    for anew in (f"SET @o = {ELSEWHERE}", f"SELECT @o = o FROM {t}"):
        tsql.refuses(102, f"{anew}; {insert}", zero)
    assert tsql.rows(f"SELECT v FROM {u} ORDER BY v") == [(None,), (INSTANT.replace(tzinfo=None),)]


def test_a_column_of_text_takes_times_and_money_as_a_conversion_writes_them(tsql: Client, schema: str) -> None:
    u = f"{schema}.u"
    tsql.run(f"CREATE TABLE {u} (v VARCHAR(40)); INSERT INTO {u} VALUES (CAST('2026-01-02 10:00' AS DATETIME))")
    tsql.run(f"INSERT INTO {u} SELECT CAST(1.005 AS MONEY); INSERT INTO {u} SELECT CAST('10:00' AS TIME(1))")
    assert sorted(tsql.rows(f"SELECT v FROM {u}")) == [("1.01",), ("10:00:00.0",), ("Jan  2 2026 10:00AM",)]
