"""ROW tokens and parameters as Arrow columns, without a Python object per cell.

Here live the columns, each taken at once from the places where its values stand; those are found by `places`.
It may import numpy, pyarrow and the modules of the wire below it.

Source: MS-TDS 2.2.5.2 and 2.2.7.19 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from resources.endpoints.mssql_emulator.copy_in import copied_rows
from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, Rows
from resources.endpoints.mssql_emulator.places import find_rows
from resources.endpoints.mssql_emulator.reading import ProtocolError
from resources.endpoints.mssql_emulator.texts import decode_text
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo
from resources.endpoints.mssql_emulator.values import decode

PADDING = bytes(17)
"""To stand behind the data that columns are taken from: the longest value of fixed width may be a shorter one."""
AT_ONCE = 4 << 20
"""Bytes of rows that are looked through together."""
LONGEST_ROW = 256 << 20
"""Bytes; a longer row ends the connection."""
_DONE = 0xFD
_DONE_BYTES = (13, 9)
"""With eight bytes of row count; clients of Microsoft's send four in a bulk load, as versions before 7.2 did."""
_SHORTEST_DECIMAL = 5
_UNKNOWN_LENGTH = -2
"""What stands for the length of a chunked value whose sender did not know it, as a signed number."""


def decode_rows(
    chunks: Iterable[bytes], columns: Sequence[ResultColumn], infos: Sequence[TypeInfo], *, copies: bool = False
) -> Iterator[Rows]:
    """Yield the rows of a bulk load, ROW tokens and a DONE, in batches of about `AT_ONCE` bytes.

    With `copies` the rows come as PostgreSQL copies them, but for odd ones. Raises ProtocolError for anything else,
    SqlError for text that is none.
    """
    rest = b""
    for data in _gathered(chunks):
        rest += data
        while True:
            copied, end = copied_rows(rest, infos) if copies else (None, 0)
            if copied is not None and copied.count:
                yield copied
            else:
                places, end = find_rows(rest, infos)
                if not end:
                    break
                yield _batch(rest, places, columns, infos)
            rest = rest[end:]
        if len(rest) > LONGEST_ROW:
            raise ProtocolError(f"a row of more than {LONGEST_ROW} bytes")
    # FreeTDS leaves the DONE out: the message ends, and that is all.
    if rest and (rest[0] != _DONE or len(rest) not in _DONE_BYTES):
        raise ProtocolError(f"a bulk load ends with {len(rest)} bytes that begin with 0x{rest[0]:02X}, not with a DONE")


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= AT_ONCE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _batch(
    data: bytes, places: np.ndarray, columns: Sequence[ResultColumn], infos: Sequence[TypeInfo]
) -> pa.RecordBatch:
    data += PADDING
    bounds = places.T.astype(np.int64, order="C")
    arrays = [decode_column(data, bounds[n], bounds[n + 1], info) for n, info in enumerate(infos)]
    return pa.record_batch(arrays, [column.name for column in columns])


def decode_column(data: bytes, begins: np.ndarray, ends: np.ndarray, info: TypeInfo) -> pa.Array:
    """Return the values that stand, framed, between places of the data, which ends in PADDING.

    Raises ProtocolError, SqlError.
    """
    if info.framing is Framing.BARE and not info.width:
        return pa.nulls(len(begins), info.sql.arrow)
    if info.width:
        return _fixed(data, begins, ends, info)
    if info.framing is Framing.PLP:
        return decode_text(_chunked(data, begins, ends), info)
    head = int(info.framing)
    lengths = _numbers_at(data, begins, head)
    null = (lengths == 0) if info.framing is Framing.BYTE else (lengths == (1 << 8 * head) - 1)
    return decode_text(_taken(data, begins + head, ends, null), info)


def _fixed(data: bytes, begins: np.ndarray, ends: np.ndarray, info: TypeInfo) -> pa.Array:
    """Values of one width, gathered as a table of bytes."""
    head = int(info.framing is Framing.BYTE)
    lengths = ends - begins - head
    null = lengths <= 0
    # A decimal may be shorter than its precision allows.
    short = info.sql.kind is Kind.DECIMAL
    table = _table_at(data, begins + head, len(PADDING) if short else info.width)
    if short:
        table[np.arange(len(PADDING)) >= lengths[:, None]] = 0
    elif np.any((lengths != info.width) & ~null):
        raise ProtocolError(f"a {info.sql.kind.value} that is not {info.width} bytes long")
    # Zero is a value of every type, and it is cheaper to read it than to leave it out.
    table[null] = 0
    values = decode(table, info.sql, np.where(null, _SHORTEST_DECIMAL, lengths))
    if not null.any():
        return values
    valid = np.packbits(~null, bitorder="little")
    return pa.Array.from_buffers(values.type, len(values), [pa.py_buffer(valid), values.buffers()[1]])


def _table_at(data: bytes, places: np.ndarray, width: int) -> np.ndarray:
    """Copy so many bytes from every place: one memory copy per value, since the view has an element at every byte."""
    if not len(places):
        return np.empty((0, width), np.uint8)
    everywhere = np.ndarray(len(data) - width + 1, f"V{width}", data, strides=(1,))
    table: np.ndarray = everywhere[places].view(np.uint8)
    return table.reshape(-1, width)


def _numbers_at(data: bytes, places: np.ndarray, width: int) -> np.ndarray:
    table = np.zeros((len(places), 8), np.uint8)
    table[:, :width] = _table_at(data, places, width)
    return table.view("<i8")[:, 0]


def _taken(data: bytes, begins: np.ndarray, ends: np.ndarray, null: np.ndarray) -> pa.Array:
    """Copy values of any length: the data, cut at begins and ends, is a column of which every other value counts."""
    if not len(begins):
        return pa.array([], pa.binary())
    bounds = np.stack([begins, np.where(null, begins, ends)], axis=1).reshape(-1).astype(np.int32)
    everything = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    return everything.take(pa.array(np.arange(len(begins)) * 2, mask=null))


def _chunked(data: bytes, begins: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Values in chunks; nearly all come in one, and those that do not are joined one by one."""
    sizes = ends - begins
    null = sizes == 8
    first = np.zeros(len(begins), np.int64)
    filled = sizes > 12
    first[filled] = _numbers_at(data, begins[filled] + 8, 4)
    single = np.where(filled, sizes == first + 16, True)
    if single.all():
        _check_announced(_numbers_at(data, begins[filled], 8), first[filled])
        return _taken(data, begins + np.where(filled, 12, sizes), ends - np.where(filled, 4, 0), null)
    joined = [
        None if is_null else _joined(data, begin, end)
        for begin, end, is_null in zip(begins.tolist(), ends.tolist(), null.tolist(), strict=True)
    ]
    return pa.array(joined, pa.binary())


def _joined(data: bytes, begin: int, end: int) -> bytes:
    parts, place = [], begin + 8
    while place < end - 4:
        size = int.from_bytes(data[place : place + 4], "little")
        parts.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    joined = b"".join(parts)
    _check_announced(_numbers_at(data, np.array([begin]), 8), np.array([len(joined)]))
    return joined


def _check_announced(announced: np.ndarray, found: np.ndarray) -> None:
    if np.any((announced != found) & (announced != _UNKNOWN_LENGTH)):
        raise ProtocolError("a value in chunks that is not as long as it says")
