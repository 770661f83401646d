"""The types of T-SQL: how they are written, and what they are in PostgreSQL.

Here live tables and pure functions; what operators make of types lives in `type_rules`. It may import `engine` and
`tokens`.

Every type is a domain in the schema `tsql` named as T-SQL writes it, so that a column's declared type can be read back.
Character types are domains over `bpchar`, the one type of PostgreSQL whose comparisons ignore trailing blanks, as `=`
does in T-SQL, and which keeps them (its own length would count characters, where T-SQL counts bytes or units of
UTF-16); a bit is a smallint of 0 and 1, because it takes part in arithmetic and
comparisons as a number. datetime keeps whole milliseconds (SQL Server: steps of 1/300 s), and a seventh digit of a
fraction of a second is rounded away, or cut where it would end the day.
"""

from functools import lru_cache

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, refused, tokenize

NVARCHAR_4000 = SqlType(Kind.NVARCHAR, 4000)
NVARCHAR_MAX = SqlType(Kind.NVARCHAR)
VARCHAR_MAX = SqlType(Kind.VARCHAR)
VARBINARY_MAX = SqlType(Kind.VARBINARY)
BIT, INT, BIGINT, FLOAT = (SqlType(kind) for kind in (Kind.BIT, Kind.INT, Kind.BIGINT, Kind.FLOAT))
DATE, DATETIME = SqlType(Kind.DATE), SqlType(Kind.DATETIME)
DATETIME2 = SqlType(Kind.DATETIME2, scale=7)
DATETIMEOFFSET = SqlType(Kind.DATETIMEOFFSET, scale=7)
SYSNAME = SqlType(Kind.NVARCHAR, 128)
UNIQUEIDENTIFIER = SqlType(Kind.UNIQUEIDENTIFIER)
SMALLINT = SqlType(Kind.SMALLINT)

STRINGS = {Kind.CHAR, Kind.VARCHAR, Kind.NCHAR, Kind.NVARCHAR}
UNICODE = {Kind.NCHAR, Kind.NVARCHAR}
BINARIES = {Kind.BINARY, Kind.VARBINARY}
INTEGERS = {Kind.BIT, Kind.TINYINT, Kind.SMALLINT, Kind.INT, Kind.BIGINT}
EXACT = INTEGERS | {Kind.DECIMAL, Kind.MONEY}
FLOATS = {Kind.REAL, Kind.FLOAT}
NUMBERS = EXACT | FLOATS
LEGACY_TIMES = {Kind.DATETIME, Kind.SMALLDATETIME}
TIMESTAMPS = {*LEGACY_TIMES, Kind.DATETIME2, Kind.DATETIMEOFFSET}
TIMES = {*TIMESTAMPS, Kind.DATE, Kind.TIME}

_SYNONYMS = {
    "integer": "int",
    "numeric": "decimal",
    "dec": "decimal",
    "double precision": "float",
    "character": "char",
    "char varying": "varchar",
    "character varying": "varchar",
    "national character varying": "nvarchar",
    "national char varying": "nvarchar",
    "national character": "nchar",
    "national char": "nchar",
    "binary varying": "varbinary",
}
FRACTIONS = {Kind.TIME, Kind.DATETIME2, Kind.DATETIMEOFFSET}
_LIMITS = {Kind.CHAR: 8000, Kind.VARCHAR: 8000, Kind.NCHAR: 4000, Kind.NVARCHAR: 4000, Kind.BINARY: 8000}
_LIMITS[Kind.VARBINARY] = 8000
_WITH_MAX = {Kind.VARCHAR, Kind.NVARCHAR, Kind.VARBINARY}


def read_type(cursor: Cursor, default_length: int = 1) -> SqlType:
    """Take a type. A length left out is 1 in a declaration and 30 in CAST. Raises SqlError 102, 131, 2716, 2750."""
    start, line = cursor.take(), cursor.line
    name = start.text.lower()
    while f"{name} {cursor.word().lower()}" in _SYNONYMS or name == "national":
        name = f"{name} {cursor.take().text.lower()}"
    if name == "sysname":
        return SYSNAME
    try:
        kind = Kind(_SYNONYMS.get(name, name))
    except ValueError:
        raise refused(f"type {start.text}", line) from None
    arguments: list[str] = []
    if cursor.word() == "(":
        arguments = [part.source().upper() for part in cursor.wrapped().split()]
        if not arguments:
            raise refused(f"{name}()", line)
    return _typed(kind, arguments, default_length, line)


@lru_cache(512)  # a wide table's columns are asked for by every statement about it
def parse_type(text: str, default_length: int = 1) -> SqlType:
    """Return the type that is written so. Raises SqlError as `read_type`."""
    cursor = Cursor(text, tokenize(text))
    found = read_type(cursor, default_length)
    cursor.end()
    return found


def _typed(kind: Kind, arguments: list[str], default_length: int, line: int) -> SqlType:
    if kind in _LIMITS:
        return _sized(kind, arguments, default_length, line)
    if kind is Kind.DECIMAL:
        return _decimal(arguments, line)
    if kind in FRACTIONS:
        scale = _number(arguments, 0, 7, kind, line)
        if not 0 <= scale <= 7 or len(arguments) > 1:
            raise SqlError(1002, f"Specified scale {scale} is invalid.", line=line)
        return SqlType(kind, scale=scale)
    if kind is Kind.FLOAT:
        return SqlType(Kind.REAL if _number(arguments, 0, 53, kind, line) <= 24 else kind)
    if arguments:
        raise SqlError(2716, f"Cannot specify a column width on data type {kind}.", line=line)
    return SqlType(kind)


def _sized(kind: Kind, arguments: list[str], default_length: int, line: int) -> SqlType:
    if arguments == ["MAX"] and kind in _WITH_MAX:
        return SqlType(kind)
    length = _number(arguments, 0, default_length, kind, line)
    if not 1 <= length <= _LIMITS[kind] or len(arguments) > 1:
        raise SqlError(131, f"The size ({length}) given to the type '{kind}' is not allowed.", line=line)
    return SqlType(kind, length)


def _decimal(arguments: list[str], line: int) -> SqlType:
    precision, scale = (_number(arguments, place, default, Kind.DECIMAL, line) for place, default in ((0, 18), (1, 0)))
    if not 1 <= precision <= 38 or not 0 <= scale <= precision or len(arguments) > 2:
        raise SqlError(2750, f"Precision {precision} with scale {scale} is no decimal.", line=line)
    return SqlType(Kind.DECIMAL, precision=precision, scale=scale)


def _number(arguments: list[str], place: int, default: int, kind: Kind, line: int) -> int:
    if place >= len(arguments):
        return default
    if not arguments[place].isdigit():
        raise refused(f"{kind}({', '.join(arguments)})", line)
    return int(arguments[place])


def type_name(type_: SqlType) -> str:
    """Return how T-SQL writes the type, which is also the name of its domain."""
    if type_.kind in _LIMITS:
        return f"{type_.kind}({'max' if type_.length is None else type_.length})"
    if type_.kind is Kind.DECIMAL:
        return f"{type_.kind}({type_.precision},{type_.scale})"
    return f"{type_.kind}({type_.scale})" if type_.kind in FRACTIONS else str(type_.kind)


def domain(type_: SqlType) -> str:
    """Return the name of the type's domain in PostgreSQL."""
    return f'tsql."{type_name(type_)}"'


def base(type_: SqlType) -> str:
    """Return the type of PostgreSQL that holds the values."""
    match type_.kind:
        case Kind.DECIMAL:
            return f"numeric({type_.precision},{type_.scale})"
        case Kind.TIME | Kind.DATETIME2 | Kind.DATETIMEOFFSET:
            name = {Kind.TIME: "time", Kind.DATETIME2: "timestamp", Kind.DATETIMEOFFSET: "timestamptz"}[type_.kind]
            return f"{name}({min(type_.scale, 6)})"
        case _:
            return _BASES[type_.kind]


_BASES = {
    Kind.BIT: "smallint",
    Kind.TINYINT: "smallint",
    Kind.SMALLINT: "smallint",
    Kind.INT: "integer",
    Kind.BIGINT: "bigint",
    Kind.MONEY: "numeric(19,4)",
    Kind.REAL: "real",
    Kind.FLOAT: "double precision",
    Kind.DATE: "date",
    Kind.DATETIME: "timestamp(3)",
    Kind.SMALLDATETIME: "timestamp(0)",
    Kind.UNIQUEIDENTIFIER: "uuid",
    Kind.CHAR: "bpchar",
    Kind.VARCHAR: "bpchar",
    Kind.NCHAR: "bpchar",
    Kind.NVARCHAR: "bpchar",
    Kind.BINARY: "bytea",
    Kind.VARBINARY: "bytea",
    Kind.XML: "bpchar",
}

TRUNCATED, OUT_OF_RANGE = "truncated", "out_of_range"
"""Names of the domains' constraints, by which an error is known."""


def domain_definition(type_: SqlType) -> str:
    """Return the statement that makes the type's domain."""
    check = _check(type_)
    return f"CREATE DOMAIN {domain(type_)} AS {base(type_)}{f' CONSTRAINT {check}' if check else ''}"


_RANGES = {
    Kind.BIT: "VALUE IN (0, 1)",
    Kind.TINYINT: "VALUE BETWEEN 0 AND 255",
    Kind.MONEY: "VALUE BETWEEN -922337203685477.5808 AND 922337203685477.5807",
    Kind.REAL: "VALUE - VALUE = 0",  # neither NaN nor an infinity minus itself is 0
    Kind.FLOAT: "VALUE - VALUE = 0",
    Kind.TIME: "VALUE < '24:00'",
    Kind.DATE: "VALUE >= '0001-01-01' AND VALUE < '10000-01-01'",
    Kind.DATETIME2: "VALUE >= '0001-01-01' AND VALUE < '10000-01-01'",
    Kind.DATETIMEOFFSET: "VALUE >= '0001-01-01 00:00Z' AND VALUE < '10000-01-01 00:00Z'",
    Kind.DATETIME: "VALUE >= '1753-01-01' AND VALUE < '10000-01-01'",
    Kind.SMALLDATETIME: "VALUE = date_trunc('minute', VALUE) AND VALUE >= '1900-01-01' AND VALUE < '2079-06-07'",
    Kind.XML: "tsql.is_xml(CAST(VALUE AS text))",
}
_SIZES = {
    Kind.CHAR: "octet_length(VALUE) = {0}",
    Kind.NCHAR: "tsql.units(VALUE) = {0}",
    Kind.VARCHAR: "octet_length(VALUE) <= {0}",
    Kind.NVARCHAR: "octet_length(VALUE) <= {0} OR tsql.units(VALUE) <= {0}",
    Kind.VARBINARY: "octet_length(VALUE) <= {0}",
    Kind.BINARY: "octet_length(VALUE) = {0}",
}


def in_range(sql: str, type_: SqlType) -> str:
    """Return the condition under which a value is in the range of its type."""
    return f"({_RANGES[type_.kind].replace('VALUE', sql)})"


def _check(type_: SqlType) -> str:
    if type_.kind in _RANGES:
        return f"{OUT_OF_RANGE} CHECK ({_RANGES[type_.kind]})"
    if type_.kind in _SIZES and type_.length is not None:
        return f"{TRUNCATED} CHECK ({_SIZES[type_.kind].format(type_.length)})"
    return ""


FIXED: tuple[SqlType, ...] = (
    *(SqlType(kind) for kind in Kind if kind not in _LIMITS and kind not in FRACTIONS and kind is not Kind.DECIMAL),
    *(SqlType(kind) for kind in (Kind.VARCHAR, Kind.NVARCHAR, Kind.VARBINARY)),
    *(SqlType(kind, scale=scale) for kind in (Kind.TIME, Kind.DATETIME2, Kind.DATETIMEOFFSET) for scale in range(8)),
    SYSNAME,
)
"""Types whose domains every database has from the start; others are made when a table first needs them."""
