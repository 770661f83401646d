"""Days that are none, and moments that a type does not reach."""

from datetime import datetime

import pytest
from tsql_local import Client

NO_DAY = "2023-02-29"
READ_241 = ("DATE", "DATETIME2", "DATETIMEOFFSET")
READ_242 = ("DATETIME", "SMALLDATETIME")


@pytest.mark.parametrize("kind", [*READ_241, *READ_242])
@pytest.mark.parametrize("text", [NO_DAY, "2023-13-01", "2023-01-01 25:00:00"])
def test_text_of_a_day_that_is_none_has_the_number_of_its_type(tsql: Client, schema: str, kind: str, text: str) -> None:
    number = 241 if kind in READ_241 else 242
    tsql.refuses(number, f"SELECT CAST('{text}' AS {kind})")
    tsql.refuses(number, f"DECLARE @x VARCHAR(30) = '{text}'; SELECT CONVERT({kind}, @x)")
    tsql.run(f"CREATE TABLE {schema}.t (d {kind})")
    tsql.refuses(number, f"INSERT INTO {schema}.t VALUES ('{text}')")
    assert tsql.value(f"SELECT TRY_CAST('{text}' AS {kind})") is None


@pytest.mark.parametrize("source", ["'{}'", "CAST('{}' AS DATE)", "CAST('{}' AS DATETIME2)"])
@pytest.mark.parametrize(
    ("kind", "moment"), [("DATETIME", "1752-12-31"), ("SMALLDATETIME", "1899-12-31"), ("SMALLDATETIME", "2079-06-07")]
)
def test_a_moment_out_of_the_range_of_its_type_is_refused(
    tsql: Client, schema: str, source: str, kind: str, moment: str
) -> None:
    said = source.format(moment)
    tsql.refuses(242, f"SELECT CAST({said} AS {kind})")
    tsql.refuses(242, f"DECLARE @d {kind} = {said}")
    tsql.run(f"CREATE TABLE {schema}.t (d {kind})")
    tsql.refuses(242, f"INSERT INTO {schema}.t SELECT {said}")
    assert tsql.value(f"SELECT TRY_CAST({said} AS {kind})") is None


def test_text_that_is_no_date_is_told_by_the_number_of_smalldatetime(tsql: Client) -> None:
    tsql.refuses(295, "SELECT CAST('yesterday' AS SMALLDATETIME)")
    tsql.refuses(241, "SELECT CAST('yesterday' AS DATETIME)")
    tsql.refuses(289, "SELECT DATEFROMPARTS(2023, 2, 29)")


def test_a_sum_of_a_datetime_and_days_is_a_datetime(tsql: Client) -> None:
    assert tsql.value("SELECT CAST('2024-01-01' AS DATETIME) + 0.000001") == datetime(2024, 1, 1, 0, 0, 0, 87000)
    assert tsql.value("SELECT CAST('2024-01-01' AS DATETIME) - 1") == datetime(2023, 12, 31)
    tsql.refuses(517, "SELECT CAST('9999-12-31' AS DATETIME) + 1")
    tsql.refuses(242, "SELECT CAST(-60000 AS DATETIME)")


def test_dateadd_rounds_as_its_type_does(tsql: Client) -> None:
    assert tsql.rows(
        "SELECT DATEADD(ms, 1, d), DATEADD(ms, 2, d), DATEADD(s, 29, s), DATEADD(s, 30, s) "
        "FROM (SELECT CAST('2024-01-01' AS DATETIME), CAST('2024-01-01' AS SMALLDATETIME)) AS t (d, s)"
    ) == [(datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 3000), datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 1))]


@pytest.mark.parametrize("source", ["'2024-01-01 12:34:30'", "CAST('2024-01-01 12:34:30' AS DATETIME2)"])
def test_a_column_of_smalldatetime_keeps_the_nearest_minute(tsql: Client, schema: str, source: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (s SMALLDATETIME); INSERT INTO {schema}.t VALUES ({source})")
    tsql.run(f"INSERT INTO {schema}.t SELECT {source}; UPDATE {schema}.t SET s = {source}")
    assert tsql.rows(f"SELECT s FROM {schema}.t") == [(datetime(2024, 1, 1, 12, 35),)] * 2


@pytest.mark.parametrize(("kind", "number"), [("DATETIME", 241), ("SMALLDATETIME", 295)])
@pytest.mark.parametrize(
    "text", ["2024-01-02T03:04:05.123456", "2024-01-02 03:04:05.1234", "2024-01-02T03:04:05+01:00"]
)
def test_text_of_a_datetime_has_no_finer_fraction_and_no_offset(
    tsql: Client, schema: str, kind: str, number: int, text: str
) -> None:
    tsql.refuses(number, f"SELECT CAST('{text}' AS {kind})")
    tsql.run(f"CREATE TABLE {schema}.t (d {kind})")
    tsql.refuses(number, f"INSERT INTO {schema}.t VALUES ('{text}')")
    assert tsql.value(f"SELECT CAST(CAST('{text}' AS DATETIME2(0)) AS {kind})").replace(second=5) == datetime(
        2024, 1, 2, 3, 4, 5
    )


def test_dateadd_of_text_is_a_datetime(tsql: Client) -> None:
    assert tsql.types("SELECT DATEADD(day, 1, '2024-01-01'), DATEADD(day, 1, CAST('2024-01-01' AS DATE))") == [
        "datetime",
        "date",
    ]


def test_days_and_a_datetime_are_added_in_any_order_and_two_datetimes_not_at_all(tsql: Client) -> None:
    assert tsql.value("SELECT 1 + CAST('2024-01-01' AS DATETIME)") == datetime(2024, 1, 2)
    tsql.refuses(102, "SELECT GETDATE() - GETDATE()")
    tsql.refuses(402, "SELECT 1 - GETDATE()")
