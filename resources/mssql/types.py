"""The types table of SQL Server.

Here live type names and what reads back; statements live in `dialect`. It may import `matrix_defs` and `types_table`.

No logical type loses a value: DATE, DATETIME2 and DATETIMEOFFSET reach from year 1 to 9999 and hold microseconds
exactly at precision 6, DECIMAL holds 38 digits, FLOAT(53) is a double.
"""

from matrix_defs.table import LogicalType
from resources.types_table import StoredType, TypesTable

COLLATION = "Latin1_General_100_BIN2"
"""Compares code points: the server's default collation takes keys for equal that differ only by case or accent.

NVARCHAR is UTF-16 under any collation, so the UTF-8 variant of 2019 would change nothing but the oldest version.
"""

SHORT_TEXT = f"NVARCHAR(400) COLLATE {COLLATION}"
"""Text that is NOT NULL, so every text key: an index key ends at 900 bytes, and MAX types cannot be in one
(https://learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server). Longer text is refused."""

TYPES: TypesTable = {
    LogicalType.BOOL: StoredType("BIT"),
    LogicalType.INT16: StoredType("SMALLINT"),
    LogicalType.INT32: StoredType("INT"),
    LogicalType.INT64: StoredType("BIGINT"),
    LogicalType.DECIMAL_18_4: StoredType("DECIMAL(18, 4)"),
    LogicalType.DECIMAL_38_9: StoredType("DECIMAL(38, 9)"),
    LogicalType.FLOAT64: StoredType("FLOAT(53)", "as written; NaN and the infinities are refused"),
    LogicalType.TEXT: StoredType(
        f"NVARCHAR(MAX) COLLATE {COLLATION}", "as written; a text key is NVARCHAR(400), and longer ones are refused"
    ),
    LogicalType.BINARY: StoredType("VARBINARY(MAX)"),
    LogicalType.DATE: StoredType("DATE"),
    LogicalType.TIME: StoredType("TIME(6)"),
    LogicalType.DATETIME: StoredType("DATETIME2(6)"),
    LogicalType.INSTANT: StoredType("DATETIMEOFFSET(6)", "with offset +00:00, which is UTC"),
    LogicalType.UUID: StoredType("UNIQUEIDENTIFIER", "text, turned into 16 bytes in the order of the text"),
    LogicalType.JSON: StoredType(f"NVARCHAR(MAX) COLLATE {COLLATION}", "as the text that was written"),
}
