"""ROW tokens as rows of PostgreSQL's binary COPY, without a stop on the way.

Here lives the walk over the rows, compiled by numba, and how each form is written; which rows can pass so is said by
`forms`. It stops before a row that it cannot tell, malformed or merely unusual: that one goes by `scan`, which says
what is wrong. It may import numpy, `compiling`, `engine`, `forms` and `types`.

Sources: MS-TDS 2.2.5.5 and 2.2.7.19 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds), "Binary Format"
in https://www.postgresql.org/docs/current/sql-copy.html, numeric_recv and timestamp_recv in PostgreSQL's sources.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from resources.endpoints.mssql_emulator.compiling import compiled
from resources.endpoints.mssql_emulator.engine import CopiedRows, Kind
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
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo

_ROW = 0xD1
_NOTHING, _ODD = -1, -2
"""In place of a size: of a NULL, and of a value that is not to be told from its bytes."""
_LONGEST_NUMERIC = 8 + 2 * 12


def _number(data: bytes, place: int, size: int) -> int:
    """So many bytes, low ones first, as an unsigned number."""
    number = 0
    for byte in range(size):
        number |= data[place + byte] << 8 * byte
    return number


def _put(number: int, size: int, out: np.ndarray, at: int) -> None:
    """Write the lower bytes of a number, high ones first."""
    for byte in range(size):
        out[at + byte] = number >> 8 * (size - 1 - byte) & 0xFF


def _bounds(data: bytes, place: int, framing: int, width: int) -> tuple[int, int, int]:
    """Return where a value begins, how long it is, and where the next one begins; data that ends is odd."""
    left = len(data) - place
    if framing == Framing.PLP:
        return _chunk_bounds(data, place, left)
    if left < framing:
        return place, _ODD, place
    size = width if framing == Framing.BARE else _number(data, place, framing)
    begin = place + framing
    if size > left - framing and size != 0xFFFF:
        return place, _ODD, place
    if (framing == Framing.SHORT and size == 0xFFFF) or (framing != Framing.SHORT and not size):
        return begin, _NOTHING, begin
    return (begin, size, begin + size) if size <= left - framing else (place, _ODD, place)


def _chunk_bounds(data: bytes, place: int, left: int) -> tuple[int, int, int]:
    """The bounds of a value in one chunk or none; one in several is odd, as is one that says another length."""
    if left < 8:
        return place, _ODD, place
    low, high = _number(data, place, 4), _number(data, place + 4, 4)
    if low == LIMB and high == LIMB:
        return place + 8, _NOTHING, place + 8
    if left < 12:
        return place, _ODD, place
    size = _number(data, place + 8, 4)
    if not (low == size and not high) and not (low == LIMB - 1 and high == LIMB):
        return place, _ODD, place
    if not size:
        return place + 12, 0, place + 12
    if left < 16 + size or _number(data, place + 12 + size, 4):
        return place, _ODD, place
    return place + 12, size, place + 16 + size


def _divide(low: int, second: int, third: int, high: int, by: int) -> tuple[int, int, int, int, int]:
    """Divide a number of four limbs by a small one; return the limbs and the rest."""
    rest = high % by << 32 | third
    third_rest = rest % by << 32 | second
    last = third_rest % by << 32 | low
    return last // by, third_rest // by, rest // by, high // by, last % by


def _put_numeric(
    negative: bool, low: int, second: int, third: int, high: int, precision: int, scale: int, out: np.ndarray, at: int
) -> int:
    """Write a numeric of a magnitude in limbs of 32 bits; return its size, odd where it has too many digits."""
    part, groups, top, first = scale % 4, 0, 0, at + 8
    if part:
        low, second, third, high, top = _divide(low, second, third, high, 10**part)
        _put(top * 10 ** (4 - part), 2, out, first)
        groups, top = 1, 0
    while second >> 31 or third or high:
        low, second, third, high, top = _divide(low, second, third, high, 10_000)
        _put(top, 2, out, first + 2 * groups)
        groups += 1
    number = low | second << 32
    while number:
        number, top = number // 10_000, number % 10_000
        _put(top, 2, out, first + 2 * groups)
        groups += 1
    whole = groups - (part > 0)
    length = 4 if top >= 1000 else 3 if top >= 100 else 2 if top >= 10 else 1
    if whole and part + 4 * (whole - 1) + length > precision:
        return _ODD
    for group in range(groups // 2):
        for byte in range(2):
            here, there = first + 2 * group + byte, first + 2 * (groups - 1 - group) + byte
            out[here], out[there] = out[there], out[here]
    _put(groups, 2, out, at)
    _put(groups - 1 - (scale + 3) // 4, 2, out, at + 2)
    _put(0x4000 if negative else 0, 2, out, at + 4)
    _put(scale, 2, out, at + 6)
    return 8 + 2 * groups


def _put_decimal(data: bytes, place: int, size: int, precision: int, scale: int, out: np.ndarray, at: int) -> int:
    if size not in (5, 9, 13, 17):
        return _ODD
    low, second, third, high = _number(data, place + 1, 4), 0, 0, 0
    if size > 5:
        second = _number(data, place + 5, 4)
    if size > 9:
        third = _number(data, place + 9, 4)
    if size > 13:
        high = _number(data, place + 13, 4)
    if high >> 31:
        return _ODD
    return _put_numeric(not data[place], low, second, third, high, precision, scale, out, at)


def _put_money(data: bytes, place: int, size: int, out: np.ndarray, at: int) -> int:
    low = _number(data, place, 4)
    high = LIMB * (low >> 31)
    if size == 8:
        low, high = _number(data, place + 4, 4), low
    negative = high >> 31 == 1
    if negative:
        low = LIMB - low + 1
        high = LIMB - high + (low >> 32)
        low &= LIMB
    return _put_numeric(negative, low, high, 0, 0, 19, 4, out, at)


def _clock(data: bytes, place: int, size: int, scale: int) -> int:
    units = _number(data, place, size)
    micros = units // 10 if scale == 7 else units * 10 ** (6 - scale)
    return micros if micros < DAY else _ODD


def _put_instant(data: bytes, place: int, form: int, scale: int, out: np.ndarray, at: int) -> int:
    """Write microseconds since 2000."""
    if form == Form.DATETIME:
        days, ticks = _number(data, place, 4), _number(data, place + 4, 4)
        days -= (days >> 31) << 32
        clock = (ticks * 10 + 1) // 3 * 1_000 if ticks < TICKS else _ODD
        days -= DAYS_OF_1900
        if days > LAST_DAY - DAYS_BEFORE_2000 or days < -DAYS_BEFORE_2000:
            return _ODD
    elif form == Form.SMALLDATETIME:
        clock = _number(data, place + 2, 2) * 60_000_000
        days = _number(data, place, 2) - DAYS_OF_1900
    else:
        size = 3 if scale <= 2 else 4 if scale <= 4 else 5
        clock, days = _clock(data, place, size, scale), _number(data, place + size, 3) - DAYS_BEFORE_2000
        if days > LAST_DAY - DAYS_BEFORE_2000:
            return _ODD
    if clock < 0 or clock >= DAY:
        return _ODD
    _put(days * DAY + clock, 8, out, at)
    return 8


def _put_moment(data: bytes, place: int, size: int, form: int, scale: int, out: np.ndarray, at: int) -> int:
    """Write a date, a time or both."""
    if form == Form.DATE:
        days = _number(data, place, 3)
        _put(days - DAYS_BEFORE_2000, 4, out, at)
        return 4 if days <= LAST_DAY else _ODD
    if form == Form.TIME:
        clock = _clock(data, place, size, scale)
        _put(clock, 8, out, at)
        return 8 if clock >= 0 else _ODD
    return _put_instant(data, place, form, scale, out, at)


def _put_utf8(data: bytes, place: int, size: int, out: np.ndarray, at: int) -> int:
    """Write UTF-16 as UTF-8; return its size, odd where it is none."""
    begin, end = at, place + size
    if size & 1:
        return _ODD
    while place < end:
        code = _number(data, place, 2)
        place += 2
        if code < 0x80:
            out[at] = code
            at += 1
            continue
        more = 1 if code < 0x800 else 2
        if code & 0xF800 == 0xD800:
            second = _number(data, place, 2) if place < end else 0
            if code & 0x400 or second & 0xFC00 != 0xDC00:
                return _ODD
            code, more = 0x10000 + ((code & 0x3FF) << 10 | second & 0x3FF), 3
            place += 2
        out[at] = 0xFF << 7 - more & 0xFF | code >> 6 * more
        for step in range(more - 1, -1, -1):
            at += 1
            out[at] = 0x80 | code >> 6 * step & 0x3F
        at += 1
    return at - begin


def _put_bytes(data: bytes, place: int, size: int, form: int, out: np.ndarray, at: int) -> int:
    for byte in range(size):
        other = byte
        if form == Form.REVERSED:
            other = size - 1 - byte
        elif form == Form.GUID and byte < 8:  # three numbers of four, two and two bytes
            other = 3 - byte if byte < 4 else 9 - byte if byte < 6 else 13 - byte
        out[at + byte] = data[place + other]
    return size


def _put_value(
    data: bytes, place: int, size: int, form: int, precision: int, scale: int, out: np.ndarray, at: int
) -> int:
    """Write a value; return its size, odd where it cannot be told."""
    if form == Form.WIDE:
        return _put_utf8(data, place, size, out, at)
    if form == Form.DECIMAL:
        return _put_decimal(data, place, size, precision, scale, out, at)
    if form == Form.MONEY:
        return _put_money(data, place, size, out, at)
    if form == Form.BYTE or form == Form.BIT:
        _put(data[place] if form == Form.BYTE else data[place] != 0, 2, out, at)
        return 2
    if form == Form.REVERSED or form == Form.SAME or form == Form.GUID:
        return _put_bytes(data, place, size, form, out, at)
    return _put_moment(data, place, size, form, scale, out, at)


def _walk(
    data: bytes, forms: np.ndarray, framings: np.ndarray, precisions: np.ndarray, scales: np.ndarray,
    widths: np.ndarray, documents: np.ndarray, out: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """Write rows up to the first that is odd; return how many, where they end, and where they end in `out`."""
    place = at = rows = 0
    while place < len(data) and data[place] == _ROW:
        there, written = place + 1, at + 2
        _put(len(forms), 2, out, at)
        for column in range(len(forms)):
            begin, size, there = _bounds(data, there, framings[column], widths[column])
            if documents[column] and size > 1 and data[begin] == 0xFF and data[begin + 1] == 0xFE:
                begin, size = begin + 2, size - 2
            fixed = size >= 0 and widths[column] > 0
            if fixed and size != widths[column] and forms[column] != Form.DECIMAL:
                size = _ODD
            if size >= 0:
                size = _put_value(
                    data, begin, size, forms[column], precisions[column], scales[column], out, written + 4
                )
            if size == _ODD:
                return rows, place, at
            _put(size, 4, out, written)
            written += 4 + max(size, 0)
        place, at = there, written
        rows += 1
    return rows, place, at


@cache
def _compiled() -> Callable[..., Any]:
    return compiled(
        _walk,
        [
            _number, _put, _bounds, _chunk_bounds, _divide, _put_numeric, _put_decimal, _put_money, _clock,
            _put_instant, _put_moment, _put_utf8, _put_bytes, _put_value,
        ],
    )  # fmt: skip


def copied_rows(data: bytes, infos: Sequence[TypeInfo]) -> tuple[CopiedRows, int]:
    """Return the rows that ROW tokens begin with, up to the first that is odd or not whole, and where they end."""
    forms = np.array([FORMS[info.sql.kind] for info in infos], np.uint8)
    framings = np.array([info.framing for info in infos], np.uint8)
    precisions = np.array([info.sql.precision for info in infos], np.uint8)
    scales = np.array([info.sql.scale for info in infos], np.uint8)
    widths = np.array([info.width for info in infos], np.int64)
    documents = np.array([info.sql.kind is Kind.XML for info in infos])
    shortest = 1 + sum(info.framing or info.width for info in infos)
    longest = 2 + sum(4 + (_LONGEST_NUMERIC if info.width else 0) for info in infos)
    # Of UTF-16 a half may become half as long again.
    out = np.empty(longest * (len(data) // shortest + 1) + 3 * len(data) // 2, np.uint8)
    rows, end, written = _compiled()(data, forms, framings, precisions, scales, widths, documents, out)
    return CopiedRows(out.data[:written], rows), end
