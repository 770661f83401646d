"""Rows of PostgreSQL's binary COPY as ROW tokens, without a stop on the way.

Here lives the walk over the rows, compiled by numba, and how each form is written; which rows can pass so is said by
`forms`, and all others go by `rows`. It may import numpy, `compiling`, `engine`, `forms` and `types`.

Sources: MS-TDS 2.2.5.5 and 2.2.7.19 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds), "Binary Format"
in https://www.postgresql.org/docs/current/sql-copy.html, numeric_send and timestamp_send in PostgreSQL's sources.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from resources.endpoints.mssql_emulator.compiling import compiled
from resources.endpoints.mssql_emulator.engine import ResultColumn, SqlError
from resources.endpoints.mssql_emulator.forms import (
    DAY,
    DAYS_BEFORE_2000,
    DAYS_OF_1900,
    FORMS,
    LAST_DAY,
    LIMB,
    TICKS,
    Form,
)
from resources.endpoints.mssql_emulator.types import Framing, longest, too_long, type_info

_ROW = 0xD1
_END = 0xFFFF

_ANY_LENGTH = 16
"""Bytes around a value of any length."""


def _number(data: bytes, place: int, size: int) -> int:
    """So many bytes, high ones first, as an unsigned number."""
    number = 0
    for byte in range(size):
        number = number << 8 | data[place + byte]
    return number


def _signed(data: bytes, place: int, size: int) -> int:
    number = data[place] - ((data[place] & 0x80) << 1)
    for byte in range(1, size):
        number = number << 8 | data[place + byte]
    return number


def _put(number: int, size: int, out: np.ndarray, at: int) -> None:
    """Write the lower bytes of a number, low ones first."""
    for byte in range(size):
        out[at + byte] = number >> 8 * byte & 0xFF


def _put_clock(micros: int, scale: int, size: int, out: np.ndarray, at: int) -> None:
    units = micros * 10 if scale == 7 else micros // 10 ** (6 - scale)
    _put(units, size, out, at)


def _put_decimal(data: bytes, place: int, size: int, scale: int, width: int, out: np.ndarray, at: int) -> bool:
    """Write sign and magnitude; False where the value is no number or has more digits than the type."""
    digits, weight, sign = _number(data, place, 2), _signed(data, place + 2, 2), _number(data, place + 4, 2)
    if sign == 0xC000 or size != 8 + 2 * digits:
        return False
    low = second = third = high = group = 0
    # The power of ten, in units of the scale, of the group of four digits that comes next.
    power = 4 * weight + scale
    while power > -4:
        digit = _number(data, place + 8 + 2 * group, 2) if group < digits else 0
        below = 10**-power if power < 0 else 1
        if digit % below:
            return False
        times = 10_000 // below
        low = low * times + digit // below
        second = second * times + (low >> 32)
        third = third * times + (second >> 32)
        high = high * times + (third >> 32)
        if high > LIMB >> 1:
            return False
        low, second, third = low & LIMB, second & LIMB, third & LIMB
        power -= 4
        group += 1
    out[at] = sign == 0
    _put(low, 4, out, at + 1)
    _put(second, 4, out, at + 5)
    _put(third, 4, out, at + 9)
    _put(high, 4, out, at + 13)
    lost = 0
    for byte in range(width, 17):
        lost |= out[at + byte]
    for byte in range(2 * group, 2 * digits):
        lost |= data[place + 8 + byte]
    return lost == 0


def _put_money(data: bytes, place: int, size: int, out: np.ndarray, at: int) -> bool:
    """Write the number of ten-thousandths, its upper half first."""
    if not _put_decimal(data, place, size, 4, 9, out, at):
        return False
    number = 0
    for byte in range(8, 0, -1):
        number = number << 8 | out[at + byte]
    if not out[at]:
        number = -number
    _put(number >> 32, 4, out, at)
    _put(number, 4, out, at + 4)
    return True


def _put_instant(micros: int, form: int, scale: int, width: int, out: np.ndarray, at: int) -> bool:
    """Write microseconds since 2000."""
    if form == Form.DATETIME:
        ticks = (micros * 3 + 5_000) // 10_000
        _put(ticks // TICKS + DAYS_OF_1900, 4, out, at)
        _put(ticks % TICKS, 4, out, at + 4)
        return True
    days, clock = micros // DAY, micros % DAY
    if form == Form.SMALLDATETIME:
        _put(days + DAYS_OF_1900, 2, out, at)
        _put(clock // 60_000_000, 2, out, at + 2)
        return True
    size = 3 if scale <= 2 else 4 if scale <= 4 else 5
    _put_clock(clock, scale, size, out, at)
    _put(days + DAYS_BEFORE_2000, 3, out, at + size)
    for byte in range(size + 3, width):
        out[at + byte] = 0
    return 0 <= days + DAYS_BEFORE_2000 <= LAST_DAY


def _put_moment(data: bytes, place: int, form: int, scale: int, width: int, out: np.ndarray, at: int) -> bool:
    """Write a date, a time or both."""
    if form == Form.DATE:
        days = _signed(data, place, 4) + DAYS_BEFORE_2000
        _put(days, 3, out, at)
        return 0 <= days <= LAST_DAY
    if form == Form.TIME:
        micros = _signed(data, place, 8)
        _put_clock(micros, scale, width, out, at)
        return 0 <= micros < DAY
    return _put_instant(_signed(data, place, 8), form, scale, width, out, at)


def _put_value(data: bytes, place: int, size: int, form: int, scale: int, width: int, out: np.ndarray, at: int) -> bool:
    """Write a value of fixed width; False where it is none of the type."""
    if form == Form.REVERSED:
        for byte in range(width):
            out[at + byte] = data[place + width - 1 - byte]
        return size == width
    if form == Form.DECIMAL:
        return _put_decimal(data, place, size, scale, width, out, at)
    if form == Form.MONEY:
        return _put_money(data, place, size, out, at)
    if form == Form.GUID:
        for byte in range(16):
            other = 3 - byte if byte < 4 else 9 - byte if byte < 6 else 13 - byte if byte < 8 else byte
            out[at + byte] = data[place + other]
        return size == 16
    if form == Form.BYTE or form == Form.BIT:
        out[at] = data[place + 1] if form == Form.BYTE else data[place + 1] != 0
        return size == 2
    return _put_moment(data, place, form, scale, width, out, at)


def _put_utf16(data: bytes, place: int, end: int, out: np.ndarray, at: int) -> int:
    """Write UTF-8 as UTF-16; return where it ends."""
    while place < end:
        byte = data[place]
        if byte < 0x80:
            out[at] = byte
            out[at + 1] = 0
            place += 1
            at += 2
            continue
        more = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        code = byte & (0x3F >> more)
        for step in range(1, more + 1):
            code = code << 6 | data[place + step] & 0x3F
        place += 1 + more
        if code >= 0x10000:
            _put(0xD800 | code - 0x10000 >> 10, 2, out, at)
            at += 2
            code = 0xDC00 | code - 0x10000 & 0x3FF
        _put(code, 2, out, at)
        at += 2
    return at


def _put_null(framing: int, out: np.ndarray, at: int) -> int:
    if framing == Framing.BYTE:
        out[at] = 0
        return at + 1
    for byte in range(framing):
        out[at + byte] = 0xFF
    return at + framing


def _put_text(data: bytes, place: int, size: int, form: int, framing: int, width: int, out: np.ndarray, at: int) -> int:
    """Write a value of any length; return where it ends, a negative number where it is longer than its type says."""
    begin = at + (2 if framing == Framing.SHORT else 12)
    end = begin + size
    if form == Form.WIDE:
        end = _put_utf16(data, place, place + size, out, begin)
    else:
        for byte in range(size):
            out[begin + byte] = data[place + byte]
    length = end - begin
    if framing == Framing.SHORT:
        _put(length, 2, out, at)
        return end if length <= width else -1
    _put(length, 8, out, at)
    _put(length, 4, out, at + 8)
    if length:  # the last chunk is the empty one
        _put(0, 4, out, end)
        end += 4
    return end


def _walk(
    data: bytes, place: int, forms: np.ndarray, framings: np.ndarray, scales: np.ndarray, widths: np.ndarray,
    out: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """Write whole rows; return how many, where they end, and the column whose value could not be written, or -1."""
    at = rows = 0
    while place < len(data) and _number(data, place, 2) != _END:
        place += 2
        out[at] = _ROW
        at += 1
        for column in range(len(forms)):
            size = _signed(data, place, 4)
            place += 4
            framing, width = framings[column], widths[column]
            if size < 0:
                at = _put_null(framing, out, at)
                continue
            if framing == Framing.BYTE:
                out[at] = width
                if not _put_value(data, place, size, forms[column], scales[column], width, out, at + 1):
                    return rows, at, column
                at += 1 + width
            else:
                at = _put_text(data, place, size, forms[column], framing, width, out, at)
                if at < 0:
                    return rows, at, column
            place += size
        rows += 1
    return rows, at, -1


@cache
def _compiled() -> Callable[..., Any]:
    return compiled(
        _walk,
        [
            _number, _signed, _put, _put_clock, _put_decimal, _put_money, _put_instant, _put_moment, _put_value,
            _put_utf16, _put_null, _put_text,
        ],
    )  # fmt: skip


def rows_of(data: bytes | memoryview, columns: Sequence[ResultColumn]) -> memoryview:
    """Return whole rows of a COPY, without what it begins with, as ROW tokens; its end may be among them.

    Raises SqlError 8624 for a value that is none of its column's type.
    """
    infos = [type_info(column.type) for column in columns]
    forms = np.array([FORMS[info.sql.kind] for info in infos], np.uint8)
    framings = np.array([info.framing for info in infos], np.uint8)
    scales = np.array([info.sql.scale for info in infos], np.uint8)
    widths = np.array([info.width or longest(info.sql) for info in infos], np.int64)
    # A value of 17 bytes may be written beyond the width of its decimal.
    row = 1 + sum(max(1 + info.width, _ANY_LENGTH) for info in infos)
    shortest = 2 + 4 * len(infos)
    out = np.empty(row * (len(data) // shortest + 1) + 2 * len(data) + 17, np.uint8)
    _, end, wrong = _compiled()(data, 0, forms, framings, scales, widths, out)
    if wrong >= 0:
        column = columns[wrong]
        if infos[wrong].framing is Framing.SHORT:
            raise too_long(column)
        raise SqlError(8624, f"A result was not read: a value of column {column.name!r} is no {column.type.kind}.")
    return out.data[:end]
