"""CAST, CONVERT and their TRY forms: one value of a known type as another type.

Here lives the SQL of conversions; dates and times live in `moments`, types in `types`. It may import both, `scope` and
`tokens`.

What SQL Server converts and this table does not hold is refused, and so is an operand whose type is not known: a
conversion that is guessed would change values silently (PostgreSQL rounds where T-SQL cuts, prints dates otherwise).
https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql
"""

import re
from dataclasses import replace

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.moments import iso_literal, time_as_text, time_from_string, to_time
from resources.endpoints.mssql_emulator.tsql.scope import Piece
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_UTC_STYLE = 127
"""In which a datetimeoffset is written at offset zero, whatever its own is."""
_OFFSET = re.compile(r":\d\d(\.\d+)? *[+-](?!00:?00)")


def cast(piece: Piece, to: SqlType, style: int | None = None) -> Piece:
    """Return the value as that type. Raises SqlError 102 for a conversion that is not known."""
    if to.kind is not Kind.DATETIMEOFFSET and style != _UTC_STYLE:
        by_clock(piece, f"conversion of datetimeoffset to {types.type_name(to)}")
    sql = _cast(piece, to, style)
    return Piece(sql, to, piece.name, utc=to.kind is Kind.DATETIMEOFFSET and _at_zero(piece))


def by_clock(piece: Piece, what: str) -> None:
    """Refuse what depends on the offset of a datetimeoffset, unless that is known to be zero. Raises SqlError 102."""
    if piece.type is not None and piece.type.kind is Kind.DATETIMEOFFSET and not piece.utc and not piece.null:
        raise refused(f"{what}, whose offset is not kept; SWITCHOFFSET(..., '+00:00') makes it zero")


def _at_zero(piece: Piece) -> bool:
    if piece.type is None or piece.type.kind not in types.STRINGS:
        return piece.utc or (piece.type is not None and piece.type.kind is not Kind.DATETIMEOFFSET)
    return piece.literal and not _OFFSET.search(piece.sql)


def try_cast(piece: Piece, to: SqlType, style: int | None = None) -> Piece:
    """Return the value as that type, NULL where it cannot be one. Raises SqlError 102."""
    done = cast(piece, to, style)
    source = piece.type
    if piece.null or source == to or to.kind in types.STRINGS | types.BINARIES:
        return done
    if source is not None and source.kind in types.STRINGS:
        return _read_if_valid(piece, to, style)
    kinds = (source.kind, to.kind) if source is not None else (None, to.kind)
    if source is not None and source.kind in types.NUMBERS and to.kind in _RANGES:
        low, high = _RANGES[to.kind]
        inside = f"trunc(CAST({exact(piece.sql, source)} AS numeric)) BETWEEN {low} AND {high}"
        return Piece(f"CASE WHEN {inside} THEN {done.sql} END", to, piece.name)
    if source is not None and source.kind in types.NUMBERS and to.kind is Kind.DECIMAL:
        inside = f"abs(round(CAST({exact(piece.sql, source)} AS numeric), {to.scale})) < 1e{to.precision - to.scale}"
        return Piece(f"CASE WHEN {inside} THEN {done.sql} END", to, piece.name)
    if (kinds[0] in types.INTEGERS and to.kind in types.FLOATS) or (kinds[0] in types.NUMBERS and to.kind is Kind.BIT):
        return done
    if kinds[0] in types.TIMES and to.kind in types.TIMES:
        return _in_range(piece, done)
    raise refused(f"TRY_CAST to {types.type_name(to)} of a {kinds[0] or 'value of unknown type'}")


def _in_range(piece: Piece, done: Piece) -> Piece:
    """A moment as another type, NULL where it is out of that one's range."""
    assert done.type is not None
    if done.type.kind not in types.LEGACY_TIMES:
        return done
    inside = types.in_range(f"tsql.{done.type.kind}_of(CAST({piece.sql} AS timestamp))", done.type)
    return replace(done, sql=f"CASE WHEN {inside} THEN {done.sql} END")


def _read_if_valid(piece: Piece, to: SqlType, style: int | None) -> Piece:
    numbers = (to.precision, to.scale) if to.kind is Kind.DECIMAL else (style or 0, 0)
    valid = f"tsql.readable(CAST({piece.sql} AS text), '{to.kind}', {numbers[0]}, {numbers[1]})"
    hidden = Piece(f"tsql.opaque(CAST({piece.sql} AS text))", types.VARCHAR_MAX)
    return Piece(f"CASE WHEN {valid} THEN {cast(hidden, to, style).sql} END", to, piece.name)


_RANGES = {
    Kind.TINYINT: (0, 255),
    Kind.SMALLINT: (-32768, 32767),
    Kind.INT: (-(2**31), 2**31 - 1),
    Kind.BIGINT: (-(2**63), 2**63 - 1),
}


def _cast(piece: Piece, to: SqlType, style: int | None) -> str:
    source = piece.type
    if piece.null:
        return f"CAST(NULL AS {types.base(to)})"
    if source is None:
        raise refused(f"conversion to {types.type_name(to)} of an expression whose type is not known; CAST its parts")
    if source == to and not piece.literal:
        return f"CAST({piece.sql} AS {types.base(to)})"
    if to.kind in types.STRINGS:
        return _to_string(piece.sql, source, to, style)
    if to.kind in types.BINARIES:
        return _to_binary(piece.sql, source, to, style)
    if source.kind in types.STRINGS:
        return _from_string(piece.sql, to, style)
    return _between(piece.sql, source, to, style)


def _between(sql: str, source: SqlType, to: SqlType, style: int | None) -> str:
    """Numbers and times as one another."""
    if style not in (None, 0) and source.kind not in types.TIMES:
        raise _unknown(source, to, style)
    if source.kind in types.NUMBERS and to.kind in types.NUMBERS:
        if source.kind is Kind.MONEY and to.kind in types.INTEGERS - {Kind.BIT}:  # rounded, where others are cut
            sql = f"round({sql})"
        if to.kind in (Kind.DECIMAL, Kind.MONEY):
            sql = exact(sql, source)
        return _to_number(sql, to)
    if source.kind in types.INTEGERS and to.kind in types.LEGACY_TIMES:
        return to_time(f"(timestamp '1900-01-01' + {sql} * interval '1 day')", types.DATETIME2, to)
    if source.kind in types.TIMES and to.kind in types.TIMES and (source.kind, to.kind) != (Kind.TIME, Kind.DATE):
        return to_time(sql, source, to)
    raise _unknown(source, to, style)


def exact(sql: str, source: SqlType) -> str:
    """Return a number that keeps its digits where it becomes a decimal: PostgreSQL keeps 6 of a real, 15 of a float."""
    return f"CAST(CAST(CAST({sql} AS double precision) AS text) AS numeric)" if source.kind in types.FLOATS else sql


def _unknown(source: SqlType, to: SqlType, style: int | None) -> Exception:
    styled = "" if style is None else f" with style {style}"
    return refused(f"conversion of {types.type_name(source)} to {types.type_name(to)}{styled}")


def _to_number(sql: str, to: SqlType) -> str:
    if to.kind is Kind.BIT:
        return f"CAST(CASE WHEN {sql} = 0 THEN 0 WHEN {sql} IS NOT NULL THEN 1 END AS smallint)"
    if to.kind is Kind.TINYINT:
        return f"CAST(CAST({sql} AS tsql.tinyint) AS smallint)"
    return f"CAST({sql} AS {types.base(to)})"


def _from_string(sql: str, to: SqlType, style: int | None) -> str:
    read = f"CAST({sql} AS text)"
    if to.kind in types.TIMES:
        return iso_literal(sql, to, style) or time_from_string(read, to, style)
    if style not in (None, 0):
        raise refused(f"conversion of a string to {to.kind} with style {style}")
    if to.kind in _READERS:
        return f"CAST(tsql.{_READERS[to.kind]}({read}) AS {types.base(to)})"
    return f"CAST(tsql.whole({read}, '{to.kind}') AS {types.base(to)})"


_READERS = {
    Kind.BIT: "bit_of",
    Kind.DECIMAL: "decimal_of",
    Kind.MONEY: "money_of",
    Kind.REAL: "float_of",
    Kind.FLOAT: "float_of",
    Kind.UNIQUEIDENTIFIER: "guid_of",
    Kind.XML: "xml_of",
}


def _to_string(sql: str, source: SqlType, to: SqlType, style: int | None) -> str:
    text = _as_text(sql, source, to, style)
    if to.length is None:
        return f"CAST({text} AS bpchar)"
    if source.kind in types.NUMBERS and to.length < _LONGEST.get(source.kind, 40):
        starred = source.kind in _STARRED and to.kind not in types.UNICODE
        text = f"tsql.{'starred' if starred else 'fitting'}({text}, {to.length})"
    return f"CAST({held(text, source, to)} AS bpchar)"


_HELD = {Kind.CHAR: "char_of", Kind.VARCHAR: "cut_bytes", Kind.NCHAR: "nchar_of", Kind.NVARCHAR: "cut_units"}


def held(text: str, source: SqlType, to: SqlType) -> str:
    """Return what a string type of a length holds of a text: cut inside no character, char and nchar filled up."""
    most = _LONGEST.get(source.kind, 40) if source.kind in types.NUMBERS else source.length
    if source.kind in types.UNICODE and to.kind not in types.UNICODE and most is not None:
        most *= 3  # bytes that one unit of UTF-16 becomes at most
    if to.kind in (Kind.VARCHAR, Kind.NVARCHAR) and most is not None and to.length is not None and most <= to.length:
        return text
    return f"tsql.{_HELD[to.kind]}({text}, {to.length})"


_STARRED = {Kind.TINYINT, Kind.SMALLINT, Kind.INT}
"""Numbers that a text which is too short for them shows as a star."""
_LONGEST = {Kind.BIT: 1, Kind.TINYINT: 3, Kind.SMALLINT: 6, Kind.INT: 11, Kind.BIGINT: 20}


def _as_text(sql: str, source: SqlType, to: SqlType, style: int | None) -> str:
    kind = source.kind
    if kind in types.STRINGS or kind is Kind.XML:
        return f"CAST({sql} AS text)"  # a style does nothing between strings
    if kind in types.BINARIES:
        return _bytes_as_text(sql, to, style)
    if kind in types.TIMES:
        return time_as_text(sql, source, style)
    if kind is Kind.MONEY and style in (None, 0):
        return f"CAST(round({sql}, 2) AS text)"
    if kind in types.FLOATS and style in (None, 0):
        return f"tsql.float_text({sql})"
    if kind is Kind.UNIQUEIDENTIFIER:
        return f"upper(CAST({sql} AS text))"
    if style in (None, 0) or (kind is Kind.MONEY and style == 2):
        return f"CAST({sql} AS text)"
    raise _unknown(source, to, style)


def _bytes_as_text(sql: str, to: SqlType, style: int | None) -> str:
    if style == 1:
        return f"('0x' || upper(encode({sql}, 'hex')))"
    if style == 2:
        return f"upper(encode({sql}, 'hex'))"
    if style in (None, 0):
        return f"tsql.from_utf16({sql})" if to.kind in types.UNICODE else f"convert_from({sql}, 'UTF8')"
    raise refused(f"conversion of bytes with style {style}")


def _to_binary(sql: str, source: SqlType, to: SqlType, style: int | None) -> str:
    bytes_ = _as_bytes(sql, source, style)
    if source.kind in _STORED:
        return _of_number(bytes_, _STORED[source.kind], to)
    if to.kind is Kind.BINARY:
        return f"tsql.padded({bytes_}, {to.length})"
    return bytes_ if to.length is None else f"substring({bytes_} FROM 1 FOR {to.length})"


_STORED = {Kind.BIT: 1, Kind.TINYINT: 1, Kind.SMALLINT: 2, Kind.INT: 4, Kind.BIGINT: 8}


def _of_number(bytes_: str, many: int, to: SqlType) -> str:
    """The bytes of a whole number, high ones first: they are filled up and cut on the left."""
    if to.length is not None and to.length < many:
        return f"substring({bytes_} FROM {many - to.length + 1})"
    if to.kind is Kind.BINARY and to.length is not None and to.length > many:
        return f"(decode(repeat('00', {to.length - many}), 'hex') || {bytes_})"
    return bytes_


def _as_bytes(sql: str, source: SqlType, style: int | None) -> str:
    kind = source.kind
    if kind in types.BINARIES:
        return sql
    if kind in types.STRINGS and style in (1, 2):
        start = 3 if style == 1 else 1
        return f"decode(substring(CAST({sql} AS text) FROM {start}), 'hex')"
    if style in (None, 0):
        if kind in types.STRINGS:
            return string_bytes(sql, source)
        if kind in (Kind.BIT, Kind.TINYINT):
            return f"substring(int2send({sql}) FROM 2)"
        if kind in _STORED:
            return f"int{_STORED[kind]}send({sql})"
    raise refused(f"conversion of {types.type_name(source)} to bytes" + (f" with style {style}" if style else ""))


def string_bytes(sql: str, source: SqlType) -> str:
    """Return a string's bytes as SQL Server stores them: UTF-16LE, or UTF-8 for char and varchar."""
    if source.kind in types.UNICODE:
        return f"tsql.utf16(CAST({sql} AS text))"
    return f"convert_to(CAST({sql} AS text), 'UTF8')"
