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
