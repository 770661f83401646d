"""The traps: rows that are there because some way of loading gets them wrong, each named after what it catches.

Here live their keys and their lives over the phases; assembling them into tables is the work of `workload`.
It may import the standard library and the values of `trap_values`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum, auto
from typing import Any

from matrix_defs.table import LogicalType
from matrix_defs.trap_values import VALUES

BASELINE_FROM = datetime(2026, 3, 27, tzinfo=UTC)
CHANGES_FROM = datetime(2026, 4, 1, tzinfo=UTC)
RETURNS_FROM = datetime(2026, 4, 2, tzinfo=UTC)
RETURNS_TO = datetime(2026, 4, 3, tzinfo=UTC)
"""Where the cursors of each phase begin and end; the deliberately old ones lie outside their phase."""
BOUNDARY = CHANGES_FROM - timedelta(microseconds=1)
"""The greatest cursor of the baseline, held by one row. A position cut to milliseconds falls before it."""
_LATE = BOUNDARY - timedelta(hours=1)

DAYS = tuple(date(2026, 3, 27) + timedelta(days=n) for n in range(5))
"""The business days."""
BIG, OPEN, EMPTIED, THREE, SMALL = range(5)
"""The days by what they hold. The later phases' window is OPEN to THREE; EMPTIED and THREE hold rows of traps only."""


@dataclass(frozen=True)
class Trap:
    """A named trap: what it catches, and the keys (order_id, item_code) that make it up."""

    name: str
    catches: str
    keys: tuple[tuple[int, str], ...]


class Return(Enum):
    """How a row appears in `returns`: by an insert if `changes` deleted it, else by an update."""

    OLD_CURSOR = auto()
    """As it was in the baseline, its cursor included."""
    NEW_CURSOR = auto()
    """As it was in the baseline, but for a new cursor."""
    CHANGED = auto()
    """With new values and a new cursor."""


@dataclass(frozen=True)
class TrapRow:
    """One key of a trap and its life."""

    trap: str
    key: tuple[int, str]
    changes: str = ""
    """What happens to it in `changes`, in order: I(nsert), U(pdate), D(elete)."""
    day: int = OPEN
    """Index of the day that it is born on."""
    moves_to: int | None = None
    """Index of the day that its update moves it to."""
    returns: Return | None = None
    cursor: datetime | None = None
    """The cursor that it is born with; None for any of the baseline."""
    late: bool = False
    """Born by the transaction that commits late."""
    values: Mapping[LogicalType, Any] = field(default_factory=dict)
    """What its columns of these types hold at all times; the others are drawn, and drawn anew by an update."""

    @property
    def in_baseline(self) -> bool:
        """Whether it is born in the baseline."""
        return not self.late and not self.changes.startswith("I")


CATCHES: dict[str, str] = {
    "boundary_tie": "A read beyond the position that loses, or loads twice, rows which share the cursor it stopped at.",
    "late_rows": "A reader of cursors that claims to be complete: these rows commit with a cursor behind its position.",
    "moved_in": "A window or partition load that misses a row whose day was changed into it.",
    "moved_out": "A window or partition load that keeps a row whose day was changed out of it.",
    "emptied_day": "A load that takes its partitions from the rows it read, and so never clears a day without rows.",
    "three_row_day": "A partition load that depends on the size of a day.",
    "value_returns_old_cursor": "A -> B -> A under the first cursor: an incremental read of a state source misses it.",
    "value_returns_new_cursor": "A -> B -> A: a comparison with any version but the last one sees no change.",
    "key_returns_old_cursor": "A deleted key that comes back as it was: incremental reads of a state source miss it.",
    "key_returns_new_cursor": "A deleted key that comes back, held down by the tombstone or version that ended it.",
    "insert_update_delete": "A fold of one batch that leaves a row, or fails on one, whose whole life lies inside it.",
    "delete_reinsert": "A load that applies a batch's deletes after its upserts and so loses a key that is back.",
    "two_updates": "A fold by time: the later of two changes to one key has the earlier cursor.",
    "keys_by_case": "A collation that takes keys for equal which differ only by case.",
    "keys_by_accent": "A collation or normalisation that takes keys for equal which differ only by accent.",
    "keys_by_trailing_space": "A comparison that pads keys with spaces, or a type that trims them.",
    "keys_concatenated": "A key compared as one concatenated text: 1 and '23' against 12 and '3'.",
    "keys_above_2_53": "A key that went through a double: two neighbours become one.",
    "empty_beside_null": "An empty value turned into NULL, NULL into an empty value, or into the word.",
    "trailing_spaces": "Text that is trimmed, padded or compared without its trailing spaces.",
    "control_characters": "A text format or a line reader that breaks at tabs, line ends or other control characters.",
    "escapes": "A literal, a COPY text or a CSV that mistakes quotes, backslashes or its own NULL mark.",
    "unicode": "Text cut to the basic plane, normalised, or counted in units that are no characters.",
    "long_text": "A column that is too narrow, or a value stored out of line that does not arrive.",
    "numeric_extremes": "A number type that is narrower than its source.",
    "negative_zero": "A float that loses its sign bit.",
    "smallest_step": "A number rounded to zero.",
    "digits_lost_in_a_double": "A number that went through a double, or a double through too few digits.",
    "first_and_last_instants": "A date or an instant outside a system's default range, or an epoch taken for nothing.",
    "microseconds": "A time that is cut or rounded to milliseconds, or goes through a double of seconds.",
    "dst_gap": "A wall-clock reading converted through a time zone in which it does not exist, or exists twice.",
    "nested_json": "JSON that loses its nesting, its key order, its characters or the digits of its integers.",
    "all_bytes": "Binary that is taken for text, ends at a zero byte or is escaped twice.",
    "uuid_byte_order": "A UUID whose first three groups are stored in another byte order.",
    "booleans": "A boolean whose NULL becomes false.",
    "all_null": "A row without any value, in a format that leaves NULL fields out.",
}


def _row(trap: str, order_id: int, item_code: str, changes: str = "", **life: Any) -> TrapRow:
    return TrapRow(trap, (order_id, item_code), changes, **life)


TRAP_ROWS: tuple[TrapRow, ...] = (
    _row("boundary_tie", 101, "first", cursor=BOUNDARY),
    _row("boundary_tie", 101, "twin", "I", cursor=BOUNDARY),
    _row("late_rows", 102, "never touched", late=True, cursor=_LATE),
    _row("late_rows", 102, "touched again", late=True, cursor=_LATE, returns=Return.CHANGED),
    _row("late_rows", 102, "on another day", late=True, cursor=_LATE + timedelta(minutes=1), day=BIG),
    _row("moved_in", 103, "in", "U", day=BIG, moves_to=OPEN),
    _row("moved_out", 104, "out", "U", moves_to=SMALL),
    _row("emptied_day", 105, "deleted", "D", day=EMPTIED),
    _row("emptied_day", 105, "deleted too", "D", day=EMPTIED),
    _row("emptied_day", 105, "deleted as well", "D", day=EMPTIED),
    _row("emptied_day", 105, "moved", "U", day=EMPTIED, moves_to=OPEN),
    _row("three_row_day", 106, "still", day=THREE),
    _row("three_row_day", 106, "still too", day=THREE),
    _row("three_row_day", 106, "updated", "U", day=THREE),
    _row("value_returns_old_cursor", 107, "a", "U", returns=Return.OLD_CURSOR),
    _row("value_returns_new_cursor", 108, "a", "U", returns=Return.NEW_CURSOR),
    _row("key_returns_old_cursor", 109, "a", "D", returns=Return.OLD_CURSOR),
    _row("key_returns_new_cursor", 110, "a", "D", returns=Return.NEW_CURSOR),
    _row("insert_update_delete", 111, "a", "IUD", cursor=CHANGES_FROM),
    _row("delete_reinsert", 112, "a", "DI"),
    _row("two_updates", 113, "a", "UU"),
    _row("keys_by_case", 114, "strasse", "U"),
    _row("keys_by_case", 114, "STRASSE", "D"),
    _row("keys_by_case", 114, "Strasse"),
    _row("keys_by_accent", 115, "resume", "U"),
    _row("keys_by_accent", 115, "résumé", "D"),
    _row("keys_by_accent", 115, "re\u0301sume\u0301"),
    _row("keys_by_accent", 115, "straße"),
    _row("keys_by_accent", 115, "strasse", "U"),
    _row("keys_by_trailing_space", 116, "a", "U"),
    _row("keys_by_trailing_space", 116, "a ", "D"),
    _row("keys_by_trailing_space", 116, "a  "),
    _row("keys_concatenated", 1, "23", "D"),
    _row("keys_concatenated", 12, "3", "U"),
    _row("keys_above_2_53", 2**53, "a", "D"),
    _row("keys_above_2_53", 2**53 + 1, "a", "U"),
    *(
        _row(trap, order_id, label, "U", values=values)
        for order_id, (trap, rows) in enumerate(VALUES.items(), start=201)
        for label, values in rows.items()
    ),
)
"""Every row of every trap. Those of chosen values are updated in `changes` too, so that changes carry them as well."""

TRAPS: dict[str, Trap] = {
    name: Trap(name, catches, tuple(row.key for row in TRAP_ROWS if row.trap == name))
    for name, catches in CATCHES.items()
}
"""The traps by name."""
