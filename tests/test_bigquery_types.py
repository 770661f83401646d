"""Promises of BigQuery's types table: every value that the canonical form can show comes back bit by bit.

Values go through a real table of the local emulator, by the load job and the Storage Read API that sinks use.
It may import `matrix_defs` and `resources`.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from bigquery_local import local_bigquery
from hypothesis import given
from hypothesis import strategies as st

from matrix_defs.row_hash import row_hash
from matrix_defs.table import ARROW, Column, LogicalType
from resources.bigquery.arrow import file_schema, from_driver, to_driver
from resources.bigquery.dialect import BigQueryDialect
from resources.bigquery.session import Session
from resources.bigquery.types import TYPES

T = LogicalType
DIALECT = BigQueryDialect()
DATASET = "types"
KEY = Column("k", T.INT64, nullable=False)
NAN, DENORMAL = struct.unpack("<2d", struct.pack("<2Q", 0x7FF8000000000001, 1))
NINES = "99999999999999999999999999999.999999999"
WALL = (
    datetime(1, 1, 1),
    datetime(1970, 1, 1),
    datetime(1970, 1, 1, 0, 0, 0, 1),
    datetime(2026, 3, 29, 2, 30, 0, 123456),  # an hour that daylight saving skips
    datetime(2200, 12, 31, 23, 59, 59, 999999),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
)

VALUES: dict[LogicalType, tuple[Any, ...]] = {
    T.BOOL: (True, False),
    T.INT16: (-(2**15), -1, 0, 2**15 - 1),
    T.INT32: (-(2**31), 0, 2**31 - 1),
    T.INT64: (-(2**63), 0, 2**53 + 1, 2**63 - 1),
    T.DECIMAL_18_4: (Decimal("-99999999999999.9999"), Decimal("0.0001"), Decimal("0"), Decimal("99999999999999.9999")),
    T.DECIMAL_38_9: (Decimal(f"-{NINES}"), Decimal("0.000000001"), Decimal("0"), Decimal(NINES)),
    T.FLOAT64: (0.0, -0.0, DENORMAL, -DENORMAL, 1.7976931348623157e308, 0.1, float("inf"), float("-inf"), NAN),
    T.TEXT: ("", " ", "a ", "\t\n\r\"'\\", "\\N", "@p `x`", "NULL", "\x01\x7f", "e\u0301", "\U0001f600", "\x00in"),
    T.BINARY: (b"", bytes(range(256)), b"\xff\xfe", b"\x00"),
    T.DATE: (date(1, 1, 1), date(1900, 1, 1), date(1970, 1, 1), date(2026, 2, 28), date(9999, 12, 31)),
    T.TIME: (time(0), time(0, 0, 0, 1), time(23, 59, 59, 999999)),
    T.DATETIME: WALL,
    T.INSTANT: tuple(value.replace(tzinfo=UTC) for value in WALL),
    T.UUID: (b"\x00" * 16, b"\xff" * 16, bytes(range(16))),
    T.JSON: ('{"b": 1, "a": [1.50, 12345678901234567890]}', "{}", "null", '"\u00e9"', '{"n": {"x": null}}', " [ 1 ] "),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with local_bigquery() as endpoint:
        session = Session(endpoint)
        session.run(f"CREATE SCHEMA `{DATASET}`")
        yield session
        session.close()


def create(session: Session, *columns: Column) -> None:
    definitions = ", ".join(DIALECT.definition(column) for column in columns)
    session.run(f"CREATE OR REPLACE TABLE `{DATASET}`.`t` ({definitions})")


def written_and_read(session: Session, column: Column, values: pa.Array) -> pa.Table:
    create(session, KEY, column)
    rows = pa.table([pa.array(range(len(values))), values], schema=pa.schema([KEY.field, column.field]))
    assert session.load(DATASET, "t", (KEY, column), rows.to_batches(max_chunksize=3)) == len(values)
    read = pa.Table.from_batches(list(session.rows(DATASET, "t", (KEY, column)))).sort_by("k")
    assert read.schema == rows.schema
    assert row_hash(read, ["k", column.name]).equals(row_hash(rows, ["k", column.name]))
    return read


def test_every_logical_type_has_a_stored_type_and_none_loses_anything() -> None:
    assert list(TYPES) == list(LogicalType) == list(VALUES)
    assert not [kind for kind, stored in TYPES.items() if stored.loss]


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_nullable_column_come_back_bit_by_bit_and_null_as_null(
    session: Session, kind: LogicalType
) -> None:
    read = written_and_read(session, Column("v", kind), pa.array([None, *VALUES[kind], None], ARROW[kind]))
    assert read["v"].null_count == 2


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_column_without_null_come_back_bit_by_bit(session: Session, kind: LogicalType) -> None:
    written_and_read(session, Column("v", kind, nullable=False), pa.array(VALUES[kind], ARROW[kind]))


@pytest.mark.parametrize("kind", LogicalType)
def test_values_survive_a_statement_from_table_to_table(session: Session, kind: LogicalType) -> None:
    column = Column("v", kind)
    values = pa.array([None, *VALUES[kind]], ARROW[kind])
    before = written_and_read(session, column, values)
    session.run(f"CREATE OR REPLACE TABLE `{DATASET}`.`copy` ({DIALECT.definition(KEY)}, {DIALECT.definition(column)})")
    session.run(f"INSERT INTO `{DATASET}`.`copy` (`k`, `v`) SELECT t.`k`, t.`v` FROM `{DATASET}`.`t` AS t")
    after = pa.Table.from_batches(list(session.rows(DATASET, "copy", (KEY, column)))).sort_by("k")
    assert row_hash(after, ["v"]).equals(row_hash(before, ["v"]))


@pytest.mark.parametrize("kind", LogicalType)
def test_a_null_in_a_column_without_null_is_an_error_and_never_a_default(session: Session, kind: LogicalType) -> None:
    column = Column("v", kind, nullable=False)
    create(session, KEY, column)
    rows = pa.table({"k": [1], "v": pa.nulls(1, ARROW[kind])})
    with pytest.raises(pa.ArrowInvalid, match=r"'v'.*non-nullable"):
        session.load(DATASET, "t", (KEY, column), rows.to_batches())
    assert session.run(f"SELECT COUNT(*) AS n FROM `{DATASET}`.`t`") == {"n": 0}


def test_a_column_that_the_rows_lack_is_an_error_and_never_a_default(session: Session) -> None:
    create(session, KEY, Column("v", T.TEXT))
    with pytest.raises(KeyError, match="v"):
        session.load(DATASET, "t", (KEY, Column("v", T.TEXT)), pa.table({"k": [1]}).to_batches())


def test_columns_are_read_by_name_in_whatever_order_they_are_asked_for(session: Session) -> None:
    columns = (Column("a", T.TEXT), Column("b", T.TEXT))
    create(session, *columns)
    # The emulator takes the columns of a file by their place, the service by their name.
    session.load(DATASET, "t", columns, pa.table({"b": ["is b"], "a": ["is a"]}).to_batches())
    [read] = session.rows(DATASET, "t", columns[::-1])
    assert read.to_pylist() == [{"b": "is b", "a": "is a"}]


def test_an_empty_table_yields_no_rows(session: Session) -> None:
    create(session, KEY)
    assert session.load(DATASET, "t", (KEY,), []) == 0
    assert [batch.num_rows for batch in session.rows(DATASET, "t", (KEY,)) if batch.num_rows] == []


def test_a_read_yields_several_batches_so_that_memory_stays_bounded(session: Session) -> None:
    create(session, KEY)
    rows = pa.table({"k": pa.array(range(300_000), pa.int64())})
    session.load(DATASET, "t", (KEY,), rows.to_batches(max_chunksize=100_000))
    sizes = [batch.num_rows for batch in session.rows(DATASET, "t", (KEY,))]
    assert sum(sizes) == 300_000
    assert len(sizes) > 1


@given(
    st.lists(st.none() | st.binary(min_size=16, max_size=16)), st.lists(st.none() | st.integers(-(2**15), 2**15 - 1))
)
def test_what_is_written_to_a_file_is_read_back_as_it_was(uuids: list[bytes | None], small: list[int | None]) -> None:
    for kind, values in ((T.UUID, uuids), (T.INT16, small), (T.INT32, small)):
        column = Column("v", kind)
        rows = pa.record_batch([pa.array(values, ARROW[kind])], schema=pa.schema([column.field]))
        stored = to_driver(rows, (column,))
        assert stored.schema == file_schema((column,))
        assert from_driver(stored, (column,)).equals(rows)
