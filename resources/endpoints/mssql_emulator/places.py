"""Where values stand in the bytes of a request: a row says it value by value, so they are walked one after the other.

Here lives the walk alone: as it stands over the few parameters of a call, and compiled by numba over the rows of a bulk
load. Columns are taken from the places by `scan`. It may import numpy, `compiling` and `types`.

Source: MS-TDS 2.2.5.2 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from resources.endpoints.mssql_emulator.compiling import compiled
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo

NOWHERE = -1
"""The place of what does not end."""
_ROW = 0xD1
_ROWS_AT_ONCE = 1 << 16
_ALL_ONES = 0xFFFFFFFF


def value_end(data: bytes, place: int, framing: int, width: int) -> int:
    """Return where the value at a place ends; NOWHERE where it does not end in the data."""
    if framing == Framing.PLP:
        return _chunks_end(data, place)
    size = _number(data, place, framing)
    if size == NOWHERE:
        return NOWHERE
    if framing == Framing.BARE:
        size = width
    elif framing != Framing.BYTE and size == _ALL_ONES >> (32 - 8 * framing):
        size = 0
    end = place + framing + size
    return end if end <= len(data) else NOWHERE


def _chunks_end(data: bytes, place: int) -> int:
    low, high = _number(data, place, 4), _number(data, place + 4, 4)
    if high == NOWHERE:
        return NOWHERE
    place += 8
    if low == _ALL_ONES and high == _ALL_ONES:
        return place
    size = NOWHERE
    while size:
        size = _number(data, place, 4)
        if size == NOWHERE:
            return NOWHERE
        place += 4 + size
    return place


def _number(data: bytes, place: int, size: int) -> int:
    """Read so many bytes, low ones first; NOWHERE where they do not end in the data."""
    if place + size > len(data):
        return NOWHERE
    number = 0
    for byte in range(size):
        number |= data[place + byte] << 8 * byte
    return number


def _walk(data: bytes, framings: np.ndarray, widths: np.ndarray, found: np.ndarray) -> tuple[int, int]:
    """Write for every whole row where its values begin and the last one ends; return how many, and where they end."""
    place = rows = 0
    while rows < len(found) and place < len(data) and data[place] == _ROW:
        at = place + 1
        for column in range(len(framings)):
            found[rows, column] = at
            at = value_end(data, at, framings[column], widths[column])
            if at == NOWHERE:
                return rows, place
        found[rows, len(framings)] = place = at
        rows += 1
    return rows, place


@cache
def _compiled() -> Callable[[bytes, np.ndarray, np.ndarray, np.ndarray], tuple[int, int]]:
    return compiled(_walk, [value_end, _chunks_end, _number])


def find_rows(data: bytes, infos: Sequence[TypeInfo]) -> tuple[np.ndarray, int]:
    """Return where the values of whole ROW tokens begin, and where those rows end.

    The places are int32, a row for each row and a column for each value; one more column tells where the last one ends.
    There are at most some tens of thousands: behind them may be more.
    """
    shortest = 1 + sum(info.framing or info.width for info in infos)
    found = np.empty((min(len(data) // shortest, _ROWS_AT_ONCE), len(infos) + 1), np.int32)
    framings = np.array([info.framing for info in infos], np.uint8)
    widths = np.array([info.width for info in infos], np.int64)
    rows, end = _compiled()(data, framings, widths, found)
    return found[:rows], end
