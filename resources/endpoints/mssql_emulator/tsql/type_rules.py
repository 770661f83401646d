"""What type an operator or a choice between values has.

Here live pure functions; the types themselves live in `types`. It may import `engine` and `types`.
"""

from collections.abc import Iterable

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql.types import (
    BINARIES,
    EXACT,
    FLOAT,
    FLOATS,
    FRACTIONS,
    INTEGERS,
    NUMBERS,
    STRINGS,
    TIMES,
)

_PRECEDENCE = (
    Kind.XML,
    Kind.DATETIMEOFFSET,
    Kind.DATETIME2,
    Kind.DATETIME,
    Kind.SMALLDATETIME,
    Kind.DATE,
    Kind.TIME,
    Kind.FLOAT,
    Kind.REAL,
    Kind.DECIMAL,
    Kind.MONEY,
    Kind.BIGINT,
    Kind.INT,
    Kind.SMALLINT,
    Kind.TINYINT,
    Kind.BIT,
    Kind.UNIQUEIDENTIFIER,
    Kind.NVARCHAR,
    Kind.NCHAR,
    Kind.VARCHAR,
    Kind.CHAR,
    Kind.VARBINARY,
    Kind.BINARY,
)
"""https://learn.microsoft.com/sql/t-sql/data-types/data-type-precedence-transact-sql"""


def combine(types: Iterable[SqlType | None]) -> SqlType | None:
    """Return the type of a CASE, COALESCE or UNION of these; None where one is not known."""
    result: SqlType | None = None
    for found in types:
        if found is None:
            return None
        result = found if result is None else _wider(result, found)
    return result


def _wider(one: SqlType, other: SqlType) -> SqlType:
    if one == other:
        return one
    high = min(one, other, key=lambda type_: _PRECEDENCE.index(type_.kind))
    low = other if high is one else one
    if high.kind in STRINGS | BINARIES and low.kind in STRINGS | BINARIES:
        lengths = (one.length, other.length)
        kind = {Kind.CHAR: Kind.VARCHAR, Kind.NCHAR: Kind.NVARCHAR, Kind.BINARY: Kind.VARBINARY}.get(
            high.kind, high.kind
        )
        return SqlType(kind, None if None in lengths else max(length for length in lengths if length is not None))
    if high.kind is Kind.DECIMAL and low.kind in EXACT:
        scale = max(as_decimal(high).scale, as_decimal(low).scale)
        whole = max(as_decimal(type_).precision - as_decimal(type_).scale for type_ in (high, low))
        return fitted(whole + scale, scale)
    if high.kind in FRACTIONS and low.kind in TIMES:
        return SqlType(high.kind, scale=max(high.scale, low.scale))
    return high


_DIGITS = {Kind.BIT: 1, Kind.TINYINT: 3, Kind.SMALLINT: 5, Kind.INT: 10, Kind.BIGINT: 19}


def as_decimal(type_: SqlType) -> SqlType:
    """Return the decimal that an exact number becomes beside another one."""
    if type_.kind is Kind.MONEY:
        return SqlType(Kind.DECIMAL, precision=19, scale=4)
    return SqlType(Kind.DECIMAL, precision=_DIGITS[type_.kind]) if type_.kind in INTEGERS else type_


def fitted(precision: int, scale: int) -> SqlType:
    """Return a decimal of at most 38 digits that gives up decimals, down to six, for whole digits.

    https://learn.microsoft.com/sql/t-sql/data-types/precision-scale-and-length-transact-sql
    """
    if precision > 38:
        scale = min(scale, max(38 - (precision - scale), 6))
        precision = 38
    return SqlType(Kind.DECIMAL, precision=max(precision, 1), scale=scale)


def arithmetic(operator: str, one: SqlType | None, other: SqlType | None) -> SqlType | None:
    """Return the type of a sum, difference, product, quotient or remainder of numbers; None where it is not known."""
    if one is None or other is None or one.kind not in NUMBERS or other.kind not in NUMBERS:
        return None
    if one.kind in FLOATS or other.kind in FLOATS:
        return FLOAT if Kind.FLOAT in (one.kind, other.kind) else SqlType(Kind.REAL)
    if Kind.DECIMAL not in (one.kind, other.kind):
        return _wider(one, other)
    a, b = as_decimal(one), as_decimal(other)
    scale = max(a.scale, b.scale)
    match operator:
        case "*":
            return fitted(a.precision + b.precision + 1, a.scale + b.scale)
        case "/":
            scale = max(6, a.scale + b.precision + 1)
            return fitted(a.precision - a.scale + b.scale + scale, scale)
        case "%":
            return fitted(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
        case _:
            return fitted(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)
