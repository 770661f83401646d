"""What the report says: every case, every difference, the command that repeats it; as a page, as JUnit, as Markdown."""

import os
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import click
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml, Properties

from matrix_defs.cases import CASES, CASES_BY_ID, EXCLUSIONS
from matrix_defs.cli_options import run_options, run_request
from matrix_defs.errors import UsageError
from matrix_defs.report import markdown, page
from matrix_defs.report.differences import LIMIT, side_by_side, written
from matrix_defs.report.junit import junit
from matrix_defs.report.records import NEVER_RUN, complete, repeat_command, skipped
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode
from matrix_defs.summary import Mark
from matrix_defs.table import LogicalType
from matrix_defs.workload import WorkloadSpec
from resources import report
from resources.artifacts import ArtifactStore
from resources.planners import TYPES
from resources.report import write_report
from resources.types_table import Fidelity, fidelity
from tests.report_evidence import (
    CHANGED,
    EMULATED,
    EXCLUDED,
    HOSTILE,
    MISSING,
    PASSED,
    REASON,
    REFUSED,
    full_size,
    results,
    store_of,
)

MODE = RunMode.MOCK_LOCAL


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return store_of(tmp_path_factory.mktemp("artifacts"), results())


@pytest.fixture(scope="module")
def records(store: ArtifactStore) -> dict:
    return complete(store.read(MODE), MODE)


# ---------------------------------------------------------------------- all cases


def test_every_combination_is_shown_once_and_they_add_up_to_250(records):
    squares = page.squares(records)
    assert len({square.case_id for square in squares}) == len(squares) == len(CASES) + len(EXCLUSIONS) == 250
    marks = [square.mark for square in squares]
    head = page.head(records, MODE, datetime.now(UTC))
    assert head["totals"] == {mark: marks.count(mark) for mark in ("passed", "failed", "not_run", "excluded")}
    assert head["totals"] == {"passed": 2, "failed": 2, "not_run": 196, "excluded": 50}
    assert head["emulated"] == 1


def test_a_case_without_an_artifact_is_not_run_and_an_exclusion_says_its_reason(records):
    squares = {square.case_id: square for square in page.squares(records)}
    assert (squares[CASES[-1].case_id].mark, squares[CASES[-1].case_id].reason) == (Mark.NOT_RUN, NEVER_RUN)
    assert squares[EXCLUDED].mark == Mark.EXCLUDED
    assert "never: Kafka is a log" in squares[EXCLUDED].reason


def test_the_longest_cases_come_first_and_the_stages_add_up_to_the_whole_case(records):
    timed = page.timed(page.squares(records))
    assert [square.total for square in timed] == sorted((square.total for square in timed), reverse=True)
    assert len(timed) == 4
    for square in timed:
        assert sum(square.seconds.values()) == pytest.approx(square.total, abs=0.02)


# ---------------------------------------------------------------------- one case


def test_differing_cells_are_marked_and_equal_ones_are_not(store):
    shown = side_by_side(store.read_rows(MODE, CHANGED))
    assert {row.kind for row in shown} == {"changed"}
    for row in shown:
        marked = [cell for cell in row.cells if cell.differs]
        assert [cell.column for cell in marked] == ["unit_price"]
        assert marked[0].expected != marked[0].found
        assert {"order_id", "item_code"} <= {cell.column for cell in row.cells if not cell.differs}
        assert len(row.cells) + row.hidden == 16 + 15 + 1, "columns of the table, wide ones, and the load"


def test_a_missing_row_has_one_side_only(store):
    (row, *_) = side_by_side(store.read_rows(MODE, MISSING))
    assert row.kind == "missing"
    assert all(cell.found is None and cell.expected is not None for cell in row.cells)


def test_no_stage_hides_the_next_and_no_more_rows_are_shown_than_fit():
    def rows(stage: str, count: int) -> pa.Table:
        labels = {"_stage": [stage] * count, "_difference": ["missing"] * count}
        return pa.table({**labels, "order_id": range(count), "item_code": ["x"] * count})

    shown = side_by_side(pa.concat_tables([rows("baseline", 50), rows("changes", 50)]))
    assert len(shown) == LIMIT
    assert {row.stage for row in shown} == {"baseline", "changes"}


def test_long_values_are_shown_from_where_they_part():
    left, right = "same" * 200 + "LEFT", "same" * 200 + "RIGHT"
    labels = {"_stage": ["baseline"] * 2, "_difference": ["changed_expected", "changed_actual"]}
    rows = pa.table({**labels, "order_id": [1, 1], "item_code": ["x", "x"], "note": [left, right]})
    (row,) = side_by_side(rows)
    (cell,) = [cell for cell in row.cells if cell.differs]
    assert "LEFT" in cell.expected
    assert "RIGHT" in cell.found
    assert len(cell.expected) < 140


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        ("NULL", "'NULL'"),
        ("a\tb \n", r"'a\tb \n'"),
        (b"\x00\xff", "0x00ff"),
        (-0.0, "-0.0"),
        (Decimal("1.2300"), "1.2300"),
        (True, "True"),
        (datetime(2026, 6, 1, 2, 3, 4, 5, UTC), "2026-06-01T02:03:04.000005+00:00"),
        (date(1970, 1, 1), "1970-01-01"),
        (time(1, 2, 3, 4), "01:02:03.000004"),
    ],
)
def test_a_value_is_written_so_that_what_separates_it_is_seen(value, text):
    assert written(value) == text


@pytest.mark.parametrize(
    ("mode", "workload", "kinds"),
    [
        (RunMode.MOCK_LOCAL, WorkloadSpec(), ("embedded", "embedded")),
        (RunMode.MOCK_LOCAL, WorkloadSpec(77, 0.5, 0.1, 30, 4), ("embedded", "embedded")),
        (RunMode.MOCK_LOCAL, WorkloadSpec(), ("embedded", "external")),
        (RunMode.VENDOR_LIVE, WorkloadSpec(rows=60), ("external", "external")),
    ],
)
def test_the_command_that_repeats_a_case_asks_for_just_that_case_with_its_settings(mode, workload, kinds):
    case = CASES_BY_ID["postgres_to_clickhouse__scd2"]
    endpoints = {
        role: {"system": str(system), "kind": kind}
        for role, system, kind in zip(("source", "sink"), (case.source, case.sink), kinds, strict=True)
    }
    record = CaseResult(case, mode, Verdict.FAILED, "x", settings=vars(workload), endpoints=endpoints).to_json()
    words = repeat_command(record).split()
    assert words[:2] == ["matrix", "run"]
    asked = []
    command = click.command()(run_options(lambda **given: asked.append(run_request(**given))))
    assert CliRunner(env={"MATRIX_ROWS": None}).invoke(command, words[2:]).exit_code == 0
    assert asked[0].cases == (case,)
    assert asked[0].settings.run_mode is mode
    assert asked[0].settings.workload == workload
    assert asked[0].endpoints == ("" if len(set(kinds)) == 1 else "embedded,clickhouse=external")


# ---------------------------------------------------------------------- types


def test_every_type_of_every_system_is_exact_widened_or_lossy_and_a_loss_has_words():
    for types in TYPES.values():
        assert set(types) == set(LogicalType)
        for stored in types.values():
            assert (fidelity(stored) is Fidelity.LOSSY) == bool(stored.loss)


def test_what_an_engine_lacks_is_in_page_and_summary_and_not_dropped(tmp_path):
    lacks = {"GEOGRAPHY": "Incorrect syntax near 'type GEOGRAPHY' (102)"}
    store = ArtifactStore(folder=str(tmp_path))
    for result in full_size()[:2]:
        sink = {**result.endpoints["sink"], "engine": "imitation", "lacks": lacks}
        store.write(replace(result, endpoints={**result.endpoints, "sink": sink}))
    records = complete(store.read(MODE), MODE)
    assert skipped(records) == {"imitation 1.0": lacks}
    shown = report.render(records, MODE, store)
    assert "<dt><code>GEOGRAPHY</code></dt><dd>Incorrect syntax near &#39;type GEOGRAPHY&#39; (102)</dd>" in shown
    assert "### Skipped capabilities\n\n- imitation 1.0: GEOGRAPHY\n" in markdown.summary(records, MODE)


def test_a_result_that_does_not_know_what_its_engine_lacks_is_still_reported(records):
    older = {name: {**record, "endpoints": _without_lacks(record)} for name, record in records.items()}
    assert skipped(older) == {}


def _without_lacks(record):
    endpoints = record["endpoints"].items()
    return {role: {name: fact for name, fact in facts.items() if name != "lacks"} for role, facts in endpoints}


def test_a_type_that_is_held_in_another_is_not_called_exact():
    for system, kind, expected in [
        ("clickhouse", LogicalType.TIME, Fidelity.WIDENED),
        ("rest", LogicalType.FLOAT64, Fidelity.LOSSY),
        ("postgres", LogicalType.INT64, Fidelity.EXACT),
    ]:
        assert fidelity(next(types for name, types in TYPES.items() if name == system)[kind]) is expected


# ---------------------------------------------------------------------- the files


def test_a_page_of_200_cases_of_real_size_stays_under_3_mb(tmp_path):
    written_to = write_report(store_of(tmp_path, full_size()))
    size = Path(written_to.page).stat().st_size
    assert 300_000 < size < 3_000_000


def test_the_same_artifacts_make_the_same_page_but_for_the_hour(store):
    def text() -> str:
        return re.sub(r"written [^<]+UTC", "", Path(write_report(store, MODE).page).read_text())

    assert text() == text()


def test_nothing_of_a_result_can_become_markup(store):
    library = (Path(report.__file__).parent / "templates" / "report" / "highlight.min.js").read_text()
    text = Path(write_report(store, MODE).page).read_text().replace(library, "")
    assert "<b>broker" not in text
    assert HOSTILE not in text
    assert text.count("</script>") == text.count("<script")


def test_the_run_mode_that_ran_last_is_reported_unless_another_is_asked_for(tmp_path):
    store = store_of(tmp_path, results())
    contract = CaseResult(CASES_BY_ID[PASSED], RunMode.MOCK_CONTRACT, Verdict.FAILED, "x")
    artifact = store.write(contract)
    os.utime(artifact, (4e9, 4e9))
    assert "mock_contract" in Path(write_report(store).summary).read_text()
    assert "mock_local" in Path(write_report(store, MODE).summary).read_text()


def test_a_folder_without_artifacts_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match=r"^no artifacts in '.*': `matrix run` makes them"):
        write_report(ArtifactStore(folder=str(tmp_path)))


def test_a_folder_may_be_a_url():
    store = store_of("memory://bucket/report", results()[:1])
    assert write_report(store).page == "memory://bucket/report/report.html"


# ---------------------------------------------------------------------- JUnit XML


def test_junit_has_one_test_case_per_case_with_its_endpoints_and_its_differences(records):
    suite = next(iter(JUnitXml.fromstring(junit(records, MODE).encode())))
    cases = {case.name: case for case in suite}
    assert set(cases) == {case.case_id for case in CASES}
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (200, 2, 196, 0)
    properties = {p.name: p.value for p in cases[EMULATED].child(Properties)}
    assert properties["sink.engine"] == "BigQuery stand-in"
    assert properties["sink.version"] == "1.0"
    assert properties["sink.emulator"] == "True"
    (failure,) = cases[CHANGED].result
    assert "rows_match" in failure.message
    assert "in unit_price" in failure.text
    assert "unit_price=" in failure.text
    (skipped,) = cases[REFUSED].result
    assert skipped.message == REASON.replace("\x1b", r"\x1b")


@given(st.text(st.characters(codec=None)))
def test_junit_is_well_formed_whatever_a_reason_holds(reason):
    result = CaseResult(CASES_BY_ID[PASSED], MODE, Verdict.FAILED, reason or "x")
    root = ElementTree.fromstring(junit({PASSED: result.to_json()}, MODE).encode())
    assert root.find(".//failure") is not None


# ---------------------------------------------------------------------- Markdown


def test_the_summary_has_totals_grid_failures_and_reasons(records):
    text = markdown.summary(records, MODE)
    assert "**2 passed** + **2 failed** + 196 not run + 50 excluded = 250; 1 of the passed on an" in text
    grid = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(grid) == 5
    marks = {mark: sum(line.count(sign) for line in grid) for mark, sign in markdown.SQUARES.items()}
    assert [marks[mark] for mark in (Mark.PASSED, Mark.FAILED, Mark.NOT_RUN, Mark.EXCLUDED)] == [2, 2, 196, 50]
    assert f"- `{CHANGED}`: rows" in text
    assert f"- 195 x {NEVER_RUN}" in text
    assert r"no &lt;b>broker&lt;/b> \| at" in text


def test_a_long_list_is_cut_and_says_so(records):
    failed = {case_id: {**record, "verdict": "failed", "reason": "x"} for case_id, record in records.items()}
    text = markdown.failed(failed)
    assert len(text.splitlines()) == 21
    assert text.endswith("- ... and 180 more")


def test_the_longest_summary_fits_into_a_comment(records):
    failed = {case_id: {**r, "verdict": "failed", "reason": "x" * 600} for case_id, r in records.items()}
    assert len(markdown.summary(failed, MODE)) < 65_536


def test_a_result_written_before_runs_were_named_is_still_reported(records):
    old = {case_id: {name: value for name, value in r.items() if name != "run"} for case_id, r in records.items()}
    assert page.head(old, MODE, datetime.now(UTC))["last_run"] is None
    assert replace(page.squares(old)[0]) == page.squares(records)[0]
