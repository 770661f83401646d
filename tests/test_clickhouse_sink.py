"""Promises of ClickHouse as a sink, on the embedded engine.

Whole cases play every strategy; what a case does not show stands in tests of its own.
It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_local import local_clickhouse

from matrix_defs.cases import CASES, Case
from matrix_defs.errors import LoadError
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import Batch, Load, LoadTarget, Partitions, Position, ReadEnd, Step
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import SourceKind, System
from matrix_defs.table import Column, LogicalType, TableSpec
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.clickhouse.resource import ClickHouseResource
from resources.clickhouse.server import explain
from resources.clickhouse.sink import ClickHouseSink
from resources.plan_check import SqlPlanner

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
TABLE = TableSpec(
    "t",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("at", LogicalType.INSTANT),
        Column("note", LogicalType.TEXT),
    ),
    key=("id",),
    cursor="at",
    partition="day",
)
DAY, OTHER_DAY = datetime(2026, 6, 1).date(), datetime(2026, 6, 2).date()


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[ClickHouseResource]:
    with local_clickhouse() as resource:
        yield resource


@pytest.fixture
def sink(clickhouse: ClickHouseResource) -> Iterator[ClickHouseSink]:
    sink = clickhouse.sink(clickhouse.endpoint("embedded"))
    assert isinstance(sink, ClickHouseSink)
    yield sink
    sink.drop(target())


def target(*, partitioned: bool = False) -> LoadTarget:
    return LoadTarget("sink_test", TABLE, partitioned=partitioned)


def batch(*rows: tuple[int, object], position: Position | None = None) -> Batch:
    table = pa.Table.from_pylist([{"id": key, "day": DAY, "note": note} for key, note in rows], TABLE.schema)
    return Batch(TABLE.schema, iter(table.to_batches()), lambda: ReadEnd(position))


def load(number: int, days: Partitions | None = None) -> Load:
    return Load(f"load '{number}' \\", datetime(2026, 6, 1, 0, 0, number, tzinfo=UTC), days)


def cases_into_clickhouse() -> list[Case]:
    return [case for case in CASES if case.sink is System.CLICKHOUSE and case.source is System.POSTGRES]


@pytest.mark.parametrize("case", cases_into_clickhouse(), ids=lambda case: case.strategy.name)
def test_every_strategy_keeps_its_promise_and_every_statement_that_ran_parses(
    clickhouse: ClickHouseResource, case: Case
) -> None:
    source = MemorySource(SourceKind.STATE, build_workload(SETTINGS.workload).table)
    sink = clickhouse.sink(clickhouse.endpoint("embedded"))
    result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason
    statements = [statement for load in result.loads for statement in load.statements]
    assert len(statements) > 40
    planner = SqlPlanner(ClickHouseSink.dialect)
    assert [flaw for flaw in map(planner.flaw, statements) if flaw] == []


def test_a_swapped_in_table_keeps_no_default_of_the_load_that_made_it(sink: ClickHouseSink) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, "a")), (Step.SWAP_IN,))
    assert sink.read(target()).column("load_id").to_pylist() == ["load '1' \\"]
    assert sink.select("SELECT count() FROM system.columns WHERE database = 'sink_test' AND default_kind != ''") == 0
    with pytest.raises(DatabaseError):
        sink.execute("INSERT INTO sink_test.t (id, day, load_id) VALUES (1, '2026-06-01', NULL)")


def test_a_day_without_staged_rows_is_emptied_and_other_days_stay(sink: ClickHouseSink) -> None:
    days = target(partitioned=True)
    sink.create(days)
    sink.load(days, load(1, Partitions((DAY,))), batch((1, "a"), (2, "b")), (Step.REPLACE_PARTITIONS,))
    report = sink.load(days, load(2, Partitions((OTHER_DAY,))), batch(), (Step.REPLACE_PARTITIONS,))
    assert (report.inserted, report.updated, report.deleted) == (0, 0, 0)
    assert sink.read(days).num_rows == 2
    report = sink.load(days, load(3, Partitions((DAY, OTHER_DAY))), batch(), (Step.REPLACE_PARTITIONS,))
    assert (report.inserted, report.updated, report.deleted) == (0, 0, 2)
    assert sink.read(days).num_rows == 0


def test_a_staged_row_outside_the_named_days_fails_the_load_and_leaves_no_trace(sink: ClickHouseSink) -> None:
    days = target(partitioned=True)
    sink.create(days)
    sink.load(
        days, load(1, Partitions((DAY,))), batch((1, "a"), position=Position({"at": 1})), (Step.REPLACE_PARTITIONS,)
    )
    before = sink.read(days)
    with pytest.raises(LoadError, match="1 staged row"):
        sink.load(days, load(2, Partitions((OTHER_DAY,))), batch((2, "b")), (Step.REPLACE_PARTITIONS,))
    assert sink.read(days).equals(before)
    assert sink.position(days) == Position({"at": 1})
    assert sink.leftovers(days) == []
    assert sink.select(f"SELECT count() FROM ({sink.dialect.unfinished(days)})") == 0


def test_an_unfinished_append_is_undone_by_the_next_load_and_only_that(sink: ClickHouseSink) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, "a")), (Step.INSERT_STAGED,))
    sink.execute("INSERT INTO sink_test._matrix_state VALUES ('t', 'begun', 'dead', '2026-06-01 00:00:02', '')")
    sink.execute("INSERT INTO sink_test.t SELECT * REPLACE ('dead' AS load_id) FROM sink_test.t")
    sink.load(target(), load(3), batch((3, "c")), (Step.INSERT_STAGED,))
    assert sorted(sink.read(target()).column("id").to_pylist()) == [1, 3]


def test_a_position_of_any_text_comes_back_as_it_was(sink: ClickHouseSink) -> None:
    sink.create(target())
    assert sink.position(target()) is None
    position = Position({"cursor": "'; DROP TABLE t; --\\", "delivered": [[1, "\t\n{a:Int8}%s \u00e9"]]})
    sink.load(target(), load(1), batch((1, "a"), position=position), (Step.INSERT_STAGED,))
    assert sink.position(target()) == position
    sink.load(target(), load(2), batch((2, "a")), (Step.INSERT_STAGED,))
    assert sink.position(target()) == position


def test_an_error_of_the_server_is_one_line_with_code_and_message_and_no_tail(sink: ClickHouseSink) -> None:
    sink.create(target())
    with pytest.raises(LoadError) as caught:
        sink.load(target(), load(1), batch((1, b"\xff".decode("latin1"))), (Step.OPEN_VERSIONS,))
    message = str(caught.value)
    assert message.startswith("ClickHouse, loading sink_test.t: ")
    assert "valid_to" in message
    assert message.endswith(" (code 47, UNKNOWN_IDENTIFIER)")
    assert "\n" not in message


def test_repetition_place_trace_and_version_are_left_out_of_an_error() -> None:
    error = DatabaseError(
        "Received ClickHouse exception, code: 349, server response: Code: 349. DB::Exception: Code: 349. "
        "DB::Exception: Cannot convert NULL: while converting column `a`: (in file/uri /tmp/1.raw): While executing "
        "File: data for INSERT was parsed from file. (NO_NULL) "
        "(version 26.9.2.1 (official build)). (NO_NULL) Stack trace:\n\n0. x"
    )
    assert explain(error) == "Cannot convert NULL: while converting column `a` (code 349, NO_NULL)"


def test_an_error_that_the_server_did_not_make_is_one_line() -> None:
    assert explain(DatabaseError("connection\nrefused")) == "connection refused"
