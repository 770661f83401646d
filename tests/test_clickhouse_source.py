"""Promises of ClickHouse as a source, on the embedded engine, and of its resource.

It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from clickhouse_local import local_clickhouse

from matrix_defs.cases import CASES, Case
from matrix_defs.compare import digests
from matrix_defs.errors import ReadError, SystemUnavailableError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.ports import Change, Op, Partitions, ReadEnd, ReadMode, ReadRequest, Scope, Window
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec, apply_changes, build_workload
from resources.clickhouse.resource import ClickHouseResource
from resources.clickhouse.source import ClickHouseSource
from resources.endpoints.endpoint import Endpoint

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=15))
TABLE = WORKLOAD.table
STRATEGIES = [c for c in CASES if c.source is System.CLICKHOUSE and c.sink is System.POSTGRES]


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[ClickHouseResource]:
    with local_clickhouse() as resource:
        yield resource


@pytest.fixture
def source(clickhouse: ClickHouseResource) -> Iterator[ClickHouseSource]:
    source = clickhouse.source(clickhouse.endpoint("embedded"), "source_test", TABLE)
    assert isinstance(source, ClickHouseSource)
    source.seed(WORKLOAD.baseline)
    yield source
    source.drop()
    source.drop()


def read(
    source: ClickHouseSource, mode: ReadMode, *, after: ReadEnd | None = None, scope: Scope = None
) -> tuple[pa.Table, ReadEnd]:
    with source.read(ReadRequest(mode, after.position if after else None, scope)) as batch:
        rows = pa.Table.from_batches(list(batch), TABLE.schema)
        return rows, batch.end()


def same(actual: pa.Table, expected: pa.Table) -> bool:
    return bool(np.array_equal(digests(actual), digests(expected.cast(actual.schema))))


@pytest.mark.parametrize("case", STRATEGIES, ids=lambda case: case.strategy.name)
def test_every_strategy_finds_in_it_what_it_needs(clickhouse: ClickHouseResource, case: Case) -> None:
    table = build_workload(SETTINGS.workload).table
    source = clickhouse.source(clickhouse.endpoint("embedded"), "source_case", table)
    result = run_case(case, source, MemorySink(), SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason


def test_a_snapshot_is_every_row_bit_by_bit(source: ClickHouseSource) -> None:
    rows, end = read(source, ReadMode.SNAPSHOT)
    assert same(rows, WORKLOAD.baseline)
    assert end == ReadEnd(None)


def test_changes_leave_what_they_would_one_after_the_other(source: ClickHouseSource) -> None:
    source.apply(WORKLOAD.changes)
    rows, _ = read(source, ReadMode.SNAPSHOT)
    assert same(rows, apply_changes(WORKLOAD.baseline, WORKLOAD.changes, TABLE.key))


def test_held_rows_are_seen_once_committed_and_only_once(source: ClickHouseSource) -> None:
    forgotten, held = source.hold(WORKLOAD.late), source.hold(WORKLOAD.late)
    forgotten.rollback()
    forgotten.commit()
    assert read(source, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows
    held.commit()
    held.commit()
    held.rollback()
    assert read(source, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows + WORKLOAD.late.num_rows


def test_a_window_and_its_days_are_the_same_rows(source: ClickHouseSource) -> None:
    window = Window(WORKLOAD.days[1], WORKLOAD.days[3])
    expected = [row for row in WORKLOAD.baseline.to_pylist() if window.start <= row["business_date"] < window.end]
    for mode, scope in ((ReadMode.WINDOW, window), (ReadMode.PARTITIONS, Partitions(WORKLOAD.days[1:3]))):
        rows, end = read(source, mode, scope=scope)
        assert rows.num_rows == len(expected) > 0
        assert same(rows, pa.Table.from_pylist(expected, TABLE.schema))
        assert end == ReadEnd(None)
    assert read(source, ReadMode.PARTITIONS, scope=Partitions((WORKLOAD.days[0] - timedelta(days=9),)))[0].num_rows == 0


def test_an_incremental_read_repeats_nothing_and_an_empty_one_stays_where_it_was(source: ClickHouseSource) -> None:
    first, reached = read(source, ReadMode.INCREMENTAL)
    assert same(first, WORKLOAD.baseline)
    again, still = read(source, ReadMode.INCREMENTAL, after=reached)
    assert again.num_rows == 0
    assert still == reached
    source.apply(WORKLOAD.changes)
    delta, further = read(source, ReadMode.INCREMENTAL, after=reached)
    assert 0 < delta.num_rows < WORKLOAD.baseline.num_rows
    assert further != reached


def test_the_key_list_is_complete_and_taken_after_the_rows(source: ClickHouseSource) -> None:
    with source.read(ReadRequest(ReadMode.INCREMENTAL_AND_DELETES)) as batch:
        chunks = iter(batch)
        next(chunks)
        source.apply([Change(Op.INSERT, WORKLOAD.late)])
        list(chunks)
        keys = batch.end().keys
    assert keys is not None
    everything = pa.concat_tables([WORKLOAD.baseline, WORKLOAD.late]).select(list(TABLE.key))
    assert same(keys, everything)


def test_an_emptied_source_yields_an_empty_key_list_and_not_none(source: ClickHouseSource) -> None:
    source.apply([Change(Op.DELETE, WORKLOAD.baseline.select(list(TABLE.key)))])
    rows, end = read(source, ReadMode.INCREMENTAL_AND_DELETES)
    assert rows.num_rows == 0
    assert end.keys is not None
    assert end.keys.num_rows == 0


@pytest.mark.parametrize("mode", [ReadMode.XMIN, ReadMode.CHANGES])
def test_a_mode_that_it_has_no_means_for_is_refused(source: ClickHouseSource, mode: ReadMode) -> None:
    with pytest.raises(ReadError, match=f"cannot be read by {mode}"):
        source.read(ReadRequest(mode))


def test_a_table_that_is_not_there_is_a_read_error_of_one_line(source: ClickHouseSource) -> None:
    source.drop()
    with pytest.raises(ReadError, match=r"^ClickHouse, reading: [^\n]*\(code \d+, UNKNOWN_\w+\)$"):
        read(source, ReadMode.SNAPSHOT)


def test_nothing_is_released_because_nothing_is_kept(source: ClickHouseSource) -> None:
    _, reached = read(source, ReadMode.INCREMENTAL)
    assert reached.position is not None
    source.release(reached.position)
    assert source.released() is None
    assert source.represent(TABLE, WORKLOAD.baseline) is WORKLOAD.baseline


def test_sources_and_sinks_of_one_endpoint_share_a_client_that_opens_again_after_close() -> None:
    with local_clickhouse() as resource:
        endpoint = resource.endpoint("embedded")
        first = resource._server(endpoint)
        assert resource._server(endpoint) is first
        resource.close()
        assert resource._server(endpoint) is not first


def test_a_server_that_does_not_answer_is_unavailable_in_one_line_without_the_password() -> None:
    canary = "canary-p4ssw0rd"
    resource = ClickHouseResource(host="127.0.0.1", port=1, user="u", password=canary)
    endpoint = Endpoint(System.CLICKHOUSE, "external", "ClickHouse", "", port=1, user="u", password=canary)
    for attempt in (lambda: resource.endpoint("external"), lambda: resource.sink(endpoint)):
        with pytest.raises(SystemUnavailableError) as caught:
            attempt()
        assert "127.0.0.1:1" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert canary not in str(caught.value)
