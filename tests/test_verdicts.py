"""Which cases are under way at a time, and in which order they begin. It may import everything."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from assets import verdicts as module
from assets.verdicts import Verdicts, ahead, in_turn, spread
from matrix_defs.cases import CASES, Case, Filters, select
from matrix_defs.partitions import ranges
from matrix_defs.result import CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings

RUNS = ranges(select(Filters(strategy="xmin")))
"""Five runs of one case each."""
PATIENCE = 20
"""Seconds after which a test fails that waits for what must happen at once."""


@pytest.fixture
def begun(monkeypatch) -> Callable[[Callable[[Case], None]], list[Case]]:
    """Let the cases do no more than is given, and list those that began."""

    def let(do: Callable[[Case], None]) -> list[Case]:
        cases: list[Case] = []

        def certify(case: Case, settings: RunSettings, *_: object) -> CaseResult:
            cases.append(case)
            do(case)
            return CaseResult(case, settings.run_mode, Verdict.PASSED)

        monkeypatch.setattr(module, "certify", certify)
        return cases

    return let


def settings(jobs: int) -> RunSettings:
    return RunSettings(RunMode.MOCK_CONTRACT, jobs=jobs)


def test_runs_of_one_case_keep_as_many_cases_under_way_as_were_asked_for(begun):
    both = threading.Barrier(2, timeout=PATIENCE)
    begun(lambda case: both.wait() and None)
    with ahead(RUNS[:4], settings(2), None) as verdicts:
        found = [result.case for run in RUNS[:4] for result in verdicts.of(run, settings(2), None)]
    assert found == [case for run in RUNS[:4] for case in run]


def test_one_at_a_time_a_case_begins_when_its_run_asks_for_it(begun):
    cases = begun(lambda case: None)
    with ahead(RUNS, settings(1), None) as verdicts:
        assert not cases
        list(verdicts.of(RUNS[0], settings(1), None))
        assert cases == RUNS[0]


def test_after_an_interrupt_no_further_case_begins(begun, monkeypatch):
    told_to_end = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            told_to_end.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
    cases = begun(lambda case: told_to_end.wait(PATIENCE) and None)
    with pytest.raises(KeyboardInterrupt), ahead(RUNS, settings(2), None):
        raise KeyboardInterrupt
    assert len(cases) <= 2


def test_every_case_of_a_run_has_its_verdict_once(begun):
    begun(lambda case: None)
    found = [result.case for result in Verdicts().of(CASES[:20], settings(3), None)]
    assert sorted(found, key=CASES.index) == list(CASES[:20])


def test_cases_under_way_at_a_time_share_no_system_but_at_the_end_and_none_is_lost():
    order = spread(CASES)
    assert sorted(order, key=CASES.index) == list(CASES)
    alike = [bool({one.source, one.sink} & {other.source, other.sink}) for one, other in pairwise(order)]
    assert not any(alike[:-5])


def test_runs_of_one_case_follow_one_another_as_their_cases_would():
    runs = ranges(select(Filters(strategy="full_refresh")))
    assert [case for run in in_turn(runs) for case in run] == spread(case for run in runs for case in run)
