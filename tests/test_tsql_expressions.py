"""What expressions of T-SQL come to: value and type, side by side with the text."""

import hashlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsql_local import Client, client, parameter

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.scope import Piece

VALUES: list[tuple[str, Any, str]] = [
    ("1", 1, "int"),
    ("3000000000", 3000000000, "decimal(10,0)"),
    ("1.50", Decimal("1.50"), "decimal(3,2)"),
    ("1e2", 100.0, "float"),
    ("'a'", "a", "varchar(1)"),
    ("N'ü''x'", "ü'x", "nvarchar(3)"),
    ("'50%'", "50%", "varchar(3)"),
    ("0x00FF", b"\x00\xff", "varbinary(2)"),
    ("0x", b"", "varbinary(1)"),
    ("1 + 2 * 3", 7, "int"),
    ("7 / 2", 3, "int"),
    ("-7 % 3", -1, "int"),
    ("2.0 / 3", Decimal("0.666666"), "decimal(7,6)"),  # a written whole number has the digits that are written
    ("-1.0 / (3)", Decimal("-0.333333"), "decimal(7,6)"),
    ("1.0 / (1.0 / 60.0)", Decimal("60.0024000960"), "decimal(17,10)"),
    ("1.0 / CAST(3 AS INT)", Decimal("0.333333333333"), "decimal(13,12)"),
    ("CAST(2 AS DECIMAL(10, 2)) * 3", Decimal("6.00"), "decimal(12,2)"),
    ("1 & 3", 1, "int"),
    ("1 | 2", 3, "int"),
    ("3 ^ 1", 2, "int"),
    ("'a' + 'b'", "ab", "varchar(2)"),
    ("'a ' + N'b'", "a b", "nvarchar(3)"),
    ("'a' + NULL", None, "varchar(1)"),
    ("'1' + 2", 3, "int"),
    ("CAST(1.9 AS INT)", 1, "int"),
    ("CAST(-1.9 AS INT)", -1, "int"),
    ("CAST(' 12 ' AS INT)", 12, "int"),
    ("CAST(5 AS BIT)", True, "bit"),
    ("CAST('false' AS BIT)", False, "bit"),
    ("CAST(255 AS TINYINT)", 255, "tinyint"),
    ("CAST(1.255 AS DECIMAL(5, 2))", Decimal("1.26"), "decimal(5,2)"),
    ("CAST(0.1 AS REAL)", pytest.approx(0.1), "real"),
    ("CAST(0.1 AS FLOAT(53))", 0.1, "float"),
    ("CAST(12.345 AS MONEY)", Decimal("12.3450"), "money"),
    ("CAST('abcdef' AS VARCHAR(3))", "abc", "varchar(3)"),
    ("CAST('ab' AS CHAR(4))", "ab  ", "char(4)"),
    ("CAST(12 AS VARCHAR)", "12", "varchar(30)"),
    ("CAST(1234567.891 AS FLOAT)", 1234567.891, "float"),
    ("CAST(CAST(1234567.891 AS FLOAT) AS VARCHAR(30))", "1.23457e+006", "varchar(30)"),
    ("CAST(N'ab' AS VARBINARY(10))", b"a\0b\0", "varbinary(10)"),
    ("CAST(1 AS VARBINARY(4))", b"\0\0\0\x01", "varbinary(4)"),
    ("CAST(0xAB AS BINARY(3))", b"\xab\0\0", "binary(3)"),
    ("CONVERT(VARCHAR(20), 0x00AB, 1)", "0x00AB", "varchar(20)"),
    ("CONVERT(VARCHAR(20), 0x00AB, 2)", "00AB", "varchar(20)"),
    ("CONVERT(VARBINARY(8), '00ab', 2)", b"\x00\xab", "varbinary(8)"),
    ("CONVERT(VARBINARY(8), '0x00ab', 1)", b"\x00\xab", "varbinary(8)"),
    ("CAST('2026-03-01' AS DATE)", date(2026, 3, 1), "date"),
    ("CONVERT(DATE, '20260301', 112)", date(2026, 3, 1), "date"),
    ("CONVERT(DATE, '01/03/2026', 103)", date(2026, 3, 1), "date"),
    ("CAST('2026-03-01T12:13:14.123456' AS DATETIME2(6))", datetime(2026, 3, 1, 12, 13, 14, 123456), "datetime2(6)"),
    ("CAST('2026-03-01T12:13:14.126' AS DATETIME)", datetime(2026, 3, 1, 12, 13, 14, 127000), "datetime"),
    (
        "CAST('2026-03-01T12:00:00.000001+02:00' AS DATETIMEOFFSET(6))",
        datetime(2026, 3, 1, 10, 0, 0, 1, tzinfo=UTC),
        "datetimeoffset(6)",
    ),
    ("CAST('12:13:14.5' AS TIME(3))", time(12, 13, 14, 500000), "time(3)"),
    (
        "CONVERT(VARCHAR(30), CAST('2026-03-01 12:13:14.5' AS DATETIME2(3)), 121)",
        "2026-03-01 12:13:14.500",
        "varchar(30)",
    ),
    (
        "CONVERT(VARCHAR(30), CAST('2026-03-01 12:13:14.5' AS DATETIME2(7)), 126)",
        "2026-03-01T12:13:14.5000000",
        "varchar(30)",
    ),
    ("CONVERT(VARCHAR(30), CAST('2026-03-01 12:13:14.5' AS DATETIME2(3)), 120)", "2026-03-01 12:13:14", "varchar(30)"),
    ("CONVERT(VARCHAR(30), CAST('2026-03-01 12:13:14' AS DATETIME))", "Mar  1 2026 12:13PM", "varchar(30)"),
    ("CONVERT(CHAR(8), CAST('2026-03-01' AS DATE), 112)", "20260301", "char(8)"),
    ("CONVERT(DATETIME, '01/03/2026 10:11:12', 103)", datetime(2026, 3, 1, 10, 11, 12), "datetime"),
    ("CONVERT(DATETIME2(0), '1.3.2026 10:11', 104)", datetime(2026, 3, 1, 10, 11), "datetime2(0)"),
    ("CONVERT(DATE, '03/01/2026', 101)", date(2026, 3, 1), "date"),
    ("CONVERT(DATE, '2026.03.01', 102)", date(2026, 3, 1), "date"),
    ("TRY_CONVERT(DATE, '31/31/2026', 103)", None, "date"),
    ("CAST('Mar 1 2026' AS DATE)", date(2026, 3, 1), "date"),
    ("CAST('3/1/2026' AS DATE)", date(2026, 3, 1), "date"),
    ("CAST('2026' AS DATE)", date(2026, 1, 1), "date"),
    ("TRY_CAST('10:11' AS TIME(0))", time(10, 11), "time(0)"),
    ("CAST('10:11 PM' AS DATETIME)", datetime(1900, 1, 1, 22, 11), "datetime"),
    ("CAST('' AS DATE)", date(1900, 1, 1), "date"),
    ("TRY_CAST(' ' AS DATETIME)", datetime(1900, 1, 1), "datetime"),
    ("CAST('' AS INT)", 0, "int"),
    ("TRY_CAST('' AS BIGINT)", 0, "bigint"),
    ("TRY_CAST('' AS FLOAT)", 0.0, "float"),
    ("ISNULL(CAST(NULL AS INT), '')", 0, "int"),
    ("TRY_CAST('$5' AS MONEY)", Decimal(5), "money"),
    ("CAST('-1,000.5' AS MONEY)", Decimal("-1000.5"), "money"),
    ("CAST(CAST(2.5 AS MONEY) AS INT)", 3, "int"),
    ("CAST(1 AS BINARY(8))", b"\0\0\0\0\0\0\0\x01", "binary(8)"),
    ("CAST(1 AS BINARY(2))", b"\0\x01", "binary(2)"),
    ("CAST(CAST(5 AS BIGINT) AS VARBINARY(3))", b"\0\0\x05", "varbinary(3)"),
    ("CAST(CAST(7 AS TINYINT) AS VARBINARY(8))", b"\x07", "varbinary(8)"),
    ("CAST('<a x=\"1\"><b/>&amp;</a>t' AS XML)", '<a x="1"><b/>&amp;</a>t', "xml"),
    ("TRY_CAST('<a' AS XML)", None, "xml"),
    ("TRY_CAST('x' AS INT)", None, "int"),
    ("TRY_CAST(99 AS DECIMAL(4, 2))", Decimal("99.00"), "decimal(4,2)"),
    ("TRY_CAST(99.995 AS DECIMAL(4, 2))", None, "decimal(4,2)"),
    ("TRY_CAST(CAST(-1.255 AS FLOAT) AS DECIMAL(3, 1))", Decimal("-1.3"), "decimal(3,1)"),
    ("TRY_CAST('0x10' AS INT)", None, "int"),
    ("TRY_CAST('12' AS INT)", 12, "int"),
    ("TRY_CAST('300' AS TINYINT)", None, "tinyint"),
    ("TRY_CAST(99999999999 AS INT)", None, "int"),
    ("TRY_CONVERT(DATE, 'tomorrow')", None, "date"),
    ("TRY_CAST('2026-02-30' AS DATE)", None, "date"),
    ("CASE WHEN 1 = 2 THEN 1 ELSE 2.5 END", Decimal("2.5"), "decimal(11,1)"),
    ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b", "varchar(1)"),
    ("IIF(1 > 2, 'a', 'bcd')", "bcd", "varchar(3)"),
    ("ISNULL(NULL, 5)", 5, "int"),
    ("ISNULL(CAST(NULL AS VARCHAR(2)), 'abc')", "ab", "varchar(2)"),
    ("COALESCE(NULL, NULL, 'x')", "x", "varchar(1)"),
    ("NULLIF('a', 'a ')", None, "varchar(1)"),
    ("LEN('ab  ')", 2, "int"),
    ("LEN(N'👍')", 1, "int"),
    ("DATALENGTH(N'👍a ')", 8, "int"),
    ("DATALENGTH('ü ')", 3, "int"),
    ("DATALENGTH(CAST(1 AS BIGINT))", 8, "int"),
    ("DATALENGTH(CAST(1 AS DECIMAL(38, 9)))", 17, "int"),
    ("DATALENGTH(CAST('2026-01-01' AS DATETIMEOFFSET(6)))", 10, "int"),
    ("DATALENGTH(NULL)", None, "int"),
    ("SUBSTRING('abcdef', 2, 3)", "bcd", "varchar(6)"),
    ("SUBSTRING('abc', 0, 2)", "a", "varchar(3)"),
    ("LEFT('abc', 2)", "ab", "varchar(3)"),
    ("RIGHT(N'abc', 2)", "bc", "nvarchar(3)"),
    ("CONCAT('a', NULL, 1, N'b')", "a1b", "nvarchar(22)"),
    ("CONCAT_WS('-', 'a', NULL, 'b')", "a-b", "varchar(4)"),
    ("CHARINDEX('b', 'abcb')", 2, "int"),
    ("CHARINDEX('b', 'abcb', 3)", 4, "int"),
    ("CHARINDEX('', 'abc')", 0, "int"),
    ("REPLACE('aXbX', 'X', '')", "ab", "varchar(8000)"),
    ("UPPER('aü ')", "AÜ ", "varchar(4)"),
    ("LTRIM('  a ') + '|'", "a |", "varchar(5)"),
    ("TRIM(' a ')", "a", "varchar(3)"),
    ("REPLICATE('ab', 2)", "abab", "varchar(8000)"),
    ("REPLICATE('ab', -1)", None, "varchar(8000)"),
    ("SPACE(2)", "  ", "varchar(8000)"),
    ("SPACE(-1)", None, "varchar(8000)"),
    ("DATALENGTH(SPACE(9000))", 8000, "int"),
    ("DATALENGTH(REPLICATE('ab', 5000))", 8000, "int"),
    ("DATALENGTH(REPLICATE('aü', 5000))", 7999, "int"),
    ("LEN(REPLICATE(N'ab', 5000))", 4000, "int"),
    ("LEN(REPLICATE(CAST('ab' AS VARCHAR(MAX)), 5000))", 10000, "int"),
    ("STUFF('abcdef', 2, 3, 'X')", "aXef", "varchar(max)"),
    ("REVERSE('abc')", "cba", "varchar(3)"),
    ("CHAR(65)", "A", "varchar(1)"),
    ("UNICODE(N'ü')", 252, "int"),
    ("PATINDEX('%b_%', 'aabc')", 3, "int"),
    ("PATINDEX('b%', 'aabc')", 0, "int"),
    ("PATINDEX('%[0-9]%', 'ab1c2')", 3, "int"),
    ("PATINDEX('%$.%', 'a$.b')", 2, "int"),
    ("CHOOSE(2, 'a', 'bc')", "bc", "varchar(2)"),
    ("CHOOSE(3, 1, 2)", None, "int"),
    ("ISNUMERIC('$1,000.5')", 1, "int"),
    ("ISNUMERIC('1e5')", 1, "int"),
    ("ISNUMERIC('')", 0, "int"),
    ("ISNUMERIC('12x')", 0, "int"),
    ("ISNUMERIC(CAST(NULL AS VARCHAR(5)))", 0, "int"),
    ("CONVERT(VARCHAR(12), CAST('2026-01-01 10:11:12.5' AS DATETIME), 114)", "10:11:12:500", "varchar(12)"),
    ("QUOTENAME('a]b')", "[a]]b]", "nvarchar(258)"),
    ("PARSENAME('[a.b].c', 2)", "a.b", "nvarchar(128)"),
    ("DATEADD(month, 1, CAST('2026-01-31' AS DATE))", date(2026, 2, 28), "date"),
    ("DATEADD(ms, 5, CAST('2026-01-31' AS DATETIME2(3)))", datetime(2026, 1, 31, 0, 0, 0, 5000), "datetime2(3)"),
    ("DATEDIFF(year, '2025-12-31', '2026-01-01')", 1, "int"),
    ("DATEDIFF(day, '2026-01-01 23:59', '2026-01-02 00:01')", 1, "int"),
    ("DATEDIFF(hour, '2026-01-01 00:59', '2026-01-01 01:01')", 1, "int"),
    ("DATEDIFF(week, '2026-11-21', '2026-11-22')", 1, "int"),
    ("DATEDIFF_BIG(microsecond, '2026-01-01', '2026-01-02')", 86400000000, "bigint"),
    ("DATEPART(weekday, '2026-11-22')", 1, "int"),
    ("DATEPART(iso_week, '2026-01-01')", 1, "int"),
    ("DATEPART(ms, CAST('2026-01-01 00:00:01.123' AS DATETIME2(3)))", 123, "int"),
    ("YEAR('2026-11-22')", 2026, "int"),
    ("DATENAME(month, '2026-11-22')", "November", "nvarchar(30)"),
    ("EOMONTH('2026-02-03', 1)", date(2026, 3, 31), "date"),
    ("DATEFROMPARTS(2026, 2, 3)", date(2026, 2, 3), "date"),
    ("DATETRUNC(month, CAST('2026-02-03' AS DATE))", date(2026, 2, 1), "date"),
    ("ROUND(1.255, 2)", Decimal("1.260"), "decimal(4,3)"),
    ("ROUND(1.259, 2, 1)", Decimal("1.250"), "decimal(4,3)"),
    ("ABS(-3)", 3, "int"),
    ("FLOOR(-1.5)", Decimal(-2), "decimal(2,0)"),
    ("HASHBYTES('MD5', 'a')", hashlib.md5(b"a").digest(), "varbinary(8000)"),
    ("HASHBYTES('SHA2_256', N'ü👍')", hashlib.sha256("ü👍".encode("utf-16-le")).digest(), "varbinary(8000)"),
    ("HASHBYTES('SHA2_512', 'ü')", hashlib.sha512("ü".encode()).digest(), "varbinary(8000)"),
    ("HASHBYTES('SHA2_256', 0x01)", hashlib.sha256(b"\x01").digest(), "varbinary(8000)"),
    ("ISJSON('{\"a\":1}')", 1, "int"),
    ("ISJSON('1')", 0, "int"),
    ('JSON_VALUE(N\'{"a":{"b":[1,"x"]}}\', \'$.a.b[1]\')', "x", "nvarchar(4000)"),
    ("JSON_VALUE(N'{\"a\":{\"b\":1}}', '$.a')", None, "nvarchar(4000)"),
    ("DB_NAME()", "matrix", "nvarchar(128)"),
    ("SCHEMA_NAME()", "dbo", "nvarchar(128)"),
    ("CAST(SERVERPROPERTY('ProductMajorVersion') AS INT)", 16, "int"),
    ("@@TRANCOUNT", 0, "int"),
    ("{d '2026-03-01'}", date(2026, 3, 1), "date"),
]


@pytest.mark.parametrize(("said", "value", "type_"), VALUES, ids=[said for said, _, _ in VALUES])
def test_an_expression_has_the_value_and_type_of_sql_server(tsql: Client, said: str, value: Any, type_: str) -> None:
    assert tsql.value(f"SELECT {said}") == value
    assert tsql.types(f"SELECT {said}") == [type_]


CONDITIONS = [
    ("'a' = 'a  '", True),
    ("N'a' = 'a  '", True),
    ("'a' = 'A'", False),
    ("'a' LIKE 'a%'", True),
    ("'ab' LIKE '[a-c]_'", True),
    ("'b' LIKE '[^a]'", True),
    ("'^' LIKE '[^^]'", False),
    ("'b' LIKE '[^^]'", True),
    ("'^' LIKE '[b^]'", True),
    (r"'a\b' LIKE 'a\b'", True),
    ("'50%' LIKE '50!%' ESCAPE '!'", True),
    ("'500' LIKE '50!%' ESCAPE '!'", False),
    ("'x' NOT LIKE 'y'", True),
    ("1 IN (2, 1)", True),
    ("1 NOT IN (2, 3)", True),
    ("NULL IN (1)", False),
    ("2 BETWEEN 1 AND 3", True),
    ("'10' > 9", True),
    ("CAST(1 AS BIT) = 1", True),
    ("EXISTS (SELECT 1 WHERE 1 = 0)", False),
    ("NOT (1 = 1 AND 1 = 2)", True),
    ("NULL IS NULL", True),
    ("1 IS NOT NULL", True),
    ("CAST('2026-01-01' AS DATE) < '2026-01-02'", True),
    ("0x01 = 0x01", True),
    ("CAST('00000000-0000-0000-0000-000000000001' AS UNIQUEIDENTIFIER) > 'FFFFFFFF-FFFF-FFFF-FFFF-000000000000'", True),
]


@pytest.mark.parametrize(("said", "holds"), CONDITIONS, ids=[said for said, _ in CONDITIONS])
def test_a_condition_holds_as_in_sql_server(tsql: Client, said: str, holds: bool) -> None:
    assert tsql.value(f"SELECT CASE WHEN {said} THEN 1 ELSE 0 END") == int(holds)


def test_aggregates_keep_the_types_of_sql_server(tsql: Client) -> None:
    query = (
        "SELECT COUNT(*), COUNT_BIG(*), SUM(n), AVG(n), SUM(d), AVG(d), MIN(s), MAX(n), COUNT(DISTINCT s) "
        "FROM (VALUES (1, CAST(1.10 AS DECIMAL(10, 2)), 'a'), (2, 2.20, 'a '), (4, NULL, 'b')) AS v(n, d, s)"
    )
    assert tsql.rows(query) == [(3, 3, 7, 2, Decimal("3.30"), Decimal("1.650000"), "a", 4, 2)]
    assert tsql.types(query) == [
        *("int", "bigint", "int", "int", "decimal(38,2)", "decimal(38,6)", "varchar(2)", "int", "int"),
    ]


def test_an_int_sum_overflows(tsql: Client) -> None:
    tsql.refuses(8115, "SELECT SUM(n) FROM (VALUES (2147483647), (1)) AS v(n)")


def test_windows_and_string_agg_follow_their_order(tsql: Client) -> None:
    query = (
        "SELECT n, ROW_NUMBER() OVER (ORDER BY n DESC), SUM(n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING), "
        "LAG(n, 1, 0) OVER (ORDER BY n) FROM (VALUES (1), (2), (3)) AS v(n) ORDER BY n"
    )
    assert tsql.rows(query) == [(1, 3, 1, 0), (2, 2, 3, 1), (3, 1, 6, 2)]
    agg = "SELECT STRING_AGG(s, N', ') WITHIN GROUP (ORDER BY s DESC) FROM (VALUES (N'a'), (N'b')) AS v(s)"
    assert tsql.value(agg) == "b, a"


def test_null_comes_first_in_order(tsql: Client) -> None:
    assert tsql.rows("SELECT n FROM (VALUES (1), (NULL)) AS v(n) ORDER BY n") == [(None,), (1,)]
    assert tsql.rows("SELECT n FROM (VALUES (1), (NULL)) AS v(n) ORDER BY n DESC") == [(1,), (None,)]


def test_uniqueidentifiers_are_ordered_by_their_last_group_first(tsql: Client) -> None:
    ascending = [
        "01000000-0000-0000-0000-000000000000",
        "00000001-0000-0000-0000-000000000000",
        "00000000-0100-0000-0000-000000000000",
        "00000000-0001-0000-0000-000000000000",
        "00000000-0000-0001-0000-000000000000",
        "00000000-0000-0000-0001-000000000000",
        "00000000-0000-0000-0100-000000000000",
        "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-010000000000",
    ]
    values = ", ".join(f"(CAST('{value}' AS UNIQUEIDENTIFIER))" for value in sorted(ascending))
    rows = tsql.rows(f"SELECT u FROM (VALUES {values}) AS v(u) ORDER BY u")
    assert [str(UUID(bytes=value)) for (value,) in rows] == ascending
    first = tsql.value(f"SELECT TOP 1 u FROM (VALUES {values}) AS v(u) ORDER BY ROW_NUMBER() OVER (ORDER BY v.u DESC)")
    assert str(UUID(bytes=first)) == ascending[-1]


@pytest.mark.parametrize("said", ["DISTINCT u", "u AS z", "n, u"], ids=["distinct", "alias", "place"])
def test_an_order_of_uniqueidentifiers_that_is_not_theirs_is_refused(tsql: Client, said: str) -> None:
    key = {"u AS z": "z", "n, u": "2"}.get(said, "u")
    tsql.refuses(102, f"SELECT {said} FROM (VALUES (1, NEWID())) AS v(n, u) ORDER BY {key}")


def test_recursion_ends_behind_a_hundred_rounds_unless_an_option_says_otherwise(tsql: Client) -> None:
    numbers = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < {}) SELECT MAX(n) FROM c"
    assert tsql.value(numbers.format(101)) == 101
    assert "maximum recursion 100" in tsql.refuses(530, numbers.format(102))
    assert tsql.value(numbers.format(102) + " OPTION (MAXRECURSION 101)") == 102
    assert tsql.value(numbers.format(1000) + " OPTION (MAXRECURSION 0)") == 1000
    tsql.refuses(252, numbers.format(5).replace("UNION ALL", "UNION"))
    tsql.refuses(240, "WITH c AS (SELECT 'a' AS s UNION ALL SELECT s + 'b' FROM c) SELECT * FROM c")
    paths = (
        "WITH e(id, boss) AS (SELECT 1, NULL UNION ALL SELECT 2, 1 UNION ALL SELECT 3, 2), c AS (SELECT id, boss, 0 n "
        "FROM e WHERE boss IS NULL UNION ALL SELECT e.*, x.n + 1 FROM e JOIN c AS x ON e.boss = x.id) SELECT * FROM c"
    )
    assert sorted(tsql.rows(paths), key=lambda row: row[0]) == [(1, None, 0), (2, 1, 1), (3, 2, 2)]


def test_top_offset_union_and_recursion(tsql: Client) -> None:
    numbers = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 9) "
    assert tsql.rows(numbers + "SELECT TOP (2) n FROM c ORDER BY n DESC") == [(9,), (8,)]
    assert tsql.rows(numbers + "SELECT n FROM c ORDER BY n OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY") == [(4,), (5,)]
    assert tsql.rows("SELECT 2 AS n UNION SELECT 1 UNION SELECT 2 ORDER BY n") == [(1,), (2,)]
    assert tsql.rows("SELECT 1 AS n EXCEPT SELECT 1") == []


def test_text_in_a_union_becomes_what_stands_in_its_place_on_the_other_side(tsql: Client) -> None:
    assert tsql.rows("SELECT 2 AS n UNION ALL SELECT ' 10 ' ORDER BY n DESC") == [(10,), (2,)]
    assert tsql.rows("SELECT '1/2/2026' AS d UNION SELECT CAST('2026-01-01' AS DATE) ORDER BY d") == [
        (date(2026, 1, 1),),
        (date(2026, 1, 2),),
    ]


def test_apply_reaches_the_row_before_it(tsql: Client) -> None:
    query = (
        "SELECT v.n, q.m FROM (VALUES (1), (2)) AS v(n) {} APPLY (SELECT v.n * 2 AS m WHERE v.n = 1) AS q ORDER BY v.n"
    )
    assert tsql.rows(query.format("CROSS")) == [(1, 2)]
    assert tsql.rows(query.format("OUTER")) == [(1, 2), (2, None)]


def test_result_columns_are_named_as_in_sql_server(tsql: Client) -> None:
    tsql.run("SELECT 1, n, n AS [a b], x = 2, COUNT(*) OVER () FROM (VALUES (1)) AS v(n)")
    assert [column.name for column in tsql.results[0][0]] == ["", "n", "a b", "x", ""]


@settings(max_examples=60, deadline=None)
@given(value=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30))
def test_a_text_comes_back_as_literal_and_as_parameter(mssql_engine: PostgresEngine, value: str) -> None:
    tsql = client(mssql_engine)
    try:
        literal = "N'" + value.replace("'", "''") + "'"
        assert tsql.value(f"SELECT {literal}") == value
        assert tsql.value("SELECT @p", parameter("@p", value, Kind.NVARCHAR)) == value
        units = len(value.encode("utf-16-le"))
        assert tsql.value("SELECT DATALENGTH(@p)", parameter("@p", value, Kind.NVARCHAR)) == units
        found = tsql.value("SELECT HASHBYTES('SHA2_256', @p)", parameter("@p", value, Kind.NVARCHAR))
        assert found == hashlib.sha256(value.encode("utf-16-le")).digest()
    finally:
        tsql.session.close()


def test_null_beside_text_that_is_converted_is_of_the_type_of_its_column(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (at DATETIMEOFFSET, until DATETIMEOFFSET, n INT)")
    tsql.run(f"INSERT INTO {schema}.t SELECT '2026-11-28 23:05:52+00:00' AS at, NULL AS until, NULL")
    assert tsql.rows(f"SELECT YEAR(SWITCHOFFSET(at, '+00:00')), until, n FROM {schema}.t") == [(2026, None, None)]
    assert tsql.rows("SELECT '1' AS a, NULL AS b UNION ALL SELECT 2, 3") == [(1, None), (2, 3)]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("2026-03-01", Kind.DATE),
        ("2026-03-01 12:30:00.000001", Kind.DATETIME2),
        ("2026-03-01T12:30:00.000001+00:00", Kind.DATETIMEOFFSET),
    ],
)
def test_a_moment_in_iso_form_is_a_constant_and_not_read_row_by_row(written: str, kind: Kind) -> None:
    literal = Piece(f"'{written}'", types.VARCHAR_MAX, literal=True)
    said = cast(literal, SqlType(kind, scale=6)).sql
    assert said == f"CAST('{written}' AS {types.base(SqlType(kind, scale=6))})"
