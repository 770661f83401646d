"""Promises of SQL Server as a sink: what a whole case does not show.

Cases against a source in memory play every strategy; the rest looks at failing loads, deadlocks and counts.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from mssql_local import local_mssql
from tenacity import wait_none

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
from resources.endpoints.endpoint import Endpoint
from resources.mssql.resource import MssqlResource
from resources.plan_check import SqlPlanner
from resources.sql_plan import Statement

if TYPE_CHECKING:
    from resources.mssql.sink import MssqlSink

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50))
TABLE = TableSpec(
    "t",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("code", LogicalType.TEXT, nullable=False),
        Column("day", LogicalType.DATE, nullable=False),
        Column("at", LogicalType.INSTANT),
        Column("note", LogicalType.TEXT),
    ),
    key=("id", "code"),
    cursor="at",
    partition="day",
)
DAY, OTHER_DAY = datetime(2026, 6, 1).date(), datetime(2026, 6, 2).date()
MERGE = (Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_mssql() as endpoint:
        yield endpoint


@pytest.fixture
def sink(endpoint: Endpoint) -> Iterator["MssqlSink"]:
    sink: Any = MssqlResource().sink(endpoint)
    sink.drop(target())
    yield sink
    sink.drop(target())


def target(*, partitioned: bool = False) -> LoadTarget:
    return LoadTarget("m_sink_test", TABLE, partitioned=partitioned)


def batch(*rows: tuple[int, str, Any], position: Position | None = None) -> Batch:
    cells = [{"id": key, "code": code, "day": DAY, "note": note} for key, code, note in rows]
    table = pa.Table.from_pylist(cells, TABLE.schema)
    return Batch(TABLE.schema, iter(table.to_batches()), lambda: ReadEnd(position))


def load(number: int, days: Partitions | None = None) -> Load:
    return Load(f"load '{number}' ü", datetime(2026, 6, 1, 0, 0, number, tzinfo=UTC), days)


def rows(sink: "MssqlSink", of: LoadTarget | None = None) -> list[tuple[int, str, str | None]]:
    read = sink.read(of or target())
    return sorted(zip(*(read.column(name).to_pylist() for name in ("id", "code", "note")), strict=True))


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.sink is System.MSSQL and c.source is System.POSTGRES], ids=lambda c: c.strategy.name
)
def test_every_strategy_keeps_its_promise_and_every_statement_that_ran_parses(endpoint: Endpoint, case: Case) -> None:
    source = MemorySource(SourceKind.STATE, build_workload(SETTINGS.workload).table)
    sink: Any = MssqlResource().sink(endpoint)
    result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason
    first, *statements = [statement for load in result.loads for statement in load.statements]
    assert first == "-- rows were staged by bulkcopy"
    assert len(statements) > 40
    planner = SqlPlanner(sink.dialect)
    assert [flaw for flaw in map(planner.flaw, statements) if flaw and "staged by" not in flaw] == []


def test_a_load_leaves_rows_and_position_and_nothing_else(sink: "MssqlSink") -> None:
    sink.create(target())
    position = Position({"cursor": "'; DROP TABLE t; --\\", "delivered": [[1, "\t\n{a}%s \u00e9👍"]]})
    report = sink.load(target(), load(1), batch((1, "a", "x"), (1, "a ", "y"), position=position), MERGE)
    assert (report.staged, report.inserted, report.updated, report.deleted) == (2, 2, 0, 0)
    assert rows(sink) == [(1, "a", "x"), (1, "a ", "y")]
    assert sink.position(target()) == position
    assert sink.leftovers(target()) == []
    report = sink.load(target(), load(2), batch((1, "a ", "z")), MERGE)
    assert (report.inserted, report.updated, report.deleted) == (0, 1, 0)
    assert rows(sink) == [(1, "a", "x"), (1, "a ", "z")]
    assert sink.position(target()) == position


def refused(sink: "MssqlSink", bad: Batch, steps: tuple[Step, ...] = MERGE) -> str:
    """What is said of a load that fails; the target, the position and the namespace are as they were."""
    before, position = rows(sink), sink.position(target())
    with pytest.raises(LoadError) as told:
        sink.load(target(), load(9), bad, steps)
    assert rows(sink) == before
    assert sink.position(target()) == position
    assert sink.leftovers(target()) == []
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.fixture
def filled(sink: "MssqlSink") -> "MssqlSink":
    sink.create(target())
    sink.load(target(), load(1), batch((1, "a", "x"), position=Position({"at": 1})), MERGE)
    return sink


def test_a_null_key_is_refused_with_its_column(filled: "MssqlSink") -> None:
    table = pa.table({**{c.name: pa.nulls(1, c.field.type) for c in TABLE.columns}, "id": pa.array([1], pa.int64())})
    bad = Batch(TABLE.schema, iter(table.select(TABLE.names).to_batches()), lambda: ReadEnd(None))
    assert "NULL in key column 'code'" in refused(filled, bad)


def test_a_text_key_that_is_too_long_is_refused(filled: "MssqlSink") -> None:
    assert refused(filled, batch((2, "x" * 401, None))).startswith("SQL Server, loading m_sink_test.t: ")


def test_an_overflow_in_a_step_is_told_and_rolled_back(filled: "MssqlSink", monkeypatch: pytest.MonkeyPatch) -> None:
    table = filled.dialect.table(target())
    texts = ("[note] = N'gone'", "[id] = t.[id] + 9223372036854775807")
    steps = [Statement(f"UPDATE t SET {text} FROM {table} AS t") for text in texts]
    monkeypatch.setattr(filled.dialect, "insert_staged", lambda plan: steps)
    assert "overflow" in refused(filled, batch((2, "b", None)), (Step.INSERT_STAGED,))


def test_a_bulk_copy_waits_no_longer_than_a_statement_may_take(endpoint: Endpoint) -> None:
    from resources.mssql.session import DRIVER_ERRORS, Session

    limited = replace(endpoint, options={**endpoint.options, "statement_seconds": "1", "writer": "bulkcopy"})
    other, session = Session(endpoint), Session(limited)
    try:
        other.execute("CREATE TABLE dbo.locked ([id] BIGINT)")
        other.execute("BEGIN TRANSACTION")
        other.execute("DELETE FROM dbo.locked WITH (TABLOCKX)")
        row = pa.record_batch({"id": pa.array([1], pa.int64())})
        with pytest.raises(DRIVER_ERRORS, match=r"[Tt]ime"):
            session.writer.write(session, "[dbo].[locked]", pa.RecordBatchReader.from_batches(row.schema, [row]))
    finally:
        other.execute("ROLLBACK")
        other.execute("DROP TABLE dbo.locked")
        session.close()
        other.close()


def test_a_deadlocks_victim_is_run_anew_a_bounded_number_of_times(
    filled: "MssqlSink", monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyodbc

    from resources.mssql import sink as module

    text = "[40001] [Microsoft][d][SQL Server]Transaction was deadlocked. (1205) (SQLExecDirectW)"
    victim = pyodbc.Error("40001", text)
    execute, failures = filled.execute, [2]

    def sometimes(text: str) -> int:
        if text.startswith("INSERT INTO [m_sink_test].[t] ") and failures[0]:
            failures[0] -= 1
            filled.rollback()
            raise victim
        return execute(text)

    monkeypatch.setattr(module, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(filled, "execute", sometimes)
    report = filled.load(target(), load(2), batch((2, "b", "new"), position=Position({"at": 2})), MERGE)
    assert (failures[0], report.inserted) == (0, 1)
    assert rows(filled) == [(1, "a", "x"), (2, "b", "new")]
    failures[0] = 100
    assert refused(filled, batch((3, "c", None))).endswith("Transaction was deadlocked. (1205)")
    assert 100 - failures[0] == module.ATTEMPTS


def test_a_day_without_staged_rows_is_emptied_and_other_days_stay(sink: "MssqlSink") -> None:
    days = target(partitioned=True)
    sink.create(days)
    replace = (Step.REPLACE_PARTITIONS,)
    sink.load(days, load(1, Partitions((DAY,))), batch((1, "a", "x"), (2, "b", "y")), replace)
    report = sink.load(days, load(2, Partitions((OTHER_DAY,))), batch(), replace)
    assert (report.inserted, report.updated, report.deleted) == (0, 0, 0)
    assert len(rows(sink, days)) == 2
    report = sink.load(days, load(3, Partitions((DAY, OTHER_DAY))), batch((2, "b", "z")), replace)
    assert (report.inserted, report.updated, report.deleted) == (0, 1, 1)
    assert rows(sink, days) == [(2, "b", "z")]


def test_a_staged_row_outside_the_named_days_fails_the_load(sink: "MssqlSink") -> None:
    days = target(partitioned=True)
    sink.create(days)
    sink.load(days, load(1, Partitions((DAY,))), batch((1, "a", "x")), (Step.REPLACE_PARTITIONS,))
    with pytest.raises(LoadError, match="1 staged row"):
        sink.load(days, load(2, Partitions((OTHER_DAY,))), batch((2, "b", None)), (Step.REPLACE_PARTITIONS,))
    assert rows(sink, days) == [(1, "a", "x")]
    assert sink.leftovers(days) == []


def test_a_namespace_is_dropped_with_all_its_tables_and_twice(sink: "MssqlSink") -> None:
    sink.create(target())
    sink.execute("CREATE TABLE [m_sink_test].[another] ([x] INT)")
    sink.drop(target())
    assert sink.tables("m_sink_test") == []
    sink.drop(target())
    sink.create(target())
