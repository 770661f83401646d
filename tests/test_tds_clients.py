"""Clients with a TDS of their own against the wire: mssql-python's bulk copy in Rust, FreeTDS under pymssql."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from tds_engine import ALL_TYPES, DATABASE, PASSWORD, USER
from tds_local import connection_string, served_apart

from resources.endpoints.mssql_emulator.engine import Kind

ORDERS = [
    (number, None if number % 3 else f"ü€𝄞 {number}", datetime(2024, 1, 1, 2, 3, 4, number)) for number in range(5000)
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served_apart() as found:
        yield found


@pytest.fixture
def microsoft(port):
    mssql_python = pytest.importorskip("mssql_python", exc_type=ImportError)
    opened = mssql_python.connect(connection_string(port))
    opened.cursor().execute("TRUNCATE orders")
    opened.cursor().execute("TRUNCATE typed")
    yield opened
    opened.close()


@pytest.fixture
def freetds(port):
    pymssql = pytest.importorskip("pymssql", exc_type=ImportError)
    opened = pymssql.connect("127.0.0.1", USER, PASSWORD, DATABASE, port=str(port))
    opened.cursor().execute("TRUNCATE orders")
    yield opened
    opened.close()


def rows_of(connection, table: str) -> list[tuple]:
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {table}")
    return [tuple(row) for row in cursor.fetchall()]


def test_bulk_copy_loads_every_row_into_the_right_columns(microsoft):
    told = microsoft.cursor().bulkcopy("dbo.orders", ORDERS)
    assert rows_of(microsoft, "orders") == ORDERS
    assert told["rows_copied"] == len(ORDERS)


LOADED = [
    name for name, (sql, _) in ALL_TYPES.items() if sql.kind not in (Kind.DATETIMEOFFSET, Kind.XML, Kind.SMALLDATETIME)
]
"""Columns whose values the client's bulk copy takes as the Python values they are."""


@pytest.mark.parametrize("name", LOADED)
def test_bulk_copy_loads_every_type_with_its_extremes_and_null(microsoft, name):
    sql, values = ALL_TYPES[name]
    given = [uuid.UUID(bytes=value) for value in values] if sql.kind is Kind.UNIQUEIDENTIFIER else values
    if sql.kind in (Kind.CHAR, Kind.VARCHAR):
        given = ["", "plain"] if sql.kind is Kind.VARCHAR else ["0123456789", "          "]
    place = list(ALL_TYPES).index(name)
    rows = [(value,) for value in [*given, None]]
    microsoft.cursor().bulkcopy("typed", rows, column_mappings=[(0, name)])
    read = [row[place] for row in rows_of(microsoft, "typed")]
    assert read == [*given, None]


def test_bulk_copy_of_text_in_the_wrong_code_page_is_refused_not_misread(microsoft):
    # The client writes varchar as Windows-1252, although it was told that the column is UTF-8.
    with pytest.raises(Exception, match="Invalid data for UTF-8-encoded characters"):
        microsoft.cursor().bulkcopy("typed", [("ü",)], column_mappings=[(0, "varchar")])
    assert rows_of(microsoft, "typed") == []


def test_bulk_copy_into_a_missing_table_is_error_208(microsoft):
    with pytest.raises(Exception, match="Invalid object name 'nowhere'"):
        microsoft.cursor().bulkcopy("nowhere", ORDERS)


def test_bulk_copy_of_null_into_a_key_is_error_515_and_loads_nothing(microsoft):
    with pytest.raises(Exception, match=r"(?i)null"):
        microsoft.cursor().bulkcopy("orders", [*ORDERS, (None, "x", None)])
    assert rows_of(microsoft, "orders") == []


def test_batches_of_a_bulk_copy_are_loaded_one_after_the_other(microsoft):
    microsoft.cursor().bulkcopy("orders", ORDERS, batch_size=999)
    assert rows_of(microsoft, "orders") == ORDERS


def test_rows_are_read_as_arrow(microsoft):
    cursor = microsoft.cursor()
    cursor.execute("MANY 20000")
    assert cursor.arrow()["n"].to_pylist() == list(range(20_000))


def test_many_rows_are_inserted_by_parameters(microsoft):
    microsoft.cursor().executemany("INSERT orders VALUES (?, ?, ?)", ORDERS)
    assert rows_of(microsoft, "orders") == ORDERS


@pytest.mark.parametrize("name", [name for name in ALL_TYPES if name not in ("datetimeoffset", "time")])
def test_freetds_reads_every_type_with_its_extremes_and_null(freetds, name):
    cursor = freetds.cursor(as_dict=True)
    cursor.execute("SELECT * FROM types")
    sql, values = ALL_TYPES[name]
    expected = [uuid.UUID(bytes=value) for value in values] if sql.kind is Kind.UNIQUEIDENTIFIER else values
    assert [row[name] for row in cursor.fetchall()] == [*expected, None]


def test_freetds_loads_in_bulk(freetds):
    rows = [(number, text, None) for number, text, _ in ORDERS]
    freetds.bulk_copy("orders", rows)
    assert rows_of(freetds, "orders") == rows


def test_freetds_calls_a_procedure_and_gets_its_output_back(freetds):
    import pymssql

    cursor = freetds.cursor()
    output = pymssql.output(int)
    assert cursor.callproc("dbo.answer", (output, "x"))[0] == 42
    assert cursor.returnvalue == 0


def test_freetds_hears_an_error_with_its_number(freetds):
    import pymssql

    with pytest.raises(pymssql.Error) as heard:
        freetds.cursor().execute("FAIL 208 16 1 1 Invalid object name 'x'.")
    assert heard.value.args[0] == 208


def test_a_version_of_the_protocol_that_would_misread_text_is_refused(port):
    pymssql = pytest.importorskip("pymssql", exc_type=ImportError)
    with pytest.raises(pymssql.Error, match=r"TDS 7\.4 is needed"):
        pymssql.connect("127.0.0.1", USER, PASSWORD, DATABASE, port=str(port), tds_version="7.3")


def test_decimals_are_read_exactly(freetds):
    cursor = freetds.cursor()
    cursor.execute("SELECT * FROM types")
    assert Decimal("-99999999999999999999999999999.999999999") in cursor.fetchone()
