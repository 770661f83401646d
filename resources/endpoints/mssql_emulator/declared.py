"""Types and parameters as T-SQL writes them: `@P1 decimal(18, 4), @P2 nvarchar(max) OUTPUT`.

Here lives text alone, in both directions, and how a value that came in one type becomes one of the declared type. It
may import pyarrow, the standard library and `engine`.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import Kind, Parameter, SqlError, SqlType

_SYNONYMS = {
    "integer": "int",
    "dec": "decimal",
    "numeric": "decimal",
    "smallmoney": "money",
    "character": "char",
    "text": "varchar(max)",
    "ntext": "nvarchar(max)",
    "image": "varbinary(max)",
    "sysname": "nvarchar(128)",
    "double precision": "float",
    "rowversion": "binary(8)",
    "timestamp": "binary(8)",
}
_TEXTS = (Kind.CHAR, Kind.VARCHAR, Kind.NCHAR, Kind.NVARCHAR, Kind.BINARY, Kind.VARBINARY)
_SCALED = (Kind.TIME, Kind.DATETIME2, Kind.DATETIMEOFFSET)
_DECLARATION = re.compile(r"\s*(@[\w@#$]+)\s+(?:as\s+)?(.+?)\s*(\boutput\b|\bout\b|\breadonly\b)?\s*", re.I | re.S)
_TYPE = re.compile(r"\s*(?:\[?sys\]?\.)?\[?([a-z][a-z0-9 ]*?)\]?\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?\s*", re.I)


def parse_type(text: str) -> SqlType | None:
    """Return the type that a text names; None where it is none of this endpoint's.

    Raises SqlError 131, 2750 or 1002 for a length, a precision or a scale that no type has.
    """
    found = _TYPE.fullmatch(text)
    if not found:
        return None
    name, first, second = found.group(1).lower(), found.group(2), found.group(3)
    if name in _SYNONYMS:
        name, _, rest = _SYNONYMS[name].partition("(")
        first = first or rest.rstrip(")") or None
    if name not in Kind.__members__.values() or (first and not first.isdecimal() and first.lower() != "max"):
        return None
    return _with_arguments(Kind(name), first, second)


def _with_arguments(kind: Kind, first: str | None, second: str | None) -> SqlType:
    if kind in _TEXTS:
        return SqlType(kind, None if (first or "1").lower() == "max" else _length(kind, int(first or 1)))
    if kind is Kind.DECIMAL:
        precision = int(first or 18)
        if not 1 <= precision <= 38:
            raise SqlError(2750, f"Specified column precision {precision} is greater than the maximum precision of 38.")
        return SqlType(kind, precision=precision, scale=_scale(int(second or 0), precision))
    if kind in _SCALED:
        return SqlType(kind, scale=_scale(int(first) if first else 7, 7))
    if kind is Kind.FLOAT and first and int(first) <= 24:
        return SqlType(Kind.REAL)
    return SqlType(kind)


def _length(kind: Kind, length: int) -> int:
    most = 4000 if kind in (Kind.NCHAR, Kind.NVARCHAR) else 8000
    if not 1 <= length <= most:
        raise SqlError(131, f"The size ({length}) given to the type '{kind.value}' exceeds the maximum ({most}).")
    return length


def _scale(scale: int, most: int) -> int:
    if scale > most:
        raise SqlError(1002, f"Specified scale {scale} is invalid.")
    return scale


def type_text(sql: SqlType) -> str:
    """Return the type as T-SQL writes it."""
    if sql.kind in _TEXTS:
        return f"{sql.kind.value}({'max' if sql.length is None else sql.length})"
    if sql.kind is Kind.DECIMAL:
        return f"decimal({sql.precision},{sql.scale})"
    return f"{sql.kind.value}({sql.scale})" if sql.kind in _SCALED else sql.kind.value


def parse_declarations(text: str) -> list[tuple[str, SqlType | None, bool]]:
    """Return name, type (None where unknown) and direction (True is OUTPUT) of declared parameters.

    Raises SqlError 102 where the text is no declaration.
    """
    parameters = []
    for part in _split(text):
        found = _DECLARATION.fullmatch(part)
        if not found:
            raise SqlError(102, f"Incorrect syntax near '{part.strip()[:40]}'.", severity=15)
        parameters.append(
            (found.group(1), parse_type(found.group(2)), (found.group(3) or "").lower().startswith("out"))
        )
    return parameters


def _split(text: str) -> Iterator[str]:
    """Yield what stands between commas outside of parentheses."""
    if text.strip():
        yield from re.split(r",(?![^(]*\))", text)


def bind(declared: Sequence[tuple[str, SqlType | None, bool]], values: Sequence[Parameter]) -> list[Parameter]:
    """Give values the names and types they were declared with.

    Raises SqlError 8178 for a parameter without a value, 8144 for a value too many, 8145 for one of another name and
    8114 for one that does not convert.
    """
    if len(values) > len(declared):
        raise SqlError(8144, "Procedure or function has too many arguments specified.")
    by_name = {value.name.lower(): value for value in values if value.name}
    for unknown in by_name.keys() - {name.lower() for name, _, _ in declared}:
        raise SqlError(8145, f"{unknown} is not a parameter of the statement.")
    bound = []
    for place, (name, sql, output) in enumerate(declared):
        value = by_name.get(name.lower())
        if value is None and place < len(values) and not values[place].name:
            value = values[place]
        if value is None:
            raise SqlError(8178, f"The parameterized query expects the parameter '{name}', which was not supplied.")
        sql = sql or value.type
        bound.append(Parameter(name, sql, _converted(value, sql), output and value.output))
    return bound


@lru_cache(1024)
def _alike(one: SqlType, other: SqlType) -> bool:
    """Whether values of two types are the same Python values."""
    return bool(one.arrow == other.arrow)


def _converted(value: Parameter, sql: SqlType) -> object:
    if value.value is None or _alike(value.type, sql):
        return value.value
    if value.type.kind is Kind.DATETIMEOFFSET:  # whose offset is gone, so that its date is not known
        raise SqlError(8114, f"Error converting data type datetimeoffset to {sql.kind.value}: offsets are not kept.")
    try:
        return pa.scalar(value.value, value.type.arrow).cast(sql.arrow).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SqlError(8114, f"Error converting data type {value.type.kind.value} to {sql.kind.value}.") from None
