"""UPDATE and DELETE of a name that WITH defines: they change the rows of the one table behind it."""

import pytest
from tsql_local import Client

NUMBERED = "WITH x AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY am DESC) AS rn FROM {t})"


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    """A table of three rows, two of them of one key."""
    columns = "k INT, am DECIMAL(9, 2), kept BIT DEFAULT 1, twice AS (am * 2) PERSISTED"
    tsql.run(f"CREATE TABLE {schema}.t ({columns}); INSERT INTO {schema}.t (k, am) VALUES (1, 1.5), (1, 2.5), (2, 3.5)")
    return f"{schema}.t"


def test_the_rows_that_with_chooses_are_marked_or_deleted(tsql: Client, t: str) -> None:
    numbered = NUMBERED.format(t=t)
    marked = tsql.run(f"{numbered} UPDATE x SET kept = 0, am += rn WHERE rn > 1; SELECT @@ROWCOUNT").results[-1][1]
    assert marked == [(1,)]
    assert [tuple(map(float, row)) for row in tsql.rows(f"SELECT k, am, kept FROM {t} ORDER BY k, am")] == [
        (1, 2.5, 1),
        (1, 3.5, 0),
        (2, 3.5, 1),
    ]
    tsql.run(f"{numbered} DELETE FROM x WHERE rn > 1")
    assert tsql.rows(f"SELECT k, kept FROM {t} ORDER BY k") == [(1, False), (2, True)]


def test_a_column_is_set_under_the_name_that_with_gives_it(tsql: Client, t: str) -> None:
    tsql.run(f"WITH x AS (SELECT k AS am, am AS k FROM {t}) UPDATE x SET am = am + 10 WHERE k > 2")
    assert tsql.rows(f"SELECT k, COUNT(*) FROM {t} GROUP BY k ORDER BY k") == [(1, 1), (11, 1), (12, 1)]


def test_top_in_with_changes_so_many_rows_in_its_order(tsql: Client, t: str) -> None:
    tsql.run(f"WITH x AS (SELECT TOP (1) am FROM {t} ORDER BY am DESC) UPDATE x SET am = NULL")
    assert tsql.value(f"SELECT k FROM {t} WHERE am IS NULL") == 2
    tsql.run(f"WITH x AS (SELECT TOP (2) k FROM {t} ORDER BY am DESC) DELETE FROM x")
    assert tsql.value(f"SELECT k FROM {t}") == 2


@pytest.mark.parametrize(
    ("number", "statement"),
    [
        (4406, "WITH x AS (SELECT am * 2 AS d FROM {t}) UPDATE x SET d = 1"),
        (207, "WITH x AS (SELECT k FROM {t}) UPDATE x SET am = 1"),
        (271, "WITH x AS (SELECT twice FROM {t}) UPDATE x SET twice = 1"),
        (102, "WITH x (am, k) AS (SELECT k, am FROM {t}) UPDATE x SET k = 1"),
        (102, "WITH x (am, k) AS (SELECT k, am FROM {t}) DELETE FROM x WHERE k = 2.5"),
        (102, "WITH x AS (SELECT k FROM {t} GROUP BY k) DELETE FROM x"),
    ],
)
def test_what_is_no_column_of_one_table_is_not_changed(tsql: Client, t: str, number: int, statement: str) -> None:
    before = tsql.rows(f"SELECT k, am FROM {t} ORDER BY k, am")
    tsql.refuses(number, statement.format(t=t))
    assert tsql.rows(f"SELECT k, am FROM {t} ORDER BY k, am") == before
