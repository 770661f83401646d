"""What each strategy promises, told in small numbered loads with every row that must result.

A row read is `1a`: key 1 with the value a, of day 1 unless it says `1a.2`; `-1` deletes key 1. A row of the target is
`1a@2`: written by load 2; a version is `1a@2[2,3)`: valid from load 2 until load 3, `[2,)` while it is open.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pytest

from matrix_defs.ports import DELETE, UPSERT, KeyList, Partitions, ReadMode, Scope, Step, Window, key_list
from matrix_defs.row_hash import row_hash
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Read, Strategy, marks
from matrix_defs.systems import SourceKind

_ROW = re.compile(r"(?P<minus>-?)(?P<id>\d+)(?P<value>[a-z]*)(\.(?P<day>\d+))?$")


@dataclass(frozen=True)
class Load:
    """One load: what it reads, in the order of `_seq`, and all that the target holds after it."""

    reads: str
    then: str
    keys: str | None = None
    """The complete key list that came with the read."""
    scope: Scope = None
    shuffled: bool = False
    """The rows arrive in another order than that of `_seq`."""


def day(number: int) -> date:
    return date(2026, 1, number)


def window(start: int, end: int) -> Window:
    return Window(day(start), day(end))


def days(*numbers: int) -> Partitions:
    return Partitions(tuple(map(day, numbers)))


STORIES: dict[str, Sequence[Load]] = {
    "full_refresh: the target becomes what the source is": [
        Load("1a 2b", then="1a@1 2b@1"),
        Load("1a 2c 3d", then="1a@2 2c@2 3d@2"),
        Load("", then=""),
        Load("1a", then="1a@4"),
    ],
    "incremental_append: what arrives is added and nothing is touched": [
        Load("1a 2b", then="1a@1 2b@1"),
        Load("2c 3d", then="1a@1 2b@1 2c@2 3d@2"),
        Load("", then="1a@1 2b@1 2c@2 3d@2"),
        Load("1a 1e 1a", then="1a@1 2b@1 2c@2 3d@2 1a@4 1e@4 1a@4"),
    ],
    "incremental_merge: rows replace their old selves and the key list tells who is gone": [
        Load("1a 2b 3c", keys="1 2 3", then="1a@1 2b@1 3c@1"),
        Load("2d 4e", keys="2 3 4", then="2d@2 3c@1 4e@2"),
        Load("", keys="2 3 4", then="2d@2 3c@1 4e@2"),
        Load("", keys=None, then="2d@2 3c@1 4e@2"),
        Load("2x 2y 2z", keys="2 4", then="2z@5 4e@2"),
        Load("", keys="", then=""),
    ],
    "incremental_merge: tombstones delete, and the last change of a key decides": [
        Load("1a 2b", then="1a@1 2b@1"),
        Load("-1 2c 3d", then="2c@2 3d@2"),
        Load("4x -4 -3 3e", then="2c@2 3e@3"),
        Load("2f -2 2g -3", shuffled=True, then="2g@4"),
        Load("-9", then="2g@4"),
    ],
    "replace: inside the window the source's rows, outside it nothing changes": [
        Load("1a.1 2b.2 3c.3", scope=window(1, 4), then="1a.1@1 2b.2@1 3c.3@1"),
        Load("2d.2 4e.2", scope=window(2, 3), then="1a.1@1 2d.2@2 4e.2@2 3c.3@1"),
        Load("", scope=window(2, 3), then="1a.1@1 3c.3@1"),
        Load("1f.2", scope=window(2, 4), then="1a.1@1 1f.2@4"),
        Load("", scope=window(1, 2), then="1f.2@4"),
    ],
    "partition_replace: the named days equal the source's, emptied ones too": [
        Load("1a.1 2b.2 3c.3", scope=days(1, 2, 3), then="1a.1@1 2b.2@1 3c.3@1"),
        Load("1d.1", scope=days(1, 3), then="1d.1@2 2b.2@1"),
        Load("", scope=days(2), then="1d.1@2"),
        Load("1e.2", scope=days(2), then="1d.1@2 1e.2@4"),
    ],
    "backfill: each chunk replaces its own day": [
        Load("1a.1", scope=days(1), then="1a.1@1"),
        Load("2b.2 3c.2", scope=days(2), then="1a.1@1 2b.2@2 3c.2@2"),
        Load("", scope=days(3), then="1a.1@1 2b.2@2 3c.2@2"),
        Load("2d.2", scope=days(2), then="1a.1@1 2d.2@4"),
    ],
    "snapshot_diff: only what differs is written": [
        Load("1a 2b 3c", then="1a@1 2b@1 3c@1"),
        Load("1a 2d 4e", then="1a@1 2d@2 4e@2"),
        Load("1a 2d 4e", then="1a@1 2d@2 4e@2"),
        Load("1a 2x 2b 4e", then="1a@1 2b@4 4e@2"),
        Load("", then=""),
        Load("1a", then="1a@6"),
    ],
    "scd2: a change closes one version and opens the next": [
        Load("1a 2b", then="1a@1[1,) 2b@1[1,)"),
        Load("1c 2b 3d", then="1a@1[1,2) 1c@2[2,) 2b@1[1,) 3d@2[2,)"),
        Load("1c 2b 3d", then="1a@1[1,2) 1c@2[2,) 2b@1[1,) 3d@2[2,)"),
        Load("1a 3x 3d", then="1a@1[1,2) 1c@2[2,4) 1a@4[4,) 2b@1[1,4) 3d@2[2,)"),
        Load("1a 2b 3d", then="1a@1[1,2) 1c@2[2,4) 1a@4[4,) 2b@1[1,4) 2b@5[5,) 3d@2[2,)"),
        Load("", then="1a@1[1,2) 1c@2[2,4) 1a@4[4,6) 2b@1[1,4) 2b@5[5,6) 3d@2[2,6)"),
    ],
    "xmin: rows read again are rewritten, and the key list tells who is gone": [
        Load("1a 2b", keys="1 2", then="1a@1 2b@1"),
        Load("2b 3c", keys="1 2 3", then="1a@1 2b@2 3c@2"),
        Load("", keys="3", then="3c@2"),
    ],
    "cdc: changes are applied in their order": [
        Load("1a 2b", then="1a@1 2b@1"),
        Load("1c 3d -2 3e 1f", then="1f@2 3e@2"),
        Load("4g -4 -1 1a", shuffled=True, then="1a@3 3e@2"),
        Load("", then="1a@3 3e@2"),
    ],
}


def schema(strategy: Strategy) -> pa.Schema:
    fields = {"id": pa.int64(), "day": pa.date32(), "value": pa.string(), "row_hash": pa.int64()}
    return pa.schema(fields | dict.fromkeys(marks(strategy), pa.int64()))


def rows_read(load: Load) -> pa.Table:
    matches = [match for token in load.reads.split() if (match := _ROW.match(token))]
    assert len(matches) == len(load.reads.split())
    columns = {
        "id": pa.array([int(m["id"]) for m in matches], pa.int64()),
        "day": pa.array([None if m["minus"] else day(int(m["day"] or 1)) for m in matches], pa.date32()),
        "value": pa.array([None if m["minus"] else m["value"] for m in matches], pa.string()),
    }
    rows = pa.table(columns)
    rows = rows.append_column("row_hash", row_hash(rows, ["day", "value"]))
    rows = rows.append_column("_op", pa.array([DELETE if m["minus"] else UPSERT for m in matches], pa.string()))
    rows = rows.append_column("_seq", pa.array(range(rows.num_rows), pa.int64()))
    return rows.sort_by([("_seq", "descending")]) if load.shuffled else rows


def key_table(keys: str | None) -> pa.Table | None:
    return None if keys is None else pa.table({"id": pa.array([int(key) for key in keys.split()], pa.int64())})


def shown(target: pa.Table) -> list[str]:
    return sorted(_shown(row) for row in target.to_pylist())


def _shown(row: dict[str, object]) -> str:
    number = row["day"].day
    text = f"{row['id']}{row['value']}{'' if number == 1 else f'.{number}'}@{row['load']}"
    return f"{text}[{row['valid_from']},{row['valid_to'] or ''})" if "valid_from" in row else text


def written_out(load: Load) -> list[str]:
    return sorted(token.replace(".1@", "@") for token in load.then.split())


@pytest.mark.parametrize("story", STORIES)
def test_after_every_load_the_target_holds_exactly_what_the_strategy_promises(story: str) -> None:
    strategy = STRATEGIES[story.partition(":")[0]]
    key = ("day", "id") if strategy.moves_leave_copies else ("id",)
    target = schema(strategy).empty_table()
    for number, load in enumerate(STORIES[story], 1):
        target = strategy.expect(target, Read(rows_read(load), number, key_table(load.keys), load.scope), key)
        assert shown(target) == written_out(load), f"load {number}"
        assert target.schema.equals(schema(strategy))


def test_every_strategy_has_a_story() -> None:
    assert {story.partition(":")[0] for story in STORIES} == set(STRATEGIES)


def test_a_stored_hash_is_the_hash_of_its_row() -> None:
    for name in ("snapshot_diff", "scd2"):
        strategy = STRATEGIES[name]
        target = schema(strategy).empty_table()
        for number, reads in enumerate(("1a 2b", "1c 2b", "1a"), 1):
            target = strategy.expect(target, Read(rows_read(Load(reads, then="")), number), ("id",))
        assert target.column("row_hash").to_pylist() == row_hash(target, ["day", "value"]).to_pylist()


def test_the_ten_strategies_read_and_step_as_they_are_specified() -> None:
    merge = (Step.DEDUPE_STAGED, Step.DELETE_STAGED_KEYS, Step.INSERT_STAGED)
    assert {name: (s.reads, s.steps) for name, s in STRATEGIES.items()} == {
        "full_refresh": (ReadMode.SNAPSHOT, (Step.SWAP_IN,)),
        "incremental_append": (ReadMode.INCREMENTAL, (Step.INSERT_STAGED,)),
        "incremental_merge": (ReadMode.INCREMENTAL_AND_DELETES, (*merge, Step.DELETE_ABSENT_KEYS)),
        "replace": (ReadMode.WINDOW, (Step.DELETE_WINDOW, Step.INSERT_STAGED)),
        "partition_replace": (ReadMode.PARTITIONS, (Step.REPLACE_PARTITIONS,)),
        "snapshot_diff": (
            ReadMode.SNAPSHOT,
            (Step.DEDUPE_STAGED, Step.DELETE_CHANGED, Step.DELETE_ABSENT_KEYS, Step.INSERT_MISSING),
        ),
        "scd2": (
            ReadMode.SNAPSHOT,
            (Step.DEDUPE_STAGED, Step.CLOSE_CHANGED, Step.CLOSE_ABSENT, Step.OPEN_VERSIONS),
        ),
        "backfill": (ReadMode.PARTITIONS, (Step.REPLACE_PARTITIONS,)),
        "xmin": (ReadMode.XMIN, (*merge, Step.DELETE_ABSENT_KEYS)),
        "cdc": (ReadMode.CHANGES, merge),
    }
    assert {step for strategy in STRATEGIES.values() for step in strategy.steps} == set(Step)


def test_every_strategy_that_deletes_absent_keys_is_told_where_the_key_list_is() -> None:
    shows = {name: key_list(strategy.reads, SourceKind.STATE) for name, strategy in STRATEGIES.items()}
    needs = {Step.DELETE_ABSENT_KEYS, Step.CLOSE_ABSENT}
    assert all((shows[name] is not KeyList.NONE) >= bool(needs & set(s.steps)) for name, s in STRATEGIES.items())
    assert key_list(ReadMode.INCREMENTAL_AND_DELETES, SourceKind.LOG) is KeyList.NONE


def test_every_strategy_says_what_users_may_rely_on() -> None:
    for strategy in STRATEGIES.values():
        assert strategy.promise.endswith(".")
        assert strategy.expect.__doc__
