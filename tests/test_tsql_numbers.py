"""Numbers that meet others become what T-SQL's types say, and show it where they become text."""

from decimal import Decimal

import pytest
from tsql_local import Client

BESIDE_DECIMALS = [
    ("CONCAT(COALESCE(CAST(NULL AS DECIMAL(9, 2)), 0), '|')", "0.00|"),
    ("CAST(IIF(1 = 1, 1, 0.00) AS VARCHAR(9))", "1.00"),
    ("CAST(CASE WHEN 1 = 2 THEN 0.50 ELSE 1 END AS VARCHAR(9))", "1.00"),
    ("CAST(CHOOSE(1, 1, 2.5) AS VARCHAR(9))", "1.0"),
    ("CAST(GREATEST(1.50, 2) AS VARCHAR(9))", "2.00"),
    ("CAST(IIF(1 = 1, CAST(2 AS MONEY), 0.55555) AS VARCHAR(9))", "2.00000"),
]


@pytest.mark.parametrize(("said", "shown"), BESIDE_DECIMALS)
def test_a_number_has_the_decimals_of_the_alternatives_beside_it(tsql: Client, said: str, shown: str) -> None:
    assert tsql.value(f"SELECT {said}") == shown


ROWS_OF_DECIMALS = [
    ("(VALUES (1.5), (2)) AS t (k)", ["1.5", "2.0"]),
    ("(SELECT CAST(1 AS DECIMAL(9, 2)) AS k UNION ALL SELECT 2) AS t", ["1.00", "2.00"]),
    ("(SELECT 1 AS k UNION SELECT 2.5 UNION SELECT NULL) AS t", [None, "1.0", "2.5"]),
    ("(SELECT CAST(1.25 AS MONEY) AS k UNION ALL SELECT 2.55555) AS t", ["1.25000", "2.55555"]),
]


@pytest.mark.parametrize(("rows", "shown"), ROWS_OF_DECIMALS)
def test_a_number_has_the_decimals_of_the_rows_beside_it(tsql: Client, rows: str, shown: list[str | None]) -> None:
    assert tsql.rows(f"SELECT CAST(k AS VARCHAR(9)) FROM {rows} ORDER BY k") == [(text,) for text in shown]


def test_merge_writes_the_decimals_that_the_rows_of_its_source_share(tsql: Client) -> None:
    tsql.run("CREATE TABLE #m (k VARCHAR(5), v VARCHAR(9))")
    tsql.run(
        "MERGE #m AS t USING (VALUES ('a', 1.5), ('b', 2)) AS s (k, v) ON t.k = s.k "
        "WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v);"
    )
    assert tsql.rows("SELECT v FROM #m ORDER BY k") == [("1.5",), ("2.0",)]


IN_ROWS = [
    ("1.50), (2", ["1.50", "2.00"]),
    ("'1'), (2.5), (NULL", ["1.0", "2.5", None]),
    ("1), (DEFAULT", ["1", "none"]),
    ("CAST('2026-01-02' AS DATE)), ('20260103'", ["2026-01-02", "2026-01-03"]),
]


@pytest.mark.parametrize(("rows", "kept"), IN_ROWS)
def test_the_rows_of_an_insert_share_the_type_that_union_all_gives_them(
    tsql: Client, rows: str, kept: list[str | None]
) -> None:
    tsql.run(f"CREATE TABLE #v (k INT IDENTITY(1, 1), s VARCHAR(10) DEFAULT 'none'); INSERT #v (s) VALUES ({rows})")
    assert tsql.rows("SELECT s FROM #v ORDER BY k") == [(text,) for text in kept]


def test_a_row_of_an_insert_that_has_no_value_of_the_rows_type_is_refused(tsql: Client) -> None:
    tsql.run("CREATE TABLE #n (k INT, note VARCHAR(9))")
    tsql.refuses(245, "INSERT #n (k, note) VALUES (1, 'a'), (2, 5)")
    tsql.run("INSERT #n (k, note) VALUES (1, 'a'); INSERT #n (k, note) VALUES (2, 5)")
    assert tsql.rows("SELECT note FROM #n ORDER BY k") == [("a",), ("5",)]


FLOATS = [
    ("CAST(CAST(123456789 AS REAL) AS DECIMAL(20, 0))", 123456792),
    ("CAST(9007199254740993e0 AS DECIMAL(20, 0))", 9007199254740992),
    ("TRY_CAST(9007199254740993e0 AS DECIMAL(20, 0))", 9007199254740992),
    ("TRY_CAST(9223372036854775807e0 AS BIGINT)", None),
    ("CAST(CAST(123456.789 AS REAL) AS MONEY)", Decimal("123456.7891")),
    ("ROUND(CAST(123456.789 AS REAL), 2)", 123456.79),
    ("ROUND(9007199254740993e0, 0)", 9007199254740992),
]


@pytest.mark.parametrize(("said", "value"), FLOATS)
def test_a_real_or_float_keeps_its_digits_where_it_becomes_exact(
    tsql: Client, said: str, value: Decimal | float | None
) -> None:
    assert tsql.value(f"SELECT {said}") == value


def test_a_real_or_float_keeps_its_digits_in_a_column_of_decimals(tsql: Client) -> None:
    tsql.run("CREATE TABLE #t (r REAL, d DECIMAL(19, 4), m MONEY); INSERT #t (r) VALUES (123456.789)")
    tsql.run("UPDATE #t SET d = r, m = r; INSERT #t SELECT r, r, r FROM #t")
    tsql.run("INSERT #t (d, m) VALUES (123456789012345.6e0, 123456789012345.6e0)")
    known, large = (Decimal("123456.7891"),) * 2, (Decimal("123456789012345.6"),) * 2
    assert tsql.rows("SELECT d, m FROM #t ORDER BY d") == [known, known, large]


CUT = [
    ("CAST(100 AS MONEY) / CAST(339 AS MONEY) * CAST(10000 AS MONEY)", "2949"),
    ("CAST(2 AS MONEY) / 3", "0.6666"),
    ("CAST(-2 AS MONEY) / 3", "-0.6666"),
    ("2000000 / CAST(3 AS MONEY)", "666666.6666"),
    ("(SELECT AVG(m) FROM (VALUES (CAST(1 AS MONEY)), (1), (0)) AS t (m))", "0.6666"),
]


@pytest.mark.parametrize(("said", "value"), CUT)
def test_a_quotient_of_money_is_cut_behind_its_ten_thousandths(tsql: Client, said: str, value: str) -> None:
    assert tsql.value(f"SELECT {said}") == Decimal(value)


WIDENED = [
    ("-CAST(5 AS TINYINT)", -5, "smallint"),
    ("POWER(10.0, 3)", Decimal(1000), "decimal(38,1)"),
    ("POWER(CAST(10 AS TINYINT), 3)", 1000, "int"),
    ("ROUND(CAST(255 AS TINYINT), -1)", 260, "int"),
    ("POWER(CAST(2 AS REAL), 0.5)", 2**0.5, "float"),
    ("0x01 + 0x02", b"\1\2", "varbinary(2)"),
    ("CAST(0x01 AS BINARY(2)) + CAST(0x02 AS VARBINARY(3))", b"\1\0\2", "varbinary(5)"),
    ("DATALENGTH(CAST(0x01 AS BINARY(8000)) + 0x02)", 8000, "int"),
]


@pytest.mark.parametrize(("said", "value", "type_"), WIDENED)
def test_a_result_has_a_type_that_holds_it(tsql: Client, said: str, value: object, type_: str) -> None:
    assert tsql.value(f"SELECT {said}") == value
    assert tsql.types(f"SELECT {said}") == [type_]


@pytest.mark.parametrize("said", ["-CAST(1 AS BIT)", "-'5'"])
def test_what_has_no_sign_takes_no_minus(tsql: Client, said: str) -> None:
    tsql.refuses(8117, f"SELECT {said}")
