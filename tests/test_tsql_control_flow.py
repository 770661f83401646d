"""Variables, the flow of control, errors that are caught, and procedures."""

import pytest
from tsql_local import Client, client, parameter

from resources.endpoints.mssql_emulator.engine import Kind, OutputValue, Parameter, SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine


def test_variables_are_declared_set_and_selected(tsql: Client) -> None:
    query = (
        "DECLARE @a INT = 2, @b NVARCHAR(3), @c DECIMAL(10, 2); SET @a += 3; SET @b = N'abcdef'; SELECT @c = @a / 2.0; "
        "SELECT @a, @b, @c, @B"
    )
    assert tsql.rows(query) == [(5, "abc", 2.5, "abc")]
    tsql.refuses(137, "SELECT @nope")
    tsql.refuses(137, "SET @nope = 1")


def test_select_into_variables_takes_the_last_row_and_keeps_them_without_one(tsql: Client) -> None:
    query = "DECLARE @n INT = 0; SELECT @n = n FROM (VALUES (1), (2), (3)) AS v(n) {} ORDER BY n; SELECT @n, @@ROWCOUNT"
    assert tsql.rows(query.format("")) == [(3, 3)]
    assert tsql.rows(query.format("WHERE 1 = 0")) == [(0, 0)]


@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        ("= NULL", "COALESCE(@s + ', ', '') + QUOTENAME(n)", "[a], [b]"),
        ("= ''", "@s + n + ';'", "a;b;"),
        ("= '>'", "ISNULL(@s, '') + n", ">ab"),
    ],
)
def test_a_variable_that_adds_to_itself_gathers_the_rows(tsql: Client, start: str, step: str, end: str) -> None:
    query = (
        f"DECLARE @s NVARCHAR(MAX) {start}; SELECT @s = {step} FROM (VALUES ('b'), ('a')) AS v(n) ORDER BY n; SELECT @s"
    )
    assert tsql.value(query) == end


def test_if_else_while_break_continue_and_return(tsql: Client) -> None:
    tsql.run(
        "DECLARE @i INT = 0 WHILE 1 = 1 BEGIN SET @i += 1 IF @i = 2 CONTINUE; IF @i > 3 BREAK; PRINT "
        "CONCAT('i', @i) END "
        "IF @i = 5 PRINT 'five' ELSE IF @i = 4 PRINT 'four' ELSE PRINT 'other'; RETURN; PRINT 'never'"
    )
    assert tsql.messages == ["i1", "i3", "four"]


def test_an_error_is_caught_told_and_thrown_again(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY); INSERT INTO {schema}.t VALUES (1)")
    with pytest.raises(SqlError) as caught:
        tsql.run(
            f"BEGIN TRY\n BEGIN TRAN; INSERT INTO {schema}.t VALUES (2); INSERT INTO {schema}.t VALUES (1); "
            "COMMIT\nEND TRY\n"
            "BEGIN CATCH\n SELECT ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_LINE(), XACT_STATE(), @@TRANCOUNT;\n"
            " IF @@TRANCOUNT > 0 ROLLBACK;\n THROW;\nEND CATCH"
        )
    assert tsql.results[0][1] == [(2627, 14, 2, 1, 1)]
    assert caught.value.number == 2627
    assert tsql.session.transactions == 0
    assert tsql.rows(f"SELECT id FROM {schema}.t") == [(1,)]


def test_catch_is_passed_over_without_an_error_and_nests(tsql: Client) -> None:
    tsql.run(
        "BEGIN TRY PRINT 'a' END TRY BEGIN CATCH PRINT 'never' END CATCH "
        "BEGIN TRY BEGIN TRY SELECT 1 / 0 END TRY BEGIN CATCH THROW 50001, N'inner', 3 END CATCH END TRY "
        "BEGIN CATCH PRINT CONCAT(ERROR_NUMBER(), ' ', ERROR_MESSAGE(), ' ', ERROR_STATE()) END CATCH "
        "PRINT ISNULL(CAST(ERROR_NUMBER() AS VARCHAR(10)), 'none')"
    )
    assert tsql.messages == ["a", "50001 inner 3", "none"]


def test_throw_and_raiserror(tsql: Client) -> None:
    with pytest.raises(SqlError) as thrown:
        tsql.run("THROW 60000, N'told', 7")
    assert (thrown.value.number, str(thrown.value), thrown.value.state) == (60000, "told", 7)
    with pytest.raises(SqlError) as raised:
        tsql.run("RAISERROR (N'%s has %d', 16, 2, N'x', 5)")
    assert (raised.value.number, str(raised.value), raised.value.severity) == (50000, "x has 5", 16)
    tsql.run("RAISERROR ('hint', 10, 1) WITH NOWAIT; PRINT 'on'")
    assert tsql.messages == ["hint", "on"]
    tsql.refuses(10704, "THROW")


def test_dynamic_text_runs_with_parameters_and_outputs(tsql: Client) -> None:
    query = (
        "DECLARE @r INT, @text NVARCHAR(100) = N'SET @out = @a * 2; SELECT @a AS a'; "
        "EXEC sp_executesql @text, N'@a INT, @out INT OUTPUT', @a = 21, @out = @r OUTPUT; SELECT @r"
    )
    tsql.run(query)
    assert [rows for _, rows in tsql.results] == [[(21,)], [(42,)]]
    tsql.refuses(8178, "EXEC sp_executesql N'SELECT @a', N'@a INT'")
    tsql.refuses(137, "DECLARE @x INT = 1; EXEC('SELECT @x')")
    tsql.run("DECLARE @nothing NVARCHAR(MAX); EXEC sys.sp_executesql @nothing")


def test_parameters_are_typed_values(tsql: Client) -> None:
    found = tsql.rows(
        "SELECT @i + 1, @n, DATALENGTH(@n), @b, @d WHERE @n = N'é ' AND @x IS NULL",
        parameter("@i", 41, Kind.INT),
        parameter("@n", "é", Kind.NVARCHAR, 10),
        parameter("@b", True, Kind.BIT),
        Parameter("@d", SqlType(Kind.DECIMAL, precision=10, scale=2), 1),
        parameter("@x", None, Kind.VARBINARY, 10),
    )
    assert found == [(42, "é", 2, True, 1)]


def test_output_parameters_come_last(tsql: Client) -> None:
    given = Parameter("@p", SqlType(Kind.NVARCHAR, 20), "a", output=True)
    tsql.run("SET @p = @p + N'b'; SELECT 1", given)
    assert tsql.outcomes[-1] == OutputValue(Parameter("@p", SqlType(Kind.NVARCHAR, 20), "ab", output=True))


def test_rowcount_and_nocount(tsql: Client, schema: str) -> None:
    tsql.run(
        f"CREATE TABLE {schema}.t (n INT); SET NOCOUNT ON; INSERT INTO {schema}.t VALUES (1), (2); SELECT @@ROWCOUNT"
    )
    assert tsql.counts[-1] is None
    assert tsql.results[0][1] == [(2,)]


def test_application_locks_answer_and_exclude(tsql: Client, mssql_engine: PostgresEngine) -> None:
    take = (
        "DECLARE @r INT; EXEC @r = sp_getapplock @Resource = 'x', @LockMode = 'Exclusive', @LockOwner = "
        "'{}', @LockTimeout = 0"
    )
    other = client(mssql_engine)
    try:
        assert tsql.value(f"{take.format('Session')}; SELECT @r") == 0
        assert other.value(f"BEGIN TRAN; {take.format('Transaction')}; SELECT @r") == -1
        tsql.run("EXEC sp_releaseapplock @Resource = 'x', @LockOwner = 'Session'")
        assert other.value(f"{take.format('Transaction')}; SELECT @r") == 0
    finally:
        other.session.close()


def test_unknown_procedures_are_not_found_and_those_of_sql_server_refused(tsql: Client) -> None:
    tsql.refuses(2812, "EXEC dbo.load_everything 1")
    assert "sp_who" in tsql.refuses(102, "EXEC sp_who")
    assert "xp_cmdshell" in tsql.refuses(102, "EXEC master..xp_cmdshell 'x'")


def test_suggested_types_of_parameters(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT, code NVARCHAR(10), at DATETIMEOFFSET(6), x VARBINARY(MAX))")

    def suggested(text: str) -> list[tuple[str, Kind, int | None]]:
        return [(p.name, p.type.kind, p.type.length) for p in tsql.session.describe(text)]

    assert suggested(f"INSERT INTO {schema}.t (code, x) VALUES (@P1, @P2)") == [
        ("@P1", Kind.NVARCHAR, 10),
        ("@P2", Kind.VARBINARY, None),
    ]
    assert suggested(f"UPDATE {schema}.t SET at = @P1 WHERE id = @P2 OR code LIKE @P3") == [
        ("@P1", Kind.DATETIMEOFFSET, None),
        ("@P2", Kind.INT, None),
        ("@P3", Kind.NVARCHAR, 4000),
    ]
    assert suggested("SELECT @P1, CAST(@P2 AS DATE)") == [("@P1", Kind.NVARCHAR, 4000), ("@P2", Kind.DATE, None)]
    assert tsql.session.describe("SELECT @a", [parameter("@a", None, Kind.INT)]) == []
