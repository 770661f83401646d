"""Forms that Arrow has no kernel for: JSON strings, base64, UUIDs and decimals as bytes, whole columns at a time.

Here live functions from Arrow array to Arrow array over their raw buffers; which type uses which is said elsewhere.
It may import numpy and pyarrow.
"""

import binascii
import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ESCAPES = {byte: json.dumps(chr(byte))[1:-1] for byte in (*range(0x20), ord('"'), ord("\\"))}
"""What must be escaped inside a JSON string."""

_ESCAPED_SIZE = np.array([len(_ESCAPES.get(byte, " ")) for byte in range(256)])
"""The bytes that each byte of a string becomes."""

_UUID_TEXT = np.array([place not in (8, 13, 18, 23) for place in range(36)])
"""True where the 36 characters of a UUID hold a hexadecimal digit, False where they hold a hyphen."""


def over_values(convert: Callable[[pa.Array], pa.Array]) -> Callable[[pa.Array], pa.Array]:
    """Let a conversion that knows no NULL run over the values alone; NULLs stay where they were."""

    def converted(array: pa.Array) -> pa.Array:
        values = convert(array.drop_null())
        if not array.null_count:
            return values
        valid = np.asarray(pc.is_valid(array))
        return values.take(pa.array(np.cumsum(valid) - 1, pa.int64(), mask=~valid))

    return converted


def without_nulls(text: pa.Array) -> pa.Array:
    """Return the same strings with anything at all in place of NULL, without a copy."""
    _, offsets, data = text.buffers()
    return pa.Array.from_buffers(text.type, len(text), [None, offsets, data], offset=text.offset)


def escape(text: pa.Array) -> pa.Array:
    """Return the strings as they stand between the quotes of JSON strings; NULL stays NULL."""
    data, starts, lengths = _layout(text)
    places = np.flatnonzero((data < 0x20) | (data == ord('"')) | (data == ord("\\")))
    if not len(places):
        return text
    bytes_there = data[places]
    more = _ESCAPED_SIZE[bytes_there] - 1
    grown = np.concatenate([[0], np.cumsum(more)])
    escaped, behind = np.insert(data, np.repeat(places, more), 0), places + 1 + grown[1:]
    for byte in np.flatnonzero(np.bincount(bytes_there)).tolist():
        here = behind[bytes_there == byte]
        for back, character in enumerate(reversed(_ESCAPES[byte].encode()), 1):
            escaped[here - back] = character
    first = np.searchsorted(places, np.append(starts, len(data)))
    valid = text.is_valid().buffers()[1] if text.null_count else None
    return _variable(pa.string(), escaped, lengths + np.diff(grown[first]), valid)


def base64_encode(values: pa.Array) -> pa.Array:
    """Return binary values as base64 text (RFC 4648, padded). Expects no NULL.

    Every value is laid out padded with zeros to whole groups of three bytes, so one call encodes the column.
    """
    data, starts, lengths = _layout(values)
    groups = -(-lengths // 3)
    ends = np.cumsum(groups)
    padded = np.zeros(int(groups.sum()) * 3, np.uint8)
    padded[np.arange(len(data)) + np.repeat((ends - groups) * 3 - starts, lengths)] = data
    text = np.frombuffer(binascii.b2a_base64(padded.data, newline=False), np.uint8).copy()
    text[ends[lengths % 3 > 0] * 4 - 1] = ord("=")
    text[ends[lengths % 3 == 1] * 4 - 2] = ord("=")
    return _variable(pa.string(), text, groups * 4)


def base64_decode(text: pa.Array) -> pa.Array:
    """Return the bytes of padded base64 text (RFC 4648). Expects no NULL. Raises ValueError for any other text.

    Padded values are whole groups of four characters, so one call decodes the column once `=` is read as a zero.
    """
    data, _, lengths = _layout(text)
    if np.any(lengths % 4):
        raise ValueError("not base64: the length of a value is no multiple of 4")
    ends = np.cumsum(lengths)[lengths > 0]
    padding = data == ord("=")
    one = padding[ends - 1]
    two = one & padding[ends - 2]
    if padding.sum() != one.sum() + two.sum():
        raise ValueError("not base64: '=' stands before the end of a value")
    whole = np.where(padding, np.uint8(ord("A")), data).tobytes()
    decoded = np.frombuffer(binascii.a2b_base64(whole, strict_mode=True), np.uint8)
    kept = np.ones(len(decoded), bool)
    kept[ends[one] // 4 * 3 - 1] = False
    kept[ends[two] // 4 * 3 - 2] = False
    sizes = lengths // 4 * 3
    sizes[lengths > 0] -= one.astype(np.int64) + two
    return _variable(pa.binary(), decoded[kept], sizes)


def uuid_text(values: pa.Array) -> pa.Array:
    """Return 16-byte values as lower-case UUID text with hyphens. Expects no NULL."""
    raw = values.buffers()[1][values.offset * 16 :][: len(values) * 16] if len(values) else b""
    text = np.full((len(values), 36), ord("-"), np.uint8)
    text[:, _UUID_TEXT] = np.frombuffer(bytes(raw).hex().encode(), np.uint8).reshape(-1, 32)
    return _variable(pa.string(), text.reshape(-1), np.full(len(values), 36))


def uuid_bytes(text: pa.Array) -> pa.Array:
    """Return UUID text with hyphens as 16-byte values. Expects no NULL. Raises ValueError for any other text."""
    data, _, lengths = _layout(text)
    if np.any(lengths != 36):
        raise ValueError("not a UUID: a value has not the 36 characters of 8-4-4-4-12 hexadecimal digits")
    table = data.reshape(-1, 36)
    if np.any(table[:, ~_UUID_TEXT] != ord("-")):
        raise ValueError("not a UUID: the hyphens of a value are not where 8-4-4-4-12 has them")
    raw = binascii.unhexlify(table[:, _UUID_TEXT].tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(text), [None, pa.py_buffer(raw)])


def _layout(array: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bytes of all values end to end, where each value starts in them, and its length."""
    if not len(array):
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets[:-1] - offsets[0], np.diff(offsets)


def _variable(kind: pa.DataType, data: np.ndarray, lengths: np.ndarray, valid: pa.Buffer | None = None) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.Array.from_buffers(kind, len(lengths), [valid, pa.py_buffer(offsets), pa.py_buffer(data)])
