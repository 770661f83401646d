"""What a dialect renders and from what: one load as a plan, and statements with what their outcome means.

Here live values only; rendering lives in `sql_tables` and `sql`, running in `sql_sink`. It may import `matrix_defs`.
"""

from dataclasses import dataclass
from enum import StrEnum

from matrix_defs.ports import Load, LoadTarget, Step
from matrix_defs.staging import needs_changes, staged_columns
from matrix_defs.table import Column


class Tally(StrEnum):
    """What the rows that a statement touched are counted as."""

    INSERTED = "inserted"
    REPLACED = "replaced"
    """Removed to be written again in the same load, or a version that was closed: `updated` in the report."""
    DELETED = "deleted"


@dataclass(frozen=True)
class Statement:
    """One statement and what its outcome means."""

    text: str
    tally: Tally | None = None
    """What its affected rows, or the number it selects, add to."""
    selects: bool = False
    """It selects one number instead of affecting rows."""
    refusal: str = ""
    """If the number that it selects is not zero, the load fails with this text; `{count}` stands for the number."""
    if_counted: bool = False
    """It touches only rows that the selects right before it count, and is left out where they count none."""


@dataclass(frozen=True)
class Plan:
    """One load of one target: what every step may need to know."""

    target: LoadTarget
    load: Load
    steps: tuple[Step, ...]

    @property
    def with_changes(self) -> bool:
        """Whether `_op` and `_seq` are staged."""
        return needs_changes(self.steps)

    @property
    def written(self) -> tuple[Column, ...]:
        """The columns that the loader writes to staging."""
        return staged_columns(self.target, with_changes=self.with_changes)

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of the columns that go from staging to the target."""
        return tuple(c.name for c in self.target.columns if c.name not in ("valid_from", "valid_to"))
