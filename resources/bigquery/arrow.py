"""How BigQuery's Arrow and Parquet differ from the canonical form, both ways: types change, values do not.

Here lives conversion alone; files and streams are opened in `session`. It may import `matrix_defs`, `codecs` and
pyarrow.
"""

from collections.abc import Sequence

import pyarrow as pa

from matrix_defs.table import ARROW, Column, LogicalType
from resources import codecs

_STORED = {
    LogicalType.INT16: pa.int64(),
    LogicalType.INT32: pa.int64(),
    LogicalType.UUID: pa.string(),
}
"""The types that are stored as another Arrow type."""

_TO_TEXT = codecs.over_values(codecs.uuid_text)
_TO_BYTES = codecs.over_values(codecs.uuid_bytes)


def file_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a file with these columns: a load job takes a required column only from a required field."""
    return pa.schema([pa.field(c.name, _STORED.get(c.type, ARROW[c.type]), c.nullable) for c in columns])


def to_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return canonical rows as they are written to a file of these columns."""
    schema = file_schema(columns)
    arrays = [
        _TO_TEXT(rows.column(c.name))
        if c.type is LogicalType.UUID
        else rows.column(c.name).cast(schema.field(c.name).type)
        for c in columns
    ]
    return pa.record_batch(arrays, schema=schema)


def from_driver(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return rows of these columns, which may stand in any order, in canonical form.

    Raises ValueError for a UUID's text that is none.
    """
    arrays = [
        _TO_BYTES(rows.column(c.name)) if c.type is LogicalType.UUID else rows.column(c.name).cast(ARROW[c.type])
        for c in columns
    ]
    return pa.record_batch(arrays, schema=pa.schema([c.field for c in columns]))
