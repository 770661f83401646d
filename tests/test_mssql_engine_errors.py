"""What goes wrong carries SQL Server's number and words, and what it undoes is what SQL Server undoes."""

import threading

import pytest
from tsql_local import Client, client, parameter

from resources.endpoints.mssql_emulator.engine import Kind, SqlError
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine

ERRORS = [
    ("SELECT * FROM {s}.nope", 208, "Invalid object name '{s}.nope'."),
    ("INSERT INTO {s}.nope VALUES (1)", 208, "Invalid object name '{s}.nope'."),
    ("SELECT nope FROM {s}.t", 207, "Invalid column name 'nope'."),
    ("INSERT INTO {s}.t (nope) VALUES (1)", 207, "Invalid column name 'nope'."),
    ("SELECT x.id FROM {s}.t", 4104, 'The multi-part identifier "x.id" could not be bound.'),
    ("SELECT id FROM {s}.t AS a, {s}.t AS b", 209, "Ambiguous column name 'id'."),
    (
        "INSERT INTO {s}.t (id) VALUES (1)",
        2627,
        "Violation of PRIMARY KEY constraint 'pk_t'. Cannot insert duplicate key "
        "in object '{s}.t'. The duplicate key value is (1).",
    ),
    (
        "INSERT INTO {s}.t (id) VALUES (NULL)",
        515,
        "Cannot insert the value NULL into column 'id', table 'matrix.{s}.t'; "
        "column does not allow nulls. INSERT fails.",
    ),
    (
        "UPDATE {s}.t SET id = NULL",
        515,
        "Cannot insert the value NULL into column 'id', table 'matrix.{s}.t'; "
        "column does not allow nulls. UPDATE fails.",
    ),
    ("UPDATE {s}.t SET code = N'abcdef'", 8152, "String or binary data would be truncated."),
    ("UPDATE {s}.t SET bytes = 0x010203", 8152, "String or binary data would be truncated."),
    ("UPDATE {s}.t SET tiny = 256", 220, "Arithmetic overflow error for data type tinyint."),
    ("UPDATE {s}.t SET d = 1000", 8115, "Arithmetic overflow error converting expression to data type numeric."),
    ("SELECT CAST(3000000000 AS INT)", 8115, "Arithmetic overflow error converting expression to data type int."),
    ("SELECT 2147483647 + 1", 8115, "Arithmetic overflow error converting expression to data type int."),
    ("SELECT 1 / 0", 8134, "Divide by zero error encountered."),
    ("SELECT CAST('x' AS INT)", 245, "Conversion failed when converting the varchar value 'x' to data type int."),
    (
        "SELECT CAST('99999999999' AS INT)",
        248,
        "The conversion of the varchar value '99999999999' overflowed an int column.",
    ),
    ("SELECT CAST('x' AS FLOAT)", 8114, "Error converting data type varchar to float."),
    ("SELECT CAST('NaN' AS FLOAT)", 8114, "Error converting data type varchar to float."),
    ("SELECT CAST('Infinity' AS FLOAT)", 8114, "Error converting data type varchar to float."),
    ("SELECT CAST('1e3' AS DECIMAL(9, 2))", 8114, "Error converting data type varchar to numeric."),
    ("SELECT CAST('x' AS BIGINT)", 8114, "Error converting data type varchar to bigint."),
    ("SELECT CAST('0x10' AS INT)", 245, "Conversion failed when converting the varchar value '0x10' to data type int."),
    ("SELECT CAST('300' AS TINYINT)", 244, "The conversion of the varchar value '300' overflowed an INT1 column."),
    ("SELECT CAST('70000' AS SMALLINT)", 244, "The conversion of the varchar value '70000' overflowed an INT2 column."),
    ("SELECT CAST('x' AS MONEY)", 235, "Cannot convert a char value to money."),
    ("SELECT CAST('<a' AS XML)", 9400, "XML parsing"),
    ("SELECT CAST('<a><b></a></b>' AS XML)", 9400, "XML parsing"),
    ("SELECT CAST('a & b' AS XML)", 9400, "XML parsing"),
    ("INSERT INTO {s}.t (id, x) VALUES (5, '<a')", 9400, "XML parsing"),
    ("INSERT INTO {s}.t (id, bytes) VALUES (5, 'a')", 257, "Implicit conversion from data type varchar to varbinary"),
    ("INSERT INTO {s}.t (id, bytes) SELECT 5, N'a'", 257, "Implicit conversion from data type nvarchar to varbinary"),
    ("UPDATE {s}.t SET bytes = 'a'", 257, "Implicit conversion from data type varchar to varbinary"),
    ("DECLARE @b VARBINARY(5) = 'a'", 257, "Implicit conversion from data type varchar to varbinary"),
    ("INSERT INTO {s}.t (id, tiny) VALUES (5, '0x10')", 245, "converting the varchar value '0x10'"),
    ("SELECT CONVERT(DATE, '01/03/2026 garbage', 103)", 241, "Conversion failed"),
    ("SELECT TRY_CAST('2 Jan 26' AS DATE)", 102, "2 Jan 26"),
    ("INSERT INTO {s}.t (id, id) VALUES (5, 6)", 264, "The column name 'id' is specified more than once"),
    ("UPDATE {s}.t SET tiny = 1, tiny = 2", 264, "The column name 'tiny' is specified more than once"),
    ("INSERT INTO {s}.t (id, tiny) SELECT 5", 120, "contains fewer items than the insert list"),
    ("INSERT INTO {s}.t (id) SELECT 5, 6", 121, "contains more items than the insert list"),
    ("INSERT INTO {s}.t SELECT 5", 213, "does not match table definition"),
    (
        "SELECT CAST('x' AS UNIQUEIDENTIFIER)",
        8169,
        "Conversion failed when converting from a character string to uniqueidentifier.",
    ),
    ("SELECT CAST('now' AS DATE)", 241, "Conversion failed when converting date and/or time from character string."),
    ("SELECT CAST('2026-02-30' AS DATE)", 241, "date and/or time"),
    ("SELECT (SELECT id FROM {s}.t)", 512, "Subquery returned more than 1 value."),
    ("SELECT id, COUNT(*) FROM {s}.t", 8120, "GROUP BY"),
    ("SELECT id FROM {s}.t ORDER BY 2", 108, "position number 2 is out of range"),
    ("SELECT DISTINCT id FROM {s}.t ORDER BY tiny", 145, "must appear in the select list"),
    ("SELECT DATEDIFF(second, '1900-01-01', '2026-01-01')", 535, "datediff function resulted in an overflow"),
    ("SELECT DATEADD(year, 9000, CAST('2026-01-01' AS DATE))", 517, "Adding a value to a 'date' column"),
    (
        "SELECT DATEADD(year, 2147483647, CAST('2026-01-01' AS DATETIME2))",
        517,
        "Adding a value to a 'datetime2' column",
    ),
    ("SELECT DATEADD(year, -1000, CAST('2026-01-01' AS DATETIME))", 517, "Adding a value to a 'datetime' column"),
    ("SELECT CAST(200 AS TINYINT) + CAST(100 AS TINYINT)", 8115, "data type tinyint"),
    ("SELECT CAST(1 AS TINYINT) - CAST(2 AS TINYINT)", 8115, "data type tinyint"),
    ("SELECT CAST(1 AS BIT) + CAST(1 AS BIT)", 402, "bit and bit are incompatible"),
    ("SELECT SQRT(-1)", 3623, "invalid floating point operation"),
    ("SELECT LOG(0)", 3623, "invalid floating point operation"),
    ("SELECT POWER(2, 40)", 232, "overflow error for type int, value = 1099511627776.000000."),
    ("SELECT EXP(1000)", 8115, "data type float"),
    (
        "CREATE UNIQUE INDEX u ON {s}.t (tiny)",
        1505,
        "'{s}.t' and the index name 'u'. The duplicate key value is (null)",
    ),
    ("ALTER TABLE {s}.t ADD CONSTRAINT u UNIQUE (tiny)", 1505, "index name 'u'"),
    ("CREATE INDEX i ON {s}.nope (id)", 1088, 'Cannot find the object "{s}.nope"'),
    ("TRUNCATE TABLE {s}.nope", 4701, 'Cannot find the object "{s}.nope"'),
    ("ALTER TABLE {s}.nope ADD n INT", 4902, 'Cannot find the object "{s}.nope"'),
    ("CREATE TABLE {s}.f (id INT REFERENCES {s}.t (id)); TRUNCATE TABLE {s}.t", 4712, "FOREIGN KEY"),
    ("SELECT id FROM {s}.t WHERE SUM(id) = 1", 147, "An aggregate may not appear in the WHERE clause"),
    ("SELECT id FROM {s}.t WHERE ROW_NUMBER() OVER (ORDER BY id) = 1", 4108, "Windowed functions can only appear"),
    ("SELECT COUNT(*) FROM {s}.t GROUP BY SUM(id)", 144, "Cannot use an aggregate"),
    ("SELECT 1 UNION SELECT 'x'", 245, "converting the varchar value 'x' to data type int"),
    ("SELECT 'x' AS a UNION ALL SELECT id FROM {s}.t ORDER BY a", 245, "converting the varchar value 'x'"),
    ("SELECT (SELECT 1, 2)", 116, "Only one expression"),
    ("SELECT 1 UNION SELECT 1, 2", 205, "equal number of expressions"),
    ("CREATE TABLE {s}.t (n INT)", 2714, "There is already an object named 't' in the database."),
    ("CREATE TABLE nowhere.t (n INT)", 2760, 'The specified schema name "nowhere"'),
    ("DROP TABLE {s}.nope", 3701, "Cannot drop the table 'nope'"),
    ("DROP SCHEMA nowhere", 15151, "Cannot drop the schema 'nowhere'"),
    ("COMMIT", 3902, "no corresponding BEGIN TRANSACTION"),
    ("ROLLBACK", 3903, "no corresponding BEGIN TRANSACTION"),
    ("SAVE TRAN x", 628, "SAVE TRANSACTION"),
    ("BEGIN TRAN; ROLLBACK TRAN x", 6401, "Cannot roll back x."),
    ("SELECT LEFT('a', 1, 2)", 174, "LEFT function requires 2"),
    ("SELECT LEFT('abc', -1)", 536, "Invalid length parameter"),
    ("SELECT COUNT(*) FROM {s}.t GROUP BY 1", 164, "GROUP BY"),
    ("SELECT ROW_NUMBER() OVER () FROM {s}.t", 4112, "ROW_NUMBER"),
    ("SELECT SUM(CAST(1 AS BIT))", 8117, "bit is invalid for sum"),
    ("SELECT CAST('2026-01-01' AS DATE) + CAST('2026-01-01' AS DATE)", 402, "date and date are incompatible"),
    ("SELECT CAST(1 AS DECIMAL(39, 0))", 2750, "Precision 39"),
    ("DECLARE @x VARCHAR(9000)", 131, "size (9000)"),
    ("USE nowhere", 911, "nowhere"),
    ("MERGE {s}.t AS t USING {s}.t AS u ON t.id = u.id WHEN MATCHED THEN DELETE", 10713, "semi-colon"),
    ("SELECT TOP 1 id FROM {s}.t ORDER BY id OFFSET 1 ROWS", 10741, "TOP can not be used"),
    ("SELECT id FROM {s}.t ORDER BY id FETCH NEXT 1 ROWS ONLY", 153, "Invalid usage of the option NEXT"),
    ("SELECT * FROM (SELECT id FROM {s}.t ORDER BY id) AS d", 1033, "ORDER BY clause is invalid"),
    ("SELECT * FROM (SELECT TOP 1 1 AS n UNION SELECT 2 ORDER BY n) AS d", 1033, "ORDER BY clause is invalid"),
    ("SELECT (SELECT id FROM {s}.t ORDER BY id)", 1033, "ORDER BY clause is invalid"),
    ("SELECT 1 WHERE 1 IN (SELECT id FROM {s}.t ORDER BY id)", 1033, "ORDER BY clause is invalid"),
    ("SELECT 1 WHERE EXISTS (SELECT id FROM {s}.t ORDER BY id)", 1033, "ORDER BY clause is invalid"),
    ("WITH c AS (SELECT id FROM {s}.t ORDER BY id) SELECT * FROM c", 1033, "ORDER BY clause is invalid"),
    ("CREATE VIEW {s}.v AS SELECT id FROM {s}.t ORDER BY id", 1033, "ORDER BY clause is invalid"),
    ("SELECT * FROM (SELECT id, id + 1 FROM {s}.t) AS d", 8155, "No column name was specified for column 2 of 'd'."),
    ("SELECT * FROM (SELECT CAST(id AS INT) FROM {s}.t) AS d", 8155, "column 1 of 'd'"),
    ("SELECT * FROM (VALUES (1)) AS d", 8155, "column 1 of 'd'"),
    ("WITH c AS (SELECT COUNT(*) FROM {s}.t) SELECT 1 FROM c", 8155, "column 1 of 'c'"),
    ("SELECT 1 FROM (SELECT id, id FROM {s}.t) AS d", 8156, "The column 'id' was specified multiple times for 'd'."),
    ("SELECT 1 FROM (SELECT * FROM {s}.t AS a, {s}.t AS b) AS d", 8156, "The column 'id'"),
    ("WITH c AS (SELECT id, id FROM {s}.t) SELECT 1 FROM c", 8156, "The column 'id'"),
    ("SELECT 1 FROM (SELECT 1, 2) AS d(a)", 8158, "'d' has more columns"),
    ("SELECT 1 FROM (SELECT 1) AS d(a, b)", 8159, "'d' has fewer columns"),
    ("CREATE VIEW {s}.v AS SELECT id + 1 FROM {s}.t", 4511, "column 1"),
    ("CREATE VIEW {s}.v AS SELECT id, id FROM {s}.t", 4506, "Column name 'id'"),
    ("SELECT id + 1 INTO {s}.u FROM {s}.t", 1038, "missing or empty"),
    ("SELECT id, id INTO {s}.u FROM {s}.t", 2705, "Column name 'id' in table 'u'"),
    ("SELECT 1; CREATE VIEW {s}.v AS SELECT 1 AS n", 111, "'CREATE VIEW' must be the first statement"),
    ("IF 1 = 1 CREATE SCHEMA other", 111, "'CREATE SCHEMA' must be the first statement"),
    ("CREATE VIEW {s}.v AS SELECT 1 AS n; SELECT 2", 102, "SELECT"),
    ("DECLARE @a INT; IF 1 = 0 DECLARE @A INT", 134, "'@a' has already been declared"),
    ("SELECT * FROM CHANGETABLE(CHANGES {s}.t, 0) AS ct", 22105, "Change tracking is not enabled on table '{s}.t'."),
]


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    tsql.run(
        f"CREATE TABLE {schema}.t (id INT NOT NULL CONSTRAINT pk_t PRIMARY KEY, code NVARCHAR(5), tiny TINYINT, "
        f"d DECIMAL(5, 2), bytes VARBINARY(2), x XML); INSERT INTO {schema}.t (id) VALUES (1), (2)"
    )
    return f"{schema}.t"


@pytest.mark.parametrize(("said", "number", "message"), ERRORS, ids=[f"{number} {said}" for said, number, _ in ERRORS])
def test_an_error_has_sql_servers_number_and_words(
    tsql: Client, schema: str, t: str, said: str, number: int, message: str
) -> None:
    assert message.format(s=schema) in tsql.refuses(number, said.format(s=schema))
    assert tsql.value("SELECT 1") == 1


def test_an_error_names_its_line(tsql: Client) -> None:
    with pytest.raises(SqlError) as caught:
        tsql.run("SELECT 1\n\nSELECT 1 / 0")
    assert caught.value.line == 3


def test_the_number_of_an_error_is_known_until_another_statement_ends(tsql: Client) -> None:
    tsql.refuses(8134, "SELECT 1 / 0")
    assert tsql.value("SELECT @@ERROR") == 8134
    assert tsql.value("SELECT @@ERROR") == 0
    tsql.refuses(102, "FROB")
    assert tsql.value("IF @@ERROR = 102 SELECT 'refused'") == "refused"
    tsql.run("BEGIN TRY SELECT 1 / 0 END TRY BEGIN CATCH SELECT @@ERROR; SELECT @@ERROR, ERROR_NUMBER() END CATCH")
    assert [rows for _, rows in tsql.results[-2:]] == [[(8134,)], [(0, 8134)]]


def test_what_came_before_an_error_stays(tsql: Client, t: str) -> None:
    tsql.refuses(8134, f"UPDATE {t} SET code = N'kept' WHERE id = 1; SELECT 1 / 0; DELETE FROM {t}")
    assert tsql.rows(f"SELECT id, code FROM {t} ORDER BY id") == [(1, "kept"), (2, None)]


@pytest.mark.parametrize(("xact_abort", "left"), [("OFF", 1), ("ON", 0)])
def test_xact_abort_decides_what_a_failed_statement_undoes(tsql: Client, t: str, xact_abort: str, left: int) -> None:
    tsql.refuses(
        2627,
        f"SET XACT_ABORT {xact_abort}; BEGIN TRAN; INSERT INTO {t} (id) VALUES (3); INSERT INTO {t} (id) "
        "VALUES (9), (1)",
    )
    assert tsql.session.transactions == left
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 2 + left
    if left:
        tsql.run("COMMIT")
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 2 + left


def test_a_failed_conversion_ends_the_transaction(tsql: Client, t: str) -> None:
    tsql.refuses(
        245,
        f"BEGIN TRAN; INSERT INTO {t} (id) VALUES (3); SELECT CAST(code + 'x' AS INT) FROM {t} WHERE 'x' = 'x' "
        f"AND ISNULL(code, 'y') + 'x' = 1",
    )
    assert tsql.session.transactions == 0
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 2


def test_a_doomed_transaction_can_be_read_and_rolled_back_only(tsql: Client, t: str) -> None:
    doom = (
        f"SET XACT_ABORT ON; BEGIN TRY BEGIN TRAN; INSERT INTO {t} (id) VALUES (3); INSERT INTO {t} (id) "
        "VALUES (1) END TRY "
        "BEGIN CATCH SELECT XACT_STATE(), (SELECT COUNT(*) FROM {t}); {then} END CATCH"
    )
    assert tsql.rows(doom.replace("{t}", t).replace("{then}", "ROLLBACK")) == [(-1, 3)]
    tsql.refuses(3930, doom.replace("{t}", t).replace("{then}", "COMMIT"))
    tsql.refuses(3998, doom.replace("{t}", t).replace("{then}", "PRINT 'x'"))
    assert tsql.session.transactions == 0
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 2


def test_transactions_nest_and_savepoints_undo_a_part(tsql: Client, t: str) -> None:
    tsql.run(f"BEGIN TRAN; BEGIN TRAN; DELETE FROM {t} WHERE id = 1; COMMIT")
    assert tsql.session.transactions == 1
    tsql.run(f"SAVE TRAN half; DELETE FROM {t}; ROLLBACK TRAN half; COMMIT")
    assert tsql.rows(f"SELECT id FROM {t}") == [(2,)]
    tsql.run(f"BEGIN TRAN; BEGIN TRAN; DELETE FROM {t}; ROLLBACK")
    assert tsql.session.transactions == 0
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 1


def test_implicit_transactions_begin_by_themselves(tsql: Client, t: str) -> None:
    tsql.run(f"SET IMPLICIT_TRANSACTIONS ON; DELETE FROM {t}; ROLLBACK; SET IMPLICIT_TRANSACTIONS OFF")
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 2


def test_an_error_in_the_middle_of_rows_comes_after_them(tsql: Client) -> None:
    rows = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 60000) SELECT 1 / (n - 60000) FROM c "
    rows += "OPTION (MAXRECURSION 0)"
    with pytest.raises(SqlError) as caught:
        tsql.run(rows)
    assert caught.value.number == 8134
    caught_within = tsql.run(f"BEGIN TRY {rows} END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH")
    assert caught_within.results[1][1] == [(8134,)]


def test_a_lock_that_is_not_given_in_time(tsql: Client, mssql_engine: PostgresEngine, t: str) -> None:
    other = client(mssql_engine)
    try:
        other.run(f"BEGIN TRAN; UPDATE {t} SET tiny = 1 WHERE id = 1")
        tsql.refuses(1222, f"SET LOCK_TIMEOUT 10; UPDATE {t} SET tiny = 2 WHERE id = 1")
        assert tsql.value(f"SELECT tiny FROM {t} WHERE id = 1") is None
    finally:
        other.session.close()


def test_updlock_keeps_the_second_reader_out(tsql: Client, mssql_engine: PostgresEngine, t: str) -> None:
    other = client(mssql_engine)
    try:
        other.run(f"BEGIN TRAN; SELECT id FROM {t} WITH (UPDLOCK, HOLDLOCK) WHERE id = 1")
        tsql.refuses(1222, f"SET LOCK_TIMEOUT 10; BEGIN TRAN; SELECT id FROM {t} WITH (UPDLOCK, HOLDLOCK) WHERE id = 1")
    finally:
        other.session.close()


def test_one_of_two_that_wait_for_each_other_is_the_victim(tsql: Client, mssql_engine: PostgresEngine, t: str) -> None:
    other = client(mssql_engine)
    failed: list[int] = []
    try:
        tsql.run(f"BEGIN TRAN; UPDATE {t} SET tiny = 1 WHERE id = 1")
        other.run(f"BEGIN TRAN; UPDATE {t} SET tiny = 1 WHERE id = 2")

        def second() -> None:
            try:
                other.run(f"UPDATE {t} SET tiny = 2 WHERE id = 1")
            except SqlError as error:
                failed.append(error.number)
                assert other.session.transactions == 0

        thread = threading.Thread(target=second)
        thread.start()
        try:
            tsql.run(f"UPDATE {t} SET tiny = 2 WHERE id = 2; COMMIT")
        except SqlError as error:
            failed.append(error.number)
            assert tsql.session.transactions == 0
        thread.join(20)
        assert failed == [1205]
    finally:
        other.session.close()


def test_snapshot_isolation_must_be_allowed_and_sees_one_state(mssql_engine: PostgresEngine) -> None:
    mssql_engine.create_database("snapshots")
    tsql, other = client(mssql_engine, "snapshots"), client(mssql_engine, "snapshots")
    try:
        tsql.run("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1)")
        tsql.refuses(3952, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        tsql.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON; SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        assert tsql.value("BEGIN TRAN; SELECT n FROM t") == 1
        other.run("UPDATE t SET n = 2")
        assert tsql.value("SELECT n FROM t") == 1
        tsql.refuses(3960, "UPDATE t SET n = 3")
        assert tsql.session.transactions == 0
        assert tsql.value("SELECT n FROM t") == 2
    finally:
        tsql.session.close()
        other.session.close()


def test_cancel_stops_what_runs_and_nothing_later(tsql: Client, mssql_engine: PostgresEngine) -> None:
    process = tsql.session.connection.info.backend_pid
    watcher = client(mssql_engine)

    def cancel_once_it_runs() -> None:
        active = "SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        while watcher.session.connection.execute(active, (process,)).fetchone() is None:
            pass
        tsql.session.cancel()

    thread = threading.Thread(target=cancel_once_it_runs)
    thread.start()
    tsql.refuses(
        3617, "WITH c AS (SELECT 1 AS n UNION ALL SELECT n FROM c) SELECT COUNT(*) FROM c OPTION (MAXRECURSION 0)"
    )
    thread.join()
    watcher.session.close()
    tsql.session.cancel()
    assert tsql.value("SELECT 1") == 1


def test_login_checks_name_password_and_database(mssql_engine: PostgresEngine) -> None:
    for user, password, database, number in [
        ("sa", "wrong", "matrix", 18456),
        ("nobody", "Secret-1", "matrix", 18456),
        ("sa", "Secret-1", "nowhere", 4060),
    ]:
        with pytest.raises(SqlError) as caught:
            mssql_engine.login(user, password, database)
        assert caught.value.number == number
        assert "wrong" not in str(caught.value)
    assert client(mssql_engine, "").value("SELECT DB_NAME()") == "master"


def test_a_session_closes_twice_and_takes_its_transaction_with_it(mssql_engine: PostgresEngine, t: str) -> None:
    other = client(mssql_engine)
    other.run(f"BEGIN TRAN; DELETE FROM {t}")
    other.session.close()
    other.session.close()
    assert client(mssql_engine).value(f"SELECT COUNT(*) FROM {t}") == 2


def test_databases_are_apart(tsql: Client, mssql_engine: PostgresEngine) -> None:
    tsql.run("CREATE DATABASE apart")
    tsql.refuses(1801, "CREATE DATABASE apart")
    there = client(mssql_engine, "apart")
    there.run("CREATE TABLE only_here (n INT)")
    tsql.refuses(208, "SELECT * FROM only_here")
    assert tsql.value("SELECT COUNT(*) FROM sys.databases WHERE name IN ('apart', 'matrix', 'master')") == 3
    assert there.rows("SELECT * FROM apart.dbo.only_here") == []
    there.session.close()


def test_a_parameter_of_a_wrong_type_does_not_end_the_session(tsql: Client) -> None:
    tsql.refuses(245, "SELECT CAST(@p AS INT)", parameter("@p", "x", Kind.NVARCHAR))
    assert tsql.value("SELECT 1") == 1
