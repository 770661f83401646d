"""A source in memory that shows exactly what the oracle's model says: the other end of `memory_sink`.

Here lives the port's face of `oracle.SourceModel`; what a read must yield lives there. Its position is the number of a
mark of the model, for modes that keep one. It may import `oracle` and `ports`.
"""

from collections.abc import Iterator

import pyarrow as pa

from matrix_defs.oracle import Mark, SourceModel
from matrix_defs.ports import Batch, Change, Changes, KeyList, Op, Position, ReadEnd, ReadMode, ReadRequest, key_list
from matrix_defs.systems import SourceKind
from matrix_defs.table import TableSpec

_KEEPS_POSITION = {ReadMode.INCREMENTAL, ReadMode.INCREMENTAL_AND_DELETES, ReadMode.XMIN, ReadMode.CHANGES}


class MemorySource:
    """One case's source: seeded, changed and read without a system."""

    def __init__(self, kind: SourceKind, table: TableSpec) -> None:
        self.kind = kind
        self._table = table
        self._model: SourceModel | None = None
        self._marks: list[Mark] = []

    @property
    def model(self) -> SourceModel:
        """The model, once it is seeded."""
        assert self._model is not None, "seed the source first"
        return self._model

    def seed(self, rows: pa.Table) -> None:
        """Begin with these rows."""
        self._model = SourceModel(self.kind, self._table, rows)
        self._marks = [self._model.mark]

    def apply(self, changes: Changes) -> None:
        """Apply the changes, in order."""
        self.model.apply(changes)

    def hold(self, rows: pa.Table) -> "_Held":
        """Hold the rows back until they are committed."""
        return _Held(self.model, rows)

    def read(self, request: ReadRequest) -> Batch:
        """Yield what the model says after the request's position, in two chunks so that a sink must join several."""
        start = request.position.value["mark"] if request.position else 0
        self.model.mark = self._marks[start]
        rows, keys = self.model.read(request.mode, request.scope)
        marks = ["_op", "_seq"] if request.mode is ReadMode.CHANGES or self.kind is SourceKind.LOG else []
        rows = rows.select([*self._table.names, *marks])
        position = request.position
        if request.mode in _KEEPS_POSITION and self.model.mark is not self._marks[start]:
            self._marks.append(self.model.mark)
            position = Position({"mark": len(self._marks) - 1})
        listed = keys if key_list(request.mode, self.kind) is KeyList.LISTED else None
        half = rows.num_rows // 2
        return Batch(rows.schema, _chunks(rows.slice(0, half), rows.slice(half)), lambda: ReadEnd(position, listed))

    def release(self, position: Position) -> None:
        """Nothing is kept for a position."""

    def released(self) -> Position | None:
        """No position is kept."""
        return None

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """Every canonical value survives."""
        return rows

    def drop(self) -> None:
        """Forget everything."""
        self._model = None


class _Held:
    """Rows that wait for their commit."""

    def __init__(self, model: SourceModel, rows: pa.Table) -> None:
        self._model, self._rows = model, rows

    def commit(self) -> None:
        """Insert the rows, once."""
        if self._rows.num_rows:
            self._model.apply([Change(Op.INSERT, self._rows)])
        self.rollback()

    def rollback(self) -> None:
        """Forget the rows."""
        self._rows = self._rows.slice(0, 0)


def _chunks(*tables: pa.Table) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.combine_chunks().to_batches()
