"""What a batch would return is told without running it: sys.dm_exec_describe_first_result_set and its procedure."""

import pytest
from tsql_local import Client


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    """A table."""
    tsql.run(f"CREATE TABLE {schema}.t (id INT NOT NULL, name NVARCHAR(10), at DATETIME2(3), n DECIMAL(9, 2))")
    return f"{schema}.t"


def test_columns_of_a_query_are_told_as_the_catalog_tells_those_of_a_table(tsql: Client, t: str) -> None:
    told = "name, system_type_id, max_length, precision, scale, collation_name, is_nullable"
    assert tsql.rows(
        f"DECLARE @q NVARCHAR(MAX) = N'SELECT * FROM {t} WHERE id = @id'; "
        f"SELECT {told} FROM sys.dm_exec_describe_first_result_set(@q, N'@id INT', 0) AS d ORDER BY column_ordinal"
    ) == tsql.rows(f"SELECT {told} FROM sys.columns WHERE object_id = OBJECT_ID('{t}') ORDER BY column_id")


def test_expressions_are_told_with_their_types(tsql: Client, t: str) -> None:
    query = "WITH c AS (SELECT name + N''!'' AS x, n * 2 AS n FROM {t}) SELECT x, n, 1, CAST(1 AS BIT) AS b FROM c"
    assert tsql.rows(
        "SELECT column_ordinal, name, system_type_name, user_type_id, error_number FROM "
        f"sys.dm_exec_describe_first_result_set(N'{query.format(t=t)}', NULL, 0) ORDER BY 1"
    ) == [
        (1, "x", "nvarchar(11)", None, None),
        (2, "n", "decimal(11,2)", None, None),
        (3, None, "int", None, None),
        (4, "b", "bit", None, None),
    ]


def test_the_procedure_tells_the_same_and_runs_nothing(tsql: Client, t: str) -> None:
    tsql.run(f"EXEC sp_describe_first_result_set @tsql = N'SELECT id, at FROM {t}'")
    ((columns, rows),) = tsql.results
    assert [row[[column.name for column in columns].index("name")] for row in rows] == ["id", "at"]
    assert tsql.rows("SELECT * FROM sys.dm_exec_describe_first_result_set(N'SET NOCOUNT ON', NULL, 0)") == []
    tsql.refuses(102, f"EXEC sp_describe_first_result_set N'DELETE FROM {t}; SELECT 1 AS n'")
    tsql.refuses(208, "EXEC sp_describe_first_result_set N'SELECT * FROM dbo.not_there'")
    tsql.refuses(102, "SELECT * FROM sys.dm_exec_describe_first_result_set(N'SELECT 1 AS n', NULL, 1)")


def test_a_condition_may_ask_what_a_batch_returns(tsql: Client, t: str) -> None:
    condition = "SELECT 1 FROM sys.dm_exec_describe_first_result_set(@q, NULL, 0) WHERE name = 'at'"
    batch = (
        f"DECLARE @q NVARCHAR(MAX) = N'SELECT at FROM {t}'; DECLARE @n INT; "
        f"IF EXISTS ({condition}) SELECT @n = column_ordinal FROM sys.dm_exec_describe_first_result_set(@q, NULL, 0); "
        "SELECT @n"
    )
    assert tsql.value(batch) == 1
    tsql.refuses(102, "CREATE VIEW dbo.v AS SELECT name FROM sys.dm_exec_describe_first_result_set(N'', NULL, 0)")
