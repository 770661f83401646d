"""The words of the data model: logical types, columns, and the table that a load moves.

Here live types as the workload means them; how a system stores one is said in that system's types table.
It may import pyarrow only.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import pyarrow as pa


class LogicalType(StrEnum):
    """A type that every system must carry, whatever it calls it there.

    Canonical Arrow forms are in `ARROW`. `instant` is a point in time (UTC), `datetime` a wall-clock reading without
    zone, both in microseconds. `uuid` is its 16 bytes. `json` is text in the form that PostgreSQL's jsonb prints: keys
    ordered by length, then bytes; one space after `:` and `,`; non-ASCII characters as they are.
    """

    BOOL = "bool"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    DECIMAL_18_4 = "decimal_18_4"
    DECIMAL_38_9 = "decimal_38_9"
    FLOAT64 = "float64"
    TEXT = "text"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    INSTANT = "instant"
    UUID = "uuid"
    JSON = "json"


ARROW: dict[LogicalType, pa.DataType] = {
    LogicalType.BOOL: pa.bool_(),
    LogicalType.INT16: pa.int16(),
    LogicalType.INT32: pa.int32(),
    LogicalType.INT64: pa.int64(),
    LogicalType.DECIMAL_18_4: pa.decimal128(18, 4),
    LogicalType.DECIMAL_38_9: pa.decimal128(38, 9),
    LogicalType.FLOAT64: pa.float64(),
    LogicalType.TEXT: pa.string(),
    LogicalType.BINARY: pa.binary(),
    LogicalType.DATE: pa.date32(),
    LogicalType.TIME: pa.time64("us"),
    LogicalType.DATETIME: pa.timestamp("us"),
    LogicalType.INSTANT: pa.timestamp("us", tz="UTC"),
    LogicalType.UUID: pa.binary(16),
    LogicalType.JSON: pa.string(),
}
"""The canonical Arrow form of each logical type: what a source hands over, a sink accepts, and `compare` compares."""


@dataclass(frozen=True)
class Column:
    """A named column of a logical type."""

    name: str
    type: LogicalType
    nullable: bool = True

    @property
    def field(self) -> pa.Field:
        """The column as an Arrow field in canonical form. Arrow's own NOT NULL is not used: it is a DDL's matter."""
        return pa.field(self.name, ARROW[self.type])


@dataclass(frozen=True)
class TableSpec:
    """A table: its columns in order, its key, its cursor and its partition column."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Names of the key columns, all NOT NULL, compared one by one and never concatenated."""
    cursor: str
    """The instant column that incremental reads follow."""
    partition: str
    """The date column that windows and partitions are cut by."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def hashed(self) -> tuple[str, ...]:
        """Names of the columns that `row_hash` covers: every source column that is not in the key."""
        return tuple(name for name in self.names if name not in self.key)

    @cached_property
    def schema(self) -> pa.Schema:
        """The canonical Arrow schema."""
        return pa.schema([column.field for column in self.columns])

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The key's columns, in the key's order."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)

    def keyed_by(self, key: tuple[str, ...]) -> "TableSpec":
        """The same table with another key; the key's columns become NOT NULL."""
        columns = tuple(replace(c, nullable=False) if c.name in key else c for c in self.columns)
        return replace(self, columns=columns, key=key)
