"""What happens to every row on its way into staging, for all sinks alike.

Here lives the one place that refuses NULL keys, numbers changes and computes the row hash; how staged rows are written
is each sink's matter. It may import `ports`, `row_hash`, numpy and pyarrow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from matrix_defs.errors import LoadError
from matrix_defs.ports import LOAD_ID, LOADED_AT, OP, SEQ, UPSERT, Batch, Load, LoadTarget, Step
from matrix_defs.row_hash import row_hash
from matrix_defs.table import Column, LogicalType


def needs_changes(steps: Sequence[Step]) -> bool:
    """Return whether `_op` and `_seq` must be staged: where a step folds several changes of one key."""
    return Step.DEDUPE_STAGED in steps


def staged_columns(target: LoadTarget, *, with_changes: bool) -> tuple[Column, ...]:
    """Return the columns that are written to staging, in order; load_id and loaded_at are its defaults.

    Where changes are staged only the key is NOT NULL: a delete may carry nothing else.
    """
    hashed = (Column("row_hash", LogicalType.INT64, nullable=False),) if target.keeps_hash else ()
    if not with_changes:
        return (*target.table.columns, *hashed)
    key = target.table.key
    rows = (column if column.name in key else replace(column, nullable=True) for column in target.table.columns)
    return (*rows, *hashed, OP, SEQ)


def null_key_error(column: str, count: int | None = None) -> LoadError:
    """Return the error for a NULL in a key column; `count` rows where known."""
    rows = f"{count} row(s)" if count else "a row"
    return LoadError(
        f"NULL in key column {column!r} of {rows}: keys are NOT NULL; nothing was loaded, fix it in the source"
    )


def prepared_batches(target: LoadTarget, batch: Batch, *, with_changes: bool) -> Iterator[pa.RecordBatch]:
    """Yield the batch's rows with the columns of `staged_columns`.

    Raises LoadError naming the column for a NULL key. `_seq` numbers rows in the order read where the source does not.
    """
    sequence = 0
    for chunk in batch:
        rows = pa.Table.from_batches([chunk])
        for name in target.table.key:
            if rows.column(name).null_count:
                raise null_key_error(name, rows.column(name).null_count)
        made = {}
        if target.keeps_hash:
            made["row_hash"] = row_hash(rows, target.table.hashed)
        if with_changes and "_op" not in rows.column_names:
            made["_op"] = pa.array([UPSERT], pa.string()).take(pa.array(np.zeros(rows.num_rows, np.int64)))
            made["_seq"] = pa.array(np.arange(sequence, sequence + rows.num_rows))
        sequence += rows.num_rows
        for name, column in made.items():
            rows = rows.append_column(name, column)
        names = [column.name for column in staged_columns(target, with_changes=with_changes)]
        yield from rows.select(names).combine_chunks().to_batches()


def staged_rows(target: LoadTarget, load: Load, batch: Batch, *, with_changes: bool) -> Iterator[pa.RecordBatch]:
    """Yield what a sink in memory stages: the prepared rows with load_id and loaded_at, in the target's order."""
    order = [c.name for c in target.columns if c.name not in ("valid_from", "valid_to")] + ["_op", "_seq"]
    for chunk in prepared_batches(target, batch, with_changes=with_changes):
        rows = pa.Table.from_batches([chunk])
        constants = {
            LOAD_ID.name: pa.array([load.load_id]),
            LOADED_AT.name: pa.array([load.loaded_at], LOADED_AT.field.type),
        }
        repeat = pa.array(np.zeros(rows.num_rows, np.int64))
        for name, value in constants.items():
            rows = rows.append_column(name, value.take(repeat))
        yield from rows.select(order).to_batches()
