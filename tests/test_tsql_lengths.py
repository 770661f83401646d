"""How long a text may be: bytes of UTF-8 in char and varchar, units of UTF-16 in nchar and nvarchar.

So count UTF-8 collations of SQL Server; char and nchar are filled up with blanks to just that.
"""

from datetime import time

import pyarrow as pa
import pytest
from tsql_local import Client, columns, parameter

from resources.endpoints.mssql_emulator.copy_out import rows_of
from resources.endpoints.mssql_emulator.engine import CopiedRows, Kind, ResultColumn, SqlError, SqlType
from resources.endpoints.mssql_emulator.rows import encode_rows

CUT = [
    ("CAST('ééé' AS VARCHAR(3))", "é", "varchar(3)"),
    ("CAST('aéé' AS VARCHAR(3))", "aé", "varchar(3)"),
    ("CAST('👍' AS VARCHAR(3))", "", "varchar(3)"),
    ("CONVERT(VARCHAR(5), N'日本語テキスト')", "日", "varchar(5)"),
    ("CAST(N'👍👍' AS NVARCHAR(2))", "👍", "nvarchar(2)"),
    ("CAST(N'a👍👍' AS NVARCHAR(2))", "a", "nvarchar(2)"),
    ("CAST(N'👍a👍b👍' AS NVARCHAR(5))", "👍a👍", "nvarchar(5)"),
    ("CAST(CAST('éé' AS NVARCHAR(2)) AS VARCHAR(2))", "é", "varchar(2)"),
    ("CAST('é' AS CHAR(3))", "é ", "char(3)"),
    ("CAST('éé' AS CHAR(3))", "é ", "char(3)"),
    ("CAST(N'👍' AS NCHAR(3))", "👍 ", "nchar(3)"),
    ("CAST(N'a👍👍' AS NCHAR(4))", "a👍 ", "nchar(4)"),
    ("CAST(CAST('é' AS CHAR(2)) AS CHAR(4))", "é  ", "char(4)"),
    ("CAST(7 AS CHAR(3))", "7  ", "char(3)"),
    ("ISNULL(CAST(NULL AS VARCHAR(2)), 'éé')", "é", "varchar(2)"),
    ("ISNULL(CAST(NULL AS CHAR(3)), 'é')", "é ", "char(3)"),
    ("UPPER(CAST('ɐ' AS VARCHAR(2)))", "", "varchar(2)"),
    ("TRANSLATE('ab', 'ab', 'éü')", "éü", "varchar(8000)"),
    ("REPLACE('ab', 'a', N'é')", "éb", "nvarchar(4000)"),
    ("REPLACE(CAST('ab' AS VARCHAR(MAX)), 'a', 'é')", "éb", "varchar(max)"),
    ("CONCAT_WS(', ', 'a', 'b', 'c')", "a, b, c", "varchar(7)"),
    ("DATALENGTH(CAST('é' AS CHAR(3)))", 3, "int"),
    ("DATALENGTH(CAST(N'👍' AS NCHAR(3)))", 6, "int"),
]


@pytest.mark.parametrize(("expression", "value", "type_"), CUT)
def test_a_text_is_cut_and_filled_up_by_what_its_type_counts_and_inside_no_character(
    tsql: Client, expression: str, value: object, type_: str
) -> None:
    query = f"SELECT {expression}"
    assert tsql.value(query) == value
    assert tsql.types(query) == [type_]


@pytest.mark.parametrize("joined", ["REPLICATE({0}, 2)", "{0} + {0}", "CONCAT({0}, {0})", "CONCAT_WS('', {0}, {0})"])
def test_strings_of_a_length_that_are_joined_end_at_the_greatest_one(tsql: Client, joined: str) -> None:
    value = f"CAST('{'é' * 3000}' AS VARCHAR(8000))"
    query = f"SELECT {joined.format(value)}"
    assert tsql.value(query) == "é" * 4000
    assert tsql.types(query) == ["varchar(8000)"]


def test_a_literal_longer_than_any_length_is_of_any_length(tsql: Client) -> None:
    assert tsql.types(f"SELECT '{'x' * 8000}', '{'x' * 8001}'") == ["varchar(8000)", "varchar(max)"]


@pytest.mark.parametrize(
    ("type_", "value", "held"),
    [
        ("NVARCHAR(2)", "N'👍👍'", "👍"),
        ("VARCHAR(3)", "'éé'", "é"),
        ("CHAR(3)", "'é'", "é "),
        ("NCHAR(3)", "N'👍'", "👍 "),
    ],
)
def test_a_variable_holds_what_fits_however_it_is_set(tsql: Client, type_: str, value: str, held: str) -> None:
    assert tsql.value(f"DECLARE @s {type_} = {value}; SELECT @s") == held
    assert tsql.value(f"DECLARE @s {type_}; SET @s = {value}; SELECT @s") == held
    assert tsql.value(f"DECLARE @s {type_}; SELECT @s = {value}; SELECT @s") == held
    kind, length = Kind(type_.split("(")[0].lower()), int(type_[-2])
    given = value.removeprefix("N").strip("'")
    assert tsql.value("SELECT @p", parameter("@p", given, kind, length)) == held


FIXED = [
    ("CHAR(3)", "'é'", "é "),
    ("NCHAR(3)", "N'👍'", "👍 "),
    ("CHAR(3)", "'ab     '", "ab "),
    ("CHAR(3)", "7", "7  "),
]


@pytest.mark.parametrize(("type_", "value", "kept"), FIXED)
def test_a_column_of_one_size_is_filled_up_by_every_statement_that_writes(
    tsql: Client, schema: str, type_: str, value: str, kept: str
) -> None:
    t = f"{schema}.t"
    tsql.run(f"CREATE TABLE {t} (id INT, c {type_} DEFAULT {value})")
    tsql.run(f"INSERT INTO {t} VALUES (1, {value})")
    tsql.run(f"INSERT INTO {t} (id) VALUES (2)")
    tsql.run(f"INSERT INTO {t} (c, id) SELECT {value}, 3 UNION ALL SELECT NULL, 0")
    tsql.run(f"INSERT INTO {t} SELECT 4, NULL; UPDATE {t} SET c = {value} WHERE id = 4")
    tsql.run(
        f"INSERT INTO {t} SELECT 5, NULL; UPDATE t SET c = s.v FROM {t} AS t JOIN (SELECT {value} AS v) AS s ON id = 5"
    )
    merged = f"MERGE {t} AS t USING (VALUES (5, {value}), (6, {value})) AS s (id, v) ON t.id = s.id"
    tsql.run(f"{merged} WHEN MATCHED THEN UPDATE SET c = s.v WHEN NOT MATCHED THEN INSERT (id, c) VALUES (s.id, s.v);")
    tsql.run(f"{merged} WHEN NOT MATCHED BY SOURCE AND t.id < 0 THEN DELETE;")
    tsql.run(f"CREATE TABLE #o (c {type_}); INSERT INTO {t} OUTPUT {value} INTO #o VALUES (7, NULL)")
    assert tsql.rows("SELECT c FROM #o") == [(kept,)]
    tsql.run(f"DELETE FROM {t} WHERE id = 7")
    assert tsql.rows(f"SELECT c FROM {t} ORDER BY id") == [(None,), *[(kept,)] * 6]
    tsql.run(f"ALTER TABLE {t} ADD d {type_} NOT NULL DEFAULT {value}, e {type_}")
    tsql.run(f"ALTER TABLE {t} ADD CONSTRAINT filled DEFAULT {value} FOR e; INSERT INTO {t} (id) VALUES (8)")
    assert tsql.rows(f"SELECT c, d, e FROM {t} WHERE id = 8") == [(kept, kept, kept)]


def test_a_column_that_gets_another_size_is_filled_up_anew(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (c CHAR(3)); INSERT INTO {schema}.t VALUES ('é')")
    tsql.run(f"ALTER TABLE {schema}.t ALTER COLUMN c CHAR(5)")
    assert tsql.value(f"SELECT c FROM {schema}.t") == "é   "
    tsql.run(f"ALTER TABLE {schema}.t ALTER COLUMN c CHAR(2)")
    assert tsql.value(f"SELECT c FROM {schema}.t") == "é"


ALTERED = [
    ("VARCHAR(40)", "'23:59:59.7'", "TIME(0)", time(0)),
    ("TIME(3)", "'23:59:59.7'", "TIME(0)", time(0)),
    ("DATETIME", "'2026-01-02'", "VARCHAR(40)", "Jan  2 2026 12:00AM"),
    ("VARBINARY(2)", "0x61", "BINARY(2)", b"a\0"),
    ("INT", "7", "CHAR(3)", "7  "),
    ("VARCHAR(40)", "'7'", "INT", 7),
    ("FLOAT", "0.5", "VARCHAR(5)", "0.5"),
]


@pytest.mark.parametrize(("before", "value", "after", "kept"), ALTERED)
def test_a_column_that_gets_another_type_keeps_what_that_holds(
    tsql: Client, schema: str, before: str, value: str, after: str, kept: object
) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (c {before}); INSERT INTO {schema}.t VALUES ({value})")
    tsql.run(f"ALTER TABLE {schema}.t ALTER COLUMN c {after}")
    assert tsql.value(f"SELECT c FROM {schema}.t") == kept


@pytest.mark.parametrize(("type_", "value"), [("CHAR(3)", "'éé'"), ("NCHAR(3)", "N'👍👍'"), ("VARCHAR(3)", "'éé'")])
def test_a_text_that_a_column_does_not_hold_is_refused(tsql: Client, schema: str, type_: str, value: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (c {type_})")
    tsql.refuses(8152, f"INSERT INTO {schema}.t VALUES ({value})")
    tsql.run(f"INSERT INTO {schema}.t VALUES ('a')")
    tsql.refuses(8152, f"UPDATE {schema}.t SET c = {value}")


@pytest.mark.parametrize(("type_", "value", "kept"), [("CHAR(3)", "é", "é "), ("NCHAR(3)", "👍", "👍 ")])
def test_a_bulk_load_fills_up_and_refuses_what_is_too_long(
    tsql: Client, schema: str, type_: str, value: str, kept: str
) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (c {type_})")
    asked = columns(tsql, f"{schema}.t", ["c"])
    tsql.session.bulk_insert(f"{schema}.t", asked, [pa.record_batch([pa.array([value, value + "   ", None])], ["c"])])
    assert tsql.rows(f"SELECT c FROM {schema}.t") == [(kept,), (kept,), (None,)]
    with pytest.raises(SqlError) as caught:
        tsql.session.bulk_insert(f"{schema}.t", asked, [pa.record_batch([pa.array([value * 2])], ["c"])])
    assert caught.value.number == 2628


def test_a_value_longer_than_its_column_says_is_an_error_and_never_a_broken_stream() -> None:
    for kind, text in ((Kind.VARCHAR, "éé"), (Kind.NVARCHAR, "👍👍"), (Kind.CHAR, "éé"), (Kind.VARBINARY, b"abcd")):
        asked = [ResultColumn("n", SqlType(Kind.INT)), ResultColumn("wide", SqlType(kind, 3))]
        batch = pa.record_batch([pa.array([1], pa.int32()), pa.array([text], asked[1].type.arrow)], ["n", "wide"])
        raw = text if isinstance(text, bytes) else text.encode()
        copied = CopiedRows(b"\0\2\0\0\0\4\0\0\0\1" + len(raw).to_bytes(4, "big") + raw, 1)
        for send in (lambda b=batch, a=asked: list(encode_rows(b, a)), lambda c=copied, a=asked: rows_of(c.data, a)):
            with pytest.raises(SqlError, match=rf"column 'wide' is longer than {kind}\(3\)") as caught:
                send()
            assert caught.value.number == 8624
