"""Numbers that meet others become what T-SQL's types say, and show it where they become text."""

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
