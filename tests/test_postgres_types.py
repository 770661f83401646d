"""The types table of PostgreSQL: every logical type survives every way in and out, bit by bit.

Here real rows travel; what steps do with them is in `test_postgres_sink`. It may import everything.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pytest
from postgres_local import connect, drain, fresh_namespace, load_number, seeded

from matrix_defs.ports import Change, Encoding, LoadTarget, Op, ReadMode, ReadRequest, Step
from matrix_defs.table import ARROW, Column, LogicalType, TableSpec
from matrix_defs.trap_values import VALUES
from resources.endpoints.endpoint import Endpoint
from resources.postgres.sink import PostgresSink
from resources.postgres.types import TYPES

MORE: dict[LogicalType, list[Any]] = {
    LogicalType.FLOAT64: [float("inf"), float("-inf"), float("nan"), 1e22, 123456789.12345678],
    LogicalType.TEXT: ["true", "\\x00", "{}", "'; --", "a" * 100_000],
    LogicalType.BINARY: [b"\\x41", bytes(range(256)) * 300],
    LogicalType.DATE: [date(1969, 12, 31), date(1, 1, 1), date(9999, 12, 31)],
    LogicalType.TIME: [time(0, 0, 0, 1), time(12), time(23, 59, 59, 999_990)],
    LogicalType.DATETIME: [datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(2200, 1, 1), datetime(1, 1, 1)],
    LogicalType.INSTANT: [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2200, 1, 1, tzinfo=UTC)],
    LogicalType.JSON: ["null", '""', "12345678901234567890.125", '{"a": {"a": {"a": [1, 2, [3]]}}}'],
}
"""Beside the values of the traps."""


def values(kind: LogicalType) -> list[Any]:
    """Every value of the type: the traps' and this module's, and NULL."""
    traps = [row[kind] for trap in VALUES.values() for row in trap.values() if kind in row]
    return [None, *traps, *MORE.get(kind, [])]


LONGEST = max(len(values(kind)) for kind in LogicalType)
TABLE = TableSpec(
    "everything",
    (Column("id", LogicalType.INT64, nullable=False), *(Column(f"c_{kind}", kind) for kind in LogicalType)),
    key=("id",),
    cursor="c_instant",
    partition="c_date",
)
ROWS = pa.table(
    [
        pa.array(range(LONGEST), pa.int64()),
        *(pa.array(values(kind) + [None] * (LONGEST - len(values(kind))), ARROW[kind]) for kind in LogicalType),
    ],
    schema=TABLE.schema,
)


def load(endpoint: Endpoint, encoding: Encoding) -> pa.Table:
    """From a source through the sink's staging and its steps into a target, and read back."""
    with seeded(endpoint, seed=ROWS, table=TABLE) as source:
        sink = PostgresSink(endpoint)
        target = LoadTarget(fresh_namespace(), TABLE)
        sink.create(target)
        try:
            batch = source.source.read(ReadRequest(ReadMode.SNAPSHOT, encodings=frozenset({encoding})))
            with batch:
                assert batch.encoding is encoding
                sink.load(target, load_number(1), batch, [Step.SWAP_IN])
            return sink.read(target)
        finally:
            sink.drop(target)


def snapshot(endpoint: Endpoint) -> pa.Table:
    """Seeded and read."""
    with seeded(endpoint, seed=ROWS, table=TABLE) as source:
        return drain(source.read(ReadMode.SNAPSHOT))[0]


def change_stream(endpoint: Endpoint) -> pa.Table:
    """Inserted after the first read of a change stream, and read from it."""
    with seeded(endpoint, seed=ROWS.slice(0, 0), table=TABLE) as source:
        _, end = drain(source.read(ReadMode.CHANGES))
        source.source.apply([Change(Op.INSERT, ROWS)])
        return drain(source.read(ReadMode.CHANGES, end.position))[0]


def unchanged(endpoint: Endpoint) -> pa.Table:
    """Updated in the change stream by a statement that touches the key alone."""
    with seeded(endpoint, seed=ROWS, table=TABLE) as source:
        _, end = drain(source.read(ReadMode.CHANGES))
        source.sql.execute("UPDATE everything SET id = id")
        return drain(source.read(ReadMode.CHANGES, end.position))[0]


WAYS: dict[str, Callable[[Endpoint], pa.Table]] = {
    "seed, snapshot": snapshot,
    "Arrow into the sink": lambda endpoint: load(endpoint, Encoding.ARROW),
    "binary COPY passed through": lambda endpoint: load(endpoint, Encoding.POSTGRES_COPY_BINARY),
    "change stream": change_stream,
    "change stream, unchanged": unchanged,
}


@pytest.fixture(scope="module", params=["usual", "odd"])
def endpoint(postgres_endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The server as it is, and as a role sees it whose settings change how every value looks as text."""
    if request.param == "usual":
        yield postgres_endpoint
        return
    with connect(postgres_endpoint) as sql:
        sql.execute("CREATE ROLE odd SUPERUSER LOGIN PASSWORD 'odd'")
        for name, value in {
            "TimeZone": "America/St_Johns",
            "DateStyle": "German",
            "IntervalStyle": "iso_8601",
            "bytea_output": "escape",
            "extra_float_digits": "-3",
        }.items():
            sql.execute(f"ALTER ROLE odd SET {name} = '{value}'")
        yield replace(postgres_endpoint, user="odd", password="odd")
        sql.execute("DROP ROLE odd")


@pytest.fixture(scope="module", params=WAYS)
def arrived(endpoint: Endpoint, request: pytest.FixtureRequest) -> pa.Table:
    """The rows behind one of the ways."""
    table = WAYS[request.param](endpoint)
    assert table.num_rows == LONGEST
    return table.sort_by("id")


def bits(column: pa.ChunkedArray) -> list[Any]:
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in column.to_pylist()]


@pytest.mark.parametrize("kind", LogicalType)
def test_every_value_arrives_bit_by_bit(arrived: pa.Table, kind: LogicalType) -> None:
    column = arrived.column(f"c_{kind}")
    assert column.type == ARROW[kind]
    column.validate(full=True)
    assert bits(column) == bits(ROWS.column(f"c_{kind}"))


def test_every_type_is_stored_without_loss() -> None:
    assert set(TYPES) == set(LogicalType)
    assert not [kind for kind, stored in TYPES.items() if stored.loss]


def test_a_wall_clock_reading_is_not_shifted_by_the_server_s_time_zone(endpoint: Endpoint) -> None:
    with seeded(endpoint, seed=ROWS, table=TABLE) as source:
        query = "SELECT min(c_datetime), extract(epoch FROM max(c_instant))::bigint FROM everything"
        least, greatest = source.sql.execute(query).fetchone() or ()
    assert least == datetime(1, 1, 1)
    assert greatest == int(datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) + 1


def test_json_is_stored_as_json_and_uuid_as_uuid(endpoint: Endpoint) -> None:
    with seeded(endpoint, seed=ROWS, table=TABLE) as source:
        query = "SELECT c_uuid::text FROM everything WHERE c_uuid IS NOT NULL ORDER BY id"
        texts = [row[0] for row in source.sql.execute(query)]
        documents = source.sql.execute(
            "SELECT count(*) FROM everything WHERE jsonb_typeof(c_json) = 'object'"
        ).fetchone()
    assert texts[0] == "00112233-4455-6677-8899-aabbccddeeff"
    assert documents
    assert documents[0] > 5
