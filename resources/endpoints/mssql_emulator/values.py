"""The bytes of values, whole columns at a time, in both directions.

Here live numbers, instants and identifiers between Arrow arrays and tables of bytes, one row per value; text and
framing live in `rows` and `scan`. It may import numpy, pyarrow, `engine`, `reading` and `types`.

Source: MS-TDS 2.2.5.5 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds). Digits finer than the scale of
a type, or than the microseconds of Arrow, are cut off.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.reading import ProtocolError

_DAY = 86_400_000_000
_DAYS_BEFORE_1970 = 719_162
"""From 0001-01-01, where date, datetime2 and datetimeoffset begin."""
_DAYS_OF_1900 = 25_567
"""From 1900-01-01, where datetime and smalldatetime begin, to 1970-01-01."""
_LAST_DAY = 3_652_058
"""9999-12-31, counted from 0001-01-01."""
_GUID = np.array([3, 2, 1, 0, 5, 4, 7, 6, *range(8, 16)])
"""Where the bytes of a GUID stand on the wire: its first three groups are little-endian numbers."""

Bytes = np.ndarray
"""A table of bytes: uint8, one row per value, as wide as a value is."""


def encode(array: pa.Array, sql: SqlType) -> Bytes:
    """Return the values as they are sent, without their framing. Expects no NULL."""
    return _ENCODERS[sql.kind](array, sql)


def decode(table: Bytes, sql: SqlType, lengths: np.ndarray) -> pa.Array:
    """Return the values of a table of bytes, in which bytes behind a value's length are zero. Raises ProtocolError."""
    return _DECODERS[sql.kind](table, sql, lengths)


def _raw(array: pa.Array, width: int) -> Bytes:
    """The values' own bytes."""
    if not len(array):
        return np.empty((0, width), np.uint8)
    data = np.frombuffer(array.buffers()[1], np.uint8)
    return data[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)


def _little(numbers: np.ndarray, width: int) -> Bytes:
    """Numbers as so many little-endian bytes."""
    return np.ascontiguousarray(numbers, "<i8").view(np.uint8).reshape(-1, 8)[:, :width]


def _numbers(table: Bytes) -> np.ndarray:
    """Unsigned little-endian numbers of up to eight bytes."""
    wide = np.zeros((len(table), 8), np.uint8)
    wide[:, : table.shape[1]] = table
    return wide.view("<i8")[:, 0]


def _array(kind: pa.DataType, values: np.ndarray, count: int) -> pa.Array:
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(np.ascontiguousarray(values))])


def _encode_own(array: pa.Array, sql: SqlType) -> Bytes:
    return _raw(array, sql.arrow.bit_width // 8)


def _decode_own(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    return _array(sql.arrow, table, len(table))


def _encode_bit(array: pa.Array, _: SqlType) -> Bytes:
    return _raw(array.cast(pa.uint8()), 1)


def _decode_bit(table: Bytes, _: SqlType, __: np.ndarray) -> pa.Array:
    return pa.array(table[:, 0] != 0)


def _encode_decimal(array: pa.Array, sql: SqlType) -> Bytes:
    width = sql.size
    table = np.empty((len(array), 17), np.uint8)
    words = _raw(array, 16).copy().view("<u8")
    negative = words[:, 1] >> np.uint64(63) == 1
    _negate(words, negative)
    table[:, 0] = ~negative
    table[:, 1:] = words.view(np.uint8)
    return table[:, :width]


def _decode_decimal(table: Bytes, sql: SqlType, lengths: np.ndarray) -> pa.Array:
    if not np.isin(lengths, (5, 9, 13, 17)).all():
        raise ProtocolError("a decimal that is not 5, 9, 13 or 17 bytes long")
    words = np.ascontiguousarray(table[:, 1:]).view("<u8")
    if np.any(words[:, 1] >> np.uint64(63)):
        raise ProtocolError("a decimal of more than 38 digits")
    _negate(words, table[:, 0] == 0)
    array = _array(sql.arrow, words, len(table))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise ProtocolError(f"a decimal of more than {sql.precision} digits") from None
    return array


def _negate(words: np.ndarray, where: np.ndarray) -> None:
    """Negate 128-bit numbers, low word first, in place."""
    words[where] = ~words[where]
    words[where, 0] += np.uint64(1)
    words[where, 1] += (words[where, 0] == 0).astype(np.uint64)


def _encode_money(array: pa.Array, _: SqlType) -> Bytes:
    return np.ascontiguousarray(_raw(array, 16)[:, [4, 5, 6, 7, 0, 1, 2, 3]])


def _decode_money(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    if table.shape[1] == 4:
        low = np.ascontiguousarray(table).view("<i4")[:, 0].astype("<i8")
    else:
        low = np.ascontiguousarray(table[:, [4, 5, 6, 7, 0, 1, 2, 3]]).view("<i8")[:, 0]
    return _array(sql.arrow, np.stack([low, low >> 63], axis=1), len(table))


def _days(array: pa.Array) -> np.ndarray:
    return _raw(array, 4).view("<i4")[:, 0] if len(array) else np.empty(0, np.int32)


def _micros(array: pa.Array) -> np.ndarray:
    return _raw(array, 8).view("<i8")[:, 0] if len(array) else np.empty(0, np.int64)


def _encode_date(array: pa.Array, _: SqlType) -> Bytes:
    return _little(_days(array).astype(np.int64) + _DAYS_BEFORE_1970, 3)


def _decode_date(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    return _array(sql.arrow, (_checked_days(table) - _DAYS_BEFORE_1970).astype("<i4"), len(table))


def _checked_days(table: Bytes) -> np.ndarray:
    days = _numbers(table)
    if np.any(days > _LAST_DAY):
        raise ProtocolError("a date after 9999-12-31")
    return days


def _encode_clock(micros: np.ndarray, sql: SqlType) -> Bytes:
    """A time of day in units of the scale."""
    units = micros * 10 if sql.scale == 7 else micros // 10 ** (6 - sql.scale)
    return _little(units, sql.clock_size)


def _decode_clock(table: Bytes, sql: SqlType) -> np.ndarray:
    units = _numbers(table)
    micros = units // 10 if sql.scale == 7 else units * 10 ** (6 - sql.scale)
    if np.any((micros >= _DAY) | (micros < 0)):
        raise ProtocolError("a time of day after 23:59:59.9999999")
    return micros


def _encode_time(array: pa.Array, sql: SqlType) -> Bytes:
    return _encode_clock(_micros(array), sql)


def _decode_time(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    return _array(sql.arrow, _decode_clock(table, sql), len(table))


def _encode_datetime2(array: pa.Array, sql: SqlType) -> Bytes:
    days, clock = np.divmod(_micros(array), _DAY)
    return np.concatenate([_encode_clock(clock, sql), _little(days + _DAYS_BEFORE_1970, 3)], axis=1)


def _decode_datetime2(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    days = _checked_days(table[:, -3:]) - _DAYS_BEFORE_1970
    return _array(sql.arrow, days * _DAY + _decode_clock(table[:, :-3], sql), len(table))


def _encode_datetimeoffset(array: pa.Array, sql: SqlType) -> Bytes:
    offset = np.zeros((len(array), 2), np.uint8)
    return np.concatenate([_encode_datetime2(array, sql), offset], axis=1)


def _decode_datetimeoffset(table: Bytes, sql: SqlType, lengths: np.ndarray) -> pa.Array:
    # What is sent is UTC already; the offset says only how to show it.
    return _decode_datetime2(table[:, :-2], sql, lengths)


def _encode_datetime(array: pa.Array, _: SqlType) -> Bytes:
    ticks = (_micros(array) * 3 + 5_000) // 10_000
    days, ticks = np.divmod(ticks, 86_400 * 300)
    return np.concatenate([_little(days + _DAYS_OF_1900, 4), _little(ticks, 4)], axis=1)


def _decode_datetime(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    halves = np.ascontiguousarray(table).view("<i4").astype(np.int64)
    days, ticks = halves[:, 0] - _DAYS_OF_1900, halves[:, 1]
    if np.any((ticks < 0) | (ticks >= 86_400 * 300)) or np.any(np.abs(days) > _LAST_DAY):
        raise ProtocolError("a datetime outside of its day")
    # Ticks of 1/300 s are shown as the milliseconds .000, .003 and .007.
    return _array(sql.arrow, days * _DAY + (ticks * 10 + 1) // 3 * 1_000, len(table))


def _encode_smalldatetime(array: pa.Array, _: SqlType) -> Bytes:
    days, clock = np.divmod(_micros(array), _DAY)
    return np.concatenate([_little(days + _DAYS_OF_1900, 2), _little(clock // 60_000_000, 2)], axis=1)


def _decode_smalldatetime(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    days, minutes = _numbers(table[:, :2]) - _DAYS_OF_1900, _numbers(table[:, 2:])
    if np.any(minutes >= 1440):
        raise ProtocolError("a smalldatetime outside of its day")
    return _array(sql.arrow, days * _DAY + minutes * 60_000_000, len(table))


def _encode_guid(array: pa.Array, _: SqlType) -> Bytes:
    return _raw(array, 16)[:, _GUID]


def _decode_guid(table: Bytes, sql: SqlType, _: np.ndarray) -> pa.Array:
    # The order is its own inverse.
    return _array(sql.arrow, table[:, _GUID], len(table))


_OWN = (Kind.TINYINT, Kind.SMALLINT, Kind.INT, Kind.BIGINT, Kind.REAL, Kind.FLOAT)
_ENCODERS: dict[Kind, Callable[[pa.Array, SqlType], Bytes]] = {
    **dict.fromkeys(_OWN, _encode_own),
    Kind.BIT: _encode_bit,
    Kind.DECIMAL: _encode_decimal,
    Kind.MONEY: _encode_money,
    Kind.DATE: _encode_date,
    Kind.TIME: _encode_time,
    Kind.DATETIME: _encode_datetime,
    Kind.SMALLDATETIME: _encode_smalldatetime,
    Kind.DATETIME2: _encode_datetime2,
    Kind.DATETIMEOFFSET: _encode_datetimeoffset,
    Kind.UNIQUEIDENTIFIER: _encode_guid,
}
_DECODERS: dict[Kind, Callable[[Bytes, SqlType, np.ndarray], pa.Array]] = {
    **dict.fromkeys(_OWN, _decode_own),
    Kind.BIT: _decode_bit,
    Kind.DECIMAL: _decode_decimal,
    Kind.MONEY: _decode_money,
    Kind.DATE: _decode_date,
    Kind.TIME: _decode_time,
    Kind.DATETIME: _decode_datetime,
    Kind.SMALLDATETIME: _decode_smalldatetime,
    Kind.DATETIME2: _decode_datetime2,
    Kind.DATETIMEOFFSET: _decode_datetimeoffset,
    Kind.UNIQUEIDENTIFIER: _decode_guid,
}
