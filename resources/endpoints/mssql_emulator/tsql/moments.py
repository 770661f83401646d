"""Dates and times: in the digits of their type, read from text and written as text.

Here lives the SQL of both, by CONVERT's styles; other conversions live in `convert`. It may import `types` and
`tokens`. https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql
"""

import re

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_DATE_STYLES = {
    1: "MM/DD/YY",
    3: "DD/MM/YY",
    4: "DD.MM.YY",
    10: "MM-DD-YY",
    11: "YY/MM/DD",
    12: "YYMMDD",
    23: "YYYY-MM-DD",
    101: "MM/DD/YYYY",
    102: "YYYY.MM.DD",
    103: "DD/MM/YYYY",
    104: "DD.MM.YYYY",
    105: "DD-MM-YYYY",
    110: "MM-DD-YYYY",
    111: "YYYY/MM/DD",
    112: "YYYYMMDD",
}
_CLOCK_STYLES = {8: "HH24:MI:SS", 24: "HH24:MI:SS", 108: "HH24:MI:SS"}
_LEGACY_CLOCK = {14: "HH24:MI:SS:MS", 114: "HH24:MI:SS:MS"}
_LEGACY_DEFAULT = {0, 100}
_ISO = {20: " ", 120: " ", 21: " ", 25: " ", 121: " ", 126: "T", 127: "T"}
_WITHOUT_FRACTION = {20, 120}
_ISO_STYLES = {None, 0, *_ISO}
_DAY, _CLOCK = r"'\d{4}-\d\d-\d\d", r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
_ISO_LITERALS = {
    Kind.DATE: re.compile(f"{_DAY}'"),
    Kind.DATETIME2: re.compile(f"{_DAY}{_CLOCK})?'"),
    Kind.DATETIMEOFFSET: re.compile(f"{_DAY}{_CLOCK}(?: ?[+-]\\d\\d:\\d\\d)?)?'"),
}
_READ_AS = {None, 0, 20, 21, 23, 25, 100, 101, 102, 103, 104, 105, 110, 111, 112, 120, 121, 126, 127}


def to_time(sql: str, source: SqlType, to: SqlType) -> str:
    """Return a date or time as another type of its kinds."""
    if source.kind is Kind.TIME and to.kind is not Kind.TIME:
        sql = f"(timestamp '1900-01-01' + CAST({sql} AS time))"
    if to.kind in types.LEGACY_TIMES:
        return f"CAST(CAST(tsql.{to.kind}_of(CAST({sql} AS timestamp)) AS {types.domain(to)}) AS {types.base(to)})"
    return moment(sql, to)


def moment(sql: str, to: SqlType) -> str:
    """Return a date or time in the digits of a type of its kind; times of day go on at midnight."""
    if to.kind is Kind.TIME and to.scale < 6:
        return f"tsql.clock(CAST({sql} AS time), {to.scale})"
    return f"CAST({sql} AS {types.base(to)})"


def moment_from_text(sql: str, to: SqlType) -> str:
    """Return a string, read as a date or time."""
    said = f"tsql.moment_text(CAST({sql} AS text), {to.scale})"
    return f"tsql.clock(CAST({said} AS time), {min(to.scale, 6)})" if to.kind is Kind.TIME else moment(said, to)


def iso_literal(sql: str, to: SqlType, style: int | None) -> str:
    """Return a literal that PostgreSQL reads as T-SQL does, whatever DATEFORMAT is, as a constant; "" for any other.

    Text is read row by row where it stands for more than one, as in a DEFAULT; a constant is read once.
    """
    form = _ISO_LITERALS.get(to.kind)
    if form is None or style not in _ISO_STYLES or not form.fullmatch(sql):
        return ""
    return f"CAST({sql} AS {types.base(to)})"


def time_from_string(read: str, to: SqlType, style: int | None) -> str:
    """Return text, read as a date or time in that style. Raises SqlError 102 for a style that is not known."""
    if style not in _READ_AS:
        raise refused(f"conversion of a string to {to.kind} with style {style}")
    text = f"tsql.time_text({read}, {style or 0}, '{to.kind}')"
    if to.kind in types.LEGACY_TIMES:
        return to_time(f"tsql.moment_text({text}, 3)", types.DATETIME2, to)
    return moment_from_text(text, to)


def time_as_text(sql: str, source: SqlType, style: int | None) -> str:
    """Return a date or time as text in that style; without one as SQL Server's default for its type."""
    kind = source.kind
    if style is None:
        style = 100 if kind in types.LEGACY_TIMES else 121
    if style in _LEGACY_DEFAULT and kind is not Kind.TIME:
        return f"tsql.legacy_text(CAST({sql} AS timestamp))"
    if style in _DATE_STYLES and kind is not Kind.TIME:
        return f"to_char({sql}, '{_DATE_STYLES[style]}')"
    clock = _CLOCK_STYLES.get(style) or (_LEGACY_CLOCK.get(style) if kind in types.LEGACY_TIMES else None)
    if clock and kind is not Kind.DATE:
        return f"to_char({sql}, '{clock}')"
    if style not in _ISO:
        raise refused(f"conversion of {kind} with style {style}")
    if kind is Kind.DATE:
        return f"to_char({sql}, 'YYYY-MM-DD')"
    text = _iso_text(sql, source, style)
    if kind is Kind.DATETIMEOFFSET:
        zone = {126: "+00:00", 127: "Z"}.get(style, " +00:00")
        text = f"({text} || '{zone}')"
    return text


def _iso_text(sql: str, source: SqlType, style: int) -> str:
    """A moment with as many digits of a second as its type has."""
    kind = source.kind
    digits = {Kind.DATETIME: 3, Kind.SMALLDATETIME: 0}.get(kind, source.scale)
    if style in _WITHOUT_FRACTION:
        digits = 0
    mask = "HH24:MI:SS" + ("" if digits == 0 else ".MS" if digits <= 3 else ".US")
    if kind is Kind.TIME:
        sql = f"(timestamp '2000-01-01' + {sql})"
    else:
        mask = f'YYYY-MM-DD"{_ISO[style]}"{mask}'
    text = f"to_char({sql}, '{mask}')"
    printed = 0 if digits == 0 else 3 if digits <= 3 else 6
    if digits < printed:
        text = f"left({text}, {digits - printed})"
    if digits == 7:
        text = f"({text} || '0')"
    if kind is Kind.DATETIME and style in (126, 127):
        text = f"regexp_replace({text}, '\\.000$', '')"
    return text
