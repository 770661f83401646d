"""Views of T-SQL are texts: what they read is looked up by name at every use."""

from tsql_local import Client


def test_a_view_reads_whatever_table_has_the_name_now(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT); INSERT INTO {schema}.t VALUES (1)")
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT * FROM {schema}.t")
    tsql.run(f"CREATE VIEW {schema}.w AS SELECT id + 10 AS id FROM {schema}.v")
    tsql.run(f"SELECT 2 AS id INTO {schema}.new")
    tsql.run(f"EXEC sp_rename '{schema}.t', 'old'; EXEC sp_rename '{schema}.new', 't'; DROP TABLE {schema}.old")
    assert tsql.rows(f"SELECT v.id, w.id FROM {schema}.v CROSS JOIN {schema}.w") == [(2, 12)]
    tsql.run(f"CREATE OR ALTER VIEW {schema}.v AS SELECT 'more' AS name, 3 AS id")
    assert tsql.rows(f"SELECT * FROM {schema}.w") == [(13,)]


def test_a_view_whose_table_is_gone_is_an_error_until_it_is_there_again(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT)")
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT id FROM {schema}.t")
    tsql.run(f"BEGIN TRANSACTION; DROP TABLE {schema}.t; ROLLBACK")
    assert tsql.rows(f"SELECT * FROM {schema}.v") == []
    tsql.run(f"DROP TABLE {schema}.t")
    assert f"{schema}.t" in tsql.refuses(208, f"SELECT COUNT(*) FROM {schema}.v")
    tsql.run(f"CREATE TABLE {schema}.t (id BIGINT, more INT); INSERT INTO {schema}.t VALUES (5000000000, 1)")
    assert tsql.rows(f"SELECT * FROM {schema}.v") == [(5000000000,)]
    tsql.run(f"ALTER TABLE {schema}.t DROP COLUMN id")
    tsql.refuses(207, f"SELECT * FROM {schema}.v")


def test_a_star_in_a_view_stands_for_the_columns_it_was_made_or_refreshed_with(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (a INT); INSERT INTO {schema}.t VALUES (1)")
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT * FROM {schema}.t")
    tsql.run(f"ALTER TABLE {schema}.t ADD b INT")
    assert tsql.rows(f"SELECT * FROM {schema}.v") == [(1,)]
    tsql.run(f"EXEC sp_rename '{schema}.t.a', 'c', 'COLUMN'")
    tsql.refuses(102, f"SELECT * FROM {schema}.v")
    tsql.run(f"EXEC sp_refreshview '{schema}.v'")
    assert [column.name for column in tsql.run(f"SELECT * FROM {schema}.v").results[0][0]] == ["c", "b"]
    tsql.refuses(15165, f"EXEC sp_refreshview '{schema}.t'")


def test_views_that_read_each_other_are_an_error(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT 1 AS id")
    tsql.run(f"CREATE VIEW {schema}.w AS SELECT id FROM {schema}.v")
    tsql.run(f"DROP VIEW {schema}.v; EXEC sp_rename '{schema}.w', 'v'")
    tsql.refuses(4429, f"SELECT * FROM {schema}.v")


def test_the_catalog_tells_what_a_view_says_and_reads(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT)")
    query = f"WITH c AS (SELECT id FROM {schema}.t) SELECT c.id FROM c, matrix.{schema}.t"
    text = f"/* 100% */ CREATE VIEW {schema}.v AS\n{query}"
    tsql.run(text)
    assert tsql.value(f"SELECT OBJECT_DEFINITION(OBJECT_ID('{schema}.v'))") == text
    assert tsql.value(f"SELECT definition FROM sys.sql_modules WHERE object_id = OBJECT_ID('{schema}.v')") == text
    shown = "SELECT VIEW_DEFINITION FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_NAME = 'v' AND TABLE_SCHEMA"
    assert tsql.value(f"{shown} = '{schema}'") == text
    assert tsql.rows(
        "SELECT referenced_database_name, referenced_schema_name, referenced_entity_name, OBJECT_NAME(referenced_id) "
        f"FROM sys.sql_expression_dependencies WHERE referencing_id = OBJECT_ID('{schema}.v') ORDER BY 1"
    ) == [(None, schema, "t", "t"), ("matrix", schema, "t", "t")]
    tsql.run(f"CREATE OR ALTER VIEW {schema}.v AS SELECT 1 AS n")
    assert tsql.value(f"SELECT OBJECT_DEFINITION(OBJECT_ID('{schema}.v'))") == (
        f"CREATE   VIEW {schema}.v AS SELECT 1 AS n"
    )


def test_columns_of_a_view_have_the_types_that_its_query_gives_them(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT NOT NULL, s VARCHAR(10), d DECIMAL(9, 2))")
    query = (
        f"SELECT id, s + 'x' AS s, CAST(1 AS BIT) AS b, GETDATE() AS g, d * 2 AS d, N'ab' AS n, NULL AS e "
        f"FROM {schema}.t"
    )
    tsql.run(f"CREATE VIEW {schema}.v AS {query}")
    expected = ["int", "varchar(11)", "bit", "datetime", "decimal(11,2)", "nvarchar(2)", "int"]
    assert tsql.types(f"SELECT * FROM {schema}.v") == expected
    tsql.run(f"SELECT * INTO {schema}.made FROM {schema}.v")
    assert tsql.types(f"SELECT * FROM {schema}.made") == expected


def test_a_view_of_one_tables_columns_is_written_to(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT, s VARCHAR(10))")
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT s AS name, id FROM {schema}.t WHERE id > 0")
    tsql.run(f"INSERT INTO {schema}.v (name, id) VALUES ('a', 1); UPDATE {schema}.v SET name = 'b' WHERE id = 1")
    assert tsql.rows(f"SELECT * FROM {schema}.t") == [(1, "b")]
