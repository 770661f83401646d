"""A source and a sink in memory that note in a diary what they are asked, and raise where they are told to.

Here live no tests. It may import the pure core.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from matrix_defs.memory_sink import MemorySink
from matrix_defs.memory_source import MemorySource
from matrix_defs.ports import Batch, Changes, Load, LoadReport, LoadTarget, Position, ReadRequest
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec


class Diary:
    """What happened, in order: entries are `who: what`."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def note(self, entry: str) -> None:
        self.entries.append(entry)


class ToldSource(MemorySource):
    """A source that notes what it is asked, and raises where it is told to."""

    def __init__(self, table: TableSpec, diary: Diary, fails: dict[str, BaseException] | None = None) -> None:
        super().__init__(SourceKind.STATE, table)
        self._diary, self._fails = diary, fails or {}

    def _note(self, what: str) -> None:
        self._diary.note(f"source: {what}")
        if what in self._fails:
            raise self._fails[what]

    def seed(self, rows: pa.Table) -> None:
        self._note("seed")
        super().seed(rows)

    def apply(self, changes: Changes) -> None:
        self._note("apply")
        super().apply(changes)

    def hold(self, rows: pa.Table) -> Any:
        self._note("hold")
        return ToldHeld(super().hold(rows), self._note)

    def read(self, request: ReadRequest) -> Batch:
        self._note("read")
        return super().read(request)

    def release(self, position: Position) -> None:
        self._note("release")

    def drop(self) -> None:
        self._note("drop")
        super().drop()


class ToldHeld:
    """Held rows that note what becomes of them."""

    def __init__(self, held: Any, note: Callable[[str], None]) -> None:
        self._held, self._note = held, note

    def commit(self) -> None:
        self._note("commit held")
        self._held.commit()

    def rollback(self) -> None:
        self._note("rollback held")
        self._held.rollback()


class ToldSink(MemorySink):
    """A sink that notes what it is asked, and raises where it is told to."""

    def __init__(self, diary: Diary, fails: dict[str, BaseException] | None = None) -> None:
        super().__init__()
        self._diary, self._fails, self._drops = diary, fails or {}, 0

    def _note(self, what: str) -> None:
        self._diary.note(f"sink: {what}")
        if what in self._fails:
            raise self._fails[what]

    def create(self, target: LoadTarget) -> None:
        self._note("create")
        super().create(target)

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Any) -> LoadReport:
        self._note("load")
        return super().load(target, load, batch, steps)

    def drop(self, target: LoadTarget) -> None:
        self._drops += 1
        self._note("drop" if self._drops == 1 else "drop at the end")
        super().drop(target)
