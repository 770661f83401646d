"""PostgreSQL's types table, and how its driver's Arrow differs from the canonical form.

Here live types alone; statements live in `dialect`. It may import `matrix_defs`, `types_table` and pyarrow.
https://www.postgresql.org/docs/current/datatype.html
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.table import ARROW, Column, LogicalType
from resources.types_table import StoredType, TypesTable

TYPES: TypesTable = {
    LogicalType.BOOL: StoredType("boolean"),
    LogicalType.INT16: StoredType("smallint"),
    LogicalType.INT32: StoredType("integer"),
    LogicalType.INT64: StoredType("bigint"),
    LogicalType.DECIMAL_18_4: StoredType("numeric(18, 4)", "read as text, cast exactly"),
    LogicalType.DECIMAL_38_9: StoredType("numeric(38, 9)", "read as text, cast exactly"),
    LogicalType.FLOAT64: StoredType("double precision"),
    LogicalType.TEXT: StoredType("text"),
    LogicalType.BINARY: StoredType("bytea"),
    LogicalType.DATE: StoredType("date"),
    LogicalType.TIME: StoredType("time(6)"),
    LogicalType.DATETIME: StoredType("timestamp(6)"),
    LogicalType.INSTANT: StoredType("timestamptz(6)"),
    LogicalType.UUID: StoredType("uuid", "16 bytes behind Arrow's uuid extension"),
    LogicalType.JSON: StoredType("jsonb", "text with keys ordered and spaces set as jsonb prints them"),
}

# A binary COPY takes a value only in its column's own type: uuid and jsonb must be told apart from bytes and text.
_EXTENSIONS: dict[LogicalType, pa.BaseExtensionType] = {LogicalType.UUID: pa.uuid(), LogicalType.JSON: pa.json_()}


READ_AS_TEXT = {kind for kind in TYPES if pa.types.is_decimal(ARROW[kind])}
"""What the server prints for ADBC, which makes text of a numeric too, but takes a third longer for a wide row by it."""


def to_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return canonical rows as ADBC writes them into tables of these types."""
    arrays = [
        pa.ExtensionArray.from_storage(_EXTENSIONS[column.type], rows.column(column.name))
        if column.type in _EXTENSIONS
        else rows.column(column.name)
        for column in columns
    ]
    return pa.record_batch(arrays, names=[column.name for column in columns])


def from_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return what ADBC read in canonical form."""
    arrays = []
    for column, array in zip(columns, rows.columns, strict=True):
        stored = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        arrays.append(stored.cast(ARROW[column.type]))
    return pa.record_batch(arrays, names=[column.name for column in columns])
