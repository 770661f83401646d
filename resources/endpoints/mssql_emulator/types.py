"""TYPE_INFO: how a type of SQL Server is written on the wire, and how its values are framed there.

Here lives the table of types in both directions; the bytes of values are made by `values`, rows by `rows` and `scan`.
It may import the standard library, `engine` and `reading`.

Source: MS-TDS 2.2.5.4 to 2.2.5.6 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, SqlError, SqlType
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader

COLLATION = struct.pack("<IB", 0x0409 | 1 << 25 | 1 << 26 | 2 << 28, 0)
"""Latin1_General_100_BIN2_UTF8: language 0x0409, compared by code points (bit 25), UTF-8 (bit 26), version 2."""
_UTF8 = 1 << 26
MAX = 0xFFFF
_LONGEST = 8000


class Framing(IntEnum):
    """How the length of a value is told: the number of bytes before it."""

    BARE = 0
    """Not at all: the type says it, and there is no NULL."""
    BYTE = 1
    """0 is NULL."""
    SHORT = 2
    """0xFFFF is NULL."""
    LONG = 4
    """0xFFFFFFFF is NULL. Only parameters of the deprecated TEXT, NTEXT and IMAGE."""
    PLP = 8
    """Behind them chunks with four bytes of length each, up to an empty one; all ones is NULL."""


@dataclass(frozen=True)
class TypeInfo:
    """A type as it is written on the wire."""

    sql: SqlType
    framing: Framing
    width: int = 0
    """Bytes of a value, where all have the same (a decimal may be shorter); 0 elsewhere."""
    utf8: bool = True
    """Whether the bytes of a char or varchar are UTF-8; else Windows-1252, the code page of language 0x0409."""


_SIZED = {
    Kind.BIT: 0x68,
    Kind.TINYINT: 0x26,
    Kind.SMALLINT: 0x26,
    Kind.INT: 0x26,
    Kind.BIGINT: 0x26,
    Kind.MONEY: 0x6E,
    Kind.REAL: 0x6D,
    Kind.FLOAT: 0x6D,
    Kind.DATETIME: 0x6F,
    Kind.SMALLDATETIME: 0x6F,
    Kind.UNIQUEIDENTIFIER: 0x24,
}
"""Tokens that a byte with the width follows."""
_SCALED = {Kind.TIME: 0x29, Kind.DATETIME2: 0x2A, Kind.DATETIMEOFFSET: 0x2B}
"""Tokens that a byte with the scale follows."""
_TEXTS = {
    Kind.CHAR: 0xAF,
    Kind.VARCHAR: 0xA7,
    Kind.NCHAR: 0xEF,
    Kind.NVARCHAR: 0xE7,
    Kind.BINARY: 0xAD,
    Kind.VARBINARY: 0xA5,
}
"""Tokens that two bytes with the length follow, and a collation where it is text."""
BINARIES = (Kind.BINARY, Kind.VARBINARY)
WIDE = (Kind.NCHAR, Kind.NVARCHAR, Kind.XML)
"""Text that travels as UTF-16."""

_BY_WIDTH = {(token, SqlType(kind).size): kind for kind, token in _SIZED.items()} | {(0x6E, 4): Kind.MONEY}
_BY_SCALE = {token: kind for kind, token in _SCALED.items()}
_BY_LENGTH = {token: kind for kind, token in _TEXTS.items()}
_BARE = {
    0x30: (Kind.TINYINT, 1),
    0x32: (Kind.BIT, 1),
    0x34: (Kind.SMALLINT, 2),
    0x38: (Kind.INT, 4),
    0x7F: (Kind.BIGINT, 8),
    0x3A: (Kind.SMALLDATETIME, 4),
    0x3D: (Kind.DATETIME, 8),
    0x3B: (Kind.REAL, 4),
    0x3E: (Kind.FLOAT, 8),
    0x7A: (Kind.MONEY, 4),
    0x3C: (Kind.MONEY, 8),
}
_OLD = {0x2F: Kind.CHAR, 0x27: Kind.VARCHAR, 0x2D: Kind.BINARY, 0x25: Kind.VARBINARY}
_LONG = {0x23: Kind.VARCHAR, 0x63: Kind.NVARCHAR, 0x22: Kind.VARBINARY}
_REFUSED = {0x62: "sql_variant", 0xF0: "a CLR type", 0xF3: "a table-valued parameter", 0xF4: "json", 0xF5: "vector"}


def type_info(sql: SqlType) -> TypeInfo:
    """Return how values of a type are framed."""
    if sql.kind is Kind.XML or (sql.kind in _TEXTS and sql.length is None):
        return TypeInfo(sql, Framing.PLP)
    if sql.kind in _TEXTS:
        return TypeInfo(sql, Framing.SHORT)
    return TypeInfo(sql, Framing.BYTE, sql.size)


def write_type(sql: SqlType) -> bytes:
    """Return the TYPE_INFO of a type. A length that does not fit its kind is an error of the engine: ValueError."""
    kind = sql.kind
    if kind in _SIZED:
        return bytes([_SIZED[kind], sql.size])
    if kind in _SCALED:
        return bytes([_SCALED[kind], sql.scale])
    if kind is Kind.DECIMAL:
        return bytes([0x6A, sql.size, sql.precision, sql.scale])
    if kind is Kind.DATE:
        return b"\x28"
    if kind is Kind.XML:
        return b"\xf1\0"
    size = MAX if sql.length is None else longest(sql)
    if size != MAX and size > _LONGEST:
        raise ValueError(f"{kind.value}({sql.length}): a length of at most {_LONGEST} bytes, or MAX, is possible")
    # A length of 0, as of the literal '', is told as 1: drivers take 0 for an error.
    size = max(size, 2 if kind in WIDE else 1)
    return bytes([_TEXTS[kind]]) + struct.pack("<H", size) + (b"" if kind in BINARIES else COLLATION)


def longest(sql: SqlType) -> int:
    """Return how many bytes a value of a type with a length may have."""
    return (sql.length or 0) * (2 if sql.kind in WIDE else 1)


def too_long(column: ResultColumn) -> SqlError:
    """Return the error of a value that is longer than COLMETADATA says: a client would lose its place behind it."""
    sql = column.type
    return SqlError(
        8624, f"A result was not read: a value of column {column.name!r} is longer than {sql.kind}({sql.length})."
    )


def read_type(reader: Reader) -> TypeInfo:
    """Read a TYPE_INFO. Raises ProtocolError for a type that SQL Server 2022 has and this endpoint has not."""
    token = reader.u8()
    read = _READERS.get(token)
    if read is None:
        raise ProtocolError(f"type 0x{token:02X} ({_REFUSED.get(token, 'unknown')}) is not supported by this endpoint")
    return read(reader, token)


def _read_bare(_: Reader, token: int) -> TypeInfo:
    kind, width = _BARE[token]
    return TypeInfo(SqlType(kind), Framing.BARE, width)


def _read_null(_: Reader, __: int) -> TypeInfo:
    """The type of a NULL that has none."""
    return TypeInfo(SqlType(Kind.NVARCHAR, 4000), Framing.BARE)


def _read_sized(reader: Reader, token: int) -> TypeInfo:
    width = reader.u8()
    kind = _BY_WIDTH.get((token, width))
    if kind is None:
        raise ProtocolError(f"type 0x{token:02X} has no width of {width} bytes")
    return TypeInfo(SqlType(kind), Framing.BYTE, width)


def _read_scaled(reader: Reader, token: int) -> TypeInfo:
    return type_info(SqlType(_BY_SCALE[token], scale=_at_most(reader.u8(), 7, "a scale")))


def _read_date(_: Reader, __: int) -> TypeInfo:
    return type_info(SqlType(Kind.DATE))


def _read_decimal(reader: Reader, _: int) -> TypeInfo:
    # The size follows from the precision; a client of Microsoft's says 106 here.
    reader.u8()
    precision = _at_most(reader.u8(), 38, "the precision of a decimal")
    scale = _at_most(reader.u8(), precision, "the scale of a decimal")
    return type_info(SqlType(Kind.DECIMAL, precision=max(precision, 1), scale=scale))


def _read_text(reader: Reader, token: int) -> TypeInfo:
    return _text(reader, _BY_LENGTH[token], reader.u16())


def _read_old(reader: Reader, token: int) -> TypeInfo:
    info = _text(reader, _OLD[token], reader.u8())
    return TypeInfo(info.sql, Framing.BYTE, utf8=info.utf8)


def _read_long(reader: Reader, token: int) -> TypeInfo:
    _at_most(reader.u32(), 0x7FFFFFFF, "a length")
    info = _text(reader, _LONG[token], MAX)
    return TypeInfo(info.sql, Framing.LONG, utf8=info.utf8)


def _text(reader: Reader, kind: Kind, size: int) -> TypeInfo:
    utf8 = True if kind in BINARIES else bool(int.from_bytes(reader.take(5)[:4], "little") & _UTF8)
    if size == MAX:
        return TypeInfo(SqlType(kind), Framing.PLP, utf8=utf8)
    _at_most(size, _LONGEST, "a length")
    length = size // 2 if kind in WIDE else size
    return TypeInfo(SqlType(kind, max(length, 1)), Framing.SHORT, utf8=utf8)


def _read_xml(reader: Reader, _: int) -> TypeInfo:
    if reader.u8():
        # The name of a schema collection: database, owner, collection.
        reader.b_varchar()
        reader.b_varchar()
        reader.text(reader.u16())
    return type_info(SqlType(Kind.XML))


_READERS: dict[int, Callable[[Reader, int], TypeInfo]] = {
    0x1F: _read_null,
    0x28: _read_date,
    0xF1: _read_xml,
    **dict.fromkeys((0x6A, 0x6C, 0x37, 0x3F), _read_decimal),
    **dict.fromkeys(_BARE, _read_bare),
    **dict.fromkeys(_BY_SCALE, _read_scaled),
    **dict.fromkeys(_BY_LENGTH, _read_text),
    **dict.fromkeys(_OLD, _read_old),
    **dict.fromkeys(_LONG, _read_long),
    **dict.fromkeys((token for token, _ in _BY_WIDTH), _read_sized),
}


def _at_most(number: int, most: int, what: str) -> int:
    if number > most:
        raise ProtocolError(f"{what} of {number} is more than {most}")
    return number
