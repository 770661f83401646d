"""What a types table is: how a system stores each logical type, how that reads back, and what is lost, in words.

Here lives the form; each system's table lives with the system. It may import `matrix_defs` and pyarrow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from matrix_defs.table import LogicalType, TableSpec


@dataclass(frozen=True)
class StoredType:
    """How a system stores one logical type."""

    ddl: str
    """The type's name in the system's own language."""
    reads_back: str = "as written"
    """How a value reads back, in words, where it needs a conversion."""
    loss: str = ""
    """What the system cannot hold, in words; empty = every value survives."""
    represent: Callable[[pa.ChunkedArray], pa.ChunkedArray] | None = None
    """What is left of a column; only beside a declared loss."""

    def __post_init__(self) -> None:
        if bool(self.loss) != (self.represent is not None):
            raise ValueError(f"{self.ddl}: a loss needs words and a function, and neither without the other")


class Fidelity(StrEnum):
    """What becomes of the values of a type."""

    EXACT = "exact"
    """Stored as its own type and read back as written."""
    WIDENED = "widened"
    """Held in a wider or another type and turned back when read: no value is lost."""
    LOSSY = "lossy"
    """Some values do not survive; which ones is declared in words."""


def fidelity(stored: StoredType) -> Fidelity:
    """Return how faithful the system is to the type."""
    if stored.loss:
        return Fidelity.LOSSY
    return Fidelity.EXACT if stored.reads_back.startswith("as written") else Fidelity.WIDENED


TypesTable = Mapping[LogicalType, StoredType]
"""Every logical type, in the order of LogicalType."""


def losses(label: str, types: TypesTable) -> tuple[str, ...]:
    """Return the declared losses in words, each naming the system and the logical type."""
    return tuple(f"{label} {kind}: {stored.loss}" for kind, stored in types.items() if stored.loss)


def represent(types: TypesTable, table: TableSpec, rows: pa.Table) -> pa.Table:
    """Return the rows as the system can hold them: the very same object where no value of them is lost."""
    for column in table.columns:
        keep = types[column.type].represent
        if keep and column.name in rows.column_names:
            index = rows.column_names.index(column.name)
            held = keep(rows.column(index))
            if not held.equals(rows.column(index)):
                rows = rows.set_column(index, rows.schema.field(index), held)
    return rows
