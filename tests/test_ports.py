"""What passes between sources and sinks keeps its own promises: batches end once, positions survive their text."""

import pyarrow as pa
import pytest

from matrix_defs.errors import ReadError
from matrix_defs.ports import Batch, LoadTarget, Position, ReadEnd
from matrix_defs.table import Column, LogicalType, TableSpec

ROWS = pa.table({"id": [1, 2, 3]})
TABLE = TableSpec("t", (Column("id", LogicalType.INT64), Column("at", LogicalType.INSTANT)), ("id",), "at", "at")


def test_a_batch_tells_its_end_only_after_its_rows_and_asks_the_source_once() -> None:
    asked = []
    batch = Batch(ROWS.schema, iter(ROWS.to_batches(max_chunksize=2)), lambda: asked.append(1) or ReadEnd(None))
    with pytest.raises(ReadError, match="before its rows were read"):
        batch.end()
    assert [chunk.num_rows for chunk in batch] == [2, 1]
    assert batch.end() is batch.end()
    assert asked == [1]


def test_a_batch_that_is_left_early_is_closed_and_has_no_end() -> None:
    closed = []
    with Batch(ROWS.schema, iter(ROWS.to_batches()), lambda: ReadEnd(None), close=lambda: closed.append(1)) as batch:
        next(iter(batch))
    assert closed == [1]
    with pytest.raises(ReadError):
        batch.end()


def test_equal_positions_have_equal_text_and_survive_it() -> None:
    position = Position({"b": [2**62, "é"], "a": None})
    assert position.to_json() == '{"a":null,"b":[4611686018427387904,"é"]}'
    assert Position({"a": None, "b": [2**62, "é"]}).to_json() == position.to_json()
    assert Position.from_json(position.to_json()) == position


def test_a_target_adds_the_columns_that_its_strategy_keeps_behind_the_tables() -> None:
    assert LoadTarget("n", TABLE).schema.names == ["id", "at", "load_id", "loaded_at"]
    kept = LoadTarget("n", TABLE, keeps_hash=True, keeps_history=True)
    assert kept.schema.names == ["id", "at", "row_hash", "load_id", "loaded_at", "valid_from", "valid_to"]
    assert [column.name for column in kept.columns if column.nullable] == ["id", "at", "valid_to"]


def test_a_table_keyed_anew_has_no_null_in_its_key() -> None:
    keyed = TABLE.keyed_by(("at", "id"))
    assert [column.nullable for column in keyed.columns] == [False, False]
    assert [column.name for column in keyed.key_columns] == ["at", "id"]
    assert keyed.hashed == ()
