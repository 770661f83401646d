"""Rows on their way through a C stream: what the way loses is kept, and nothing more than that."""

import gc
import weakref
from collections.abc import Iterator

import pyarrow as pa
import pytest

from matrix_defs.errors import LoadError
from resources.relay import Relay

SCHEMA = pa.schema([("n", pa.int64())])


def batches(*sizes: int) -> Iterator[pa.RecordBatch]:
    for size in sizes:
        yield pa.record_batch([pa.array(range(size))], schema=SCHEMA)


def failing() -> Iterator[pa.RecordBatch]:
    yield from batches(2)
    raise LoadError("the key holds NULL")


def drained(relay: Relay) -> pa.Table:
    """Read through Arrow's C stream, as a driver does."""
    with relay.errors_first():
        reader = pa.RecordBatchReader.from_batches(SCHEMA, relay)
        return pa.RecordBatchReader.from_stream(reader).read_all()


def test_rows_are_counted_as_they_pass() -> None:
    relay = Relay(batches(2, 0, 3))
    assert drained(relay).num_rows == relay.rows == 5


def test_the_iterators_own_error_comes_out_of_the_stream() -> None:
    with pytest.raises(LoadError, match="the key holds NULL"):
        drained(Relay(failing()))


def test_an_error_of_the_driver_alone_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), Relay(batches(1)).errors_first():
        1 / 0  # noqa: B018


def test_a_failed_stream_keeps_nothing_of_its_callers_alive() -> None:
    class Rows:
        """Stands for what a caller holds while it loads."""

    def load() -> "weakref.ref[Rows]":
        rows = Rows()
        try:
            drained(Relay(failing()))
        except LoadError:
            return weakref.ref(rows)
        raise AssertionError("the stream did not fail")

    held = load()
    gc.collect()
    assert held() is None
