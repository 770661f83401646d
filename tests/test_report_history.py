"""The history keeps one line per case and run, and tells what separates two runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_defs.errors import UsageError
from matrix_defs.report.history import Entry, changes, parse, unrecorded
from matrix_defs.report.records import Records
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode
from resources.report import write_report
from tests.report_evidence import CHANGED, PASSED, REFUSED, results, store_of

RUNS = ("6b0566357b88", "6b0600007b88", "6b0700007b88")
SETTINGS = {"rows": 50}


def entry(case_id: str, verdict: str, seconds: float = 1.0, run: str = RUNS[0], **other: object) -> Entry:
    known = Entry("", run, "mock_local", case_id, verdict, seconds, 10.0, {}, SETTINGS)
    return replace(known, **other)


def record(case_id: str, verdict: str, seconds: float = 1.0, run: str = RUNS[1]) -> Records:
    said = {"run_mode": "mock_local", "verdict": verdict, "seconds": {"total": seconds}, "run": run}
    return {case_id: {"case_id": case_id, "rows_per_second": 10.0, "endpoints": {}, "settings": SETTINGS, **said}}


def found(was: Entry, now: Records) -> dict[str, list[str]]:
    changed = changes(now, [was], RunMode.MOCK_LOCAL)
    lists = {"failing": changed.newly_failing, "passing": changed.newly_passing, "slower": changed.slower}
    return {name: [change.now.case_id for change in some] for name, some in lists.items() if some}


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (entry(PASSED, "passed"), record(PASSED, "failed"), {"failing": [PASSED]}),
        (entry(PASSED, "not_run"), record(PASSED, "failed"), {"failing": [PASSED]}),
        (entry(PASSED, "failed"), record(PASSED, "failed"), {}),
        (entry(PASSED, "failed"), record(PASSED, "passed"), {"passing": [PASSED]}),
        (entry(PASSED, "passed"), record(PASSED, "passed", 1.5), {}),
        (entry(PASSED, "passed"), record(PASSED, "passed", 1.51), {"slower": [PASSED]}),
        (entry(PASSED, "passed", settings={"rows": 9}), record(PASSED, "passed", 9.0), {}),
        (entry(PASSED, "passed", run_mode="mock_contract"), record(PASSED, "failed"), {}),
        (entry(PASSED, "passed", run=RUNS[1]), record(PASSED, "failed"), {}),
    ],
    ids=[
        "newly failing",
        "failing after it could not run",
        "failing as before",
        "newly passing",
        "1.5 x is not more than 1.5 x",
        "slower",
        "other settings do not compare",
        "other run modes do not compare",
        "a run is not compared with itself",
    ],
)
def test_what_changed_is_told_against_the_previous_run_of_the_case(was, now, expected):
    assert found(was, now) == expected


def test_the_previous_run_is_the_last_one_before_and_not_the_first():
    known = [entry(PASSED, "failed", run=RUNS[0]), entry(PASSED, "passed", run=RUNS[1])]
    assert changes(record(PASSED, "passed", run=RUNS[2]), known, RunMode.MOCK_LOCAL).newly_passing == []


def test_a_result_is_recorded_once_however_often_the_report_is_written(tmp_path):
    store, file = store_of(tmp_path, results()), str(tmp_path / "kept" / "history.jsonl")
    for _ in range(2):
        write_report(store, RunMode.MOCK_LOCAL, file)
    lines = parse(Path(file).read_text(), file)
    assert len(lines) == len(results())
    assert {line.case_id: line.verdict for line in lines}[REFUSED] == "not_run"
    passed = next(line for line in lines if line.case_id == PASSED)
    assert passed.versions == {"source": "memory 1.0", "sink": "memory 1.0"}
    assert passed.at == "2026-11-24T10:25:57+00:00"
    assert passed.seconds > 0 < passed.rows_per_second


def test_a_second_run_is_appended_and_the_report_says_what_changed(tmp_path):
    file = tmp_path / "history.jsonl"
    store = store_of(tmp_path, results())
    write_report(store, None, str(file))
    before = file.read_text()
    first = next(result for result in results() if result.case.case_id == PASSED)
    store.write(replace(first, verdict=Verdict.FAILED, reason="rows_match: two rows differ", run=RUNS[2]))
    written = write_report(store, None, str(file))
    assert file.read_text().startswith(before), "append-only"
    assert [change.now.case_id for change in written.changes.newly_failing] == [PASSED]
    assert f"newly failing: `{PASSED}`, was passed" in Path(written.summary).read_text()
    assert "Newly failing" in Path(written.page).read_text()


def test_a_case_without_an_artifact_leaves_no_line():
    assert unrecorded({CHANGED: record(CHANGED, "not_run", run="")[CHANGED]}, []) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"at": ""}', '"text"'])
def test_a_line_that_is_no_result_is_named_with_its_file(line):
    with pytest.raises(UsageError, match=r"^history: line 2 of 'h.jsonl' is no result of a case"):
        parse(entry(PASSED, "passed").to_line() + line, "h.jsonl")


def test_a_history_that_cannot_be_appended_to_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="history: cannot append to"):
        write_report(store_of(tmp_path, results()[-1:]), None, str(tmp_path))


@given(text=st.text(), seconds=st.floats(0, 1e6))
def test_a_line_reads_back_as_it_was_written(text, seconds):
    written = entry(PASSED, "passed", seconds, versions={"sink": text})
    assert written.to_line().count("\n") == 1
    assert parse(written.to_line(), "h") == [written]
    assert json.loads(written.to_line())["case_id"] == PASSED
