"""A backfill's ledger remembers which chunks are finished, so that each runs once, however often it is resumed."""

from datetime import date

from matrix_defs.ledger import KEPT_BACKFILLS, chunk_name, chunks, unfinished, with_finished
from matrix_defs.ports import Partitions, Position

DAYS = tuple(date(2026, 3, day) for day in (27, 28, 29))
RANGE = Partitions(DAYS)
FIRST, SECOND, THIRD = (Partitions((day,)) for day in DAYS)


def stored(ledger: Position) -> Position:
    """The ledger as a sink gives it back."""
    return Position.from_json(ledger.to_json())


def test_a_range_is_cut_into_one_chunk_a_day_named_by_it() -> None:
    assert chunks(RANGE) == (FIRST, SECOND, THIRD)
    assert [chunk_name(chunk) for chunk in chunks(RANGE)] == ["2026-03-27", "2026-03-28", "2026-03-29"]


def test_without_a_ledger_every_chunk_is_unfinished() -> None:
    assert unfinished(None, "changes", RANGE) == chunks(RANGE)


def test_a_resumed_backfill_runs_only_the_unfinished_chunks_in_order_of_their_days() -> None:
    ledger = stored(with_finished(None, "changes", SECOND))
    assert unfinished(ledger, "changes", RANGE) == (FIRST, THIRD)
    ledger = stored(with_finished(ledger, "changes", FIRST))
    assert unfinished(ledger, "changes", RANGE) == (THIRD,)


def test_a_finished_backfill_runs_nothing_and_a_new_one_everything() -> None:
    ledger = None
    for chunk in chunks(RANGE):
        ledger = stored(with_finished(ledger, "baseline", chunk))
    assert unfinished(ledger, "baseline", RANGE) == ()
    assert unfinished(ledger, "changes", RANGE) == chunks(RANGE)


def test_a_day_that_was_added_to_the_range_is_unfinished() -> None:
    ledger = with_finished(None, "changes", FIRST)
    assert unfinished(ledger, "changes", Partitions((*DAYS, date(2026, 3, 30))))[-1] == Partitions((date(2026, 3, 30),))


def test_backfills_do_not_share_their_chunks() -> None:
    ledger = with_finished(with_finished(None, "baseline", FIRST), "changes", SECOND)
    assert [name for name, _ in with_finished(ledger, "baseline", THIRD).value["backfills"]] == ["changes", "baseline"]
    assert unfinished(ledger, "baseline", RANGE) == (SECOND, THIRD)
    assert unfinished(ledger, "changes", RANGE) == (FIRST, THIRD)


def test_a_ledger_is_the_same_before_and_after_it_is_stored_and_is_not_changed_by_the_next() -> None:
    ledger = with_finished(None, "baseline", FIRST)
    text = ledger.to_json()
    assert stored(ledger) == ledger
    with_finished(ledger, "baseline", SECOND)
    assert ledger.to_json() == text


def test_a_ledger_remembers_the_backfills_that_ran_last() -> None:
    ledger = None
    for number in range(KEPT_BACKFILLS):
        ledger = with_finished(ledger, f"b-{number}", FIRST)
    ledger = with_finished(ledger, "b-0", SECOND)
    assert [name for name, _ in ledger.value["backfills"]] == [f"b-{n}" for n in (*range(1, KEPT_BACKFILLS), 0)]
    ledger = with_finished(ledger, "new", FIRST)
    assert unfinished(ledger, "b-0", RANGE) == (THIRD,)
    assert unfinished(ledger, "b-1", RANGE) == chunks(RANGE)
    assert unfinished(ledger, "b-2", RANGE) == (SECOND, THIRD)
