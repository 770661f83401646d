"""Arrow batches as ROW tokens, column by column, without a Python object per cell.

Here lives the framing of values and how columns are woven into rows; the bytes of values are made by `values` and
`texts`. It may import numpy, pyarrow, the modules of the wire below it and `resources.weave`.

Source: MS-TDS 2.2.7.19 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import ResultColumn, SqlType
from resources.endpoints.mssql_emulator.texts import encode_text
from resources.endpoints.mssql_emulator.types import Framing, longest, too_long, type_info
from resources.endpoints.mssql_emulator.values import encode
from resources.weave import weave

_AT_ONCE = 8 << 20
"""About how many bytes of rows are laid out together."""
_SHARED = [b"\xd1", b"\0", b"\xff\xff", b"\xff" * 8, b"\0" * 12, b"\0" * 4]
"""Pieces that every column may use."""
_ROW, _NULL, _NULL_SHORT, _NULL_PLP, _EMPTY_PLP, _END_PLP = range(6)
_NOTHING = -1


class _Pieces:
    """Pieces of rows, by number."""

    def __init__(self) -> None:
        self._data = [np.frombuffer(b"".join(_SHARED), np.uint8)]
        self._lengths = [np.array([len(piece) for piece in _SHARED])]
        self._count = len(_SHARED)

    def add(self, data: np.ndarray, lengths: np.ndarray) -> int:
        """Add one piece per length; return the number of the first."""
        first, self._count = self._count, self._count + len(lengths)
        self._data.append(data.reshape(-1))
        self._lengths.append(lengths)
        return first

    def add_table(self, table: np.ndarray) -> int:
        """Add one piece per row of a table of bytes."""
        return self.add(table, np.full(len(table), table.shape[1]))

    def array(self) -> pa.Array:
        offsets = np.zeros(self._count + 1, np.int32)
        np.cumsum(np.concatenate(self._lengths), out=offsets[1:])
        data = np.concatenate(self._data)
        return pa.Array.from_buffers(pa.binary(), self._count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def encode_rows(batch: pa.RecordBatch, columns: Sequence[ResultColumn]) -> Iterator[memoryview]:
    """Yield the rows of a batch as ROW tokens. Raises TypeError where an Arrow type is not that of its column,
    SqlError 8624 for a value that is longer than its column's type says.
    """
    for column, field in zip(columns, batch.schema, strict=True):
        if field.type != column.type.arrow:
            raise TypeError(f"column {column.name!r} ({column.type.kind}) came as {field.type}")
    if not batch.num_rows:
        return
    # UTF-16 doubles what is text; a framing is a few bytes.
    width = 2 * batch.nbytes // batch.num_rows + 4 * batch.num_columns + 1
    rows = max(1, _AT_ONCE // width)
    for begin in range(0, batch.num_rows, rows):
        yield _woven(batch.slice(begin, rows), columns)


def encode_value(value: object, sql: SqlType) -> bytes:
    """Return one value as it stands in a RETURNVALUE token: framed, NULL included."""
    array = pa.array([value], sql.arrow)
    batch = pa.record_batch([array], ["value"])
    return bytes(_woven(batch, [ResultColumn("", sql)]))[1:]


def _woven(batch: pa.RecordBatch, columns: Sequence[ResultColumn]) -> memoryview:
    pieces = _Pieces()
    places = [np.full(batch.num_rows, _ROW)]
    for array, column in zip(batch.columns, columns, strict=True):
        places += _column(array, column, pieces)
    return memoryview(weave(pieces.array(), np.stack(places, axis=1)).buffers()[2])


def _column(array: pa.Array, column: ResultColumn, pieces: _Pieces) -> list[np.ndarray]:
    """Add the pieces of a column; return for every row which come, in order."""
    info = type_info(column.type)
    valid = np.asarray(array.is_valid())
    values = array.drop_null() if array.null_count else array
    if info.framing is Framing.BYTE:
        table = encode(values, info.sql)
        framed = np.empty((len(table), 1 + info.width), np.uint8)
        framed[:, 0] = info.width
        framed[:, 1:] = table
        return [_places(valid, pieces.add_table(framed), _NULL)]
    data, lengths = encode_text(values, info)
    if info.framing is Framing.SHORT:
        if np.any(lengths > longest(info.sql)):
            raise too_long(column)
        heads = pieces.add_table(lengths.astype("<u2").view(np.uint8).reshape(-1, 2))
        return [_places(valid, heads, _NULL_SHORT), _places(valid, pieces.add(data, lengths), _NOTHING)]
    return _plp(valid, data, lengths, pieces)


def _plp(valid: np.ndarray, data: np.ndarray, lengths: np.ndarray, pieces: _Pieces) -> list[np.ndarray]:
    """A value of any length as one chunk; an empty one has none."""
    heads = np.empty((len(lengths), 12), np.uint8)
    heads[:, :8] = lengths.astype("<u8").view(np.uint8).reshape(-1, 8)
    heads[:, 8:] = lengths.astype("<u4").view(np.uint8).reshape(-1, 4)
    filled = valid.copy()
    filled[valid] = lengths > 0
    head = _places(valid, pieces.add_table(heads), _NULL_PLP)
    head[valid & ~filled] = _EMPTY_PLP
    return [
        head,
        _places(valid, pieces.add(data, lengths), _NOTHING),
        np.where(filled, _END_PLP, _NOTHING),
    ]


def _places(valid: np.ndarray, first: int, null: int) -> np.ndarray:
    return np.where(valid, first + np.cumsum(valid) - 1, null)
