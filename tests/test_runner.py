"""A case is told from seeding to verdict: in its order, on its own clock, and ends in one verdict whatever happens."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from faults import FAULTS
from faulty import Fault, FaultySink, FaultySource
from told import Diary, ToldSink, ToldSource

from matrix_defs import runner
from matrix_defs.cases import CASES_BY_ID
from matrix_defs.checks import CHECK_NAMES
from matrix_defs.errors import LoadError, ReadError
from matrix_defs.ledger import unfinished
from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import Changes, LoadTarget, Op, Partitions, Position
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.runner import LONGEST_REASON, run_case
from matrix_defs.story import Stage
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec
from matrix_defs.workload import WorkloadSpec, build_workload

SPEC = WorkloadSpec(rows=50, wide_columns=0)
SETTINGS = RunSettings(workload=SPEC)
KEEPING = RunSettings(workload=SPEC, keep_on_failure=True)
TABLE = build_workload(SPEC).table
RUN = "0123456789ab"
MERGE = "incremental_merge"
ENDPOINTS = {"source": {"system": "postgres", "emulator": True}, "sink": {"system": "postgres"}}


def play(
    name: str = MERGE,
    source: MemorySource | None = None,
    sink: MemorySink | None = None,
    settings: RunSettings = SETTINGS,
) -> CaseResult:
    case = CASES_BY_ID[f"postgres_to_postgres__{name}"]
    source = source or MemorySource(SourceKind.STATE, TABLE)
    return run_case(case, source, sink or MemorySink(), settings, run=RUN, endpoints=ENDPOINTS, losses=("a loss",))


def faulty(fault: str, name: str = MERGE, settings: RunSettings = SETTINGS) -> CaseResult:
    return play(name, FaultySource(SourceKind.STATE, TABLE, FAULTS[fault]), FaultySink(FAULTS[fault]), settings)


# ---------------------------------------------------------------------- the story


def test_the_story_is_told_in_its_order() -> None:
    diary = Diary()
    assert play(source=ToldSource(TABLE, diary), sink=ToldSink(diary)).verdict is Verdict.PASSED
    load = ["source: read", "sink: load", "source: release"]
    assert diary.entries == [
        "source: drop", "sink: drop", "source: seed", "sink: create", *load,
        "source: hold", "source: apply", *load,
        *load,
        "source: commit held", "source: apply", "source: read", "sink: load", "sink: load", "source: release",
        "source: apply", *load,
        "source: rollback held", "source: drop", "sink: drop at the end",
    ]  # fmt: skip


def test_each_phase_is_a_backfill_that_loads_every_day_once_and_its_replay_loads_none() -> None:
    loads = [(load.stage, load.load_id) for load in play("backfill").loads]
    stages = [Stage.BASELINE, Stage.CHANGES, Stage.RETURNS, Stage.EMPTIED]
    assert [stage for stage, _ in loads] == [stage for stage in stages for _ in build_workload(SPEC).days]
    assert len({load_id for _, load_id in loads}) == 20


def test_a_resumed_backfill_asks_the_sink_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[tuple[str, int]] = []

    def told(ledger: Position | None, name: str, scope: Partitions) -> tuple[Partitions, ...]:
        chunks = unfinished(ledger, name, scope)
        left.append((name, len(chunks)))
        return chunks

    monkeypatch.setattr(runner, "unfinished", told)
    assert play("backfill").verdict is Verdict.PASSED
    replayed = ("changes", 0)
    assert left == [("baseline", 5), ("changes", 5), ("changes", 3), replayed, ("returns", 5), ("emptied", 5)]


@pytest.mark.parametrize("name", STRATEGIES)
def test_checks_are_shown_in_their_order_and_those_that_do_not_apply_are_absent(name: str) -> None:
    absent = {
        "incremental_append": {"keys_unique", "deletes_applied", "history_valid"},
        "scd2": set(),
    }.get(name, {"history_valid"})
    assert [check.name for check in play(name).checks] == [check for check in CHECK_NAMES if check not in absent]


def test_a_stage_whose_rows_differ_ends_the_story() -> None:
    result = faulty("lost row")
    assert [load.stage for load in result.loads] == ["baseline", "changes"]
    assert list(result.diffs) == ["changes"]
    assert "null_key_refused" not in {check.name for check in result.checks}
    assert result.reason.startswith("rows_match: after changes: the target holds ")
    assert result.diffs["changes"].counts == {"missing": 0, "unexpected": 0, "changed": 1}


def test_the_first_failure_of_a_check_is_the_one_that_is_told() -> None:
    (check,) = [check for check in faulty("one insert too many reported").checks if not check.passed]
    assert check.detail.startswith("after baseline: load 1 of the stage reported")


# ---------------------------------------------------------------------- its clock


class Clock:
    """`datetime` with a `now` of its own: the instants given, then the last of them for ever."""

    def __init__(self, *instants: datetime) -> None:
        self._instants = list(instants)

    def now(self, zone: object) -> datetime:
        assert zone is UTC
        return self._instants.pop(0) if len(self._instants) > 1 else self._instants[0]


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "clock",
    [Clock(NOON), Clock(*(NOON - timedelta(hours=n) for n in range(30))), Clock(NOON, NOON, NOON + timedelta(days=1))],
    ids=["standing still", "going back", "jumping ahead"],
)
@pytest.mark.parametrize("name", ["scd2", "backfill"])
def test_loaded_at_grows_from_load_to_load_whatever_the_clock_does(
    clock: Clock, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "datetime", clock)
    result = play(name)
    instants = [load.loaded_at for load in result.loads]
    assert result.verdict is Verdict.PASSED
    assert instants == sorted(set(instants))
    assert all(instant.tzinfo is UTC for instant in instants)
    assert len({load.load_id for load in result.loads}) == len(result.loads)


# ---------------------------------------------------------------------- its end


def test_the_namespace_of_a_failed_case_is_kept_only_if_that_is_asked_for() -> None:
    for settings, verdict, kept in (
        (SETTINGS, Verdict.FAILED, False),
        (KEEPING, Verdict.FAILED, True),
        (KEEPING, Verdict.PASSED, False),
    ):
        diary = Diary()
        fails = {"release": ReadError("no")} if verdict is Verdict.FAILED else {}
        result = play(source=ToldSource(TABLE, diary, fails), sink=ToldSink(diary), settings=settings)
        assert result.verdict is verdict
        assert ("sink: drop at the end" not in diary.entries) is kept
        assert (diary.entries.count("source: drop") == 1) is kept


def test_held_rows_are_rolled_back_even_where_the_namespace_is_kept() -> None:
    diary = Diary()
    source = ToldSource(TABLE, diary, {"apply": ReadError("connection lost")})
    assert play(source=source, sink=ToldSink(diary), settings=KEEPING).verdict is Verdict.FAILED
    assert diary.entries[-1] == "source: rollback held"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LoadError("the disk is full; make room"), "the disk is full; make room"),
        (RuntimeError("server closed\n\tthe connection"), "RuntimeError: server closed the connection"),
        (KeyError("x"), "KeyError: 'x'"),
        (AssertionError(), "AssertionError:"),
    ],
)
@pytest.mark.parametrize("where", ["create", "load"])
def test_an_error_is_a_failed_verdict_with_its_reason_in_one_line(error: Exception, reason: str, where: str) -> None:
    diary = Diary()
    result = play(source=ToldSource(TABLE, diary), sink=ToldSink(diary, {where: error}))
    assert (result.verdict, result.reason) == (Verdict.FAILED, reason)
    assert diary.entries[-2:] == ["source: drop", "sink: drop at the end"]


def test_a_reason_that_is_too_long_is_cut() -> None:
    result = play(sink=ToldSink(Diary(), {"create": RuntimeError("x" * 5000)}))
    assert len(result.reason) == LONGEST_REASON
    assert result.reason.endswith("...")


def test_an_interrupt_passes_through() -> None:
    source = ToldSource(TABLE, Diary(), {"read": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        play(source=source)


def test_a_case_that_cannot_be_cleaned_up_has_failed_and_both_ends_are_tried() -> None:
    diary = Diary()
    sink = ToldSink(diary, {"drop at the end": RuntimeError("still in use")})
    result = play(source=ToldSource(TABLE, diary), sink=sink)
    assert (result.verdict, result.reason) == (Verdict.FAILED, "cleaning up failed: still in use")
    assert all(check.passed for check in result.checks)
    assert diary.entries[-2:] == ["source: drop", "sink: drop at the end"]


def test_what_both_ends_say_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    gone = ReadError("nobody answers")
    sink = ToldSink(Diary(), {"drop at the end": gone})
    result = play(source=ToldSource(TABLE, Diary(), {"apply": ReadError("lost"), "rollback held": gone}), sink=sink)
    assert result.reason == "lost; cleaning up failed: nobody answers"
    assert not caplog.records, "a traceback of what is told in the reason"


def test_what_failed_first_is_told_beside_what_could_not_be_cleaned_up() -> None:
    fails: dict[str, Exception] = {"apply": ReadError("lost"), "rollback held": RuntimeError("gone")}
    diary = Diary()
    sink = ToldSink(diary, {"drop at the end": RuntimeError("still in use")})
    result = play(source=ToldSource(TABLE, diary, fails), sink=sink)
    assert result.reason == "lost; cleaning up failed: gone; still in use"
    assert diary.entries[-3:] == ["source: rollback held", "source: drop", "sink: drop at the end"]


def test_a_target_that_reads_back_with_other_columns_fails_by_their_names() -> None:
    class Narrow(MemorySink):
        def read(self, target: LoadTarget) -> pa.Table:
            rows = super().read(target).drop_columns(["note"])
            return rows.set_column(0, "order_id", rows.column("order_id").cast(pa.decimal128(20)))

    reason = "the target reads back as other columns than it was made with: order_id decimal128(20, 0), note missing"
    assert play(sink=Narrow()).reason == reason


# ---------------------------------------------------------------------- what is reported


def test_a_passed_case_reports_its_loads_rows_and_seconds() -> None:
    result = play()
    assert (result.verdict, result.reason, result.diffs) == (Verdict.PASSED, "", {})
    assert [load.stage for load in result.loads] == list(Stage)
    assert result.rows == sum(load.staged for load in result.loads) > 50
    assert result.rows_per_second > 0
    stages = {"seed", "read", "stage", "steps", "read_back", "compare", "total"}
    assert stages <= set(result.seconds)
    assert all(seconds >= 0 for seconds in result.seconds.values())
    assert result.namespace == f"m_{RUN}_postgres_to_postgres__{MERGE}"
    assert result.started_at is not None
    assert result.emulated


@pytest.mark.parametrize("fault", [None, "lost row", "-0.0 becomes 0.0", "key case folded", "NULL key accepted"])
def test_a_result_is_plain_json_whatever_the_verdict(fault: str | None) -> None:
    result = faulty(fault) if fault else play()
    for rendered in (result.to_json(), result.to_summary()):
        read_back = json.loads(json.dumps(rendered, allow_nan=False))
        assert read_back["case_id"] == result.case.case_id
        assert read_back["verdict"] == ("failed" if fault else "passed")
        assert read_back["endpoints"] == ENDPOINTS
    artifact = result.to_json()
    assert artifact["run_mode"] == RunMode.MOCK_LOCAL
    assert artifact["losses"] == ["a loss"]
    assert artifact["settings"] == vars(SPEC)
    assert set(artifact["differences"]) == set(result.diffs)


def test_a_loss_that_source_and_sink_declare_is_expected_and_its_cells_are_counted() -> None:
    def trimmed(rows: pa.Table) -> pa.Table:
        index = rows.column_names.index("note")
        return rows.set_column(index, rows.schema.field(index), pc.utf8_rtrim_whitespace(rows.column(index)))

    class Trimming(FaultySink):
        def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
            return trimmed(rows)

    def trims(attempt: Any) -> Any:
        return replace(attempt, rows=trimmed(attempt.rows))

    declared = play(sink=Trimming(Fault(load=trims)))
    assert (declared.verdict, declared.reason) == (Verdict.PASSED, "")
    assert declared.altered_cells > 0
    assert play(sink=FaultySink(Fault(load=trims))).verdict is Verdict.FAILED
    assert play(sink=Trimming(Fault())).verdict is Verdict.FAILED


def test_deletes_reach_the_source_with_key_columns_alone() -> None:
    class Strict(MemorySource):
        def apply(self, changes: Changes) -> None:
            assert all(set(c.rows.column_names) == set(TABLE.key) for c in changes if c.op is Op.DELETE)
            super().apply(changes)

    assert play(source=Strict(SourceKind.STATE, TABLE)).verdict is Verdict.PASSED
