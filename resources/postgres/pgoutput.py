"""Decoding pgoutput, PostgreSQL's logical replication format, column-wise.

Here lives the wire format alone (protocol version 1, text values); where messages come from is `cdc`'s matter.
It may import numpy, pyarrow and `matrix_defs`. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import ReadError
from matrix_defs.ports import DELETE, UPSERT
from matrix_defs.table import ARROW, LogicalType, TableSpec
from resources.codecs import over_values, uuid_bytes

_BEGIN, _COMMIT, _INSERT, _UPDATE, _DELETE, _TRUNCATE = (ord(letter) for letter in "BCIUDT")
_OLD, _KEY, _NEW = ord("O"), ord("K"), ord("N")
_NULL, _UNCHANGED = ord("n"), ord("u")


class Decoder:
    """Turns messages into rows with `_op` and `_seq`; transactions that ended at or before `since` are dropped.

    Rows are handed on as their messages come, also in the middle of a transaction, so memory is bounded by the messages
    of one call; what must not be used before its commit is for the caller to commit with `reached`.
    """

    def __init__(self, table: TableSpec, since: int) -> None:
        self._table = table
        self._since = since
        self._is_new = False
        self._sequence = 0
        self.reached = since
        """The end LSN of the last commit that was decoded, as an integer."""

    def rows(self, messages: pa.Array) -> pa.RecordBatch:
        """Return the changes within these messages, in order; a message is whole, a transaction may span calls."""
        data, starts = _bytes_and_starts(messages)
        kinds = data[starts]
        if (kinds == _TRUNCATE).any():
            raise ReadError(
                f"PostgreSQL: {self._table.name} was truncated, and a change stream cannot say which rows that were; "
                "drop the target with its position and load anew"
            )
        # Begin: kind, LSN of the commit record. A position is the end of an earlier one, so it lies at or before it.
        begins = np.flatnonzero(kinds == _BEGIN)
        is_new = np.concatenate([[self._is_new], _big_endian(data, starts[begins] + 1, 8) >= self._since])
        self._is_new = bool(is_new[-1])
        # Commit: kind, flags, commit LSN, end LSN.
        ends = _big_endian(data, starts[kinds == _COMMIT] + 10, 8)
        self.reached = max([self.reached, *ends.tolist()])
        places = np.flatnonzero((kinds == _INSERT) | (kinds == _UPDATE) | (kinds == _DELETE))
        places = places[is_new[np.searchsorted(begins, places)]]
        return self._rows(data, starts[places], kinds[places])

    def _rows(self, data: np.ndarray, starts: np.ndarray, kinds: np.ndarray) -> pa.RecordBatch:
        """Walk all rows at once, column by column."""
        # Insert, update and delete: kind, relation, then tuples, each behind a letter and a count of columns.
        place = starts + 5
        has_old = np.isin(data[place], (_OLD, _KEY))
        old = np.where(has_old, place + 3, -1)
        behind_old = _behind_tuple(data, old, len(self._table.columns))
        new = np.where(kinds == _DELETE, -1, np.where(has_old, behind_old, place) + 3)
        # An update that moves a row to another key is a delete of the old key, then an upsert of the new one.
        moved = self._moved(data, old, new)
        order = np.repeat(np.arange(len(starts)), 1 + moved)
        is_upsert = (new[order] >= 0) & ~(moved[order] & (np.diff(order, append=-1) == 0))
        tuples, old = np.where(is_upsert, new[order], old[order]), old[order]
        arrays = []
        for column in self._table.columns:
            value, length, tuples, kind = _cell(data, tuples)
            old_value, old_length, old, old_kind = _cell(data, old)
            kept = kind == _UNCHANGED
            if (kept & ((old_kind == _NULL) | (old_kind == _UNCHANGED))).any():
                raise ReadError(
                    f"PostgreSQL: an unchanged TOAST value of {self._table.name}.{column.name} is not in the stream; "
                    "set REPLICA IDENTITY FULL on the table"
                )
            value, length = np.where(kept, old_value, value), np.where(kept, old_length, length)
            null = (kind == _NULL) | (~is_upsert & (column.name not in self._table.key))
            arrays.append(_PARSERS[column.type](_text(data, value, length, null)))
        op = pa.array(np.where(is_upsert, UPSERT, DELETE), pa.string())
        sequence = np.arange(self._sequence, self._sequence + len(order))
        self._sequence += len(order)
        return pa.record_batch([*arrays, op, pa.array(sequence)], names=[*self._table.names, "_op", "_seq"])

    def _moved(self, data: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Whether each row carries an old and a new tuple whose keys differ."""
        moved = np.zeros(len(old), bool)
        both = np.flatnonzero((old >= 0) & (new >= 0))
        old, new = old[both], new[both]
        for column in self._table.columns:
            old_value, old_length, old, _ = _cell(data, old)
            value, length, new, kind = _cell(data, new)
            if column.name in self._table.key:
                none = np.zeros(len(both), bool)
                differs = pc.not_equal(_text(data, old_value, old_length, none), _text(data, value, length, none))
                moved[both] |= np.asarray(differs) & (kind != _UNCHANGED)
        return moved


def _bytes_and_starts(messages: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all messages, and where each begins."""
    _, offsets, data = messages.buffers()
    starts = np.frombuffer(offsets or b"", np.int32)[messages.offset : messages.offset + len(messages)]
    return np.frombuffer(data or b"", np.uint8), starts.astype(np.int64)


def _big_endian(data: np.ndarray, places: np.ndarray, width: int) -> np.ndarray:
    value = np.zeros(len(places), np.int64)
    for byte in range(width):
        value = (value << 8) | data[places + byte]
    return value


def _cell(data: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the value at each place begins, its length, the next cell's place, and its kind; a place of -1 has none."""
    safe = np.maximum(place, 0)
    kind = np.where(place < 0, _NULL, data[safe])
    empty = (kind == _NULL) | (kind == _UNCHANGED)
    length = np.where(empty, 0, _big_endian(data, np.where(empty, 0, safe + 1), 4))
    following = np.where(empty, safe + 1, safe + 5 + length)
    return safe + 5, length, np.where(place < 0, -1, following), kind


def _behind_tuple(data: np.ndarray, place: np.ndarray, columns: int) -> np.ndarray:
    for _ in range(columns):
        _, _, place, _ = _cell(data, place)
    return place


def _text(data: np.ndarray, value: np.ndarray, length: np.ndarray, null: np.ndarray) -> pa.Array:
    """Gather values that lie anywhere in the bytes into one string array."""
    length = np.where(null, 0, length)
    offsets = np.zeros(len(length) + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    gathered = data[np.repeat(value - offsets[:-1], length) + np.arange(offsets[-1])]
    text = pa.LargeStringArray.from_buffers(len(length), pa.py_buffer(offsets), pa.py_buffer(gathered))
    return pc.if_else(pa.array(null), None, text).cast(pa.string())


def _bytea(text: pa.Array) -> pa.Array:
    """Decode bytea's hex form, digits behind a backslash and an x; the column is decoded in one call."""
    digits = pc.utf8_slice_codeunits(text, 2)
    lengths = np.asarray(pc.binary_length(digits), np.int64) // 2
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    joined = pc.binary_join(pa.array([digits], pa.list_(pa.string())), "")[0].as_py() if len(digits) else ""
    data = pa.py_buffer(bytes.fromhex(joined))
    return pa.Array.from_buffers(pa.binary(), len(digits), [None, pa.py_buffer(offsets), data])


def _cast(kind: LogicalType) -> Callable[[pa.Array], pa.Array]:
    return lambda text: text.cast(ARROW[kind])


def _instant(text: pa.Array) -> pa.Array:
    """A timestamptz in a session of UTC ends in +00, which Arrow reads as +00:00 only when it is spelled out."""
    return pc.replace_substring_regex(text, r"\+00$", "Z").cast(ARROW[LogicalType.INSTANT])


def _time(text: pa.Array) -> pa.Array:
    """Arrow parses times of day as part of an instant only."""
    instant = pc.binary_join_element_wise("1970-01-01 ", text, "").cast(pa.timestamp("us"))
    return instant.cast(ARROW[LogicalType.TIME])


_PARSERS: dict[LogicalType, Callable[[pa.Array], pa.Array]] = {kind: _cast(kind) for kind in LogicalType} | {
    LogicalType.BOOL: lambda text: pc.equal(text, "t"),
    LogicalType.BINARY: over_values(_bytea),
    LogicalType.TIME: _time,
    LogicalType.INSTANT: _instant,
    LogicalType.UUID: over_values(uuid_bytes),
}
"""From PostgreSQL's text form to the canonical array; NULL stays NULL."""
