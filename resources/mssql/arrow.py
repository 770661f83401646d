"""How the drivers' Arrow differs from the canonical form: whole columns are cast, no value changes.

Here lives conversion alone; rows flow in `session` and `writers`. It may import `matrix_defs`, `codecs` and pyarrow.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs

UUID, INSTANT = ARROW[LogicalType.UUID], ARROW[LogicalType.INSTANT]
_AT_ZERO = pa.timestamp("us", "+00:00")

_TO_BYTES = codecs.over_values(codecs.uuid_bytes)
_TO_TEXT = codecs.over_values(codecs.uuid_text)


def from_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return rows of these columns, read in this order, in canonical form.

    A UNIQUEIDENTIFIER comes as text, a TIME in nanoseconds, a DATETIMEOFFSET as an instant at +00:00.
    """
    arrays = [
        _TO_BYTES(array.cast(pa.string())) if column.type is LogicalType.UUID else array.cast(ARROW[column.type])
        for column, array in zip(columns, rows.columns, strict=True)
    ]
    return pa.record_batch(arrays, names=[column.name for column in columns])


def aligned(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with every decimal at a multiple of 16 bytes, copied where it is not.

    The bulk copy's Arrow takes no other; a batch that was read from a stream promises multiples of 8 alone.
    """
    return pa.record_batch([_aligned(array) for array in rows.columns], schema=rows.schema)


def _aligned(array: pa.Array) -> pa.Array:
    data = array.buffers()[1]
    if not pa.types.is_decimal128(array.type) or data is None or data.address % 16 == 0:
        return array
    return pa.concat_arrays([array, array.slice(0, 0)])


def to_file(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return canonical rows as arrow-bcp writes them to files.

    A UUID goes as text, because the bytes of a UNIQUEIDENTIFIER have another order, an instant with a numeric zone.
    """
    return pa.record_batch([_filed(array) for array in rows.columns], names=rows.schema.names)


def _filed(array: pa.Array) -> pa.Array:
    if array.type == UUID:
        return _TO_TEXT(array)
    return array.cast(_AT_ZERO) if array.type == INSTANT else array
