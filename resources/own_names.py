"""The one door to a system: by it nothing but a case's own namespace can be created, changed, read or dropped.

Here lives the check around a sink and the list of what runs left behind; which names are a case's own is said by
`matrix_defs.namespace`, how a system drops one by the system. It may import `matrix_defs`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from matrix_defs.namespace import require_own, started_at
from matrix_defs.ports import Batch, Encoding, Load, LoadReport, LoadTarget, Position, Sink, Step
from matrix_defs.table import TableSpec


class OwnSink:
    """A sink whose target must lie in a case's own namespace. Raises ForeignNameError before the sink hears of it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.encodings: frozenset[Encoding] = sink.encodings

    @property
    def supported_steps(self) -> frozenset[Step]:
        """As the sink."""
        return self._sink.supported_steps

    def create(self, target: LoadTarget) -> None:
        """As the sink."""
        self._of(target).create(target)

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """As the sink."""
        return self._of(target).load(target, load, batch, steps)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """As the sink."""
        return self._of(target).plan(target, load, steps)

    def position(self, target: LoadTarget) -> Position | None:
        """As the sink."""
        return self._of(target).position(target)

    def read(self, target: LoadTarget) -> pa.Table:
        """As the sink."""
        return self._of(target).read(target)

    def leftovers(self, target: LoadTarget) -> list[str]:
        """As the sink."""
        return self._of(target).leftovers(target)

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """As the sink."""
        return self._sink.represent(table, rows)

    def drop(self, target: LoadTarget) -> None:
        """As the sink."""
        self._of(target).drop(target)

    def _of(self, target: LoadTarget) -> Sink:
        require_own(target.namespace)
        return self._sink


@dataclass(frozen=True)
class Leftover:
    """Something on a service that a run has made and not dropped."""

    kind: str
    """What people call it: schema, database, dataset, topic, subject, replication slot, publication."""
    name: str
    namespace: str
    """The namespace that it belongs to: its name, or the name's first part."""
    drop: Callable[[], None] = field(repr=False, compare=False)
    """Drops it, unchecked: `remove` is the way."""

    @property
    def began(self) -> datetime | None:
        """The UTC second in which its run began; None for what is no case's own."""
        return started_at(self.namespace)

    def remove(self) -> None:
        """Drop it. Raises ForeignNameError for what is no case's own, and what the system raises."""
        require_own(self.namespace)
        self.drop()
