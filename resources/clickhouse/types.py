"""ClickHouse's types table: how each logical type is stored and how it reads back.

Here live types alone; Arrow conversions live in `arrow`, statements in `dialect`. It may import `matrix_defs` and
`types_table`.
https://clickhouse.com/docs/sql-reference/data-types
"""

from matrix_defs.table import LogicalType
from resources.types_table import StoredType, TypesTable

TYPES: TypesTable = {
    LogicalType.BOOL: StoredType("Bool"),
    LogicalType.INT16: StoredType("Int16"),
    LogicalType.INT32: StoredType("Int32"),
    LogicalType.INT64: StoredType("Int64"),
    LogicalType.DECIMAL_18_4: StoredType("Decimal(18, 4)"),
    LogicalType.DECIMAL_38_9: StoredType("Decimal(38, 9)"),
    LogicalType.FLOAT64: StoredType("Float64"),
    LogicalType.TEXT: StoredType("String", "bytes, read as UTF-8"),
    LogicalType.BINARY: StoredType("String"),
    # Date and DateTime end in 2149 and 2106; these reach from 1900 to 2299.
    LogicalType.DATE: StoredType("Date32"),
    # Time64 passes through Arrow only since 26.6; before, it comes back as another type or not at all
    # (https://github.com/ClickHouse/ClickHouse/pull/104316).
    LogicalType.TIME: StoredType("Int64", "widened: microseconds since midnight, a time of day again once read"),
    LogicalType.DATETIME: StoredType("DateTime64(6, 'UTC')", "the zone is dropped, the wall clock kept"),
    LogicalType.INSTANT: StoredType("DateTime64(6, 'UTC')"),
    LogicalType.UUID: StoredType("UUID", "its 16 bytes, behind Arrow's uuid extension on newer servers"),
    # The type JSON stores paths and would lose spacing, key order and the text of numbers.
    LogicalType.JSON: StoredType("String", "JSON text exactly as given"),
}
