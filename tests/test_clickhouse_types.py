"""Promises of ClickHouse's types table: every value that the canonical form can show comes back bit by bit.

Values go through a real table, by the same two calls that sources and sinks use.
It may import `matrix_defs` and `resources`.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_local import local_clickhouse

from matrix_defs.row_hash import row_hash
from matrix_defs.table import ARROW, Column, LogicalType
from resources.clickhouse.dialect import ClickHouseDialect
from resources.clickhouse.server import Server, _http_streams
from resources.clickhouse.types import TYPES

T = LogicalType
DIALECT = ClickHouseDialect()
KEY = Column("k", T.INT64, nullable=False)
NAN, DENORMAL = struct.unpack("<2d", struct.pack("<2Q", 0x7FF8000000000001, 1))
NINES = "99999999999999999999999999999.999999999"
WALL = (
    datetime(1970, 1, 1),
    datetime(1970, 1, 1, 0, 0, 0, 1),
    datetime(2026, 3, 29, 2, 30, 0, 123456),  # an hour that daylight saving skips
    datetime(2200, 12, 31, 23, 59, 59, 999999),
)

VALUES: dict[LogicalType, tuple[Any, ...]] = {
    T.BOOL: (True, False),
    T.INT16: (-(2**15), -1, 0, 2**15 - 1),
    T.INT32: (-(2**31), 0, 2**31 - 1),
    T.INT64: (-(2**63), 0, 2**53 + 1, 2**63 - 1),
    T.DECIMAL_18_4: (Decimal("-99999999999999.9999"), Decimal("0.0001"), Decimal("0"), Decimal("99999999999999.9999")),
    T.DECIMAL_38_9: (Decimal(f"-{NINES}"), Decimal("0.000000001"), Decimal("0"), Decimal(NINES)),
    T.FLOAT64: (0.0, -0.0, DENORMAL, -DENORMAL, 1.7976931348623157e308, 0.1, float("inf"), float("-inf"), NAN),
    T.TEXT: ("", " ", "a ", "\t\n\r\"'\\", "\\N", "{x:Int8}", "NULL", "\x01\x7f", "e\u0301", "\U0001f600", "\x00in"),
    T.BINARY: (b"", bytes(range(256)), b"\xff\xfe", b"\x00"),
    T.DATE: (date(1970, 1, 1), date(1900, 1, 1), date(2026, 2, 28), date(2200, 12, 31)),
    T.TIME: (time(0), time(0, 0, 0, 1), time(23, 59, 59, 999999)),
    T.DATETIME: WALL,
    T.INSTANT: tuple(value.replace(tzinfo=UTC) for value in WALL),
    T.UUID: (b"\x00" * 16, b"\xff" * 16, bytes(range(16))),
    T.JSON: ('{"b": 1, "a": [1.50, 12345678901234567890]}', "{}", "null", '"\u00e9"', '{"n": {"x": null}}'),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with local_clickhouse() as resource:
        yield resource._server(resource.endpoint("embedded"))


def create(server: Server, *columns: Column) -> None:
    definitions = ", ".join(DIALECT.definition(column) for column in columns)
    server.execute("DROP TABLE IF EXISTS t SYNC")
    server.execute(f"CREATE TABLE t ({definitions}){DIALECT.merge_tree((KEY.name,))}")


def written_and_read(server: Server, column: Column, values: pa.Array) -> pa.Table:
    create(server, KEY, column)
    rows = pa.table([pa.array(range(len(values))), values], schema=pa.schema([KEY.field, column.field]))
    server.insert("t", (KEY, column), rows.to_batches(max_chunksize=3))
    read = pa.Table.from_batches(server.batches("SELECT * FROM t ORDER BY k", (KEY, column)))
    assert read.schema == rows.schema
    assert row_hash(read, ["k", column.name]).equals(row_hash(rows, ["k", column.name]))
    return read


def test_every_logical_type_has_a_stored_type_and_none_loses_anything() -> None:
    assert list(TYPES) == list(LogicalType) == list(VALUES)
    assert not [kind for kind, stored in TYPES.items() if stored.loss]


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_nullable_column_come_back_bit_by_bit_and_null_as_null(
    server: Server, kind: LogicalType
) -> None:
    values = pa.array([None, *VALUES[kind], None], ARROW[kind])
    read = written_and_read(server, Column("v", kind), values)
    assert read["v"].null_count == 2


@pytest.mark.parametrize("kind", LogicalType)
def test_hard_values_of_a_column_without_null_come_back_bit_by_bit(server: Server, kind: LogicalType) -> None:
    written_and_read(server, Column("v", kind, nullable=False), pa.array(VALUES[kind], ARROW[kind]))


@pytest.mark.parametrize("kind", LogicalType)
def test_a_null_in_a_column_without_null_is_an_error_and_never_a_default(server: Server, kind: LogicalType) -> None:
    column = Column("v", kind, nullable=False)
    create(server, KEY, column)
    rows = pa.table({"k": [1], "v": pa.nulls(1, ARROW[kind])})
    with pytest.raises(DatabaseError, match="Cannot convert NULL"):
        server.insert("t", (KEY, column), rows.to_batches())
    assert server.rows("SELECT count() FROM t")[0][0] == 0


def test_a_null_that_moves_from_table_to_table_is_an_error_and_never_a_default(server: Server) -> None:
    create(server, KEY, Column("v", T.DATE, nullable=False))
    with pytest.raises(DatabaseError, match="Cannot convert NULL"):
        server.execute("INSERT INTO t (k, v) SELECT 1, CAST(NULL AS Nullable(Date32))")


def test_a_column_that_the_rows_lack_is_an_error_and_never_a_default(server: Server) -> None:
    create(server, KEY, Column("v", T.TEXT))
    with pytest.raises(KeyError, match="v"):
        server.insert("t", (KEY, Column("v", T.TEXT)), pa.table({"k": [1]}).to_batches())
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, pa.schema([KEY.field])) as writer:
        writer.write_table(pa.table({"k": [1]}, schema=pa.schema([KEY.field])))
    with pytest.raises(DatabaseError, match="Column 'v' is not present"):
        server._client.raw_insert("t", ["k", "v"], stream.getvalue().to_pybytes(), fmt="ArrowStream")


def test_a_read_yields_several_blocks_so_that_memory_stays_bounded(server: Server) -> None:
    create(server, KEY)
    server.execute("INSERT INTO t SELECT number FROM numbers(1000000)")
    sizes = [batch.num_rows for batch in server.batches("SELECT k FROM t", (KEY,))]
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 70_000


def test_a_stream_of_many_blocks_in_one_is_read_like_many_streams(server: Server) -> None:
    """Over HTTP a result is one stream; the embedded engine's client can be asked for the same."""
    create(server, KEY)
    server.execute("INSERT INTO t SELECT number FROM numbers(200000)")
    batches = list(Server(server._client, _http_streams(server._client)).batches("SELECT k FROM t", (KEY,)))
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == 200_000
    assert server.rows("SELECT count() FROM t")[0][0] == 200_000


def test_a_read_that_breaks_off_leaves_the_server_usable(server: Server) -> None:
    create(server, KEY)
    server.execute("INSERT INTO t SELECT number FROM numbers(1000000)")
    rows = server.batches("SELECT k FROM t", (KEY,))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert server.rows("SELECT count() FROM t")[0][0] == 1_000_000


def test_a_read_that_fails_amid_the_rows_raises_the_drivers_error(server: Server) -> None:
    create(server, KEY)
    server.execute("INSERT INTO t SELECT number FROM numbers(1000000)")
    with pytest.raises(DatabaseError, match="broke here"):
        list(server.batches("SELECT k + throwIf(k = 900000, 'broke here') AS k FROM t", (KEY,)))
