"""The change stream of a real server: nothing lost, nothing twice, and the slot keeps what no sink has committed.

Here slots are made, advanced, broken and lost; the message format alone is in `test_pgoutput`.
"""

import random
import string
import threading
from collections.abc import Iterator

import pytest
from postgres_local import (
    Cells,
    Seeded,
    cells,
    drain,
    fresh_namespace,
    load_number,
    private_server,
    rows,
    seeded,
    target,
)

from matrix_defs.errors import ReadError
from matrix_defs.ports import DELETE, LoadTarget, Position, ReadMode
from matrix_defs.strategies import cdc as cdc_strategy
from resources.endpoints.endpoint import Endpoint
from resources.postgres import cdc
from resources.postgres.sink import PostgresSink
from resources.postgres.source import PostgresSource

Event = tuple[str, int, str, str | None]


@pytest.fixture
def source(postgres_endpoint: Endpoint) -> Iterator[Seeded]:
    with seeded(postgres_endpoint, (1, "a", "one"), (2, "a", "two")) as held:
        yield held


def first(source: Seeded) -> tuple[list[Cells], Position]:
    """The rows and the position of a first read."""
    table, end = drain(source.read(ReadMode.CHANGES))
    assert end.position is not None
    return cells(table), end.position


def changes(source: Seeded, since: Position) -> tuple[list[Event], Position]:
    """The changes since a position, in order, and the position reached."""
    table, end = drain(source.read(ReadMode.CHANGES, since))
    assert end.position is not None
    assert table.column("_seq").to_pylist() == list(range(table.num_rows))
    columns = (table.column(name).to_pylist() for name in ("_op", "order_id", "item_code", "note"))
    return list(zip(*columns, strict=True)), end.position


def upsert(number: int, note: str) -> Event:
    return ("upsert", number, "a", note)


def delete(number: int) -> Event:
    return (DELETE, number, "a", None)


# ---------------------------------------------------------------------- the first read


def test_a_first_read_shows_the_rows_and_later_ones_the_changes(source: Seeded) -> None:
    found, start = first(source)
    assert found == [(1, "a", "one"), (2, "a", "two")]
    source.insert(3, "three")
    source.sql.execute("UPDATE orders SET note = 'uno' WHERE order_id = 1")
    source.sql.execute("DELETE FROM orders WHERE order_id = 2")
    assert changes(source, start)[0] == [upsert(3, "three"), upsert(1, "uno"), delete(2)]


def test_what_is_written_while_the_first_read_runs_comes_with_the_changes(source: Seeded) -> None:
    with source.read(ReadMode.CHANGES) as batch:
        source.insert(3, "behind the slot, before the first row was read")
        (chunk,) = batch
        source.insert(4, "behind the last row")
        start = batch.end().position
    assert chunk.num_rows == 2
    assert start is not None
    assert [event[1] for event in changes(source, start)[0]] == [3, 4]


def test_of_rows_written_all_the_time_none_is_lost_and_none_comes_twice(source: Seeded) -> None:
    enough, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        writer = source.writer()
        while not enough.is_set() or written < 100:
            source.insert(1_000 + written, "x", writer)
            written += 1
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found, start = first(source)
    finally:
        enough.set()
        thread.join()
    in_snapshot = [cell[0] for cell in found if cell[0] >= 1_000]
    in_stream = [event[1] for event in changes(source, start)[0]]
    assert in_snapshot + in_stream == list(range(1_000, 1_000 + written))


def test_a_first_read_that_was_broken_off_can_be_repeated(source: Seeded) -> None:
    with source.read(ReadMode.CHANGES) as batch:
        next(iter(batch))
    source.insert(3, "three")
    found, start = first(source)
    assert found == [(1, "a", "one"), (2, "a", "two"), (3, "a", "three")]
    assert changes(source, start) == ([], start)


def test_a_transaction_that_is_open_too_long_is_told_and_leaves_no_slot(
    source: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = source.source.hold(rows((3, "a", "late")))
    with monkeypatch.context() as patch:
        patch.setattr(cdc, "SLOT_SECONDS", 0.1)
        with pytest.raises(ReadError, match="open writing transactions") as caught:
            source.read(ReadMode.CHANGES)
    assert "\n" not in str(caught.value)
    assert source.source.released() is None
    held.commit()
    assert first(source)[0][-1] == (3, "a", "late")


def test_a_writer_of_another_table_is_waited_for_no_longer_than_told(
    source: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.sql.execute("CREATE TABLE others (id int)")
    other = source.writer()
    other.execute("BEGIN; INSERT INTO others VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setattr(cdc, "SLOT_SECONDS", 0.1)
        with pytest.raises(ReadError, match=r"creating replication slot .*lock timeout.*open writing transactions"):
            source.read(ReadMode.CHANGES)
    assert source.source.released() is None
    other.close()
    assert first(source)[0] == [(1, "a", "one"), (2, "a", "two")]


def test_a_server_without_logical_decoding_says_so() -> None:
    with private_server(wal_level="replica") as endpoint, seeded(endpoint, (1, "a", "one")) as source:
        with pytest.raises(ReadError, match=r"creating replication slot .*wal_level") as caught:
            source.read(ReadMode.CHANGES)
        assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------- what is a change


def test_transactions_come_in_the_order_of_their_commits(source: Seeded) -> None:
    _, start = first(source)
    one, other = source.writer(), source.writer()
    one.execute("BEGIN")
    source.insert(3, "began first, committed last", one)
    other.execute("BEGIN")
    source.insert(4, "committed first", other)
    source.insert(5, "alone")
    other.execute("COMMIT")
    source.insert(6, "still first's", one)
    one.execute("COMMIT")
    one.close()
    other.close()
    assert [event[1] for event in changes(source, start)[0]] == [5, 4, 3, 6]


def test_what_was_rolled_back_never_happened(source: Seeded) -> None:
    _, start = first(source)
    source.source.hold(rows((3, "a", "never"))).rollback()
    source.sql.execute("BEGIN; SAVEPOINT s; DELETE FROM orders; ROLLBACK TO s; COMMIT")
    source.insert(4, "four")
    assert changes(source, start)[0] == [upsert(4, "four")]


def test_a_row_held_open_over_several_reads_comes_once_when_it_is_committed(source: Seeded) -> None:
    _, position = first(source)
    held = source.source.hold(rows((9, "a", "late")))
    source.insert(3, "three")
    found, position = changes(source, position)
    assert found == [upsert(3, "three")]
    source.source.release(position)
    held.commit()
    found, position = changes(source, position)
    assert found == [upsert(9, "late")]
    assert changes(source, position)[0] == []


def test_an_update_of_the_key_deletes_the_old_key_first(source: Seeded) -> None:
    _, start = first(source)
    source.sql.execute("UPDATE orders SET order_id = 20 WHERE order_id = 2")
    source.sql.execute("UPDATE orders SET order_id = order_id, note = 'same key' WHERE order_id = 1")
    assert changes(source, start)[0] == [delete(2), upsert(20, "two"), upsert(1, "same key")]


def test_a_long_value_that_an_update_did_not_touch_arrives_with_it(source: Seeded) -> None:
    long = "".join(random.Random(1).choices(string.ascii_letters, k=15_000))
    source.insert(3, long)
    _, start = first(source)
    source.sql.execute("UPDATE orders SET business_date = business_date + 1, item_code = 'b' WHERE order_id = 3")
    assert changes(source, start)[0] == [(DELETE, 3, "a", None), ("upsert", 3, "b", long)]


def test_changes_of_other_tables_are_none_of_ours(source: Seeded) -> None:
    _, start = first(source)
    source.sql.execute("CREATE TABLE others (id int); INSERT INTO others VALUES (1)")
    assert changes(source, start) == ([], start)


def test_one_transaction_may_span_many_chunks(source: Seeded) -> None:
    _, start = first(source)
    source.sql.execute(
        "INSERT INTO orders SELECT n, 'a', '2026-06-01', now(), repeat('x', 10000) FROM generate_series(10, 4009) AS n"
    )
    source.insert(5_000, "behind it")
    with source.read(ReadMode.CHANGES, start) as batch:
        chunks = list(batch)
        end = batch.end()
    assert len(chunks) > 2
    numbers = [number for chunk in chunks for number in chunk.column("order_id").to_pylist()]
    assert numbers == [*range(10, 4_010), 5_000]
    assert [seq for chunk in chunks for seq in chunk.column("_seq").to_pylist()] == list(range(4_001))
    assert end.position is not None
    assert changes(source, end.position)[0] == []


def test_a_truncate_stops_the_stream_until_the_table_is_loaded_anew(source: Seeded) -> None:
    _, start = first(source)
    source.insert(3, "three")
    source.sql.execute("TRUNCATE orders")
    with pytest.raises(ReadError, match=r"orders was truncated.*drop the target with its position and load anew"):
        changes(source, start)
    source.insert(4, "four")
    found, start = first(source)
    assert found == [(4, "a", "four")]
    assert changes(source, start) == ([], start)


# ---------------------------------------------------------------------- the slot


def test_the_slot_stays_where_it_is_until_it_is_released(source: Seeded) -> None:
    _, start = first(source)
    assert source.source.released() == start
    source.insert(3, "three")
    found, position = changes(source, start)
    assert source.source.released() == start
    assert changes(source, start) == (found, position)
    source.source.release(position)
    assert source.source.released() == position
    source.insert(4, "four")
    assert changes(source, position)[0] == [upsert(4, "four")]


def test_changes_at_or_before_the_position_are_dropped_though_the_slot_still_shows_them(source: Seeded) -> None:
    _, start = first(source)
    source.insert(3, "three")
    _, position = changes(source, start)
    assert changes(source, position) == ([], position)
    source.insert(4, "four")
    assert changes(source, position)[0] == [upsert(4, "four")]


def test_nothing_new_leaves_the_position(source: Seeded) -> None:
    _, start = first(source)
    assert changes(source, start) == ([], start)


def test_a_position_behind_the_slot_or_of_another_kind_moves_it_nowhere(source: Seeded) -> None:
    _, start = first(source)
    source.insert(3, "three")
    _, position = changes(source, start)
    source.source.release(position)
    for other in (start, Position({"xmin": 2**60}), Position({})):
        source.source.release(other)
        assert source.source.released() == position


def test_without_a_slot_nothing_is_released(source: Seeded) -> None:
    source.source.release(Position({"lsn": 1}))
    assert source.source.released() is None


def lost(source: Seeded, since: Position) -> str:
    """The one line that a read of a broken slot raises; a first read mends it."""
    with pytest.raises(ReadError, match="drop the target with its position and load anew") as caught:
        changes(source, since)
    _, start = first(source)
    source.insert(8, "goes on")
    assert changes(source, start)[0] == [upsert(8, "goes on")]
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_slot_that_is_gone_is_told(source: Seeded) -> None:
    _, start = first(source)
    source.sql.execute("SELECT pg_drop_replication_slot(%s)", (source.namespace,))
    assert "does not exist" in lost(source, start)


def test_a_slot_that_somebody_else_advanced_is_told(source: Seeded) -> None:
    _, start = first(source)
    source.insert(3, "taken by somebody else")
    source.sql.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", (source.namespace,))
    assert "was advanced to" in lost(source, start)


def test_a_slot_that_the_server_gave_up_is_told() -> None:
    limit = {"max_slot_wal_keep_size": "1MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
    with private_server(**limit) as endpoint, seeded(endpoint, (1, "a", "one")) as source:
        _, start = first(source)
        for number in range(3, 8):
            source.insert(number, "fills a segment")
            source.sql.execute("SELECT pg_switch_wal()")
        source.sql.execute("CHECKPOINT")
        assert "was invalidated by the server" in lost(source, start)


def test_dropping_the_source_leaves_neither_slot_nor_publication(source: Seeded) -> None:
    first(source)
    query = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s), " \
            "(SELECT count(*) FROM pg_publication WHERE pubname = %s)"  # fmt: skip
    assert source.sql.execute(query, (source.namespace,) * 2).fetchone() == (1, 1)
    source.source.drop()
    source.source.drop()
    assert source.sql.execute(query, (source.namespace,) * 2).fetchone() == (0, 0)


# ---------------------------------------------------------------------- source and sink together


class Pipe:
    """Loads of the change stream into a target of its own."""

    def __init__(self, source: Seeded) -> None:
        self.source = source
        self.sink = PostgresSink(source.endpoint)
        self.target: LoadTarget = target(fresh_namespace())
        self.sink.create(self.target)
        self._loads = 0

    def load(self) -> None:
        """Read and load; the slot is not released."""
        self._loads += 1
        with self.source.read(ReadMode.CHANGES, self.sink.position(self.target)) as batch:
            self.sink.load(self.target, load_number(self._loads), batch, cdc_strategy.STRATEGY.steps)

    def release(self) -> None:
        """Release what the sink has committed."""
        position = self.sink.position(self.target)
        assert position is not None
        self.source.source.release(position)

    @property
    def held(self) -> list[Cells]:
        """What the target holds."""
        return cells(self.sink.read(self.target))

    def load_ids(self) -> list[str]:
        """Which load wrote each row, in the order of the keys."""
        return self.sink.read(self.target).sort_by("order_id").column("load_id").to_pylist()


@pytest.fixture
def pipe(source: Seeded) -> Iterator[Pipe]:
    made = Pipe(source)
    yield made
    made.sink.drop(made.target)


def present(source: Seeded) -> list[Cells]:
    return sorted(source.sql.execute("SELECT order_id, item_code, note FROM orders").fetchall())


def test_a_crash_between_the_sink_s_commit_and_the_release_repeats_nothing(pipe: Pipe, source: Seeded) -> None:
    pipe.load()
    source.insert(3, "three")
    pipe.load()
    assert source.source.released() != pipe.sink.position(pipe.target)
    source.source = PostgresSource(source.endpoint, source.namespace, source.table)
    pipe.load()
    assert pipe.load_ids() == ["load-1", "load-1", "load-2"]
    source.insert(4, "four")
    pipe.load()
    pipe.release()
    assert source.source.released() == pipe.sink.position(pipe.target)
    assert pipe.load_ids() == ["load-1", "load-1", "load-2", "load-4"]
    assert pipe.held == present(source)


def test_keys_that_trade_places_arrive_under_their_new_names(pipe: Pipe, source: Seeded) -> None:
    pipe.load()
    with source.sql.transaction():
        for old, new in ((1, 99), (2, 1), (99, 2)):
            source.sql.execute("UPDATE orders SET order_id = %s WHERE order_id = %s", (new, old))
    source.insert(3, "three")
    source.sql.execute("UPDATE orders SET order_id = 30 WHERE order_id = 3")
    pipe.load()
    assert pipe.held == present(source) == [(1, "a", "two"), (2, "a", "one"), (30, "a", "three")]


def test_a_row_that_leaves_its_key_and_another_that_takes_it_both_arrive(pipe: Pipe, source: Seeded) -> None:
    pipe.load()
    source.sql.execute("UPDATE orders SET order_id = 5 WHERE order_id = 1")
    source.insert(1, "new one")
    source.sql.execute("DELETE FROM orders WHERE order_id = 2")
    source.sql.execute("UPDATE orders SET order_id = 2 WHERE order_id = 5")
    pipe.load()
    assert pipe.held == present(source) == [(1, "a", "new one"), (2, "a", "one")]


def test_a_sink_that_refuses_a_load_keeps_the_slot_and_gets_the_changes_again(pipe: Pipe, source: Seeded) -> None:
    pipe.load()
    source.insert(3, "three")
    before = pipe.sink.position(pipe.target)
    assert before is not None
    with source.read(ReadMode.CHANGES, before) as batch:
        next(iter(batch))
    assert source.source.released() == before
    pipe.load()
    assert pipe.held == present(source)
