"""How a function that the local SQL Server endpoint does not execute is refused."""

import pytest
from tsql_local import Client

from resources.endpoints.mssql_emulator.tsql.functions import FUNCTIONS
from resources.endpoints.mssql_emulator.tsql.functions_left_out import LEFT_OUT

NO_FUNCTIONS = ["Foo", "NOW", "SUBSTR", "NVL", "pg_sleep", "MD5", "ARRAY_AGG", "[Foo]"]


@pytest.mark.parametrize("name", NO_FUNCTIONS)
def test_a_function_that_sql_server_does_not_have_is_refused_as_there(tsql: Client, name: str) -> None:
    written = name.strip("[]")
    assert tsql.refuses(195, f"SELECT {name}(1)") == f"'{written}' is not a recognized built-in function name."


@pytest.mark.parametrize("name", ["SOUNDEX", "FORMAT", "ISDATE", "JSON_MODIFY", "GROUPING", "RAND", "sys.fn_x"])
def test_a_function_that_sql_server_has_is_refused_as_one_that_is_not_executed(tsql: Client, name: str) -> None:
    assert name.upper() in tsql.refuses(102, f"SELECT {name}('1')")


def test_a_function_of_a_schema_is_refused_by_both_names(tsql: Client) -> None:
    assert '"dbo" or the user-defined function or aggregate "dbo.Foo"' in tsql.refuses(4121, "SELECT dbo.Foo(1)")
    assert "X.VALUE" in tsql.refuses(102, "SELECT x.value('/a', 'int') FROM (SELECT CAST('<a/>' AS XML) AS x) AS q")


def test_a_function_of_tables_that_is_not_there_is_no_object(tsql: Client) -> None:
    assert "'dbo.foo'" in tsql.refuses(208, "SELECT * FROM dbo.foo(1)")
    assert "'foo'" in tsql.refuses(208, "SELECT * FROM foo(1) AS f")
    tsql.refuses(102, "SELECT * FROM GENERATE_SERIES(1, 2)")
    tsql.refuses(102, "SELECT * FROM sys.dm_exec_sql_text(1)")


def test_the_list_of_what_is_left_out_names_nothing_that_is_executed() -> None:
    assert not LEFT_OUT & FUNCTIONS.keys()


def test_a_logarithm_may_have_a_base(tsql: Client) -> None:
    assert tsql.value("SELECT LOG(8, 2)") == 3


def test_string_agg_of_numbers_is_nvarchar_and_needs_a_separator(tsql: Client) -> None:
    assert tsql.types("SELECT STRING_AGG(n, ',') FROM (VALUES (1), (2)) AS v (n)") == ["nvarchar(4000)"]
    tsql.refuses(174, "SELECT STRING_AGG('a')")
