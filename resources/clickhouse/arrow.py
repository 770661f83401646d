"""How ClickHouse's Arrow differs from the canonical form, both ways: values keep their bits, only types change.

Here lives conversion alone; streams are opened in `server`. It may import `matrix_defs` and pyarrow.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.table import ARROW, Column, LogicalType

READ_SETTINGS = "output_format_arrow_string_as_string = 0, output_format_arrow_compression_method = 'none'"
"""Settings of every read: String holds any bytes, and Arrow's own string would be invalid for some; packing costs more
than it saves on one machine."""


def to_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return canonical rows as they are inserted into columns of these types."""
    arrays = [
        rows.column(column.name).cast(pa.int64()) if column.type is LogicalType.TIME else rows.column(column.name)
        for column in columns
    ]
    return pa.record_batch(arrays, names=[column.name for column in columns])


def from_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return what a query of these columns gave in canonical form. Raises ArrowInvalid for text that is no UTF-8."""
    arrays = []
    for column, array in zip(columns, rows.columns, strict=True):
        stored = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        arrays.append(stored.cast(ARROW[column.type]))
    return pa.record_batch(arrays, schema=pa.schema([column.field for column in columns]))
