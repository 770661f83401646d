"""Verdicts of many cases: which of them are under way at a time, and in which order they begin.

Here lives the running side by side alone; how one case comes to its verdict lives in `certify`.
It may import `certify`, `matrix_defs`, `resources` and the standard library.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from assets.certify import Services, certify
from matrix_defs.cases import CASES, Case
from matrix_defs.namespace import new_run
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunSettings, systems
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import System
from resources.memory import keep_little, set_aside

VerdictsOf = Callable[[Sequence[Case]], Iterator[CaseResult]]


class Verdicts:
    """Where a Dagster run has the verdicts of its cases from: they are certified when it asks for them."""

    def of(self, cases: Sequence[Case], settings: RunSettings, services: Services) -> Iterator[CaseResult]:
        """Yield the verdict of every case; as many as the settings say are under way at a time."""
        with _under_way(spread(cases), settings, services) as verdicts_of:
            yield from verdicts_of(cases)


class _Ahead(Verdicts):
    """The verdicts of several runs, whose cases begin before their run does."""

    def __init__(self, verdicts_of: VerdictsOf) -> None:
        self._verdicts_of = verdicts_of

    def of(self, cases: Sequence[Case], settings: RunSettings, services: Services) -> Iterator[CaseResult]:
        """Yield the verdict of every case; with what and how it is certified was said for all runs at once."""
        return self._verdicts_of(cases)


@contextmanager
def ahead(runs: Iterable[Sequence[Case]], settings: RunSettings, services: Services) -> Iterator[Verdicts]:
    """Yield the verdicts of runs that follow one another in this order.

    A run holds neighbours only, often a single case: as many cases as the settings say are under way at a time all the
    same, those of the next runs too.
    """
    with _under_way([case for run in runs for case in spread(run)], settings, services) as verdicts_of:
        yield _Ahead(verdicts_of)


@contextmanager
def _under_way(cases: Sequence[Case], settings: RunSettings, services: Services) -> Iterator[VerdictsOf]:
    """Yield what gives the verdicts of some of the cases, which begin in this order.

    One at a time they begin when they are asked for, and an interrupt reaches one in the middle of its work. Of
    several, those that have begun end first.
    """
    keep_little()
    set_aside()
    run = new_run()

    def verdict(case: Case) -> CaseResult:
        return certify(case, settings, services, run)

    if settings.jobs == 1:
        yield lambda asked: map(verdict, asked)
        return
    with ThreadPoolExecutor(settings.jobs) as pool:
        begun = {case: pool.submit(verdict, case) for case in cases}
        try:
            yield lambda asked: (ended.result() for ended in as_completed([begun[case] for case in asked]))
        finally:
            pool.shutdown(cancel_futures=True)


def spread(cases: Iterable[Case]) -> list[Case]:
    """Return the cases so that neighbours share no system where that can be: none waits for the other's service."""
    left = sorted(cases, key=lambda case: (list(STRATEGIES).index(case.strategy_name), CASES.index(case)))
    order: list[Case] = []
    busy: set[System] = set()
    while left:
        following = min(left, key=lambda case: len(busy & set(systems(case))))
        left.remove(following)
        order.append(following)
        busy = set(systems(following))
    return order


def in_turn(runs: Iterable[Sequence[Case]]) -> list[Sequence[Case]]:
    """Return the runs so that the first cases of neighbouring ones share no system where that can be."""
    by_first = {run[0]: run for run in runs}
    return [by_first[case] for case in spread(by_first)]
