"""The types table of BigQuery.

Here live type names and what reads back; statements live in `dialect`. It may import `matrix_defs` and `types_table`.

No logical type loses a value: NUMERIC is exactly decimal(38, 9), and the temporal types reach from year 1 to 9999 in
microseconds (https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types).
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
    LogicalType.DECIMAL_38_9: StoredType("NUMERIC"),
    LogicalType.FLOAT64: StoredType("FLOAT64"),
    LogicalType.TEXT: StoredType("STRING"),
    LogicalType.BINARY: StoredType("BYTES"),
    LogicalType.DATE: StoredType("DATE"),
    LogicalType.TIME: StoredType("TIME"),
    LogicalType.DATETIME: StoredType("DATETIME"),
    LogicalType.INSTANT: StoredType("TIMESTAMP"),
    LogicalType.UUID: StoredType("STRING", "lower-case text, turned into 16 bytes"),
    LogicalType.JSON: StoredType(
        "JSON",
        "printed anew in canonical form: BigQuery drops blanks and orders keys its own way; "
        "a number that it cannot hold exactly is refused",
    ),
}
