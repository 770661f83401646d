"""Transactions by name, doomed ones, what CATCH gets, and @@ROWCOUNT between statements."""

import pytest
from tsql_local import Client


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    """A table of three rows."""
    tsql.run(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY); INSERT INTO {schema}.t VALUES (1), (2), (3)")
    return f"{schema}.t"


def test_a_transaction_is_rolled_back_by_the_name_of_the_outermost_one_alone(tsql: Client, t: str) -> None:
    tsql.run(f"BEGIN TRAN a; BEGIN TRAN b; DELETE FROM {t}")
    tsql.refuses(6401, "ROLLBACK TRAN b")
    tsql.run("ROLLBACK TRAN a")
    assert tsql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {t}") == [(0, 3)]
    tsql.run("BEGIN TRAN")
    tsql.refuses(6401, "ROLLBACK TRAN a")
    tsql.run("ROLLBACK")
    tsql.run(f"BEGIN TRAN a; SAVE TRAN a; DELETE FROM {t}; ROLLBACK TRAN a")
    assert tsql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {t}") == [(1, 3)]
    tsql.run("ROLLBACK")


def test_a_transaction_that_is_doomed_ends_with_the_batch_that_ends_in_an_error(tsql: Client, t: str) -> None:
    tsql.refuses(
        3930,
        f"SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY INSERT INTO {t} VALUES (1) END TRY BEGIN CATCH COMMIT END CATCH",
    )
    assert tsql.value("SELECT @@TRANCOUNT") == 0


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("SELECT * FROM nowhere", 208),
        ("SELECT nothing FROM {t}", 207),
        ("SELECT x.id FROM {t}", 4104),
        ("SELECT FOO(1)", 195),
        ("INSERT INTO {t} VALUES (1, 2)", 213),
        ("INSERT INTO {t} (id) SELECT 0x01", 206),
        ("SELECT FORMAT(1, 'x')", 102),
        ("DECLARE @n INT = (SELECT CAST('+' AS INT))", 102),
    ],
)
def test_catch_gets_no_error_of_compiling_its_own_batch_but_one_of_a_batch_that_is_called(
    tsql: Client, t: str, statement: str, number: int
) -> None:
    said = statement.format(t=t)
    tsql.refuses(number, f"BEGIN TRY {said} END TRY BEGIN CATCH PRINT 'caught' END CATCH")
    assert tsql.messages == []
    text = said.replace("'", "''")
    assert tsql.value(f"BEGIN TRY EXEC (N'{text}') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH") == number


@pytest.mark.parametrize(
    ("between", "left"),
    [
        ("BEGIN TRAN", 0),
        ("BEGIN TRAN; COMMIT", 0),
        ("SET NOCOUNT OFF", 0),
        ("PRINT 'a'", 0),
        ("CREATE TABLE #x (n INT)", 0),
        ("IF 1 = 1 PRINT 'a'", 0),
        ("IF 1 = 0 PRINT 'a'", 0),
        ("DECLARE @n INT", 3),
        ("DECLARE @n INT = 5", 1),
        ("DECLARE @n INT; SET @n = 5", 1),
        ("EXEC (N'')", 3),
        ("BEGIN TRY INSERT INTO {t} VALUES (1) END TRY BEGIN CATCH END CATCH", 0),
    ],
)
def test_rowcount_after_a_statement_that_counts_no_rows(tsql: Client, t: str, between: str, left: int) -> None:
    assert tsql.value(f"UPDATE {t} SET id = id; {between.format(t=t)}; SELECT @@ROWCOUNT") == left
    tsql.run("IF @@TRANCOUNT > 0 ROLLBACK")
