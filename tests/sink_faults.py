"""What a driver or a sink can get wrong, each as a change to a load.

Here live the changes; `faulty` carries them out. It may import `faulty` and the pure core.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from faulty import Attempt, Done

from matrix_defs.ports import (
    UPSERT,
    Scope,
    Step,
)
from matrix_defs.row_hash import row_hash
from matrix_defs.strategies.base import with_keys_of, without_keys_of

TICK = timedelta(microseconds=1)


def altering(
    change: Callable[[pa.ChunkedArray], pa.ChunkedArray], applies: Callable[[pa.DataType], bool]
) -> Callable[[Attempt], Attempt]:
    """Every value of some types passes through a change on its way into staging."""

    def alter(attempt: Attempt) -> Attempt:
        rows = attempt.rows
        for index, column in enumerate(rows.schema):
            if applies(column.type) and not column.name.startswith("_"):
                rows = rows.set_column(index, column, change(rows.column(index)).cast(column.type))
        return replace(attempt, rows=rows)

    return alter


def positive_zeros(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """-0.0 as 0.0."""
    return pc.if_else(pc.equal(column, 0.0), 0.0, column)


def empty_texts_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """'' as NULL."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)


def nulls_to_empty_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """NULL as ''."""
    return pc.fill_null(column, "")


def milliseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants cut to milliseconds."""
    return pc.floor_temporal(column, unit="millisecond")


def clears(change: Callable[[Scope], Scope]) -> Callable[[Attempt], Attempt]:
    """The sink clears another scope than it was asked to."""
    return lambda attempt: replace(attempt, load=replace(attempt.load, scope=change(attempt.load.scope)))


def null_keys_filled(attempt: Attempt) -> Attempt:
    """A NULL in a text key becomes an empty text."""
    index = attempt.rows.column_names.index("item_code")
    filled = pc.fill_null(attempt.rows.column(index), "")
    return replace(attempt, rows=attempt.rows.set_column(index, "item_code", filled))


def skips_when_empty(attempt: Attempt) -> Attempt:
    """Nothing staged is taken for nothing to do."""
    return attempt if attempt.rows.num_rows else replace(attempt, steps=())


def without(step: Step) -> Callable[[Attempt], Attempt]:
    """One step is left out."""
    return lambda attempt: replace(attempt, steps=tuple(s for s in attempt.steps if s is not step))


def folds(order: Callable[[pa.Table], list[tuple[str, str]]]) -> Callable[[Attempt], Attempt]:
    """Changes of one key are folded in another order than that of `_seq`."""

    def fold(attempt: Attempt) -> Attempt:
        rows = attempt.rows
        if "_seq" not in rows.column_names:
            rows = rows.append_column("_op", pa.array([UPSERT] * rows.num_rows, pa.string()))
            rows = rows.append_column("_seq", pa.array(np.arange(rows.num_rows)))
        rows = rows.sort_by(order(rows))
        renumbered = pa.array(np.arange(rows.num_rows))
        return replace(attempt, rows=rows.set_column(rows.column_names.index("_seq"), "_seq", renumbered))

    return fold


by_time = folds(lambda rows: [("updated_at", "ascending"), ("_seq", "ascending")])
first_wins = folds(lambda rows: [("_seq", "descending")])
deletes_last = folds(lambda rows: [("_op", "descending"), ("_seq", "ascending")])
"""`upsert` sorts after `delete`."""


def shared_load_id(attempt: Attempt) -> Attempt:
    """Every load has the load_id of the first."""
    return replace(attempt, load=replace(attempt.load, load_id=attempt.first.load_id))


def from_second(change: Callable[[Done], Done]) -> Callable[[Done], Done]:
    """The first load goes well."""
    return lambda done: change(done) if done.number > 1 else done


def in_third(change: Callable[[Done], Done]) -> Callable[[Done], Done]:
    """Only the third load goes wrong: the replay, for all but backfills."""
    return lambda done: change(done) if done.number == 3 else done


def with_cell(rows: pa.Table, index: int, column: str, value: Any) -> pa.Table:
    """The rows with another value in one cell."""
    at = rows.column_names.index(column)
    cells = rows.column(column).to_pylist()
    cells[index] = value(cells[index])
    return rows.set_column(at, rows.schema.field(at), pa.array(cells, rows.schema.field(at).type))


def wrote(column: str, value: Callable[[Any], Any]) -> Callable[[Done], Done]:
    """One cell of a row that the load wrote is another."""

    def alter(done: Done) -> Done:
        return replace(done, rows=with_cell(done.rows, done.mine[0], column, value)) if done.mine.size else done

    return alter


def touches(column: str, value: Callable[[Done], Any]) -> Callable[[Done], Done]:
    """One cell of a row that an earlier load wrote is another."""

    def alter(done: Done) -> Done:
        old = np.setdiff1d(np.arange(done.rows.num_rows), done.mine)
        return replace(done, rows=with_cell(done.rows, old[0], column, lambda _: value(done))) if old.size else done

    return alter


def claims(done: Done) -> Done:
    """A row of an earlier load is marked as written by this one."""
    old = np.setdiff1d(np.arange(done.rows.num_rows), done.mine)
    if not old.size:
        return done
    rows = with_cell(done.rows, old[0], "loaded_at", lambda _: done.load.loaded_at)
    return replace(done, rows=with_cell(rows, old[0], "load_id", lambda _: done.load.load_id))


def duplicates(done: Done) -> Done:
    """A row is there twice."""
    return replace(done, rows=pa.concat_tables([done.rows, done.rows.slice(done.rows.num_rows - 1)]))


def keeps_old_version(done: Done) -> Done:
    """A row that was replaced stays beside the new one."""
    old = with_keys_of(done.before, done.rows.take(done.mine), done.target.table.key)
    return replace(done, rows=pa.concat_tables([done.rows, old.slice(0, 1)]))


def deletes_late(done: Done) -> Done:
    """What the load deleted is still there after it."""
    key = done.target.table.key
    if not done.target.keeps_history:
        return replace(done, rows=pa.concat_tables([done.rows, without_keys_of(done.before, done.rows, key)]))
    is_open = pc.is_null(done.rows.column("valid_to"))
    closed_now = pc.fill_null(pc.equal(done.rows.column("valid_to"), done.load.loaded_at), False)
    gone = without_keys_of(done.rows.filter(closed_now), done.rows.filter(is_open), key)
    others = pc.invert(pc.is_in(row_hash(done.rows, [*key, "valid_from"]), row_hash(gone, [*key, "valid_from"])))
    return replace(done, rows=pa.concat_tables([done.rows.filter(others), _with_end(gone, None)]))


def _with_end(rows: pa.Table, end: Any) -> pa.Table:
    index, field = rows.column_names.index("valid_to"), rows.schema.field("valid_to")
    return rows.set_column(index, field, pa.array([end] * rows.num_rows, field.type))


def second_open_version(done: Done) -> Done:
    """The versions that were succeeded are open again."""
    return closes_at(lambda done: None)(done)


def closes_at(instant: Callable[[Done], Any]) -> Callable[[Done], Done]:
    """The versions that the load closed end at another instant."""

    def alter(done: Done) -> Done:
        closed = pc.fill_null(pc.equal(done.rows.column("valid_to"), done.load.loaded_at), False)
        kept, ended = done.rows.filter(pc.invert(closed)), done.rows.filter(closed)
        return replace(done, rows=pa.concat_tables([kept, _with_end(ended, instant(done))]))

    return alter


def load_before(done: Done) -> Any:
    """The instant of an earlier load."""
    return done.before.column("loaded_at")[0].as_py()


def position_dropped(done: Done) -> Done:
    """The position is not committed, though reported."""
    return replace(done, position=done.position_before)


def position_forgotten(done: Done) -> Done:
    """The position is neither committed nor reported."""
    return replace(done, position=None, report=replace(done.report, position=None))


def reports(**more: int) -> Callable[[Done], Done]:
    """The load reports other counts than it has."""

    def alter(done: Done) -> Done:
        counts = {name: getattr(done.report, name) + count for name, count in more.items()}
        return replace(done, report=replace(done.report, **counts))

    return alter


def emptied(done: Done) -> Done:
    """The rows are gone."""
    return replace(done, rows=done.rows.slice(0, 0))


def position_moved(done: Done) -> Done:
    """The position is the refused batch's."""
    return replace(done, position=done.report.position)
