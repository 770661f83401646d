"""What strings that are padded, cut or too short for a number are compared and shown as, and values at their edges."""

import pytest
from tsql_local import Client


@pytest.mark.parametrize("pattern", ["'ab'", "'%b'", "'a_'", "'[a]b'", "'ab '", "'ab%'", "'!ab' ESCAPE '!'", "@p"])
def test_trailing_blanks_of_char_and_varchar_count_for_nothing_in_like(tsql: Client, pattern: str) -> None:
    assert tsql.value(f"DECLARE @e CHAR(5) = 'ab', @p VARCHAR(5) = 'a_'; SELECT 1 WHERE @e LIKE {pattern}") == 1


@pytest.mark.parametrize("condition", ["N'ab ' LIKE N'ab'", "'ab ' LIKE N'ab'", "'ab' LIKE 'ab '", "'ab c' LIKE 'ab'"])
def test_trailing_blanks_count_in_like_among_nvarchar_and_in_every_pattern(tsql: Client, condition: str) -> None:
    assert tsql.rows(f"SELECT 1 WHERE {condition}") == []


def test_a_number_that_is_too_long_for_a_varchar_is_a_star(tsql: Client) -> None:
    assert tsql.rows("SELECT CAST(123 AS VARCHAR(2)), CAST(123 AS CHAR(2)), CAST(12 AS VARCHAR(2))") == [
        ("*", "* ", "12")
    ]
    tsql.refuses(8115, "SELECT CAST(123 AS NVARCHAR(2))")
    tsql.refuses(8115, "SELECT CAST(1.25 AS VARCHAR(2))")


def test_a_column_of_bit_keeps_1_of_every_number_but_0(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (n INT, h BIT); INSERT INTO {schema}.t VALUES (2, 2), (0, 0), (3, -0.5)")
    assert tsql.rows(f"SELECT h FROM {schema}.t ORDER BY n") == [(False,), (True,), (True,)]
    tsql.run(f"INSERT INTO {schema}.t (h) SELECT n FROM {schema}.t; UPDATE {schema}.t SET h = n WHERE n IS NOT NULL")
    assert tsql.rows(f"SELECT COUNT(*) FROM {schema}.t WHERE h = 1") == [(4,)]


def test_columns_that_are_made_by_the_table_tell_why_they_are_not_written(tsql: Client, schema: str) -> None:
    t = f"{schema}.t"
    tsql.run(f"CREATE TABLE {t} (id INT IDENTITY, a INT, c AS a * 2 PERSISTED); INSERT INTO {t} (a) VALUES (1)")
    assert '"c"' in tsql.refuses(271, f"INSERT INTO {t} (a, c) VALUES (1, 2)")
    tsql.refuses(271, f"UPDATE {t} SET c = 5")
    assert "'id'" in tsql.refuses(8102, f"UPDATE {t} SET id = 5")
    tsql.refuses(544, f"INSERT INTO {t} (id) VALUES (5)")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("'abc', 0, 1, 'X'", None),
        ("'abc', 4, 1, 'X'", None),
        ("'abc', 2, -1, 'X'", None),
        ("'', 1, 0, 'X'", None),
        ("'abc', 2, 1, NULL", "ac"),
        ("'abc', 2, 9, 'X'", "aX"),
    ],
)
def test_stuff_outside_of_the_text_is_null_and_stuffing_null_takes_away(
    tsql: Client, arguments: str, value: str | None
) -> None:
    assert tsql.value(f"SELECT STUFF({arguments})") == value


def test_coalesce_of_nothing_but_null_is_refused(tsql: Client) -> None:
    tsql.refuses(4127, "SELECT COALESCE(NULL, NULL)")
    assert tsql.value("SELECT COALESCE(NULL, CAST(NULL AS INT))") is None
