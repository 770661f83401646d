"""The steps of the sink in memory give the rows and counts that every strategy's `expect` gives, whatever happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_defs.cases import CASES
from matrix_defs.compare import Loads, digests, with_ordinals
from matrix_defs.errors import LoadError
from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.oracle import SourceModel
from matrix_defs.ports import (
    DELETE,
    UPSERT,
    Batch,
    Change,
    KeyList,
    Load,
    LoadReport,
    LoadTarget,
    Op,
    Partitions,
    Position,
    ReadEnd,
    ReadMode,
    ReadRequest,
    Scope,
    Step,
    Window,
    key_list,
)
from matrix_defs.row_hash import row_hash
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Read, Strategy, marks, with_keys_of, without_keys_of
from matrix_defs.systems import SourceKind, source_kind
from matrix_defs.table import Column, LogicalType, TableSpec

TABLE = TableSpec(
    "orders",
    (
        Column("order_id", LogicalType.INT64, nullable=False),
        Column("item_code", LogicalType.TEXT, nullable=False),
        Column("business_date", LogicalType.DATE),
        Column("updated_at", LogicalType.INSTANT),
        Column("value", LogicalType.TEXT),
    ),
    key=("order_id", "item_code"),
    cursor="updated_at",
    partition="business_date",
)
DAYS = tuple(date(2026, 3, 27 + n) for n in range(3))
NOON = datetime(2026, 3, 27, 12, tzinfo=UTC)
_FIELDS = {field.name: field for field in TABLE.schema}
KINDS = sorted({(case.strategy_name, source_kind(case.source)) for case in CASES})

keys = st.tuples(st.integers(1, 3), st.sampled_from(["a", "A", "a "]))
rows_of_one_statement = st.dictionaries(
    keys,
    st.tuples(st.sampled_from(DAYS), st.integers(0, 4), st.sampled_from([None, "", "x", "y"])),
    max_size=6,
)
changes = st.tuples(st.sampled_from([Op.INSERT, Op.DELETE]), rows_of_one_statement)


@dataclass(frozen=True)
class Round:
    """What happens between two loads, and how the next read is told."""

    changes: list[tuple[Op, dict]]
    days: tuple[date, ...]
    repeats: list[tuple[int, str | None, bool]]
    """Indices of rows that come a second time, with another value and by an earlier `_seq`, some as deletes."""
    order: int
    """Seed of the order in which rows arrive."""


rounds = st.builds(
    Round,
    changes=st.lists(changes, max_size=3),
    days=st.sets(st.sampled_from(DAYS), min_size=1).map(lambda days: tuple(sorted(days))),
    repeats=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "z"]), st.booleans()), max_size=3),
    order=st.integers(0, 9),
)


def table_of(rows: dict) -> pa.Table:
    values = [(*key, day, NOON + timedelta(minutes=minute), value) for key, (day, minute, value) in rows.items()]
    columns = list(zip(*values, strict=True)) or [()] * len(TABLE.names)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, TABLE.schema, strict=True)], schema=TABLE.schema)


def scope_of(strategy: Strategy, days: tuple[date, ...]) -> Scope:
    if strategy.reads is ReadMode.WINDOW:
        return Window(days[0], days[-1] + timedelta(days=1))
    return Partitions(days) if strategy.reads is ReadMode.PARTITIONS else None


def told(rows: pa.Table, how: Round, *, numbered: bool) -> pa.Table:
    """The rows with some of them told twice: an earlier version first, as an upsert or as a delete."""
    indices = [index % rows.num_rows for index, _, _ in how.repeats] if rows.num_rows else []
    earlier = rows.take(pa.array(indices, pa.int64()))
    values = pa.array([value for (_, value, _) in how.repeats[: len(indices)]], pa.string())
    earlier = earlier.set_column(earlier.column_names.index("value"), "value", values)
    if numbered:
        ops = [DELETE if gone else UPSERT for (_, _, gone) in how.repeats[: len(indices)]]
        earlier = earlier.set_column(earlier.column_names.index("_op"), "_op", pa.array(ops, pa.string()))
    earlier = earlier.set_column(earlier.column_names.index("row_hash"), "row_hash", row_hash(earlier, TABLE.hashed))
    told = pa.concat_tables([earlier, rows])
    return told.set_column(told.column_names.index("_seq"), "_seq", pa.array(np.arange(told.num_rows)))


def chunks(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from rows.to_batches(max_chunksize=2)


def batch_of(rows: pa.Table, how: Round, keys: pa.Table | None, *, numbered: bool) -> Batch:
    """Rows in small chunks; in any order where `_seq` tells theirs."""
    names = [*TABLE.names, *(["_op", "_seq"] if numbered else [])]
    if numbered:
        rows = rows.take(np.random.default_rng(how.order).permutation(rows.num_rows))
    given = rows.select(names).combine_chunks()
    return Batch(given.schema, chunks(given), lambda: ReadEnd(None, keys))


def assert_counts(strategy: Strategy, report: LoadReport, before: pa.Table, after: pa.Table, load: int) -> None:
    key = TABLE.key if not strategy.moves_leave_copies else (TABLE.partition, *TABLE.key)
    wrote = after.filter(pc.equal(after.column("load"), load))
    if strategy.appends:
        counts = (after.num_rows - before.num_rows, 0, 0)
    elif strategy.keeps_history:
        counts = (wrote.num_rows, int(np.sum(np.asarray(after.column("valid_to")) == load)), 0)
    else:
        updated = with_keys_of(wrote, before, key).num_rows
        counts = (wrote.num_rows - updated, updated, without_keys_of(before, after, key).num_rows)
    assert (report.inserted, report.updated, report.deleted) == counts


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=lambda value: str(value))
@settings(max_examples=20, deadline=None)
@given(st.lists(rounds, min_size=1, max_size=5))
def test_steps_and_expectation_agree_on_every_history(name: str, kind: SourceKind, history: list[Round]) -> None:
    strategy = STRATEGIES[name]
    key = (TABLE.partition, *TABLE.key) if strategy.moves_leave_copies else TABLE.key
    target = LoadTarget("m", TABLE.keyed_by(key), strategy.keeps_hash, strategy.keeps_history, strategy.partitioned)
    model, sink = SourceModel(kind, TABLE, TABLE.schema.empty_table()), MemorySink()
    sink.create(target)
    names = [*TABLE.names, *marks(strategy)]
    expected = pa.schema([_FIELDS.get(name, pa.field(name, pa.int64())) for name in names]).empty_table()
    numbered = strategy.reads is ReadMode.CHANGES or kind is SourceKind.LOG
    folds = Step.DEDUPE_STAGED in strategy.steps
    instants = [NOON + timedelta(days=n) for n in range(len(history))]
    for number, how in enumerate(history, 1):
        for op, rows in how.changes:
            given = table_of(rows)
            if op is Op.DELETE:
                given = with_keys_of(given, model.state, TABLE.key).select(list(TABLE.key))
            model.apply([Change(op, given)])
        scope = scope_of(strategy, how.days)
        read, known = model.read(strategy.reads, scope)
        snapshot_of_log = numbered and key_list(strategy.reads, kind) is KeyList.STAGED
        read = told(read, how, numbered=numbered and not snapshot_of_log) if folds or strategy.appends else read
        before, expected = expected, strategy.expect(expected, Read(read, number, known, scope), key)
        shows = key_list(strategy.reads, kind)
        load = Load(f"load-{number}", instants[number - 1], scope, shows)
        listed = known if shows is KeyList.LISTED else None
        report = sink.load(target, load, batch_of(read, how, listed, numbered=numbered), strategy.steps)
        loads = Loads(tuple(f"load-{n}" for n in range(1, number + 1)), tuple(instants[:number]))
        found = with_ordinals(sink.read(target), loads, names)
        assert np.array_equal(digests(found), digests(expected.select(names)))
        assert_counts(strategy, report, before, expected, number)
        assert report.staged == read.num_rows


# ---------------------------------------------------------------------- what both ends in memory promise besides

MERGE, PARTITIONS = STRATEGIES["incremental_merge"], STRATEGIES["partition_replace"]
TWO = table_of({(1, "a"): (DAYS[0], 0, "x"), (2, "a"): (DAYS[1], 1, "y")})


def loaded(strategy: Strategy = MERGE, load: Load | None = None) -> tuple[MemorySink, LoadTarget]:
    """A sink that holds TWO under position 1."""
    key = (TABLE.partition, *TABLE.key) if strategy.moves_leave_copies else TABLE.key
    sink, target = MemorySink(), LoadTarget("m", TABLE.keyed_by(key))
    sink.create(target)
    load = load or Load("load-1", NOON, Partitions(DAYS) if strategy is PARTITIONS else None)
    sink.load(target, load, batch(TWO, Position({"n": 1})), strategy.steps)
    return sink, target


def batch(rows: pa.Table, position: Position | None = None, keys: pa.Table | None = None) -> Batch:
    return Batch(rows.schema, chunks(rows), lambda: ReadEnd(position, keys))


def assert_untouched(sink: MemorySink, target: LoadTarget) -> None:
    assert digests(sink.read(target), TABLE.names).tolist() == digests(TWO).tolist()
    assert sink.position(target) == Position({"n": 1})
    assert sink.leftovers(target) == []


@pytest.mark.parametrize("column", TABLE.key)
def test_a_null_in_any_key_column_is_refused_by_its_name_and_changes_nothing(column: str) -> None:
    sink, target = loaded()
    index = TWO.column_names.index(column)
    nulls = TWO.set_column(index, TWO.schema.field(column), pa.array([TWO.column(column)[0].as_py(), None]))
    with pytest.raises(LoadError, match=f"NULL in key column '{column}' of 1 row"):
        sink.load(target, Load("load-2", NOON), batch(nulls, Position({"n": 2})), MERGE.steps)
    assert_untouched(sink, target)


def test_a_row_outside_the_partitions_of_the_load_is_refused_and_changes_nothing() -> None:
    sink, target = loaded(PARTITIONS)
    with pytest.raises(LoadError, match=r"1 staged row\(s\) lie outside the partitions .* 2026-03-28"):
        sink.load(target, Load("load-2", NOON, Partitions(DAYS[:1])), batch(TWO, Position({"n": 2})), PARTITIONS.steps)
    assert_untouched(sink, target)


def test_no_key_list_deletes_nothing_and_an_empty_one_deletes_everything() -> None:
    sink, target = loaded()
    nothing, listed = TWO.slice(0, 0), KeyList.LISTED
    assert sink.load(target, Load("load-2", NOON, key_list=listed), batch(nothing), MERGE.steps).deleted == 0
    assert sink.read(target).num_rows == 2
    no_keys = nothing.select(list(TABLE.key))
    report = sink.load(target, Load("load-3", NOON, key_list=listed), batch(nothing, keys=no_keys), MERGE.steps)
    assert (report.deleted, sink.read(target).num_rows) == (2, 0)


def test_a_position_that_the_load_brings_takes_the_place_of_the_batchs_own() -> None:
    sink, target = loaded(load=Load("load-1", NOON, position=Position({"ledger": []})))
    assert sink.position(target) == Position({"ledger": []})


def test_dropping_a_target_twice_forgets_it() -> None:
    sink, target = loaded()
    sink.drop(target)
    sink.drop(target)
    sink.create(target)
    assert (sink.read(target).num_rows, sink.position(target)) == (0, None)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (SourceKind.STATE, ReadMode.INCREMENTAL),
        (SourceKind.STATE, ReadMode.INCREMENTAL_AND_DELETES),
        (SourceKind.STATE, ReadMode.XMIN),
        (SourceKind.STATE, ReadMode.CHANGES),
        (SourceKind.LOG, ReadMode.INCREMENTAL),
        (SourceKind.LOG, ReadMode.INCREMENTAL_AND_DELETES),
    ],
)
def test_the_source_reads_from_the_position_given_and_nothing_new_moves_none(kind: SourceKind, mode: ReadMode) -> None:
    source = MemorySource(kind, TABLE)
    source.seed(TWO)

    def read(position: Position | None) -> tuple[list[str], Position | None]:
        batch = source.read(ReadRequest(mode, position))
        values = [value for rows in batch for value in rows.column("value").to_pylist()]
        return values, batch.end().position

    values, first = read(None)
    assert (values, first is None) == (["x", "y"], False)
    assert read(first) == ([], first)
    source.apply([Change(Op.INSERT, table_of({(3, "a"): (DAYS[0], 2, "z")}))])
    values, second = read(first)
    assert (values, second == first) == (["z"], False)
    assert read(second) == ([], second)
    assert read(first)[0] == ["z"]
    assert sorted(read(None)[0]) == ["x", "y", "z"]


def test_held_rows_appear_when_they_are_committed_once_or_never() -> None:
    source = MemorySource(SourceKind.STATE, TABLE)
    source.seed(TWO.slice(0, 1))
    held, dropped = source.hold(TWO.slice(1)), source.hold(table_of({(9, "a"): (DAYS[0], 0, "x")}))
    assert source.model.state.num_rows == 1
    held.commit()
    held.commit()
    dropped.rollback()
    dropped.commit()
    held.rollback()
    assert source.model.state.column("order_id").to_pylist() == [1, 2]
