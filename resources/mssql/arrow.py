"""How the drivers' Arrow differs from the canonical form: whole columns are cast, no value changes.

Here lives conversion alone; rows flow in `session` and `writers`. It may import `matrix_defs`, `codecs` and pyarrow.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs

UUID = ARROW[LogicalType.UUID]

_TO_BYTES = codecs.over_values(codecs.uuid_bytes)
_TO_TEXT = codecs.over_values(codecs.uuid_text)


def from_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return rows of these columns, read in this order, in canonical form.

    A UNIQUEIDENTIFIER comes as text, a TIME in nanoseconds, a DATETIMEOFFSET as an instant at +00:00.
    """
    arrays = [
        _TO_BYTES(array) if column.type is LogicalType.UUID else array.cast(ARROW[column.type])
        for column, array in zip(columns, rows.columns, strict=True)
    ]
    return pa.record_batch(arrays, names=[column.name for column in columns])


def uuids_as_text(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with UUIDs as text, which has one order of bytes, while a UNIQUEIDENTIFIER has another."""
    arrays = [_TO_TEXT(array) if array.type == UUID else array for array in rows.columns]
    return pa.record_batch(arrays, names=rows.schema.names)
