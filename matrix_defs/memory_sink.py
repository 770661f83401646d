"""A sink in memory that speaks all twelve steps: what `mock_contract` and the oracle's own tests load into.

Here lives the sink; the steps live in `arrow_steps`. It may import `arrow_steps`, `ports` and `row_hash`.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.arrow_steps import Tables, run_steps
from matrix_defs.ports import Batch, Encoding, Load, LoadReport, LoadTarget, Position, Step
from matrix_defs.staging import staged_rows
from matrix_defs.table import TableSpec


class MemorySink:
    """Holds targets as Arrow tables. A load that fails leaves target and position as they were."""

    supported_steps = frozenset(Step)
    encodings = frozenset({Encoding.ARROW})

    def __init__(self) -> None:
        self._targets: dict[str, pa.Table] = {}
        self._positions: dict[str, Position | None] = {}

    def create(self, target: LoadTarget) -> None:
        """Create the empty target."""
        self._targets[target.namespace] = target.schema.empty_table()
        self._positions[target.namespace] = None

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Stage the batch, run the steps and keep the position."""
        staged = pa.Table.from_batches(
            list(staged_rows(target, load, batch, with_changes=True)), _staged_schema(target)
        )
        end = batch.end()
        done = run_steps(target, load, Tables(self._targets[target.namespace], staged, end.keys), steps)
        self._targets[target.namespace] = done.target
        position = self._positions[target.namespace] = load.position or end.position
        inserted = done.inserted if target.keeps_history else done.inserted - done.replaced
        return LoadReport(staged.num_rows, inserted, done.replaced, done.deleted, position)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Return no statement: nothing is rendered for memory."""
        return []

    def position(self, target: LoadTarget) -> Position | None:
        """The position that the last load committed."""
        return self._positions[target.namespace]

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target."""
        return self._targets[target.namespace].select(target.schema.names)

    def leftovers(self, target: LoadTarget) -> list[str]:
        """Nothing: staging lives in local variables."""
        return []

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """Every canonical value survives."""
        return rows

    def drop(self, target: LoadTarget) -> None:
        """Forget the target."""
        self._targets.pop(target.namespace, None)
        self._positions.pop(target.namespace, None)


def _staged_schema(target: LoadTarget) -> pa.Schema:
    names = [column.name for column in target.columns if column.name not in ("valid_from", "valid_to")]
    schema = pa.schema([target.schema.field(name) for name in names])
    return schema.append(pa.field("_op", pa.string())).append(pa.field("_seq", pa.int64()))
