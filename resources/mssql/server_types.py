"""The types that SQL Server has, and asking a server which of them it lacks.

Here lives no mapping: as what the workload's types are stored is said in `types`. It may import `driver` alone.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from resources.mssql import driver

SERVER_TYPES = (
    *("BIT", "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL(38, 19)", "NUMERIC(38, 38)", "MONEY", "SMALLMONEY"),
    *("REAL", "FLOAT(53)", "DATE", "TIME(7)", "SMALLDATETIME", "DATETIME", "DATETIME2(7)", "DATETIMEOFFSET(7)"),
    *("CHAR(8)", "VARCHAR(8000)", "VARCHAR(MAX)", "TEXT", "NCHAR(8)", "NVARCHAR(4000)", "NVARCHAR(MAX)", "NTEXT"),
    *("BINARY(8)", "VARBINARY(8000)", "VARBINARY(MAX)", "IMAGE", "UNIQUEIDENTIFIER", "ROWVERSION", "SQL_VARIANT"),
    *("XML", "JSON", "VECTOR(3)", "HIERARCHYID", "GEOMETRY", "GEOGRAPHY"),
)
"""https://learn.microsoft.com/sql/t-sql/data-types/data-types-transact-sql; JSON and VECTOR since SQL Server 2025."""

_LONGEST = {
    "TIME(7)": "10:00:00.1234567",
    "DATETIME2(7)": "2026-01-01 10:00:00.1234567",
    "DATETIMEOFFSET(7)": "2026-01-01 10:00:00.1234567 +00:00",
}
"""Values that an engine without SQL Server's precision, 100 nanoseconds, cannot hold."""
OFFSET = "offset of DATETIMEOFFSET"
_ELSEWHERE = "2026-01-01 10:00:00 +02:00"


def lacking(connection: Any) -> Mapping[str, str]:
    """Return by type what the server says when it is asked for a column of it, or what it makes of a long value.

    A type that it takes and keeps is absent. Every type is tried in a temporary table, which takes no privilege.
    """
    refusal = driver.load("pyodbc").Error
    found = {}
    for name in SERVER_TYPES:
        try:
            with closing(connection.execute(f"CREATE TABLE #offered (v {name})")) as cursor:
                cursor.execute("DROP TABLE #offered")
        except refusal as error:
            found[name] = driver.explain(error)
    for name in [name for name in _LONGEST if name not in found]:
        kept = connection.execute(f"SELECT CAST(CAST('{_LONGEST[name]}' AS {name}) AS NVARCHAR(40))").fetchone()[0]
        if kept != _LONGEST[name]:
            found[name] = f"{_LONGEST[name]} becomes {kept}"
    if not _keeps_offsets(connection, refusal):
        found[OFFSET] = "the instant is kept, the offset is shown as +00:00"
    return found


def _keeps_offsets(connection: Any, refusal: type[Exception]) -> bool:
    """Tell whether the offset of a datetimeoffset can be read back; it is no matter of the instant."""
    try:
        kept = connection.execute(f"SELECT CAST(CAST('{_ELSEWHERE}' AS DATETIMEOFFSET(0)) AS NVARCHAR(40))").fetchone()
    except refusal:
        return False
    return bool(kept[0] == _ELSEWHERE)
