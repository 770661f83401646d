"""What statements of T-SQL do to rows; what they do to tables, indexes and views is in `test_tsql_definitions`."""

from datetime import date, datetime
from decimal import Decimal

from tsql_local import Client, everything


def test_insert_takes_values_defaults_and_queries(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (id INT IDENTITY(5, 2), a INT DEFAULT 7, b VARCHAR(3) NOT NULL DEFAULT ('q'))")
    tsql.run(f"INSERT INTO {schema}.x DEFAULT VALUES; INSERT {schema}.x (b) VALUES ('r'), (DEFAULT)")
    assert tsql.counts == [1, 2]
    tsql.run(f"INSERT INTO {schema}.x WITH (TABLOCK) (a, b) SELECT a + 1, b FROM {schema}.x WHERE id = 5")
    assert everything(tsql, f"{schema}.x") == [(5, 7, "q"), (7, 7, "r"), (9, 7, "q"), (11, 8, "q")]
    assert tsql.value("SELECT SCOPE_IDENTITY()") == 11


def test_insert_without_a_column_list_leaves_the_identity_out(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (id INT IDENTITY, a INT)")
    tsql.run(f"INSERT INTO {schema}.x VALUES (4); INSERT INTO {schema}.x SELECT 5")
    assert everything(tsql, f"{schema}.x") == [(1, 4), (2, 5)]
    tsql.refuses(213, f"INSERT INTO {schema}.x VALUES (1, 2)")
    tsql.refuses(544, f"INSERT INTO {schema}.x (id, a) VALUES (9, 9)")


def test_identity_insert_writes_the_identity_and_moves_it_on(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (id INT IDENTITY, a INT)")
    tsql.run(f"SET IDENTITY_INSERT {schema}.x ON; INSERT INTO {schema}.x (id, a) VALUES (10, 1)")
    tsql.run(f"SET IDENTITY_INSERT {schema}.x OFF; INSERT INTO {schema}.x (a) VALUES (2)")
    assert everything(tsql, f"{schema}.x") == [(10, 1), (11, 2)]


def test_identity_insert_asks_for_the_identity_by_name_and_is_of_one_table(tsql: Client, schema: str) -> None:
    x, y = f"{schema}.x", f"{schema}.y"
    tsql.run(f"CREATE TABLE {x} (id INT IDENTITY, a INT); CREATE TABLE {y} (id INT IDENTITY, a INT)")
    tsql.run(f"SET IDENTITY_INSERT {x} ON; SET IDENTITY_INSERT {y} OFF")
    tsql.refuses(545, f"INSERT INTO {x} (a) VALUES (1)")
    tsql.refuses(545, f"INSERT INTO {x} DEFAULT VALUES")
    tsql.refuses(8101, f"INSERT INTO {x} VALUES (1, 1)")
    assert f"{x}'" in tsql.refuses(8107, f"SET IDENTITY_INSERT {y} ON")
    tsql.run(f"DROP TABLE {x}; SET IDENTITY_INSERT {y} ON; INSERT INTO {y} (id, a) VALUES (7, 1)")
    assert everything(tsql, y) == [(7, 1)]


def test_a_fraction_is_cut_where_a_whole_number_is_stored(tsql: Client, t: str) -> None:
    tsql.run(f"UPDATE {t} SET n = 1.9 WHERE id = 1; UPDATE {t} SET n = CAST(-1.9 AS FLOAT) WHERE id = 2")
    assert tsql.rows(f"SELECT n FROM {t} WHERE id < 3 ORDER BY id") == [(1,), (-1,)]


def test_update_with_from_join_alias_and_compound_assignment(tsql: Client, t: str) -> None:
    tsql.run(
        f"UPDATE x SET x.n += v.d, code = code + N'!' FROM {t} AS x "
        "INNER JOIN (VALUES (1, 5), (2, 6), (9, 9)) AS v(id, d) ON v.id = x.id"
    )
    assert tsql.counts == [2]
    assert everything(tsql, t) == [(1, "a!", 15), (2, "b!", 26), (3, "c", None)]


def test_update_through_an_outer_join_reaches_rows_without_a_match(tsql: Client, t: str) -> None:
    tsql.run(f"UPDATE x SET n = v.d FROM {t} AS x LEFT JOIN (VALUES (1, 5)) AS v(id, d) ON v.id = x.id")
    assert everything(tsql, t) == [(1, "a", 5), (2, "b", None), (3, "c", None)]


def test_a_row_that_matches_twice_is_updated_once(tsql: Client, t: str) -> None:
    tsql.run(f"UPDATE x SET n += 1 FROM {t} AS x JOIN (VALUES (1), (1)) AS v(id) ON v.id = x.id")
    assert tsql.counts == [1]
    assert everything(tsql, t)[0] == (1, "a", 11)


def test_delete_by_alias_join_top_and_where(tsql: Client, t: str) -> None:
    tsql.run(f"DELETE x FROM {t} AS x JOIN (VALUES (1), (1)) AS v(id) ON v.id = x.id")
    assert tsql.counts == [1]
    tsql.run(f"DELETE x FROM {t} AS x WHERE x.n IS NULL")
    assert everything(tsql, t) == [(2, "b", 20)]
    tsql.run(f"INSERT INTO {t} VALUES (4, NULL, NULL), (5, NULL, NULL); DELETE TOP (1) FROM {t} WHERE n IS NULL")
    assert tsql.counts == [2, 1]
    assert len(everything(tsql, t)) == 2


def test_delete_from_a_cte_keeps_one_row_of_each_key(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.d (k INT, v INT); INSERT INTO {schema}.d VALUES (1, 1), (1, 2), (2, 3)")
    tsql.run(
        f"WITH c AS (SELECT k, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM {schema}.d) "
        "DELETE FROM c WHERE rn > 1"
    )
    assert everything(tsql, f"{schema}.d") == [(1, 2), (2, 3)]


def test_output_shows_old_and_new_values(tsql: Client, t: str) -> None:
    assert tsql.rows(f"UPDATE {t} SET n = 1 OUTPUT deleted.n, inserted.n AS now WHERE id = 1") == [(10, 1)]
    assert tsql.rows(f"DELETE FROM {t} OUTPUT deleted.* WHERE id = 2") == [(2, "b", 20)]
    assert tsql.rows(f"INSERT INTO {t} (id, code) OUTPUT inserted.id, inserted.code VALUES (7, N'x')") == [(7, "x")]


def test_output_into_a_table(tsql: Client, t: str) -> None:
    tsql.run("CREATE TABLE #gone (id INT, code NVARCHAR(10))")
    tsql.run(f"DELETE FROM {t} OUTPUT deleted.id, deleted.code INTO #gone (id, code) WHERE id > 1")
    assert tsql.counts == [2]
    assert everything(tsql, "#gone") == [(2, "b"), (3, "c")]


def test_merge_updates_inserts_deletes_and_tells(tsql: Client, t: str) -> None:
    found = tsql.rows(
        f"MERGE INTO {t} WITH (HOLDLOCK) AS x USING (VALUES (1, N'A'), (2, N'b'), (9, N'z')) AS s (id, "
        "code) ON x.id = s.id "
        "WHEN MATCHED AND x.code <> s.code THEN UPDATE SET code = s.code, x.n = x.n + 1 "
        "WHEN NOT MATCHED BY TARGET THEN INSERT (id, code) VALUES (s.id, s.code) "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE "
        "OUTPUT $action, inserted.id, deleted.id;"
    )
    assert sorted(found, key=str) == [("DELETE", None, 3), ("INSERT", 9, None), ("UPDATE", 1, 1)]
    assert everything(tsql, t) == [(1, "A", 11), (2, "b", 20), (9, "z", None)]


def test_options_that_change_no_result_may_follow_any_statement_that_writes(tsql: Client, t: str) -> None:
    tsql.run(f"UPDATE x SET n = 1 FROM {t} AS x WHERE id < 3 OPTION (LABEL = 'load', MAXDOP 1)")
    tsql.run(f"DELETE FROM {t} OPTION (RECOMPILE)")
    tsql.run(
        f"MERGE {t} USING (SELECT 7 AS id) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id) "
        "OPTION (LABEL = 'x');"
    )
    assert everything(tsql, t) == [(7, None, None)]


def test_a_statement_that_writes_takes_as_many_rounds_of_recursion_as_it_says(tsql: Client, t: str) -> None:
    rows = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 150)"
    tsql.refuses(530, f"{rows} UPDATE {t} SET n = (SELECT MAX(n) FROM c)")
    tsql.run(f"{rows} UPDATE {t} SET n = (SELECT MAX(n) FROM c) OPTION (MAXRECURSION 200)")
    tsql.run(f"{rows} INSERT INTO {t} (id, n) SELECT 10, MAX(n) FROM c OPTION (MAXRECURSION 200)")
    assert [n for _, _, n in everything(tsql, t)] == [150, 150, 150, 150]


def test_merge_refuses_to_touch_a_row_twice(tsql: Client, t: str) -> None:
    tsql.refuses(
        8672,
        f"MERGE {t} AS x USING (VALUES (1, 5), (1, 6)) AS s (id, n) ON x.id = s.id WHEN MATCHED THEN "
        "UPDATE SET n = s.n;",
    )


def test_select_into_keeps_types_and_not_null(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"SELECT id, code, n * 2 AS twice INTO {schema}.copy FROM {t} WHERE id < 3")
    assert tsql.counts == [2]
    assert tsql.types(f"SELECT * FROM {schema}.copy") == ["int", "nvarchar(10)", "int"]
    assert [column.nullable for column in tsql.session.columns(f"{schema}.copy", ["id", "code", "twice"])] == [
        False,
        True,
        True,
    ]
    tsql.refuses(1038, f"SELECT n + 1 INTO {schema}.unnamed FROM {t}")


def test_temporary_tables_are_the_sessions_own(tsql: Client, t: str) -> None:
    tsql.run(f"SELECT id INTO #x FROM {t}")
    assert tsql.value("SELECT COUNT(*) FROM #x") == 3
    assert tsql.value("SELECT CASE WHEN OBJECT_ID('tempdb..#x') IS NULL THEN 0 ELSE 1 END") == 1
    tsql.run("DROP TABLE #x")
    tsql.refuses(208, "SELECT * FROM #x")


def test_a_temporary_table_ends_with_the_call_that_made_it(tsql: Client) -> None:
    tsql.run("EXEC sp_executesql N'CREATE TABLE #inner (n INT); INSERT INTO #inner VALUES (1)'")
    assert "#inner" in tsql.refuses(208, "SELECT * FROM #inner")


def test_truncate_empties_and_rolls_back(tsql: Client, t: str) -> None:
    tsql.run(f"BEGIN TRAN; TRUNCATE TABLE {t}; ROLLBACK")
    assert len(everything(tsql, t)) == 3
    tsql.run(f"TRUNCATE TABLE {t}")
    assert everything(tsql, t) == []


def test_trailing_blanks_are_kept_and_do_not_count(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.b (k NVARCHAR(10) NOT NULL PRIMARY KEY); INSERT INTO {schema}.b VALUES (N'a  ')")
    assert tsql.rows(f"SELECT k, DATALENGTH(k) FROM {schema}.b WHERE k = N'a'") == [("a  ", 6)]
    tsql.refuses(2627, f"INSERT INTO {schema}.b VALUES (N'a')")
    assert tsql.value(f"SELECT COUNT(*) FROM (SELECT k FROM {schema}.b UNION SELECT N'a') AS q") == 1
    assert tsql.value(f"SELECT k + N'|' FROM {schema}.b") == "a  |"


def test_case_counts_as_under_a_binary_collation(tsql: Client, schema: str) -> None:
    tsql.run(
        f"CREATE TABLE {schema}.b (k NVARCHAR(10) NOT NULL PRIMARY KEY); INSERT INTO {schema}.b VALUES (N'a'), (N'A')"
    )
    assert everything(tsql, f"{schema}.b") == [("A",), ("a",)]


def test_names_in_quotes_and_reserved_words(tsql: Client, schema: str) -> None:
    tsql.run(f'CREATE TABLE {schema}.[two words] ([select] INT, "a]b%" INT, [ü] DATE, date DATE)')
    tsql.run(f"INSERT INTO {schema}.[two words] VALUES (1, 2, '2026-01-02', '2026-01-03')")
    query = f'SELECT [select], "a]b%", x.[ü], x.date FROM {schema}.[two words] AS x'
    assert tsql.rows(query) == [(1, 2, date(2026, 1, 2), date(2026, 1, 3))]


def test_statements_need_no_semicolons(tsql: Client, t: str) -> None:
    tsql.run(
        f"INSERT INTO {t} (id) VALUES (8) UPDATE {t} SET n = 1 WHERE id = 8 DELETE FROM {t} WHERE id = 1 "
        f"SELECT id FROM {t} "
        f"ORDER BY id DECLARE @n INT = 2 SELECT @n"
    )
    assert tsql.counts == [1, 1, 1]
    assert [rows for _, rows in tsql.results] == [[(2,), (3,), (8,)], [(2,)]]


def test_a_statement_said_once_holds_until_its_table_changes(tsql: Client, t: str) -> None:
    query = f"SELECT code, DATALENGTH(n) FROM {t} WHERE id = 1"
    assert (tsql.types(query), tsql.rows(query)) == (["nvarchar(10)", "int"], [("a", 4)])
    tsql.run(f"ALTER TABLE {t} ALTER COLUMN n BIGINT")
    assert tsql.rows(query) == [("a", 8)]
    tsql.run(f"BEGIN TRAN; ALTER TABLE {t} ALTER COLUMN n SMALLINT")
    assert tsql.rows(query) == [("a", 2)]
    tsql.run("ROLLBACK")
    assert tsql.rows(query) == [("a", 8)]


def test_a_persisted_computed_column_tells_keys_apart_that_differ_by_trailing_blanks(tsql: Client, schema: str) -> None:
    tsql.run(
        f"CREATE TABLE {schema}.x (code NVARCHAR(10) NOT NULL, [size] AS DATALENGTH(code) PERSISTED NOT NULL,"
        " PRIMARY KEY (code, [size]))"
    )
    tsql.run(f"INSERT INTO {schema}.x (code) VALUES (N'a'), (N'a ')")
    assert everything(tsql, f"{schema}.x") == [("a", 2), ("a ", 4)]
    tsql.refuses(2627, f"INSERT INTO {schema}.x (code) VALUES (N'a')")
    tsql.refuses(102, f"CREATE TABLE {schema}.y (a INT, b AS a + 1 PERSISTED, c INT)")


def test_text_becomes_what_a_column_holds_however_it_is_written(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (id INT, m MONEY, d DATETIME, n INT)")
    row = "'$1,000', '3/1/2026 00:00:00.002', ''"
    tsql.run(f"INSERT INTO {schema}.x VALUES (1, {row}); INSERT INTO {schema}.x SELECT 2, {row}")
    tsql.run(f"INSERT INTO {schema}.x (id) VALUES (3)")
    tsql.run(f"UPDATE {schema}.x SET m = '$1,000', d = '3/1/2026 00:00:00.002', n = '' WHERE id = 3")
    tsql.run(
        f"MERGE {schema}.x AS t USING (VALUES (4)) AS s(id) ON t.id = s.id "
        f"WHEN NOT MATCHED THEN INSERT (id, m, d, n) VALUES (s.id, {row});"
    )
    expected = (Decimal(1000), datetime(2026, 3, 1, 0, 0, 0, 3000), 0)
    assert tsql.rows(f"SELECT * FROM {schema}.x ORDER BY id") == [(number, *expected) for number in range(1, 5)]


def test_money_is_rounded_where_a_whole_number_is_stored(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (n INT); INSERT INTO {schema}.x VALUES (CAST(2.5 AS MONEY))")
    tsql.run(f"INSERT INTO {schema}.x SELECT CAST(3.5 AS MONEY)")
    assert tsql.rows(f"SELECT n FROM {schema}.x ORDER BY n") == [(3,), (4,)]


def test_a_target_that_from_does_not_name_takes_part_all_the_same(tsql: Client, t: str) -> None:
    other = "FROM (VALUES (1, 5), (1, 5)) AS v(id, d)"
    tsql.run(f"UPDATE {t} SET n = v.d {other} WHERE v.id = t.id")
    assert tsql.counts == [1]
    assert everything(tsql, t) == [(1, "a", 5), (2, "b", 20), (3, "c", None)]
    tsql.run(f"DELETE FROM {t} {other} WHERE v.id = t.id")
    assert everything(tsql, t) == [(2, "b", 20), (3, "c", None)]
    tsql.refuses(208, f"UPDATE nope SET n = 1 {other}")


def test_update_and_merge_set_a_default(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (id INT, n INT DEFAULT 7, m INT); INSERT INTO {schema}.x VALUES (1, 1, 1)")
    tsql.run(f"UPDATE {schema}.x SET n = DEFAULT, m = DEFAULT")
    assert everything(tsql, f"{schema}.x") == [(1, 7, None)]
    tsql.run(f"UPDATE {schema}.x SET n = 2; UPDATE y SET n = DEFAULT, m = y.id FROM {schema}.x AS y, {schema}.x AS z")
    assert everything(tsql, f"{schema}.x") == [(1, 7, 1)]
    merge = (
        f"MERGE {schema}.x AS t USING (VALUES (1)) AS s(id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET m = DEFAULT;"
    )
    tsql.run(merge)
    assert everything(tsql, f"{schema}.x") == [(1, 7, None)]


def test_merge_reads_what_with_defines_and_puts_its_output_into_a_table(tsql: Client, t: str) -> None:
    tsql.run("CREATE TABLE #seen (act NVARCHAR(10), id INT, old INT)")
    tsql.run(
        f"WITH s AS (SELECT 1 AS id, 5 AS n UNION ALL SELECT 9, 9) MERGE {t} AS t USING s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n) "
        "OUTPUT $action, inserted.id, deleted.n INTO #seen (act, id, old);"
    )
    assert tsql.counts == [2]
    assert tsql.rows("SELECT * FROM #seen ORDER BY id") == [("UPDATE", 1, 10), ("INSERT", 9, None)]
    assert tsql.rows(f"SELECT id, n FROM {t} WHERE id IN (1, 9) ORDER BY id") == [(1, 5), (9, 9)]


def test_a_table_that_is_changed_may_be_joined_with_what_with_defines(tsql: Client, t: str) -> None:
    tsql.run(f"WITH s AS (SELECT 2 AS id) UPDATE {t} SET n = -2 FROM {t} JOIN s ON s.id = {t}.id")
    assert tsql.counts == [1]
    tsql.run(f"WITH t AS (SELECT 3 AS id) DELETE x FROM {t} AS x JOIN t ON t.id = x.id")
    assert everything(tsql, t) == [(1, "a", 10), (2, "b", -2)]


def test_output_knows_its_rows_in_any_case_and_no_others(tsql: Client, t: str) -> None:
    assert tsql.rows(f"UPDATE {t} SET n = 5 OUTPUT INSERTED.n, Deleted.n WHERE id = 1") == [(5, 10)]
    joined = f"FROM {t} AS x JOIN (SELECT 2 AS id) AS s ON s.id = x.id"
    assert tsql.rows(f"DELETE x OUTPUT DELETED.* {joined}") == [(2, "b", 20)]
    assert "s.id" in tsql.refuses(102, f"DELETE x OUTPUT s.id {joined}")
