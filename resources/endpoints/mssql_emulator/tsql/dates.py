"""Functions of dates and times.

Here live their entries in the table of `functions`. It may import `functions`, `scope`, `types`, `convert`
and `moments`. The server's time zone is UTC.
https://learn.microsoft.com/sql/t-sql/functions/date-and-time-data-types-and-functions
"""

from dataclasses import replace

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import by_clock, cast
from resources.endpoints.mssql_emulator.tsql.functions import Call, function
from resources.endpoints.mssql_emulator.tsql.moments import moment as in_digits
from resources.endpoints.mssql_emulator.tsql.scope import Piece

_PARTS = {
    "year": ("year", "yyyy", "yy"),
    "quarter": ("quarter", "qq", "q"),
    "month": ("month", "mm", "m"),
    "dayofyear": ("dayofyear", "dy", "y"),
    "day": ("day", "dd", "d"),
    "week": ("week", "wk", "ww"),
    "weekday": ("weekday", "dw", "w"),
    "iso_week": ("iso_week", "isowk", "isoww"),
    "hour": ("hour", "hh"),
    "minute": ("minute", "mi", "n"),
    "second": ("second", "ss", "s"),
    "millisecond": ("millisecond", "ms"),
    "microsecond": ("microsecond", "mcs"),
}
_BY_WORD = {spelling: part for part, spellings in _PARTS.items() for spelling in spellings}
_STEPS = {"quarter": "3 months", "dayofyear": "1 day", "weekday": "1 day"}
_CLOCK = {"hour", "minute", "second", "millisecond", "microsecond"}


def _part(call: Call) -> str:
    found = _BY_WORD.get(call.word(0))
    if found is None:
        raise call.wrong(f"({call.word(0)}")
    return found


def _moment(call: Call, place: int, read_as: SqlType = types.DATETIME2) -> Piece:
    """An argument as a date or time; a string is read as one."""
    piece = call.arg(place)
    if piece.type is None:
        raise call.wrong("of an expression whose type is not known")
    if piece.type.kind in types.STRINGS:
        return cast(piece, read_as)
    if piece.type.kind not in types.TIMES:
        return cast(piece, types.DATETIME)
    return piece


def _by_clock(call: Call, place: int) -> Piece:
    """An argument of which the date or the time of day counts, not the instant."""
    moment = _moment(call, place)
    by_clock(moment, f"{call.name} of a datetimeoffset")
    return moment


@function("DATEADD", least=3)
def _dateadd(call: Call) -> Piece:
    part = _part(call)
    moment = _moment(call, 2, types.DATETIME)
    if part in ("year", "quarter", "month"):
        by_clock(moment, f"{call.name} of a datetimeoffset")
    assert moment.type is not None
    if part == "iso_week" or (moment.type.kind is Kind.DATE and part in _CLOCK):
        raise call.wrong(f"({part} of {moment.type.kind}")
    step = _STEPS.get(part, f"1 {part}")
    if moment.type.kind is Kind.TIME:
        said = f"({moment.sql} + {call.number(1)} * interval '{step}')"
    else:
        said = f"tsql.date_add(CAST({moment.sql} AS timestamp), {call.number(1)}, '{step}', '{moment.type.kind}')"
    if moment.type.kind in types.LEGACY_TIMES:
        return cast(Piece(said, types.DATETIME2), moment.type)
    return Piece(in_digits(said, moment.type), moment.type, utc=moment.utc)


@function("DATEDIFF", "DATEDIFF_BIG", least=3)
def _datediff(call: Call) -> Piece:
    part = _part(call)
    start, end = (f"CAST({_on_a_day(_moment(call, place))} AS timestamp)" for place in (1, 2))
    match part:
        case "year" | "quarter" | "month":
            many = {"year": 1, "quarter": 4, "month": 12}[part]
            counted = [
                f"(extract(year FROM {t}) * {many}" + (f" + extract({part} FROM {t}))" if part != "year" else ")")
                for t in (start, end)
            ]
            said = f"{counted[1]} - {counted[0]}"
        case "day" | "dayofyear" | "weekday":
            said = f"CAST({end} AS date) - CAST({start} AS date)"
        case "week":  # counted by Sundays, whatever DATEFIRST is
            said = " - ".join(f"floor((CAST({t} AS date) - date '1899-12-31') / 7.0)" for t in (end, start))
        case "iso_week":
            raise call.wrong(f"({part}")
        case _:
            per_second = {"hour": "/ 3600", "minute": "/ 60", "second": "* 1", "millisecond": "* 1000"}
            factor = per_second.get(part, "* 1000000")
            cut = {"millisecond": "milliseconds", "microsecond": "microseconds"}.get(part, part)
            a, b = (f"extract(epoch FROM date_trunc('{cut}', {t})) {factor}" for t in (end, start))
            said = f"{a} - {b}"
    if call.name.endswith("BIG"):
        return Piece(f"CAST(round({said}) AS bigint)", types.BIGINT)
    return Piece(f"tsql.date_parts(round(CAST({said} AS numeric)))", types.INT)


def _on_a_day(moment: Piece) -> str:
    """A time of day is on 1900-01-01."""
    if moment.type and moment.type.kind is Kind.TIME:
        return f"(timestamp '1900-01-01' + {moment.sql})"
    return moment.sql


@function("DATEPART", least=2)
def _datepart(call: Call) -> Piece:
    return _extracted(_part(call), _on_a_day(_by_clock(call, 1)))


@function("YEAR", "MONTH", "DAY", least=1)
def _calendar(call: Call) -> Piece:
    return _extracted(call.name.lower(), _by_clock(call, 0).sql)


def _extracted(part: str, sql: str) -> Piece:
    t = f"CAST({sql} AS timestamp)"
    match part:
        case "dayofyear":
            said = f"extract(doy FROM {t})"
        case "weekday":  # DATEFIRST is 7
            said = f"extract(dow FROM {t}) + 1"
        case "iso_week":
            said = f"extract(week FROM {t})"
        case "week":
            said = f"floor((extract(doy FROM {t}) + extract(dow FROM date_trunc('year', {t})) - 1) / 7) + 1"
        case "second":
            said = f"floor(extract(second FROM {t}))"
        case "millisecond" | "microsecond":
            said = f"mod(floor(extract({part} FROM {t})), {1000 if part == 'millisecond' else 1000000})"
        case _:
            said = f"extract({part} FROM {t})"
    return Piece(f"CAST({said} AS integer)", types.INT)


@function("DATENAME", least=2)
def _datename(call: Call) -> Piece:
    part, moment = _part(call), _on_a_day(_by_clock(call, 1))
    masks = {"month": "FMMonth", "weekday": "FMDay"}
    number = f"CAST({_extracted(part, moment).sql} AS text)"
    said = f"to_char({moment}, '{masks[part]}')" if part in masks else number
    return Piece(f"CAST({said} AS bpchar)", SqlType(Kind.NVARCHAR, 30))


@function("EOMONTH", least=1, most=2)
def _eomonth(call: Call) -> Piece:
    months = call.number(1) if len(call.nodes) == 2 else "0"
    start = f"date_trunc('month', CAST({_by_clock(call, 0).sql} AS timestamp))"
    return Piece(f"CAST({start} + ({months} + 1) * interval '1 month' - interval '1 day' AS date)", types.DATE)


@function("DATETRUNC", least=2)
def _datetrunc(call: Call) -> Piece:
    part, moment = _part(call), _by_clock(call, 1)
    assert moment.type is not None
    known = {"year", "quarter", "month", "day", "hour", "minute", "second", "iso_week", "millisecond", "microsecond"}
    if part not in known or moment.type.kind is Kind.TIME:
        raise call.wrong(f"({part} of {moment.type.kind}")
    field = {"iso_week": "week", "millisecond": "milliseconds", "microsecond": "microseconds"}.get(part, part)
    return Piece(f"CAST(date_trunc('{field}', {moment.sql}) AS {types.base(moment.type)})", moment.type, utc=moment.utc)


@function("DATEFROMPARTS", least=3)
def _datefromparts(call: Call) -> Piece:
    return Piece(f"tsql.date_from_parts({', '.join(call.number(place) for place in range(3))})", types.DATE)


@function("SWITCHOFFSET", least=2)
def _switchoffset(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.type is None or piece.type.kind is not Kind.DATETIMEOFFSET or call.nodes[1].name != "+00:00":
        raise call.wrong("to an offset that is not '+00:00'")
    return replace(piece, utc=True)


@function("TODATETIMEOFFSET", least=2)
def _todatetimeoffset(call: Call) -> Piece:
    piece = _moment(call, 0)
    if piece.type is None or piece.type.kind is Kind.DATETIMEOFFSET or call.nodes[1].name != "+00:00":
        raise call.wrong("with an offset that is not '+00:00'")
    return cast(piece, SqlType(Kind.DATETIMEOFFSET, scale=piece.type.scale or 3))
