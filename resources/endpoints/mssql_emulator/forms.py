"""How a value stands in PostgreSQL's binary form and in T-SQL's, by the type: what `copy_out` and `copy_in` go between.

Here live tables and what decides whether rows can pass so; the bytes are made by those two. It may import `engine` and
`types`.
"""

from enum import IntEnum

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.types import BINARIES, WIDE

DAY = 86_400_000_000
"""Microseconds."""
DAYS_BEFORE_2000 = 730_119
"""From 0001-01-01, where date, datetime2 and datetimeoffset begin, to 2000-01-01, where PostgreSQL's begin."""
DAYS_OF_1900 = 36_524
"""From 1900-01-01, where datetime and smalldatetime begin, to 2000-01-01."""
LAST_DAY = 3_652_058
"""9999-12-31, counted from 0001-01-01."""
TICKS = 86_400 * 300
"""The units of a day of a datetime."""
LIMB = 0xFFFFFFFF
"""The highest of the four digits that a decimal of 128 bits is reckoned in."""


class Form(IntEnum):
    """What has to be done with the bytes of a value."""

    REVERSED = 0
    """A number: its bytes stand in the other order."""
    BYTE = 1
    """A number of one byte here, of two there."""
    BIT = 2
    GUID = 3
    DATE = 4
    TIME = 5
    DATETIME2 = 6
    DATETIME = 7
    SMALLDATETIME = 8
    DECIMAL = 9
    MONEY = 10
    WIDE = 11
    """Text that is UTF-16 here, UTF-8 there."""
    SAME = 12


FORMS = {
    **dict.fromkeys((Kind.SMALLINT, Kind.INT, Kind.BIGINT, Kind.REAL, Kind.FLOAT), Form.REVERSED),
    Kind.TINYINT: Form.BYTE,
    Kind.BIT: Form.BIT,
    Kind.UNIQUEIDENTIFIER: Form.GUID,
    Kind.DATE: Form.DATE,
    Kind.TIME: Form.TIME,
    **dict.fromkeys((Kind.DATETIME2, Kind.DATETIMEOFFSET), Form.DATETIME2),
    Kind.DATETIME: Form.DATETIME,
    Kind.SMALLDATETIME: Form.SMALLDATETIME,
    Kind.DECIMAL: Form.DECIMAL,
    Kind.MONEY: Form.MONEY,
    **dict.fromkeys(WIDE, Form.WIDE),
    **dict.fromkeys((Kind.CHAR, Kind.VARCHAR, *BINARIES), Form.SAME),
}
_MICROSECONDS = 6
"""The digits of a second that PostgreSQL keeps, so what is sent in more is cut before it comes there."""
_FILLED = {Kind.CHAR, Kind.NCHAR, Kind.BINARY}
_TEXTS = frozenset({25, 705, 1042, 1043})
_OIDS = {
    **dict.fromkeys((Kind.BIT, Kind.TINYINT, Kind.SMALLINT), frozenset({21})),
    Kind.INT: frozenset({23}),
    Kind.BIGINT: frozenset({20}),
    **dict.fromkeys((Kind.DECIMAL, Kind.MONEY), frozenset({1700})),
    Kind.REAL: frozenset({700}),
    Kind.FLOAT: frozenset({701}),
    Kind.DATE: frozenset({1082}),
    Kind.TIME: frozenset({1083}),
    **dict.fromkeys((Kind.DATETIME, Kind.SMALLDATETIME, Kind.DATETIME2), frozenset({1114})),
    Kind.DATETIMEOFFSET: frozenset({1184}),
    Kind.UNIQUEIDENTIFIER: frozenset({2950}),
    **dict.fromkeys((*WIDE, Kind.CHAR, Kind.VARCHAR), _TEXTS),
    **dict.fromkeys(BINARIES, frozenset({17})),
}
"""PostgreSQL's types whose binary form a type of T-SQL has there."""


def comes_as(sql: SqlType, oid: int) -> bool:
    """Return whether values of a PostgreSQL type are those of a T-SQL type as they stand, with nothing to convert."""
    return oid in _OIDS[sql.kind]


def goes_into(sent: SqlType, column: SqlType) -> bool:
    """Return whether values that a client sends stand in PostgreSQL as those of a column do.

    Text that is not sent as UTF-16 may be of any code page or none, which `texts` looks into; what a column fills up
    may be sent shorter, and PostgreSQL would round a time of day to 24:00.
    """
    looked_into = (FORMS[sent.kind] is Form.SAME and sent.kind not in BINARIES) or column.kind in _FILLED
    looked_into = looked_into or (column.kind is Kind.TIME and column.scale < min(sent.scale, _MICROSECONDS))
    return not looked_into and _OIDS[sent.kind] == _OIDS[column.kind]
