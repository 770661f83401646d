"""Promises of BigQuery as a sink, on the local emulator: what a load leaves behind, whether it succeeds or fails.

Whole cases play every strategy; what a case does not show stands in tests of its own. What only the real service can do
is in `test_bigquery_jobs`. It may import `matrix_defs` and `resources`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from bigquery_local import (
    APPEND,
    BY_DAY,
    DAY,
    MERGE,
    NAMESPACE,
    NEXT_DAY,
    THIRD_DAY,
    batch,
    load,
    local_bigquery,
    target,
)

from matrix_defs.cases import CASES, Case
from matrix_defs.errors import LoadError
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import Batch, KeyList, Load, LoadReport, LoadTarget, Position, ReadEnd, Step
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunSettings
from matrix_defs.runner import run_case
from matrix_defs.systems import SourceKind, System
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.bigquery.dialect import STAGING_HOURS, BigQueryDialect
from resources.bigquery.sink import BigQuerySink
from resources.endpoints.endpoint import Endpoint
from resources.plan_check import SqlPlanner
from resources.sql_plan import Plan, Statement

SETTINGS = RunSettings(workload=WorkloadSpec(rows=50, wide_columns=8))
FIRST, SECOND = Position({"at": 1}), Position({"at": 2})
SCRIPT = [s.text for s in BigQueryDialect().finishing(Plan(target(), load(2), MERGE), SECOND)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_bigquery() as endpoint:
        yield endpoint


@pytest.fixture
def sink(endpoint: Endpoint) -> Iterator[BigQuerySink]:
    sink = BigQuerySink(endpoint)
    yield sink
    sink.drop(target())


def cases_into_bigquery() -> list[Case]:
    return [case for case in CASES if case.sink is System.BIGQUERY and case.source is System.POSTGRES]


def rows(sink: BigQuerySink) -> list[tuple[int, str | None]]:
    read = sink.read(target())
    return sorted(zip(read["id"].to_pylist(), read["note"].to_pylist(), strict=True))


def counts(report: LoadReport) -> tuple[int, int, int, int]:
    return report.staged, report.inserted, report.updated, report.deleted


class Breaking(BigQueryDialect):
    """Puts a statement that fails before statement number `at` of the load's script."""

    def __init__(self, at: int, statement: str = "SELECT ERROR('broken here')") -> None:
        super().__init__(partition_decorators=False)
        self._at, self._statement = at, statement

    def finishing(self, plan: Plan, position: Position | None) -> list[Statement]:
        statements = super().finishing(plan, position)
        return [*statements[: self._at], Statement(self._statement), *statements[self._at :]]


class Clinging(BigQueryDialect):
    """Its staging cannot be dropped behind a load, only before the next."""

    def staging(self, plan: Plan) -> list[Statement]:
        return BigQueryDialect().staging(plan)

    def drop_staging(self, target: LoadTarget) -> list[Statement]:
        return [Statement("SELECT ERROR('in use')")]


@pytest.mark.parametrize("case", cases_into_bigquery(), ids=lambda case: case.strategy.name)
def test_every_strategy_keeps_its_promise_and_every_statement_that_ran_parses(endpoint: Endpoint, case: Case) -> None:
    source = MemorySource(SourceKind.STATE, build_workload(SETTINGS.workload).table)
    sink = BigQuerySink(endpoint)
    result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.PASSED, result.reason
    statements = [statement for loaded in result.loads for statement in loaded.statements]
    assert len(statements) > 40
    planner = SqlPlanner(sink.dialect)
    assert [flaw for flaw in map(planner.flaw, statements) if flaw] == []


def test_rows_and_position_arrive_together_and_staging_is_gone(sink: BigQuerySink) -> None:
    sink.create(target())
    assert sink.position(target()) is None
    report = sink.load(target(), load(1), batch((1, DAY, "a"), (2, DAY, None), position=FIRST), APPEND)
    assert rows(sink) == [(1, "a"), (2, None)]
    assert sink.position(target()) == report.position == FIRST
    assert sink.leftovers(target()) == []
    assert sink.read(target())["load_id"].to_pylist() == ["load '1' \\"] * 2


def test_staging_that_cannot_be_dropped_fails_no_load_that_was_committed_and_goes_with_the_next(
    sink: BigQuerySink,
) -> None:
    sink.create(target())
    whole, sink.dialect = sink.dialect, Clinging(partition_decorators=False)
    report = sink.load(target(), load(1), batch((1, DAY, "a"), position=FIRST), APPEND)
    assert (rows(sink), sink.position(target()), report.position) == ([(1, "a")], FIRST, FIRST)
    assert sink.leftovers(target()) == ["t__staged"]
    sink.dialect = whole
    sink.load(target(), load(2), batch((2, DAY, "b"), position=SECOND), APPEND)
    assert (rows(sink), sink.leftovers(target())) == ([(1, "a"), (2, "b")], [])


def test_a_case_whose_staging_stays_is_told_by_the_check_that_looks_for_it(endpoint: Endpoint) -> None:
    [case] = [case for case in cases_into_bigquery() if case.strategy.name == "full_refresh"]
    source, sink = MemorySource(SourceKind.STATE, build_workload(SETTINGS.workload).table), BigQuerySink(endpoint)
    sink.dialect = Clinging(partition_decorators=False)
    result = run_case(case, source, sink, SETTINGS, run="00000000abcd", endpoints={})
    assert result.verdict is Verdict.FAILED
    told = {check.name: check.detail for check in result.checks if not check.passed}
    assert "left in the namespace: orders__staged" in told["nothing_left_behind"]
    assert "rows_match" not in told
    assert sink.tables(target().namespace) == []


def test_a_merge_counts_what_is_new_what_is_rewritten_and_what_is_gone(sink: BigQuerySink) -> None:
    sink.create(target())
    report = sink.load(target(), load(1), batch((1, DAY, "a"), (2, DAY, "b"), (3, DAY, "c")), MERGE)
    assert counts(report) == (3, 3, 0, 0)
    steps = (*MERGE, Step.DELETE_ABSENT_KEYS)
    listed = Load("listed", load(2).loaded_at, key_list=KeyList.LISTED)
    read = batch((2, DAY, "b"), (4, DAY, "d"))
    keys = pa.table({"id": pa.array([2, 3, 4], pa.int64())})
    report = sink.load(target(), listed, Batch(read.schema, iter(read), lambda: ReadEnd(SECOND, keys)), steps)
    assert counts(report) == (2, 1, 1, 1)
    assert rows(sink) == [(2, "b"), (3, "c"), (4, "d")]
    assert sink.leftovers(target()) == []


@pytest.mark.parametrize("at", range(len(SCRIPT)))
def test_a_script_that_breaks_anywhere_changes_nothing_and_the_next_load_is_served(sink: BigQuerySink, at: int) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, DAY, "a"), (2, DAY, "b"), position=FIRST), MERGE)
    before = sink.read(target())
    whole, sink.dialect = sink.dialect, Breaking(at)
    with pytest.raises(LoadError, match="broken here") as caught:
        sink.load(target(), load(2), batch((2, DAY, "new"), (3, DAY, "c"), position=SECOND), MERGE)
    assert "\n" not in str(caught.value)
    sink.dialect = whole
    # Past the commit the load stands, and only its counts are lost.
    committed = at > SCRIPT.index("COMMIT TRANSACTION")
    if not committed:
        assert sink.read(target()).sort_by("id").equals(before.sort_by("id"))
        assert sink.position(target()) == FIRST
    assert sink.leftovers(target()) == []
    report = sink.load(target(), load(3), batch((2, DAY, "new"), (3, DAY, "c"), position=SECOND), MERGE)
    assert counts(report) == (2, not committed, 1 + committed, 0)
    assert (rows(sink), sink.position(target())) == ([(1, "a"), (2, "new"), (3, "c")], SECOND)


@pytest.mark.parametrize("statement", ["INSERT INTO `no_such`.`t` VALUES (1)", "SELECT 1 / 0", "not a statement"])
def test_a_script_breaks_off_the_same_whatever_is_wrong_with_it(sink: BigQuerySink, statement: str) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, DAY, "a"), position=FIRST), APPEND)
    whole, sink.dialect = sink.dialect, Breaking(5, statement)
    with pytest.raises(LoadError) as caught:
        sink.load(target(), load(2), batch((2, DAY, "b"), position=SECOND), APPEND)
    assert str(caught.value).startswith(f"BigQuery, loading {NAMESPACE}.t: ")
    sink.dialect = whole
    assert (rows(sink), sink.position(target())) == ([(1, "a")], FIRST)


def test_a_transaction_that_another_user_began_and_broke_is_nobody_elses(
    endpoint: Endpoint, sink: BigQuerySink
) -> None:
    sink.create(target())
    other = BigQuerySink(endpoint)
    with pytest.raises(Exception, match="Transaction control statements are supported only in scripts"):
        other.execute("BEGIN TRANSACTION")
    with pytest.raises(Exception, match="no_such"):
        other.execute("SELECT * FROM `no_such`.`t`")
    other.execute("BEGIN TRANSACTION; SELECT 1")
    with pytest.raises(Exception, match="broken"):
        other.execute("BEGIN TRANSACTION; SELECT ERROR('broken')")
    sink.load(target(), load(1), batch((1, DAY, "a"), position=FIRST), APPEND)
    assert (rows(sink), sink.position(target())) == ([(1, "a")], FIRST)


def test_a_null_key_is_refused_by_its_columns_name_and_everything_is_as_before(sink: BigQuerySink) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, DAY, "a"), position=FIRST), APPEND)
    before = sink.read(target())
    with pytest.raises(LoadError, match="NULL in key column 'id'"):
        sink.load(target(), load(2), batch((None, DAY, "b"), position=SECOND), APPEND)
    assert sink.read(target()).equals(before)
    assert (sink.position(target()), sink.leftovers(target())) == (FIRST, [])


def test_a_staged_row_outside_the_named_days_is_refused_in_one_clear_line(sink: BigQuerySink) -> None:
    days = target(partitioned=True)
    sink.create(days)
    sink.load(days, load(1, DAY), batch((1, DAY, "a"), position=FIRST), BY_DAY)
    before = sink.read(days)
    stray = batch((1, DAY, "new"), (2, NEXT_DAY, "stray"), (3, THIRD_DAY, "stray"), position=SECOND)
    with pytest.raises(LoadError) as caught:
        sink.load(days, load(2, DAY), stray, BY_DAY)
    message = str(caught.value)
    assert message.startswith(f"BigQuery, loading {NAMESPACE}.t: ")
    assert "2 staged row(s) lie outside the partitions of this load (2026-03-01)" in message
    assert "; read only those or name the others too" in message
    assert "\n" not in message
    assert sink.read(days).equals(before)
    assert (sink.position(days), sink.leftovers(days)) == (FIRST, [])


def test_a_day_without_staged_rows_is_emptied_and_other_days_stay(sink: BigQuerySink) -> None:
    days = target(partitioned=True)
    sink.create(days)
    read = batch((1, DAY, "a"), (2, DAY, "b"), (3, NEXT_DAY, "c"))
    assert counts(sink.load(days, load(1, DAY, NEXT_DAY), read, BY_DAY)) == (3, 3, 0, 0)
    assert counts(sink.load(days, load(2, THIRD_DAY), batch(), BY_DAY)) == (0, 0, 0, 0)
    assert rows(sink) == [(1, "a"), (2, "b"), (3, "c")]
    assert counts(sink.load(days, load(3, DAY, THIRD_DAY), batch((1, DAY, "a")), BY_DAY)) == (1, 0, 1, 1)
    assert rows(sink) == [(1, "a"), (3, "c")]


def test_an_empty_batch_adds_nothing_and_a_position_of_none_keeps_the_last(sink: BigQuerySink) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, DAY, "a"), position=FIRST), APPEND)
    report = sink.load(target(), load(2), batch(position=None), APPEND)
    assert counts(report) == (0, 0, 0, 0)
    assert (rows(sink), sink.position(target())) == ([(1, "a")], FIRST)
    report = sink.load(target(), load(3), batch(position=SECOND), (Step.SWAP_IN,))
    assert counts(report) == (0, 0, 0, 1)
    assert (rows(sink), sink.position(target())) == ([], SECOND)


def test_an_empty_table_reads_back_as_no_rows_of_the_targets_columns(sink: BigQuerySink) -> None:
    sink.create(target())
    read = sink.read(target())
    assert read.num_rows == 0
    assert read.schema == target().schema


def test_of_a_target_by_its_key_no_other_column_is_sent(sink: BigQuerySink) -> None:
    sink.create(target())
    sink.load(target(), load(1), batch((1, DAY, "a")), APPEND)
    keys = target().only_key()
    assert sink.read(keys).schema == keys.schema
    names = [column.name for column in keys.columns]
    assert [page.schema.names for page in sink._session.pages(NAMESPACE, "t", names)] == [names]
    assert sink.read(keys).select(target().table.key).to_pylist() == [{"id": 1}]


def test_a_position_of_any_text_comes_back_as_it_was(sink: BigQuerySink) -> None:
    sink.create(target())
    position = Position({"cursor": "'; DROP TABLE t; --\\", "delivered": [[1, "\t\n{a}%s @p `é`"]]})
    sink.load(target(), load(1), batch((1, DAY, "a"), position=position), APPEND)
    assert sink.position(target()) == position


def test_staging_expires_by_itself_where_the_load_that_made_it_has_died(sink: BigQuerySink) -> None:
    sink.create(target())
    born = Load("dead", datetime.now(UTC).replace(microsecond=0))
    made = sink.dialect.create_staging(Plan(target(), born, APPEND))
    for statement in made:
        sink.execute(statement.text)
    staged = sink._session.client.get_table(f"{NAMESPACE}.t__staged")
    # The emulator keeps no expiry; that the statement sets one is all that can be seen.
    latest = datetime.now(UTC) + timedelta(hours=STAGING_HOURS)
    assert staged.expires is None or born.loaded_at < staged.expires <= latest
    assert "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 24 HOUR)" in made[0].text
    sink.load(target(), load(1), batch((1, DAY, "a")), APPEND)
    assert (rows(sink), sink.leftovers(target())) == ([(1, "a")], [])


def test_dropping_twice_is_safe_and_a_dropped_sink_serves_again(sink: BigQuerySink) -> None:
    sink.drop(target())
    sink.create(target())
    sink.drop(target())
    sink.drop(target())
    assert sink.tables(NAMESPACE) == []
    sink.create(target())
    assert rows(sink) == []


@pytest.mark.parametrize("steps", [APPEND, MERGE], ids=["append", "merge"])
def test_a_failed_load_of_a_dropped_dataset_names_the_dataset_in_one_line(
    sink: BigQuerySink, steps: Sequence[Step]
) -> None:
    with pytest.raises(LoadError, match=f"BigQuery, loading {NAMESPACE}.t: .*{NAMESPACE}") as caught:
        sink.load(target(), load(1), batch((1, DAY, "a")), steps)
    assert "\n" not in str(caught.value)
