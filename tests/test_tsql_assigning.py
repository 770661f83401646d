"""SELECT @variable = ...: what several assignments, and several rows, make of variables that depend on each other."""

from decimal import Decimal
from typing import Any

import pytest
from tsql_local import Client

NUMBERS = "FROM (VALUES (1), (2), (3)) AS t(i)"
NAMES = "FROM (VALUES (N'a'), (N'b'), (N'c')) AS t(n)"
WITH_NULL = "FROM (VALUES (1, N'a'), (2, NULL), (3, N'b'), (4, N'c')) AS t(i, n) ORDER BY i"


@pytest.mark.parametrize(
    ("declared", "step", "total"),
    [
        ("@a INT = 0", "@a + i", 6),
        ("@a INT", "@a + i", None),
        ("@a INT", "ISNULL(@a, 0) + i", 6),
        ("@a INT = 10", "@a - i", 4),
        ("@a BIGINT = 3000000000", "(@a + i) + 1", 3000000009),
        ("@a TINYINT = 10", "@a - i + 1", 7),
        ("@a DECIMAL(10, 2) = 0.25", "@a + i", Decimal("6.25")),
        ("@a MONEY = 1", "@a + CAST(i AS MONEY) / 2", Decimal("4.0000")),
        ("@a INT = 0", "@a + NULLIF(i, 2)", None),
        ("@a INT", "COALESCE(@a + NULLIF(i, 1), 100)", 105),
    ],
)
def test_a_number_that_adds_to_itself_is_the_sum_of_the_rows(
    tsql: Client, declared: str, step: str, total: Any
) -> None:
    assert tsql.value(f"DECLARE {declared}; SELECT @a = {step} {NUMBERS}; SELECT @a") == total


@pytest.mark.parametrize("type_", ["INT", "DECIMAL(9, 0)"])
@pytest.mark.parametrize("step", ["@a + i", "@a - i"])
def test_a_sum_that_leaves_the_range_of_its_variable_on_the_way_is_an_overflow(
    tsql: Client, type_: str, step: str
) -> None:
    rows = "FROM (VALUES (1, 2147483647), (2, 2147483647), (3, -2147483647), (4, -2147483647)) AS t(k, i) ORDER BY k"
    tsql.refuses(8115, f"DECLARE @a {type_} = 0; SELECT @a = {step} {rows}")


@pytest.mark.parametrize(
    ("declared", "step"),
    [
        ("@a INT = 0", "@a + i * 0.5"),
        ("@a DECIMAL(10, 1) = 0", "@a + i * 0.25"),
        ("@a FLOAT = 0", "@a + i"),
        ("@a INT = 0", "@a + CAST(i AS FLOAT)"),
        ("@a INT = 0", "@a + CAST(i AS VARCHAR(9))"),
        ("@a BIT = 0", "@a + i"),
        ("@a DATETIME = '2024-01-01'", "@a + i"),
        ("@a VARCHAR(MAX) = ''", "@a + i"),
        ("@a CHAR(9) = ''", "@a + CAST(i AS VARCHAR(9))"),
        ("@a INT = 1", "@a * i"),
        ("@a INT = 0", "i + @a"),
        ("@a INT = 0", "@a + i + @a"),
        ("@a VARCHAR(MAX) = ''", "CONCAT(@a, ',') + CAST(i AS VARCHAR(9))"),
    ],
)
def test_a_variable_that_gathers_rows_in_another_way_is_refused(tsql: Client, declared: str, step: str) -> None:
    assert "adds to itself" in tsql.refuses(102, f"DECLARE {declared}; SELECT @a = {step} {NUMBERS}; SELECT @a")


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("TOP 2 {} FROM t ORDER BY n", "TOP"),
        ("DISTINCT {} FROM t", "DISTINCT"),
        ("{} FROM t GROUP BY n", "GROUP BY"),
        ("{} FROM t GROUP BY n HAVING COUNT(*) > 1", "GROUP BY"),
        ("{} FROM t HAVING 1 = 1", "HAVING"),
        ("{} FROM t ORDER BY n OFFSET 1 ROWS", "OFFSET"),
        ("{} FROM t ORDER BY n OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", "OFFSET"),
        ("{} FROM t ORDER BY 1", "ORDER BY"),
        ("{} FROM t WHERE @s <> n", "in this form"),
        ("{}, @k = 1 FROM t", "beside others"),
    ],
)
def test_what_chooses_among_rows_that_a_variable_gathers_is_refused(tsql: Client, rest: str, named: str) -> None:
    query = rest.format("@s = @s + n").replace("FROM t", NAMES)
    assert named in tsql.refuses(102, f"DECLARE @s NVARCHAR(MAX) = N'', @k INT; SELECT {query}")


@pytest.mark.parametrize("step", ["@s + QUOTENAME(name)", "COALESCE(@s + ',', '') + name"])
def test_a_variable_that_gathers_no_rows_keeps_its_value(tsql: Client, step: str) -> None:
    query = (
        f"DECLARE @s NVARCHAR(MAX) = N''; SELECT @s = {step} FROM sys.tables WHERE 1 = 0; SELECT LEN(@s), @@ROWCOUNT"
    )
    assert tsql.rows(query) == [(0, 0)]


@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        ("N'>'", "@s + n", None),
        ("NULL", "COALESCE(@s + N',', N'') + n", "b,c"),
        ("NULL", "COALESCE(@s + N',' + n, n)", "b,c"),
        ("N'>'", "@s + ISNULL(n, N'-')", ">a-bc"),
        ("N'>'", "@s + N', ' + ISNULL(n, N' ') + N';'", ">, a;,  ;, b;, c;"),
    ],
)
def test_a_null_among_the_rows_makes_what_a_variable_gathered_null(
    tsql: Client, start: str, step: str, end: str | None
) -> None:
    assert tsql.value(f"DECLARE @s NVARCHAR(MAX) = {start}; SELECT @s = {step} {WITH_NULL}; SELECT @s") == end


def test_rowcount_is_the_number_of_rows_that_a_variable_gathered(tsql: Client) -> None:
    assert tsql.rows(f"DECLARE @s NVARCHAR(2) = N''; SELECT @s = @s + n {NAMES}; SELECT @s, @@ROWCOUNT") == [("ab", 3)]
    assert tsql.rows(f"DECLARE @a INT = 0; SELECT @a = @a + i {NUMBERS}; SELECT @a, @@ROWCOUNT") == [(6, 3)]


def test_text_that_a_variable_gathers_is_as_long_as_it_comes(tsql: Client) -> None:
    query = (
        "DECLARE @s NVARCHAR(MAX) = N''; SELECT @s = @s + REPLICATE(n, 3000) + REPLICATE(n, 3000) "
        f"{NAMES}; SELECT LEN(@s)"
    )
    assert tsql.value(query) == 18000


@pytest.mark.parametrize(
    ("query", "end"),
    [
        (f"@a = @a + COUNT(*) {NUMBERS}", 13),
        (f"@a = @a + SUM(i) {NUMBERS} WHERE i > 1 HAVING COUNT(*) > 5", 10),
        (f"TOP 1 @a = @a + i {NUMBERS} ORDER BY i DESC", 13),
        (f"TOP (1) @b = @a, @a = i {NUMBERS} ORDER BY i DESC", 3),
    ],
)
def test_a_variable_takes_part_in_the_one_row_that_it_gets(tsql: Client, query: str, end: int) -> None:
    assert tsql.value(f"DECLARE @a INT = 10, @b INT; SELECT {query}; SELECT @a") == end


@pytest.mark.parametrize(
    ("assigned", "found"),
    [
        ("@lo = @n, @hi = @lo + 5", (3, 3, 8, 1)),
        ("@n = 10, @n = @n * 2", (20, None, None, 1)),
        ("@lo = @hi, @hi = 7", (3, None, 7, 1)),
        ("@lo = 1, @n = @lo + 1, @hi = @n + @lo", (2, 1, 3, 1)),
        ("@lo = @n, @hi = @lo + 5 WHERE 1 = 0", (3, None, None, 0)),
        ("@lo = @n, @hi = @lo + 5 WHERE @n = 3", (3, 3, 8, 1)),
    ],
)
def test_assignments_of_one_select_see_those_before_them(
    tsql: Client, assigned: str, found: tuple[int | None, ...]
) -> None:
    query = f"DECLARE @n INT = 3, @lo INT, @hi INT; SELECT {assigned}"
    assert tsql.rows(f"{query}; SELECT @n, @lo, @hi, @@ROWCOUNT") == [found]


def test_an_assignment_sees_the_value_as_the_variable_before_it_holds_it(tsql: Client) -> None:
    query = (
        "DECLARE @d1 DATE, @d2 DATE; SELECT @d1 = '2024-01-15', @d2 = EOMONTH(@d1); SELECT CONVERT(CHAR(10), @d2, 23)"
    )
    assert tsql.value(query) == "2024-01-31"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (f"@lo = i, @hi = @lo + 5 {NUMBERS}", "@lo"),
        (f"@lo = @hi, @hi = i {NUMBERS}", "@hi"),
        (f"@lo = MAX(i), @hi = @lo + COUNT(*) {NUMBERS}", "@lo"),
        (f"@n = i, @n = @n + i {NUMBERS}", "@n"),
        ("@n = 1, @lo = @n WHERE @n = 3", "@n"),
    ],
)
def test_a_variable_that_depends_on_another_from_row_to_row_is_refused(tsql: Client, query: str, named: str) -> None:
    assert f"'{named} in " in tsql.refuses(102, f"DECLARE @n INT = 3, @lo INT, @hi INT; SELECT {query}")


@pytest.mark.parametrize(
    ("assigned", "found"),
    [
        (f"@s += N',' + n {NAMES} ORDER BY n", (3, ">,a,b,c")),
        (f"@n += i {NUMBERS}", (9, ">")),
        (f"@n -= i + 1 {NUMBERS}", (-6, ">")),
        ("@n += 5", (8, ">")),
        ("@n *= 2 + 1, @s += CAST(@n AS NVARCHAR(9))", (9, ">9")),
        ("@n -= 1, @n /= 2", (1, ">")),
        ("@n %= 2", (1, ">")),
        ("@n &= 2", (2, ">")),
        ("@n |= 4", (7, ">")),
        ("@n ^= 1", (2, ">")),
        (f"TOP (1) @n = 1, @s += REPLACE(n, N',', N'=') {NAMES} ORDER BY n", (1, ">a")),
    ],
)
def test_a_select_assigns_by_the_operators_that_set_knows(tsql: Client, assigned: str, found: tuple[int, str]) -> None:
    for start in ("SELECT", "WITH a AS (SELECT 1 AS x), b AS (SELECT 2 AS y) SELECT"):
        query = f"DECLARE @n INT = 3, @s NVARCHAR(MAX) = N'>'; {start} {assigned}; SELECT @n, @s"
        assert tsql.rows(query) == [found]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 + @n += 2",
        "SELECT 1 WHERE @n += 2",
        "SELECT 1 UNION SELECT @n += 2",
        "SELECT @n += 2 UNION SELECT 1",
        "SELECT * FROM (SELECT @n += 1) AS q",
        "SELECT n += 1 FROM (SELECT 1 AS n) AS q",
    ],
)
def test_an_assigning_operator_is_refused_elsewhere(tsql: Client, query: str) -> None:
    tsql.refuses(102, f"DECLARE @n INT = 3; {query}")
