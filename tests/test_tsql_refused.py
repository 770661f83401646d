"""What the local SQL Server endpoint does not execute is refused, and the refusal names it."""

import pytest
from tsql_local import Client

REFUSED = [
    ("SELECT TOP 5 PERCENT n FROM t", "PERCENT"),
    ("SELECT n FROM t FOR XML PATH('')", "FOR XML"),
    ("SELECT n FROM t FOR JSON AUTO", "FOR JSON"),
    ("SELECT n::int FROM t", "::"),
    ("SELECT n FROM t LIMIT 5", "LIMIT"),
    ("SELECT 'a' || 'b'", "||"),
    ("SELECT n FROM t ORDER BY n NULLS FIRST", "NULLS FIRST"),
    ("SELECT FORMAT(n, 'x') FROM t", "FORMAT"),
    ("SELECT CHECKSUM(n) FROM t", "CHECKSUM"),
    ("SELECT * FROM t PIVOT (SUM(n) FOR s IN ([x])) AS p", "PIVOT"),
    ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
    ("SELECT * FROM t FOR SYSTEM_TIME ALL", "SYSTEM_TIME"),
    ("SELECT n FROM t WITH (READPAST)", "READPAST"),
    ("SELECT n FROM t WITH (INDEX(1))", "INDEX"),
    ("SELECT n FROM t OPTION (FAST 5)", "FAST"),
    ("WITH c AS (SELECT 1 AS n UNION ALL SELECT * FROM c) SELECT n FROM c", "c.*"),
    ("SELECT n FROM t GROUP BY ROLLUP (n)", "ROLLUP"),
    ("SELECT n FROM t GROUP BY GROUPING SETS ((n))", "GROUPING"),
    ("SELECT * FROM other.dbo.t", "other"),
    ("SELECT * FROM ##t", "##t"),
    ("SELECT * FROM OPENJSON('[]')", "OPENJSON"),
    ("SELECT * FROM OPENQUERY(x, 'y')", "OPENQUERY"),
    ("SELECT n COLLATE Latin1_General_CI_AS FROM t", "Latin1_General_CI_AS"),
    ("SELECT s AT TIME ZONE 'Central European Standard Time' FROM t", "AT TIME ZONE"),
    ("SELECT CAST('a' AS SQL_VARIANT)", "SQL_VARIANT"),
    ("SELECT CAST('a' AS TEXT)", "TEXT"),
    ("SELECT CAST(GETDATE() AS INT)", "conversion of datetime to int"),
    ("SELECT CONVERT(VARCHAR(30), CAST('2026-01-01' AS DATE), 130)", "style 130"),
    ("SELECT HASHBYTES('SHA1', 'a')", "SHA1"),
    ("SELECT NEXT VALUE FOR s", "NEXT VALUE FOR"),
    ("SELECT @@CONNECTIONS", "@@CONNECTIONS"),
    ("SELECT n FROM t UNION SELECT 1 INTERSECT SELECT 2", "INTERSECT"),
    ("SELECT n FROM t WHERE n = ANY (SELECT 1)", "ANY"),
    ("SELECT IDENTITY(INT, 1, 1) AS n INTO #x FROM t", "IDENTITY"),
    ("INSERT INTO t EXEC sp_who", "EXEC"),
    ("INSERT INTO t OUTPUT inserted.n INTO @x VALUES (1)", "@x"),
    ("UPDATE t SET @v = n = 1", "@v"),
    ("UPDATE t SET n = 1 WHERE CURRENT OF c", "OF"),
    ("DELETE FROM t WHERE n = 1 OPTION (FAST 5)", "FAST"),
    ("MERGE t USING t AS s ON t.n = s.n WHEN MATCHED THEN DELETE OPTION (TABLE HINT(t, NOLOCK));", "HINT"),
    ("TRUNCATE TABLE t WITH (PARTITIONS (1))", "PARTITIONS"),
    ("DECLARE @t TABLE (n INT)", "TABLE"),
    ("DECLARE c CURSOR FOR SELECT 1", "DECLARE c"),
    ("CREATE PROCEDURE p AS SELECT 1", "PROCEDURE"),
    ("CREATE FUNCTION f() RETURNS INT AS BEGIN RETURN 1 END", "FUNCTION"),
    ("CREATE TRIGGER r ON t AFTER INSERT AS SELECT 1", "TRIGGER"),
    ("CREATE SEQUENCE s", "SEQUENCE"),
    ("CREATE TYPE x FROM INT", "TYPE"),
    ("CREATE COLUMNSTORE INDEX i ON t (n)", "COLUMNSTORE"),
    ("CREATE TABLE x (n INT, m AS n + 1)", "computed"),
    ("CREATE TABLE x (n INT SPARSE)", "SPARSE"),
    ("CREATE TABLE x (n INT) ON ps(n)", "ON ps"),
    ("CREATE TABLE x (n NVARCHAR(5) COLLATE SQL_Latin1_General_CP1_CI_AS)", "SQL_Latin1_General_CP1_CI_AS"),
    ("CREATE TABLE x (n DECIMAL(18, 0) IDENTITY)", "IDENTITY"),
    ("ALTER TABLE t SWITCH PARTITION 1 TO u", "SWITCH"),
    ("ALTER TABLE t REBUILD", "REBUILD"),
    ("ALTER TABLE t NOCHECK CONSTRAINT ALL", "NOCHECK"),
    ("ALTER TABLE t ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = ON)", "TRACK_COLUMNS_UPDATED"),
    ("ALTER INDEX i ON t REBUILD", "INDEX"),
    ("ALTER DATABASE CURRENT SET RECOVERY SIMPLE", "RECOVERY"),
    ("DROP PROCEDURE p", "PROCEDURE"),
    ("DROP DATABASE x", "DATABASE"),
    ("UPDATE STATISTICS t", "STATISTICS"),
    ("BULK INSERT t FROM 'x'", "BULK"),
    ("GRANT SELECT ON t TO x", "GRANT"),
    ("WAITFOR DELAY '00:00:01'", "WAITFOR"),
    ("GOTO x", "GOTO"),
    ("BEGIN DISTRIBUTED TRAN", "DISTRIBUTED"),
    ("SET ROWCOUNT 5", "ROWCOUNT"),
    ("SET ANSI_NULLS OFF", "ANSI_NULLS"),
    ("SET STATISTICS IO ON", "STATISTICS"),
    ("SET CONTEXT_INFO 0x01", "CONTEXT_INFO"),
    ("SET LANGUAGE German", "LANGUAGE"),
    ("SET TEXTSIZE 10", "TEXTSIZE"),
    ("RAISERROR (50001, 16, 1)", "RAISERROR"),
    ("RAISERROR ('%5.2f', 16, 1, 1)", "RAISERROR"),
    ("EXEC sys.sp_cdc_enable_db", "sp_cdc_enable_db"),
    ("SELECT 1 AS a; FROB", "FROB"),
    ("SELECT FROM t", "FROM"),
    ("SELECT", "SELECT"),
    ("SELECT , 1", ","),
    ("SELECT LEFT('a', , 1)", ","),
    ("SELECT CAST(1 AS VARCHAR())", "varchar()"),
    ("SELECT CAST('1') INT)", "CAST without AS"),
    ("SELECT CASE 2 WHEN 1 'a' END", "THEN"),
    ("SELECT 1 AS key", "key"),
    ("SELECT user FROM t", "user"),
    ("CREATE TABLE x (index INT)", "index"),
    ("INSERT BULK t (n int)", "BULK"),
    ("SELECT (1", "1"),
    ("SELECT ISNUMERIC('-')", "ISNUMERIC"),
    ("SELECT 1 WHERE 1 == 1", "=="),
    ("SELECT 6 / +3 * 2", "+"),
    ("SELECT * FROM t JOIN t AS u", "JOIN"),
    ("SELECT * FROM t INNER JOIN t AS u", "JOIN"),
    ("SELECT * FROM t NATURAL JOIN t AS u", "JOIN"),
    ("DELETE t FROM t JOIN t AS u", "JOIN"),
    ("MERGE TOP (1) INTO t USING t AS s ON 1 = 1 WHEN MATCHED THEN DELETE;", "TOP"),
]


@pytest.fixture(autouse=True)
def table(tsql: Client) -> None:
    tsql.run("IF OBJECT_ID('t') IS NULL CREATE TABLE t (n INT, s DATETIME2(3))")


@pytest.mark.parametrize(("said", "named"), REFUSED, ids=[said for said, _ in REFUSED])
def test_what_is_not_executed_is_refused_by_name(tsql: Client, said: str, named: str) -> None:
    assert named.lower() in tsql.refuses(102, said).lower()


def test_a_syntax_error_leaves_nothing_done(tsql: Client, schema: str) -> None:
    tsql.refuses(102, f"CREATE TABLE {schema}.x (n INT); SELECT FROM WHERE")
    assert tsql.value(f"SELECT OBJECT_ID('{schema}.x')") is None


def test_a_condition_is_no_value_and_a_value_is_no_condition(tsql: Client) -> None:
    tsql.refuses(4145, "SELECT 1 WHERE 1")
    tsql.refuses(102, "SELECT CASE WHEN 1 = 1 THEN 1 = 1 END")


def test_deep_nesting_is_an_error(tsql: Client) -> None:
    tsql.refuses(191, f"SELECT {'(' * 2000}1{')' * 2000}")


@pytest.mark.parametrize(
    "said",
    [f"SELECT {'+'.join(['1'] * 9000)}", f"SELECT {' UNION ALL SELECT '.join(['1'] * 2000)}"],
    ids=["+", "UNION"],
)
def test_a_statement_that_is_nested_too_deeply_leaves_the_session_and_its_transaction(tsql: Client, said: str) -> None:
    tsql.run("CREATE TABLE #t (n INT); BEGIN TRANSACTION; INSERT #t VALUES (1)")
    tsql.refuses(191, said)
    assert tsql.rows("SELECT n, @@TRANCOUNT FROM #t") == [(1, 1)]


@pytest.mark.parametrize("said", ["SELECT 'a", "SELECT [a", "SELECT /* a"])
def test_an_open_quotation_is_an_error(tsql: Client, said: str) -> None:
    tsql.refuses(105, said)
