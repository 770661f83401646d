"""Promises of Kafka as a source, on the embedded broker.

Whole cases play every strategy; what a case does not show stands in tests of its own.
It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from kafka_local import DAY, INSTANT, TABLE, Broker, Topic, cells, connected, fresh_namespace, rows

from matrix_defs.cases import CASES, Case
from matrix_defs.compare import digests
from matrix_defs.errors import ReadError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.ports import Change, Op, Partitions, ReadEnd, ReadMode, ReadRequest, Scope, Window
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec, apply_changes, build_workload
from resources.endpoints.endpoint import Endpoint
from resources.kafka.client import Cluster
from resources.kafka.json_format import JsonFormat
from resources.kafka.source import KafkaSource

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=15))
FROM_KAFKA = [case for case in CASES if case.source is System.KAFKA and case.sink is System.POSTGRES]
JSON = JsonFormat()


@pytest.fixture(scope="module")
def broker() -> Iterator[Endpoint]:
    with Broker() as started:
        yield started.endpoint


@pytest.fixture(scope="module")
def cluster(broker: Endpoint) -> Iterator[Cluster]:
    with connected(broker) as cluster:
        yield cluster


@pytest.fixture
def source(cluster: Cluster) -> Iterator[KafkaSource]:
    source = KafkaSource(cluster, fresh_namespace(), WORKLOAD.table, JSON)
    source.seed(WORKLOAD.baseline)
    yield source
    source.drop()


@pytest.fixture
def small(cluster: Cluster, broker: Endpoint) -> Iterator[tuple[KafkaSource, Topic]]:
    """A source of TABLE that holds nothing yet, and an application that writes to its topic."""
    made = Topic(cluster, broker)
    source = KafkaSource(cluster, made.name.removesuffix(".t"), TABLE, JSON)
    yield source, made
    source.drop()


def read(
    source: KafkaSource, mode: ReadMode, *, after: ReadEnd | None = None, scope: Scope = None
) -> tuple[pa.Table, ReadEnd]:
    with source.read(ReadRequest(mode, after.position if after else None, scope)) as batch:
        found = pa.Table.from_batches(list(batch), batch.schema)
        return found, batch.end()


def same(actual: pa.Table, expected: pa.Table) -> bool:
    return bool(np.array_equal(digests(actual), digests(expected.cast(actual.schema))))


def event(partition: int, key: int, note: str | None) -> tuple[int, bytes, bytes | None]:
    """A message of TABLE; without a note it is a tombstone."""
    row = rows((key, note))
    (encoded,) = JSON.encode("", row, TABLE.key_columns, part="key")
    (value,) = JSON.encode("", row, TABLE.columns, part="value")
    return partition, encoded, None if note is None else value


@pytest.mark.parametrize("case", FROM_KAFKA, ids=lambda case: case.strategy.name)
def test_every_strategy_finds_in_it_what_it_needs(cluster: Cluster, case: Case) -> None:
    table = build_workload(SETTINGS.workload).table
    source = KafkaSource(cluster, fresh_namespace(), table, JSON)
    result = run_case(case, source, MemorySink(), SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason


def test_a_snapshot_is_every_row_bit_by_bit(source: KafkaSource) -> None:
    found, end = read(source, ReadMode.SNAPSHOT)
    assert same(found, source.represent(WORKLOAD.table, WORKLOAD.baseline))
    assert end == ReadEnd(None)


def test_changes_leave_what_they_would_one_after_the_other(source: KafkaSource) -> None:
    source.apply(WORKLOAD.changes)
    found, _ = read(source, ReadMode.SNAPSHOT)
    expected = apply_changes(WORKLOAD.baseline, WORKLOAD.changes, WORKLOAD.table.key)
    assert same(found, source.represent(WORKLOAD.table, expected))


def test_held_rows_are_seen_once_committed_and_only_once(source: KafkaSource) -> None:
    forgotten, held = source.hold(WORKLOAD.late), source.hold(WORKLOAD.late)
    forgotten.rollback()
    forgotten.commit()
    assert read(source, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows
    held.commit()
    held.commit()
    held.rollback()
    found, _ = read(source, ReadMode.INCREMENTAL)
    assert found.num_rows == WORKLOAD.baseline.num_rows + WORKLOAD.late.num_rows


def test_a_window_and_its_days_are_the_same_rows(source: KafkaSource) -> None:
    window = Window(WORKLOAD.days[1], WORKLOAD.days[3])
    inside = [row for row in WORKLOAD.baseline.to_pylist() if window.start <= row["business_date"] < window.end]
    expected = source.represent(WORKLOAD.table, pa.Table.from_pylist(inside, WORKLOAD.table.schema))
    for mode, scope in ((ReadMode.WINDOW, window), (ReadMode.PARTITIONS, Partitions(WORKLOAD.days[1:3]))):
        found, end = read(source, mode, scope=scope)
        assert found.num_rows == len(inside) > 0
        assert same(found, expected)
        assert end == ReadEnd(None)


def test_an_incremental_read_repeats_nothing_and_an_empty_one_stays_where_it_was(source: KafkaSource) -> None:
    first, reached = read(source, ReadMode.INCREMENTAL)
    assert first.num_rows == WORKLOAD.baseline.num_rows
    again, still = read(source, ReadMode.INCREMENTAL, after=reached)
    assert again.num_rows == 0
    assert still == reached
    source.apply([Change(Op.UPDATE, WORKLOAD.baseline.slice(0, 7))])
    delta, further = read(source, ReadMode.INCREMENTAL, after=reached)
    assert same(delta, source.represent(WORKLOAD.table, WORKLOAD.baseline.slice(0, 7)))
    assert further != reached


def test_a_first_read_of_nothing_has_no_position(small: tuple[KafkaSource, Topic]) -> None:
    source, made = small
    found, end = read(source, ReadMode.INCREMENTAL)
    assert (found.num_rows, end) == (0, ReadEnd(None))
    made.put(event(0, 1, "a"))
    assert cells(read(source, ReadMode.INCREMENTAL, after=end)[0]) == [(1, "a")]


def test_a_message_that_was_delivered_twice_is_two_events_and_one_row(small: tuple[KafkaSource, Topic]) -> None:
    source, made = small
    made.put(event(0, 1, "a"), event(0, 1, "a"))
    assert cells(read(source, ReadMode.INCREMENTAL)[0]) == [(1, "a"), (1, "a")]
    assert cells(read(source, ReadMode.SNAPSHOT)[0]) == [(1, "a")]


def test_keys_in_any_order_across_partitions_keep_their_own_order_of_changes(small: tuple[KafkaSource, Topic]) -> None:
    source, made = small
    made.put(event(2, 9, "old"), event(0, 5, "old"), event(1, 7, "old"))
    made.put(event(1, 7, "new"), event(2, 9, None), event(0, 5, "mid"), event(0, 5, "new"), event(1, 3, "only"))
    assert cells(read(source, ReadMode.SNAPSHOT)[0]) == [(3, "only"), (5, "new"), (7, "new")]
    found, _ = read(source, ReadMode.INCREMENTAL_AND_DELETES)
    changes = sorted(zip(*(found.column(name).to_pylist() for name in ("id", "_seq", "_op", "note")), strict=True))
    assert [(key, op, note) for key, _, op, note in changes] == [
        (3, "upsert", "only"),
        (5, "upsert", "old"),
        (5, "upsert", "mid"),
        (5, "upsert", "new"),
        (7, "upsert", "old"),
        (7, "upsert", "new"),
        (9, "upsert", "old"),
        (9, "delete", None),
    ]
    assert len(set(found.column("_seq").to_pylist())) == found.num_rows


def test_tombstones_are_deletes_where_deletes_are_asked_for_and_nothing_elsewhere(
    small: tuple[KafkaSource, Topic],
) -> None:
    source, made = small
    made.put(event(0, 1, None), event(0, 2, "b"), event(1, 3, None))
    found, _ = read(source, ReadMode.INCREMENTAL_AND_DELETES)
    assert {(row["id"], row["_op"], row["note"], row["day"], row["at"]) for row in found.to_pylist()} == {
        (1, "delete", None, None, None),
        (2, "upsert", "b", DAY, INSTANT),
        (3, "delete", None, None, None),
    }
    assert cells(read(source, ReadMode.INCREMENTAL)[0]) == [(2, "b")]
    assert cells(read(source, ReadMode.SNAPSHOT)[0]) == [(2, "b")]


def test_a_read_of_nothing_but_tombstones_moves_the_position_past_them(small: tuple[KafkaSource, Topic]) -> None:
    source, made = small
    made.put(event(0, 1, None))
    found, end = read(source, ReadMode.INCREMENTAL)
    assert found.num_rows == 0
    assert end.position
    assert end.position.value["offsets"] == {"0": 1, "1": 0, "2": 0}


@pytest.mark.parametrize("mode", [ReadMode.SNAPSHOT, ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES])
def test_a_message_without_a_key_fails_every_read_with_its_place(
    small: tuple[KafkaSource, Topic], mode: ReadMode
) -> None:
    source, made = small
    made.put(event(1, 1, "a"), (1, None, event(1, 1, "b")[2]))
    with pytest.raises(ReadError, match=r"the message at offset 1 of partition 1 has no key"):
        read(source, mode)


@pytest.mark.parametrize("mode", [ReadMode.SNAPSHOT, ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES])
@pytest.mark.parametrize("value", [b"no json", b"[1]", b'{"id": 1}', b'{"id": "x", "day": 1, "at": 2}', b""])
def test_a_value_of_another_form_fails_every_read_in_one_line(
    small: tuple[KafkaSource, Topic], mode: ReadMode, value: bytes
) -> None:
    source, made = small
    made.put(event(0, 1, "a"), (0, event(0, 2, "")[1], value))
    with pytest.raises(ReadError) as caught:
        read(source, mode)
    assert made.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [1, None], ids=["fewer messages", "as many"])
def test_a_position_of_a_topic_that_was_made_anew_is_refused(source: KafkaSource, rows: int | None) -> None:
    _, reached = read(source, ReadMode.INCREMENTAL)
    source.drop()
    source.seed(WORKLOAD.baseline.slice(0, rows))
    with pytest.raises(ReadError, match="load it anew"):
        read(source, ReadMode.INCREMENTAL, after=reached)


@pytest.mark.parametrize("mode", [ReadMode.XMIN, ReadMode.CHANGES])
def test_a_mode_that_it_has_no_means_for_is_refused(source: KafkaSource, mode: ReadMode) -> None:
    with pytest.raises(ReadError, match=f"cannot be read by {mode}"):
        source.read(ReadRequest(mode))


def test_a_dropped_source_leaves_no_topic_and_may_be_dropped_again_amid_a_read(
    cluster: Cluster, source: KafkaSource
) -> None:
    batch = source.read(ReadRequest(ReadMode.SNAPSHOT))
    next(iter(batch))
    source.drop()
    source.drop()
    assert cluster.topics(source._namespace) == []
    with pytest.raises(ReadError, match=r"^Kafka, looking for topic [^\n]*UNKNOWN_TOPIC_OR_PART"):
        source.read(ReadRequest(ReadMode.SNAPSHOT))


def test_nothing_is_released_because_nothing_is_kept(source: KafkaSource) -> None:
    _, reached = read(source, ReadMode.INCREMENTAL)
    assert reached.position is not None
    source.release(reached.position)
    assert source.released() is None
    assert same(read(source, ReadMode.SNAPSHOT)[0], source.represent(WORKLOAD.table, WORKLOAD.baseline))


def test_a_broker_that_dies_fails_what_is_done_to_the_source_in_one_line() -> None:
    with Broker() as mortal, connected(mortal.endpoint, patience=2, connect_seconds=2) as cluster:
        source = KafkaSource(cluster, fresh_namespace(), TABLE, JSON)
        source.seed(rows((1, "a")))
        mortal.kill()
        with pytest.raises(
            ReadError, match=r"^Kafka, publishing to \S+: the message of key id=2 was not delivered: .*"
        ):
            source.apply([Change(Op.INSERT, rows((2, "b")))])
        for attempt in (source.drop, lambda: source.read(ReadRequest(ReadMode.SNAPSHOT))):
            with pytest.raises(ReadError, match=r"^Kafka, [^\n]*$"):
                attempt()
