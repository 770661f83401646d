"""SELECT INTO: the new table's columns are of the types that SQL Server would give them."""

import pytest
from tsql_local import Client, columns

TYPED = {
    "CAST('a' AS VARCHAR(3))": "varchar(3)",
    "CAST(N'a' AS NVARCHAR(9))": "nvarchar(9)",
    "CAST('a' AS CHAR(3))": "char(3)",
    "CAST(N'é' AS NCHAR(3))": "nchar(3)",
    "CAST('a' AS VARCHAR(MAX))": "varchar(max)",
    "CAST('<a/>' AS XML)": "xml",
    "'ab'": "varchar(2)",
    "N'ab'": "nvarchar(2)",
    "UPPER(CAST('a' AS VARCHAR(5)))": "varchar(5)",
    "CONCAT('a', N'b')": "nvarchar(2)",
    "'a' + CAST('b' AS CHAR(2))": "varchar(3)",
    "CAST(1 AS BIT)": "bit",
    "CAST(1 AS TINYINT)": "tinyint",
    "CAST(1 AS SMALLINT)": "smallint",
    "1": "int",
    "COUNT_BIG(*) OVER ()": "bigint",
    "CAST(1 AS MONEY)": "money",
    "CAST(1 AS DECIMAL(7, 2)) * 2": "decimal(9,2)",
    "CAST(1 AS REAL)": "real",
    "CAST(1 AS FLOAT)": "float",
    "CAST('2026-01-02' AS DATE)": "date",
    "CAST('2026-01-02' AS DATETIME)": "datetime",
    "CAST('2026-01-02' AS SMALLDATETIME)": "smalldatetime",
    "CAST('2026-01-02' AS DATETIME2(3))": "datetime2(3)",
    "CAST('2026-01-02' AS DATETIME2)": "datetime2(7)",
    "CAST('2026-01-02' AS DATETIMEOFFSET(2))": "datetimeoffset(2)",
    "GETDATE()": "datetime",
    "SYSUTCDATETIME()": "datetime2(7)",
    "CAST('10:00' AS TIME(3))": "time(3)",
    "CAST(1 AS BINARY(4))": "binary(4)",
    "CAST(0x01 AS VARBINARY(9))": "varbinary(9)",
    "0x0102": "varbinary(2)",
    "HASHBYTES('MD5', 'a')": "varbinary(8000)",
    "NEWID()": "uniqueidentifier",
    "CASE WHEN 1 = 1 THEN CAST('a' AS VARCHAR(4)) END": "varchar(4)",
}


@pytest.mark.parametrize(("expression", "type_"), TYPED.items())
def test_a_column_made_of_an_expression_is_of_its_type(tsql: Client, expression: str, type_: str) -> None:
    tsql.run(f"SELECT {expression} AS v INTO #made")
    assert tsql.types("SELECT v FROM #made") == [type_]
    assert tsql.types(f"SELECT {expression} AS v") == [type_]


def test_what_is_stored_is_as_long_as_its_type_makes_it(tsql: Client) -> None:
    tsql.run("SELECT CAST('a' AS VARCHAR(3)) AS v, CAST('a' AS CHAR(3)) AS c INTO #made")
    assert tsql.rows("SELECT DATALENGTH(v), DATALENGTH(c) FROM #made") == [(1, 3)]
    assert tsql.value("SELECT CASE WHEN HASHBYTES('MD5', v) = HASHBYTES('MD5', 'a') THEN 1 END FROM #made") == 1


def test_columns_of_tables_and_stars_keep_their_types(tsql: Client, schema: str) -> None:
    tsql.run(
        f"CREATE TABLE {schema}.t (a BIT, b CHAR(2), c TIME(1), d BINARY(2)); INSERT INTO {schema}.t (a) VALUES (1)"
    )
    tsql.run(f"SELECT *, b AS e INTO {schema}.u FROM {schema}.t ORDER BY a")
    assert tsql.types(f"SELECT * FROM {schema}.u") == ["bit", "char(2)", "time(1)", "binary(2)", "char(2)"]
    tsql.run(f"SELECT a, [p%] INTO #v FROM (SELECT a, '50%' AS [p%] FROM {schema}.t UNION ALL SELECT 0, 'é') AS q")
    assert tsql.types("SELECT * FROM #v") == ["int", "varchar(3)"]
    tsql.refuses(2705, f"SELECT a, a INTO #w FROM {schema}.t")


def test_a_variable_of_the_query_is_of_its_own_type_in_the_table(tsql: Client) -> None:
    tsql.run("DECLARE @v VARCHAR(7) = 'é', @n DECIMAL(5, 1) = 1; SELECT @v AS v, @n AS n INTO #made")
    assert tsql.types("SELECT v, n FROM #made") == ["varchar(7)", "decimal(5,1)"]
    assert tsql.counts == []


def test_a_column_of_an_expression_may_be_null_unless_a_constant_stands_in(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (a INT NOT NULL, b INT); INSERT INTO {schema}.t VALUES (1, NULL)")
    tsql.run(
        f"SELECT a, b, a + 1 AS c, ISNULL(b, 0) AS d, ISNULL(b, a) AS e, ISNULL(b, NULL) AS f, 'x' AS g, -1 AS h, "
        f"CAST(1 AS BIT) AS i, NULL AS j INTO {schema}.u FROM {schema}.t"
    )
    names = list("abcdefghij")
    kept = {column.name for column in columns(tsql, f"{schema}.u", names) if not column.nullable}
    assert kept == {"a", "d", "g", "h"}
    tsql.run(f"SELECT t.a, 1 AS one INTO {schema}.v FROM {schema}.u LEFT JOIN {schema}.t AS t ON t.a = 0")
    assert [column.nullable for column in columns(tsql, f"{schema}.v", ["a", "one"])] == [True, False]


IDENTITY = {
    "SELECT id, n INTO {u} FROM {t}": True,
    "SELECT id AS other, n INTO {u} FROM {t} AS x WHERE n > 0 ORDER BY n": True,
    "SELECT TOP 5 * INTO {u} FROM {t}": True,
    "SELECT id, COUNT(*) OVER () AS many INTO {u} FROM {t}": True,
    "SELECT id + 0 AS id, n INTO {u} FROM {t}": False,
    "SELECT id, id AS twin INTO {u} FROM {t}": False,
    "SELECT t.id, o.n INTO {u} FROM {t} AS t JOIN {t} AS o ON o.id = t.id": False,
    "SELECT id, COUNT(*) AS many INTO {u} FROM {t} GROUP BY id": False,
    "SELECT MAX(id) AS id INTO {u} FROM {t}": False,
    "SELECT id INTO {u} FROM (SELECT id FROM {t} UNION ALL SELECT id FROM {t}) AS q": False,
}


@pytest.mark.parametrize(("query", "inherited"), IDENTITY.items())
def test_a_column_by_itself_from_one_table_goes_on_with_its_identity(
    tsql: Client, schema: str, query: str, inherited: bool
) -> None:
    tsql.run(
        f"CREATE TABLE {schema}.t (id INT IDENTITY(10, 5), n INT); INSERT INTO {schema}.t (n) VALUES (1), (2), (3)"
    )
    tsql.run(query.format(t=f"{schema}.t", u=f"{schema}.u"))
    found = tsql.rows(f"SELECT name FROM sys.identity_columns WHERE object_id = OBJECT_ID('{schema}.u')")
    assert len(found) == inherited
    if inherited:
        [[name]] = found
        tsql.refuses(544, f"INSERT INTO {schema}.u ({name}) VALUES (1)")
        tsql.run(f"INSERT INTO {schema}.u DEFAULT VALUES")
        assert tsql.value(f"SELECT MAX({name}) FROM {schema}.u") == 25


def test_a_temporary_table_goes_on_with_the_identity_of_another(tsql: Client) -> None:
    tsql.run("CREATE TABLE #t (id INT IDENTITY, n INT); INSERT INTO #t (n) VALUES (1); SELECT * INTO #u FROM #t")
    tsql.run("INSERT INTO #u (n) VALUES (2)")
    assert tsql.rows("SELECT id, n FROM #u ORDER BY id") == [(1, 1), (2, 2)]
    tsql.run("SELECT id INTO #empty FROM #t WHERE 1 = 0; INSERT INTO #empty DEFAULT VALUES")
    assert tsql.value("SELECT id FROM #empty") == 1


def test_an_identity_that_falls_goes_on_falling(tsql: Client) -> None:
    tsql.run(
        "CREATE TABLE #t (id INT IDENTITY(-1, -1), n INT); INSERT INTO #t (n) VALUES (1), (2); SELECT * INTO #u FROM #t"
    )
    tsql.run("INSERT INTO #u (n) VALUES (3)")
    assert tsql.rows("SELECT id FROM #u ORDER BY id") == [(-3,), (-2,), (-1,)]
    tsql.run("SET IDENTITY_INSERT #u ON; INSERT INTO #u (id, n) SELECT -9, 4; SET IDENTITY_INSERT #u OFF")
    tsql.run("INSERT INTO #u (n) VALUES (5)")
    assert tsql.value("SELECT MIN(id) FROM #u") == -10


def test_identity_insert_of_no_row_leaves_the_identity_alone(tsql: Client) -> None:
    tsql.run("CREATE TABLE #t (id INT IDENTITY(10, 1), n INT); SET IDENTITY_INSERT #t ON")
    tsql.run("INSERT INTO #t (id, n) SELECT 1, 1 WHERE 1 = 0; INSERT INTO #t (id, n) VALUES (3, 1)")
    tsql.run("SET IDENTITY_INSERT #t OFF; INSERT INTO #t (n) VALUES (2)")
    assert tsql.rows("SELECT id FROM #t ORDER BY id") == [(3,), (10,)]
