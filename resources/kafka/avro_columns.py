"""The fields of many Avro records read a field at a time, over all records at once.

Here lives the walk through the bytes: one position per record, all of which a field moves on together; what the values
mean is said in `avro_decode`. It may import numpy, pyarrow and `avro_schema`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from resources.kafka.avro_schema import Field

_PAD = 16
"""Bytes behind the last payload, so that two words can be read from any position in one."""

_CONTINUED = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)


class MalformedError(ValueError):
    """Bytes that are no record of the schema."""

    def __init__(self, record: int, why: str) -> None:
        super().__init__(why)
        self.record = record
        """Which record, from 0."""


class Columns:
    """Records of one schema, their fields read in order. Together they must have less than 2 GiB."""

    def __init__(self, payloads: Sequence[bytes], header: int) -> None:
        """Records start behind `header` bytes of each payload."""
        joined = b"".join([*payloads, bytes(_PAD)])
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        self._buffer = pa.py_buffer(joined)
        self._bytes = np.frombuffer(joined, np.uint8)
        self._words = np.ndarray(len(joined) - 7, "<u8", joined, strides=(1,))
        """The eight bytes from every position."""
        self._ends = np.cumsum(sizes)
        self._at = self._ends - sizes + header

    def next(self, field: Field) -> pa.Array:
        """Return the values of the next field. Raises MalformedError."""
        valid = self._present(field)
        places = slice(None) if valid is None else np.flatnonzero(valid)
        if field.base in ("string", "bytes", "fixed"):
            return self._slices(field, places, valid)
        values = self._fixed(field, places)
        if valid is None:
            return pa.array(values, field.plain)
        spread = np.zeros(len(valid), values.dtype)
        spread[places] = values
        return pa.array(spread, field.plain, mask=~valid)

    def end(self) -> None:
        """Raise MalformedError unless every record has ended."""
        self._require(self._at == self._ends, slice(None), "bytes are left behind the record")

    # ------------------------------------------------------------------ its parts

    def _present(self, field: Field) -> np.ndarray | None:
        """Return which records have a value, and pass the branch of the union; None where all must have one."""
        if field.null_branch is None:
            return None
        branch = self._bytes[self._at]
        null = branch == 2 * field.null_branch
        valid: np.ndarray = branch == 2 * (1 - field.null_branch)
        self._require(null | valid, slice(None), f"field {field.name}: a union has no such branch")
        self._advance(field, slice(None), 1)
        return valid

    def _fixed(self, field: Field, places: np.ndarray | slice) -> np.ndarray:
        at = self._at[places]
        values: np.ndarray
        sizes: np.ndarray | int
        match field.base:
            case "boolean":
                values, sizes = self._bytes[at], 1
                self._require(values <= 1, places, f"field {field.name}: no boolean")
                values = values.astype(bool)
            case "double":
                values, sizes = self._words[at].view(np.float64), 8
            case "float":
                values, sizes = self._words[at].astype(np.uint32).view(np.float32), 4
            case _:
                values, sizes = self._varints(field, places)
        self._advance(field, places, sizes)
        return values

    def _slices(self, field: Field, places: np.ndarray | slice, valid: np.ndarray | None) -> pa.Array:
        """Return texts, bytes and `fixed`s: every second slice of the bytes, what lies between them left out."""
        count = len(self._at)
        if field.base == "fixed":
            lengths: np.ndarray | int = field.size
        else:
            lengths, sizes = self._varints(field, places)
            self._advance(field, places, sizes)
            left = self._ends[places] - self._at[places]
            self._require((lengths >= 0) & (lengths <= left), places, f"field {field.name}: no such length")
        cuts = np.empty((count, 2), np.int32)
        cuts[:, 0] = self._at
        self._advance(field, places, lengths)
        cuts[:, 1] = self._at
        slices = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(cuts), self._buffer])
        return slices.take(pa.array(np.arange(0, 2 * count, 2), mask=None if valid is None else ~valid))

    def _varints(self, field: Field, places: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Return zigzag varints, and the bytes that each takes.

        A word holds the first eight bytes of one; it ends with the first byte whose highest bit is not set.
        """
        at = self._at[places]
        word = self._words[at]
        stop = ~word & _CONTINUED
        stop &= ~stop + _ONE  # the lowest of the bits alone; none where the varint goes on
        sizes = np.bitwise_count((stop << _ONE) - _ONE).astype(np.int64) >> 3
        groups = word & (stop - _ONE) & ~_CONTINUED
        for shift, mask in ((1, 0x7F007F007F007F00), (2, 0x3FFF00003FFF0000), (4, 0x0FFFFFFF00000000)):
            upper = groups & np.uint64(mask)
            groups = (groups ^ upper) | (upper >> np.uint64(shift))
        (long,) = np.nonzero(stop == 0)
        if len(long):
            rest = self._words[at[long] + 8]
            ninth, tenth, on = (
                rest & np.uint64(0x7F),
                (rest >> np.uint64(8)) & np.uint64(0xFF),
                (rest & np.uint64(0x80)) != 0,
            )
            groups[long] |= (ninth << np.uint64(56)) | np.where(on, tenth << np.uint64(63), np.uint64(0))
            sizes[long] = 9 + on
            fits = np.ones(len(at), bool)
            fits[long] = ~on | (tenth <= 1)
            self._require(fits, places, f"field {field.name}: a number of more than 64 bits")
        values = (groups >> _ONE).view(np.int64) ^ -(groups & _ONE).view(np.int64)
        if field.base == "int":
            self._require(values == values.astype(np.int32), places, f"field {field.name}: an int of more than 32 bits")
        return values, sizes

    def _advance(self, field: Field, places: np.ndarray | slice, sizes: np.ndarray | int) -> None:
        self._at[places] += sizes
        self._require(self._at <= self._ends, slice(None), f"field {field.name}: the record ends too early")

    def _require(self, holds: np.ndarray, places: np.ndarray | slice, why: str) -> None:
        if not holds.all():
            record = int(np.argmin(holds))
            raise MalformedError(record if isinstance(places, slice) else int(places[record]), why)
