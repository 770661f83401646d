"""Text and binary values between Arrow arrays and the bytes of the wire, whole columns at a time.

Here live the encodings: UTF-16 for national text and XML, UTF-8 or Windows-1252 for the rest; framing lives in `rows`
and `scan`. It may import numpy, pyarrow, `engine` and `types`.
"""

import numpy as np
import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import Kind, SqlError
from resources.endpoints.mssql_emulator.types import BINARIES, WIDE, TypeInfo

_WINDOWS_1252 = np.array(
    [ord(bytes([byte]).decode("cp1252", "replace")) for byte in range(256)],
    np.uint16,
)
"""The character of each byte; the five that have none become U+FFFD, as on SQL Server."""


def encode_text(array: pa.Array, info: TypeInfo) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all values end to end, and the number of each value's. Expects no NULL."""
    data, offsets = _layout(array)
    if info.sql.kind not in WIDE:
        return data, np.diff(offsets)
    wide = np.frombuffer(data.tobytes().decode().encode("utf-16-le"), np.uint8)
    if len(wide) == 2 * len(data):
        return wide, 2 * np.diff(offsets)
    # A character takes one unit of UTF-16, or two where UTF-8 takes four bytes.
    units = ((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0)
    return wide, 2 * np.diff(_summed(units)[offsets])


def decode_text(values: pa.Array, info: TypeInfo) -> pa.Array:
    """Return what binary values say as text of their type. Raises SqlError 9833 where they are not valid."""
    if info.sql.kind in BINARIES:
        return values
    valid = values.is_valid() if values.null_count else None
    if info.sql.kind in WIDE:
        data, offsets = _from_utf16(values, info)
    elif info.utf8:
        data, offsets = _layout(values)
    else:
        data, offsets = _from_units(*_units_of_windows(values))
    array = pa.Array.from_buffers(
        pa.string(),
        len(values),
        [valid.buffers()[1] if valid is not None else None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)],
    )
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise _invalid(info) from None
    return array


def _from_utf16(values: pa.Array, info: TypeInfo) -> tuple[np.ndarray, np.ndarray]:
    data, offsets = _layout(values)
    if np.any(offsets & 1):
        raise _invalid(info)
    units, offsets = np.frombuffer(data.tobytes(), "<u2"), offsets // 2
    if info.sql.kind is Kind.XML:
        units, offsets = _without_marks(units, offsets)
    return _from_units(units, offsets, info)


def _without_marks(units: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop the byte order mark that clients may put before an XML document."""
    starts = offsets[:-1][np.diff(offsets) > 0]
    marks = starts[units[starts] == 0xFEFF]
    kept = np.ones(len(units), bool)
    kept[marks] = False
    return units[kept], _summed(kept)[offsets]


def _units_of_windows(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    data, offsets = _layout(values)
    return _WINDOWS_1252[data], offsets


def _from_units(units: np.ndarray, offsets: np.ndarray, info: TypeInfo | None = None) -> tuple[np.ndarray, np.ndarray]:
    try:
        data = np.frombuffer(units.tobytes().decode("utf-16-le").encode(), np.uint8)
    except UnicodeDecodeError:
        raise _invalid(info) from None
    if len(data) == len(units):
        return data, offsets
    surrogate = (units & 0xF800) == 0xD800
    sizes = 1 + (units >= 0x80).astype(np.int64) + ((units >= 0x800) & ~surrogate)
    return data, _summed(sizes)[offsets]


def _invalid(info: TypeInfo | None) -> SqlError:
    name = info.sql.kind.value if info else "varchar"
    encoding = "UTF-16" if info and info.sql.kind in WIDE else "UTF-8"
    return SqlError(9833, f"Invalid data for {encoding}-encoded characters in a value of type {name}.")


def _summed(sizes: np.ndarray) -> np.ndarray:
    """Where each of so many sizes begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _layout(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all values end to end, and where in them each value begins and the last one ends."""
    if not len(array):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]
