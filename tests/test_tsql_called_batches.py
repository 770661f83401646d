"""What a batch that is called leaves behind, which errors of it are caught, and values that no session may die of."""

import pytest
from tsql_local import Client, parameter

from resources.endpoints.mssql_emulator.engine import Affected, Kind

DIVIDED = "BEGIN TRY SELECT 1 / 0 END TRY BEGIN CATCH SELECT XACT_STATE() END CATCH"
SPRING = "SELECT CAST('03/04/2024' AS DATE)"


@pytest.mark.parametrize("call", ["EXEC (N'{}')", "EXEC sp_executesql N'{}'"])
@pytest.mark.parametrize(
    ("option", "question"),
    [
        ("SET DATEFORMAT dmy", SPRING),
        ("SET LOCK_TIMEOUT 5", "SELECT @@LOCK_TIMEOUT"),
        ("SET XACT_ABORT ON", f"BEGIN TRAN; {DIVIDED}; ROLLBACK"),
    ],
)
def test_what_a_called_batch_sets_ends_with_it(tsql: Client, call: str, option: str, question: str) -> None:
    before = tsql.run(question).results[-1][1]
    assert tsql.run(f"{call.format(option)}; {question}").results[-1][1] == before
    assert tsql.run(f"{option}; {question}").results[-1][1] != before


def test_what_a_batch_with_parameters_sets_ends_with_it(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT)")
    tsql.run(f"SET NOCOUNT ON; INSERT INTO {schema}.t VALUES (@a)", parameter("@a", 1, Kind.INT))
    assert tsql.outcomes == [Affected(None)] * len(tsql.outcomes)
    assert tsql.run(f"UPDATE {schema}.t SET id = 2").outcomes == [Affected(1)]


def test_what_was_set_outlives_the_transaction_in_which_it_was(tsql: Client) -> None:
    before = tsql.value(SPRING)
    tsql.run("BEGIN TRAN; SET DATEFORMAT dmy; ROLLBACK")
    assert tsql.value(SPRING) != before


def test_a_batch_that_cannot_be_read_is_caught_by_the_one_that_called_it(tsql: Client) -> None:
    called = "BEGIN TRY EXEC ('SELECT 1 FROM WHERE') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"
    assert tsql.value(called) == 102


def test_a_parameter_with_the_character_nul_is_refused_and_the_session_goes_on(tsql: Client) -> None:
    assert "NUL" in tsql.refuses(102, "SELECT @a", parameter("@a", "a\0b", Kind.NVARCHAR))
    assert tsql.value("SELECT 1") == 1
