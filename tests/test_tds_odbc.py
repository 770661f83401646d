"""Microsoft's ODBC driver against the wire: types, parameters, transactions, errors, cancelling."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tds_engine import ALL_TYPES
from tds_local import connection_string, odbc_driver, served_apart

from resources.endpoints.mssql_emulator.engine import Kind

try:
    import pyodbc
except ImportError as missing:
    pytest.skip(f"pyodbc cannot be imported: {missing}", allow_module_level=True)

DRIVER = odbc_driver()
if not DRIVER:
    pytest.skip("Microsoft's ODBC driver is not installed", allow_module_level=True)

DATETIMEOFFSET = -155


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served_apart() as found:
        yield found


def connect(port: int, **changed: str) -> pyodbc.Connection:
    return pyodbc.connect(f"DRIVER={DRIVER};{connection_string(port, **changed)}")


@pytest.fixture
def connection(port) -> Iterator[pyodbc.Connection]:
    opened = connect(port)
    yield opened
    opened.close()


def as_read(sql, value):
    """What pyodbc makes of a value."""
    if sql.kind is Kind.UNIQUEIDENTIFIER:
        return str(uuid.UUID(bytes=value)).upper()
    return value


def instant(raw: bytes) -> datetime:
    year, month, day, hour, minute, second = (int.from_bytes(raw[i : i + 2], "little") for i in range(0, 12, 2))
    return datetime(year, month, day, hour, minute, second, int.from_bytes(raw[12:16], "little") // 1000, UTC)


@pytest.mark.parametrize("name", ALL_TYPES)
def test_every_type_is_read_with_its_extremes_and_null(connection, name):
    connection.add_output_converter(DATETIMEOFFSET, instant)
    sql, values = ALL_TYPES[name]
    read = connection.execute("SELECT * FROM types").fetchall()
    assert [getattr(row, name) for row in read] == [*(as_read(sql, value) for value in values), None]


def test_parameters_arrive_as_they_were_bound(connection):
    values = (1, 2**40, "ünï𝄞", b"\0\1", Decimal("12345678901234567890.123456789"), 1.5, True, "x" * 9000)
    row = connection.execute("ECHO ?, ?, ?, ?, ?, ?, ?, ?", *values).fetchone()
    assert tuple(row) == values


def test_a_fraction_of_a_second_is_kept_to_the_microsecond(connection):
    moment = datetime(2024, 2, 29, 1, 2, 3, 456789)
    assert connection.execute("ECHO ?", moment).fetchval() == moment


def test_null_is_bound_with_the_type_that_the_server_suggests(connection):
    row = connection.execute("TYPES orders ?, ?, ?", 1, None, None).fetchone()
    assert [text.partition("(")[0] for text in row] == ["int", "nvarchar", "datetime2"]


def test_many_rows_are_executed_in_batches_and_all_arrive(connection):
    rows = [(i, None if i % 3 else f"ü{i}", datetime(2024, 1, 1, 0, 0, 0, i)) for i in range(3000)]
    cursor = connection.cursor()
    cursor.execute("TRUNCATE orders")
    cursor.fast_executemany = True
    cursor.executemany("INSERT orders VALUES (?, ?, ?)", rows)
    assert [tuple(row) for row in cursor.execute("SELECT * FROM orders").fetchall()] == rows


def test_a_driver_s_transactions_are_begun_committed_and_rolled_back(port):
    connection = connect(port)
    assert connection.execute("TRANSACTIONS").fetchval() == 1
    connection.commit()
    connection.autocommit = True
    assert connection.execute("TRANSACTIONS").fetchval() == 0
    connection.autocommit = False
    connection.execute("BEGIN TRAN")
    assert connection.execute("TRANSACTIONS").fetchval() == 2
    connection.rollback()
    connection.autocommit = True
    assert connection.execute("TRANSACTIONS").fetchval() == 0
    connection.close()


def test_a_transaction_of_t_sql_is_told_to_the_driver(port):
    connection = connect(port)
    connection.autocommit = True
    connection.execute("BEGIN TRAN")
    assert connection.execute("TRANSACTIONS").fetchval() == 1
    connection.execute("COMMIT")
    assert connection.execute("TRANSACTIONS").fetchval() == 0
    connection.close()


def test_an_error_arrives_with_its_number_and_text_and_the_connection_goes_on(connection):
    with pytest.raises(pyodbc.IntegrityError, match=r"Violation of PRIMARY KEY.*\(2627\)"):
        connection.execute("FAIL 2627 14 1 3 Violation of PRIMARY KEY constraint 'pk'.").nextset()
    assert connection.execute("ECHO ?", 1).fetchval() == 1


def test_a_defect_of_the_engine_ends_the_connection_with_its_name(port):
    connection = connect(port)
    with pytest.raises(pyodbc.Error, match="ZeroDivisionError"):
        connection.execute("CRASH").nextset()


def test_what_a_statement_prints_arrives_as_a_message(connection):
    cursor = connection.execute("PRINT hello")
    assert any("hello" in text for _, text in cursor.messages)


def test_rows_of_many_packets_arrive_in_order(connection):
    assert [row.n for row in connection.execute("MANY 200000")] == list(range(200_000))


def test_a_procedure_is_called_with_its_name_and_arguments(connection):
    row = connection.execute("{CALL dbo.load_orders (?, ?)}", 1, "x").fetchone()
    assert row.call == "dbo.load_orders @_p1, @_p2"


def test_a_statement_is_cancelled_when_its_time_is_over(connection):
    connection.timeout = 1
    with pytest.raises(pyodbc.OperationalError, match="HYT00"):
        connection.execute("WAIT")
    assert connection.execute("ECHO ?", 1).fetchval() == 1


def test_rows_that_are_not_read_are_cancelled(connection):
    cursor = connection.execute("ENDLESS")
    assert cursor.fetchone().n == 0
    cursor.close()
    assert connection.execute("ECHO ?", 1).fetchval() == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"PWD": "wr0ng"}, r"Login failed for user 'loader'.*\(18456\)"),
        ({"Database": "nowhere"}, r"Cannot open database \"nowhere\".*\(4060\)"),
    ],
)
def test_a_refused_login_says_why_and_never_the_password(port, changed, told):
    with pytest.raises(pyodbc.Error, match=told) as refused:
        connect(port, **changed)
    assert "wr0ng" not in str(refused.value)


def test_a_client_that_insists_on_encryption_is_told_that_there_is_none(port):
    with pytest.raises(pyodbc.OperationalError, match=r"(?i)encryption"):
        connect(port, Encrypt="yes")


def test_a_prepared_statement_sees_a_long_text_in_chunks(connection):
    text = "𝄞ü" * 3_000_000
    assert connection.execute("ECHO ?", text).fetchval() == text


def test_the_server_is_left_in_working_order_by_two_hundred_connections(port):
    opened = [connect(port) for _ in range(200)]
    assert [one.execute("ECHO ?", number).fetchval() for number, one in enumerate(opened)] == list(range(200))
    for one in opened:
        one.close()
