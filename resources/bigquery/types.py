"""The types table of BigQuery.

Here live type names and what reads back; statements live in `dialect`, conversions in `arrow`. It may import
`matrix_defs` and `types_table`.

No logical type loses a value: NUMERIC is exactly decimal(38, 9), so that none needs BIGNUMERIC, and the temporal types
reach from year 1 to 9999 in microseconds (https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types).
"""

from matrix_defs.table import LogicalType
from resources.types_table import StoredType, TypesTable

_INTEGER = StoredType("INT64", "a wider integer, narrowed")

TYPES: TypesTable = {
    LogicalType.BOOL: StoredType("BOOL"),
    LogicalType.INT16: _INTEGER,
    LogicalType.INT32: _INTEGER,
    LogicalType.INT64: StoredType("INT64"),
    LogicalType.DECIMAL_18_4: StoredType("NUMERIC(18, 4)", "as decimal(38, 9), narrowed"),
    LogicalType.DECIMAL_38_9: StoredType("NUMERIC(38, 9)"),
    LogicalType.FLOAT64: StoredType("FLOAT64"),
    LogicalType.TEXT: StoredType("STRING"),
    LogicalType.BINARY: StoredType("BYTES"),
    LogicalType.DATE: StoredType("DATE"),
    LogicalType.TIME: StoredType("TIME"),
    LogicalType.DATETIME: StoredType("DATETIME"),
    LogicalType.INSTANT: StoredType("TIMESTAMP"),
    LogicalType.UUID: StoredType("STRING", "lower-case text, turned into 16 bytes"),
    # A load job takes no Parquet into a column of type JSON (https://github.com/googleapis/python-bigquery/issues/1966),
    # and the type would drop blanks, order keys its own way and refuse numbers that it cannot hold exactly.
    LogicalType.JSON: StoredType("STRING", "JSON text exactly as given; PARSE_JSON makes the type JSON of it"),
}
