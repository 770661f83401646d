"""Promises of SQL Server as a source, by query and by Change Tracking.

Cases into a sink in memory play every strategy; what a case does not show stands in tests of its own.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pyarrow as pa
import pytest
from mssql_local import Seeded, local_mssql

from matrix_defs.cases import CASES, Case
from matrix_defs.compare import digests
from matrix_defs.errors import ReadError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.ports import DELETE, Change, Op, Partitions, Position, ReadEnd, ReadMode, ReadRequest, Scope, Window
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType, TableSpec
from matrix_defs.workload import Phase, WorkloadSpec, apply_changes, build_workload
from resources.endpoints.endpoint import Endpoint
from resources.mssql.resource import MssqlResource

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
WORKLOAD = build_workload(WorkloadSpec(rows=50, wide_columns=15))
ORDERS = WORKLOAD.table
SMALL = TableSpec(
    "orders",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("code", LogicalType.TEXT, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("at", LogicalType.INSTANT, nullable=False),
        Column("note", LogicalType.TEXT),
    ),
    key=("id", "code"),
    cursor="at",
    partition="day",
)
INSTANT = datetime(2026, 6, 1, tzinfo=UTC)
STRATEGIES = [c for c in CASES if c.source is System.MSSQL and c.sink is System.POSTGRES]

_numbers = count(1)


def small(*cells: tuple[int, str, str | None]) -> pa.Table:
    rows = [{"id": i, "code": c, "day": date(2026, 6, 1), "at": INSTANT, "note": n} for i, c, n in cells]
    return pa.Table.from_pylist(rows, SMALL.schema)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_mssql() as endpoint:
        yield endpoint


@pytest.fixture
def orders(endpoint: Endpoint) -> Iterator[Seeded]:
    held = Seeded(endpoint, f"m_source_{next(_numbers)}", ORDERS, WORKLOAD.baseline)
    yield held
    held.close()


@pytest.fixture
def two(endpoint: Endpoint) -> Iterator[Seeded]:
    held = Seeded(endpoint, f"m_source_{next(_numbers)}", SMALL, small((1, "a", "one"), (1, "a ", "two")))
    yield held
    held.close()


def read(
    held: Seeded, mode: ReadMode, *, after: Position | None = None, scope: Scope = None
) -> tuple[pa.Table, ReadEnd]:
    with held.source.read(ReadRequest(mode, after, scope)) as batch:
        chunks = list(batch)
        return pa.Table.from_batches(chunks, batch.schema if not chunks else None), batch.end()


def same(actual: pa.Table, expected: pa.Table) -> bool:
    return bool(np.array_equal(digests(actual), digests(expected.cast(actual.schema))))


@pytest.mark.parametrize("case", STRATEGIES, ids=lambda case: case.strategy.name)
def test_every_strategy_finds_in_it_what_it_needs(endpoint: Endpoint, case: Case) -> None:
    table = build_workload(SETTINGS.workload).table
    source = MssqlResource().source(endpoint, "m_source_case", table)
    result = run_case(case, source, MemorySink(), SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason


class TestQueries:
    """Reads by query."""

    def test_a_snapshot_is_every_row_bit_by_bit(self, orders: Seeded) -> None:
        rows, end = read(orders, ReadMode.SNAPSHOT)
        assert same(rows, WORKLOAD.baseline)
        assert end == ReadEnd(None)

    def test_changes_leave_what_they_would_one_after_the_other(self, orders: Seeded) -> None:
        orders.source.apply(WORKLOAD.changes)
        rows, _ = read(orders, ReadMode.SNAPSHOT)
        assert same(rows, apply_changes(WORKLOAD.baseline, WORKLOAD.changes, ORDERS.key))
        assert orders.session.names(orders.source.dialect.relations(orders.namespace)) == ["orders"]

    def test_a_row_that_is_held_is_neither_seen_nor_waited_for_until_it_is_committed(self, orders: Seeded) -> None:
        held = orders.source.hold(WORKLOAD.late)
        assert read(orders, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows
        orders.source.apply(WORKLOAD.changes)
        held.commit()
        held.commit()
        held.rollback()
        left = apply_changes(WORKLOAD.baseline, WORKLOAD.changes, ORDERS.key)
        assert read(orders, ReadMode.SNAPSHOT)[0].num_rows == left.num_rows + WORKLOAD.late.num_rows

    def test_a_held_row_that_is_forgotten_never_was(self, orders: Seeded) -> None:
        held = orders.source.hold(WORKLOAD.late)
        held.rollback()
        held.rollback()
        assert read(orders, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows

    def test_a_window_and_its_days_are_the_same_rows(self, orders: Seeded) -> None:
        window = Window(WORKLOAD.days[1], WORKLOAD.days[3])
        expected = [row for row in WORKLOAD.baseline.to_pylist() if window.start <= row["business_date"] < window.end]
        for mode, scope in ((ReadMode.WINDOW, window), (ReadMode.PARTITIONS, Partitions(WORKLOAD.days[1:3]))):
            rows, end = read(orders, mode, scope=scope)
            assert rows.num_rows == len(expected) > 0
            assert same(rows, pa.Table.from_pylist(expected, ORDERS.schema))
            assert end == ReadEnd(None)
        before = Partitions((WORKLOAD.days[0] - timedelta(days=9),))
        assert read(orders, ReadMode.PARTITIONS, scope=before)[0].num_rows == 0

    def test_an_incremental_read_repeats_nothing_and_an_empty_one_stays_where_it_was(self, orders: Seeded) -> None:
        first, reached = read(orders, ReadMode.INCREMENTAL)
        assert same(first, WORKLOAD.baseline)
        again, still = read(orders, ReadMode.INCREMENTAL, after=reached.position)
        assert (again.num_rows, still) == (0, reached)
        orders.source.apply(WORKLOAD.changes)
        delta, further = read(orders, ReadMode.INCREMENTAL, after=reached.position)
        assert 0 < delta.num_rows < WORKLOAD.baseline.num_rows
        assert further != reached

    def test_rows_and_key_list_are_of_one_snapshot(self, orders: Seeded) -> None:
        with orders.source.read(ReadRequest(ReadMode.INCREMENTAL_AND_DELETES)) as batch:
            chunks = iter(batch)
            next(chunks)
            orders.source.apply([Change(Op.INSERT, WORKLOAD.late)])
            list(chunks)
            keys = batch.end().keys
        assert keys is not None
        assert same(keys, WORKLOAD.baseline.select(list(ORDERS.key)))

    def test_an_emptied_source_yields_an_empty_key_list_and_not_none(self, orders: Seeded) -> None:
        orders.source.apply([Change(Op.DELETE, WORKLOAD.baseline.select(list(ORDERS.key)))])
        rows, end = read(orders, ReadMode.INCREMENTAL_AND_DELETES)
        assert rows.num_rows == 0
        assert end.keys is not None
        assert end.keys.num_rows == 0

    def test_keys_that_differ_by_trailing_blanks_are_changed_one_by_one(self, two: Seeded) -> None:
        two.source.apply([Change(Op.UPDATE, small((1, "a ", "changed")))])
        assert sorted(read(two, ReadMode.SNAPSHOT)[0]["note"].to_pylist()) == ["changed", "one"]
        two.source.apply([Change(Op.DELETE, small((1, "a", None)).select(["id", "code"]))])
        assert read(two, ReadMode.SNAPSHOT)[0]["note"].to_pylist() == ["changed"]

    def test_a_read_that_is_broken_off_leaves_nothing_open(self, orders: Seeded) -> None:
        with orders.source.read(ReadRequest(ReadMode.SNAPSHOT)) as batch:
            next(iter(batch))
        assert read(orders, ReadMode.SNAPSHOT)[0].num_rows == WORKLOAD.baseline.num_rows

    def test_a_mode_that_it_has_no_means_for_is_refused(self, two: Seeded) -> None:
        with pytest.raises(ReadError, match="cannot be read by xmin"):
            two.source.read(ReadRequest(ReadMode.XMIN))

    def test_a_table_that_is_not_there_is_a_read_error_of_one_line(self, two: Seeded) -> None:
        two.run("DROP TABLE {t}")
        with pytest.raises(ReadError, match=r"^SQL Server, reading: [^\n]*Invalid object name[^\n]*$"):
            read(two, ReadMode.SNAPSHOT)

    def test_an_error_that_ended_the_snapshot_is_what_is_told_and_the_next_read_goes_on(self, two: Seeded) -> None:
        from resources.mssql.session import explained

        session = two.source._session
        with pytest.raises(ReadError, match="onver"), explained("reading"), session.snapshot():
            session.arrow_value("SELECT CAST(N'abc' AS INT)")
        assert read(two, ReadMode.SNAPSHOT)[0].num_rows == 2


Event = tuple[str, int, str, str | None]


def changes(held: Seeded, since: Position | None) -> tuple[list[Event], Position]:
    """The changes since a position, in order, and the position reached."""
    table, end = read(held, ReadMode.CHANGES, after=since)
    assert end.position is not None
    assert table["_seq"].to_pylist() == sorted(table["_seq"].to_pylist())
    columns = (table.column(name).to_pylist() for name in ("_op", "id", "code", "note"))
    return list(zip(*columns, strict=True)), end.position


def first(held: Seeded) -> Position:
    rows, end = read(held, ReadMode.CHANGES)
    assert "_op" not in rows.column_names
    assert end.position is not None
    return end.position


class TestChangeTracking:
    """The change stream."""

    def test_a_first_read_shows_the_rows_and_later_ones_the_net_changes(self, two: Seeded) -> None:
        start = first(two)
        columns = "[id], [code], [day], [at], [note]"
        two.run(f"INSERT INTO {{t}} ({columns}) SELECT 2, N'b', [day], [at], N'new' FROM {{t}} WHERE [note] = N'one'")
        two.run("UPDATE t SET [note] = N'newer' FROM {t} AS t WHERE t.[id] = 2")
        two.run("UPDATE t SET [note] = N'uno' FROM {t} AS t WHERE t.[note] = N'one'")
        two.run("DELETE t FROM {t} AS t WHERE t.[note] = N'two'")
        found, reached = changes(two, start)
        assert found == [
            ("upsert", 2, "b", "newer"),
            ("upsert", 1, "a", "uno"),
            (DELETE, 1, "a ", None),
        ]
        assert changes(two, reached) == ([], reached)
        assert changes(two, start) == (found, reached)

    def test_a_row_held_over_the_first_read_comes_with_the_changes(self, two: Seeded) -> None:
        start = first(two)
        held = two.source.hold(small((3, "c", "late")))
        nothing, still = changes(two, start)
        assert nothing == []
        held.commit()
        assert changes(two, still)[0] == [("upsert", 3, "c", "late")]

    def test_what_is_written_while_the_first_read_runs_comes_with_the_changes(self, two: Seeded) -> None:
        with two.source.read(ReadRequest(ReadMode.CHANGES)) as batch:
            stream = iter(batch)
            next(stream)
            two.run("UPDATE t SET [note] = N'after' FROM {t} AS t WHERE t.[note] = N'one'")
            list(stream)
            start = batch.end().position
        assert changes(two, start)[0] == [("upsert", 1, "a", "after")]

    def test_a_key_deleted_and_inserted_again_is_one_upsert(self, two: Seeded) -> None:
        start = first(two)
        two.source.apply(
            [
                Change(Op.DELETE, small((1, "a", None)).select(["id", "code"])),
                Change(Op.INSERT, small((1, "a", "again"))),
            ]
        )
        assert changes(two, start)[0] == [("upsert", 1, "a", "again")]

    def test_a_change_that_is_rolled_back_never_was(self, two: Seeded) -> None:
        start = first(two)
        two.source.hold(small((3, "c", "never"))).rollback()
        assert changes(two, start)[0] == []

    def test_a_truncated_table_is_a_gap_that_is_told(self, two: Seeded) -> None:
        start = first(two)
        two.run("UPDATE t SET [note] = N'x' FROM {t} AS t")
        two.run("TRUNCATE TABLE {t}")
        with pytest.raises(ReadError, match="drop the target with its position and load anew") as told:
            changes(two, start)
        assert "\n" not in str(told.value)

    def test_a_position_that_retention_has_overtaken_is_told_and_never_a_gap(
        self, two: Seeded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = first(two)

        session = two.source._session
        ask = session.arrow_value
        oldest = int(start.value["version"]) + 1
        monkeypatch.setattr(session, "arrow_value", lambda text: oldest if "MIN_VALID" in text else ask(text))
        with pytest.raises(
            ReadError, match=f"after version {oldest - 1}: changes up to version {oldest} were cleaned up"
        ):
            changes(two, start)

    def test_a_position_of_another_database_or_another_kind_is_refused(self, two: Seeded) -> None:
        start = first(two)
        ahead = Position({"version": int(start.value["version"]) + 1_000_000})
        with pytest.raises(ReadError, match="the position is another one's"):
            changes(two, ahead)
        with pytest.raises(ReadError, match="set MATRIX_MSSQL_CDC_MODE"):
            changes(two, Position({"lsn": "0x01"}))

    def test_an_untracked_table_is_no_empty_stream(self, two: Seeded) -> None:
        start = first(two)
        two.run("ALTER TABLE {t} DISABLE CHANGE_TRACKING")
        with pytest.raises(ReadError, match="not tracked"):
            changes(two, start)

    def test_nothing_is_released_because_nothing_is_kept(self, two: Seeded) -> None:
        two.source.release(first(two))
        assert two.source.released() is None
        assert two.source.represent(SMALL, small()) == small()


def test_a_case_that_changes_its_rows_leaves_those_that_the_server_keeps_for_the_next(endpoint: Endpoint) -> None:
    seeded = []
    for _ in range(2):
        held = Seeded(endpoint, f"m_source_{next(_numbers)}", ORDERS, WORKLOAD.baseline)
        rows, _ = read(held, ReadMode.SNAPSHOT)
        seeded.append(digests(rows))
        held.source.apply(WORKLOAD.changes_of(Phase.EMPTIED))
        assert read(held, ReadMode.SNAPSHOT)[0].num_rows < WORKLOAD.baseline.num_rows
        held.close()
    assert np.array_equal(*seeded)
    assert np.array_equal(seeded[0], digests(WORKLOAD.baseline, ORDERS.names))


def test_a_server_that_keeps_nothing_is_seeded_and_changed_the_same_and_left_as_it_was(endpoint: Endpoint) -> None:
    foreign = replace(endpoint, kind="external")
    held = Seeded(foreign, f"m_source_{next(_numbers)}", ORDERS, WORKLOAD.baseline)
    held.source.apply(WORKLOAD.changes_of(Phase.EMPTIED))
    assert read(held, ReadMode.SNAPSHOT)[0].num_rows < WORKLOAD.baseline.num_rows
    assert held.source._session.names(
        f"SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS s"
        f" ON s.schema_id = t.schema_id WHERE s.name = '{held.source._namespace}'"
    ) == [ORDERS.name]
    held.close()
