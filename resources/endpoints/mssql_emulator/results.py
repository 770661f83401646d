"""Result sets that the wire makes itself, for the procedures by which drivers ask about types and parameters.

Here live the tables of sp_datatype_info_100 and sp_describe_undeclared_parameters; nothing here asks an engine. It may
import pyarrow, the standard library and the modules of the wire below it.

Sources: https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/ (sp-datatype-info-transact-sql,
sp-describe-undeclared-parameters-transact-sql).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from resources.endpoints.mssql_emulator.declared import type_text
from resources.endpoints.mssql_emulator.engine import Kind, Parameter, ResultColumn, ResultSet, SqlType
from resources.endpoints.mssql_emulator.types import COLLATION, WIDE, type_info, write_type

_NAME = SqlType(Kind.NVARCHAR, 128)
_TEXT = SqlType(Kind.NVARCHAR, 4000)
_INT = SqlType(Kind.INT)
_SMALL = SqlType(Kind.SMALLINT)
_TINY = SqlType(Kind.TINYINT)
_BIT = SqlType(Kind.BIT)


def table(columns: Sequence[tuple[str, SqlType]], rows: Iterable[Sequence[object]]) -> ResultSet:
    """Return rows as a result set."""
    rows = list(rows)
    told = tuple(ResultColumn(name, sql) for name, sql in columns)
    arrays = [pa.array([row[place] for row in rows], sql.arrow) for place, (_, sql) in enumerate(columns)]
    return ResultSet(told, iter([pa.record_batch(arrays, [name for name, _ in columns])]))


_TYPE_COLUMNS = (
    ("TYPE_NAME", _NAME),
    ("DATA_TYPE", _SMALL),
    ("PRECISION", _INT),
    ("LITERAL_PREFIX", SqlType(Kind.VARCHAR, 32)),
    ("LITERAL_SUFFIX", SqlType(Kind.VARCHAR, 32)),
    ("CREATE_PARAMS", SqlType(Kind.VARCHAR, 32)),
    ("NULLABLE", _SMALL),
    ("CASE_SENSITIVE", _SMALL),
    ("SEARCHABLE", _SMALL),
    ("UNSIGNED_ATTRIBUTE", _SMALL),
    ("MONEY", _SMALL),
    ("AUTO_INCREMENT", _SMALL),
    ("LOCAL_TYPE_NAME", _NAME),
    ("MINIMUM_SCALE", _SMALL),
    ("MAXIMUM_SCALE", _SMALL),
    ("SQL_DATA_TYPE", _SMALL),
    ("SQL_DATETIME_SUB", _SMALL),
    ("NUM_PREC_RADIX", _INT),
    ("INTERVAL_PRECISION", _SMALL),
    ("USERTYPE", _SMALL),
)

# Name, ODBC 3 type, precision, literal prefix and suffix, parameters, searchable, unsigned, least and greatest scale,
# verbose type and its part (date and time), radix, number of the type among user types.
_TYPES: tuple[tuple[Any, ...], ...] = (
    ("datetimeoffset", -155, 34, "'", "'", "scale               ", 3, None, 0, 7, -155, 0, None, 0),
    ("time", -154, 16, "'", "'", "scale               ", 3, None, 0, 7, -154, 0, None, 0),
    ("xml", -152, 0, "N'", "'", None, 0, None, None, None, -152, None, None, 0),
    ("uniqueidentifier", -11, 36, "'", "'", None, 2, None, None, None, -11, None, None, 0),
    ("ntext", -10, 1_073_741_823, "N'", "'", None, 1, None, None, None, -10, None, None, 0),
    ("nvarchar", -9, 4000, "N'", "'", "max length          ", 3, None, None, None, -9, None, None, 0),
    ("sysname", -9, 128, "N'", "'", None, 3, None, None, None, -9, None, None, 18),
    ("nchar", -8, 4000, "N'", "'", "length              ", 3, None, None, None, -8, None, None, 0),
    ("bit", -7, 1, None, None, None, 2, None, 0, 0, -7, None, None, 16),
    ("tinyint", -6, 3, None, None, None, 2, 1, 0, 0, -6, None, 10, 5),
    ("bigint", -5, 19, None, None, None, 2, 0, 0, 0, -5, None, 10, 0),
    ("image", -4, 2_147_483_647, "0x", None, None, 0, None, None, None, -4, None, None, 20),
    ("varbinary", -3, 8000, "0x", None, "max length          ", 2, None, None, None, -3, None, None, 4),
    ("binary", -2, 8000, "0x", None, "length              ", 2, None, None, None, -2, None, None, 3),
    ("timestamp", -2, 8, "0x", None, None, 2, None, None, None, -2, None, None, 80),
    ("text", -1, 2_147_483_647, "'", "'", None, 1, None, None, None, -1, None, None, 19),
    ("char", 1, 8000, "'", "'", "length              ", 3, None, None, None, 1, None, None, 1),
    ("numeric", 2, 38, None, None, "precision,scale     ", 2, 0, 0, 38, 2, None, 10, 10),
    ("decimal", 3, 38, None, None, "precision,scale     ", 2, 0, 0, 38, 3, None, 10, 24),
    ("money", 3, 19, "$", None, None, 2, 0, 4, 4, 3, None, 10, 11),
    ("smallmoney", 3, 10, "$", None, None, 2, 0, 4, 4, 3, None, 10, 21),
    ("int", 4, 10, None, None, None, 2, 0, 0, 0, 4, None, 10, 7),
    ("smallint", 5, 5, None, None, None, 2, 0, 0, 0, 5, None, 10, 6),
    ("float", 6, 53, None, None, None, 2, 0, None, None, 6, None, 2, 8),
    ("real", 7, 24, None, None, None, 2, 0, None, None, 7, None, 2, 23),
    ("varchar", 12, 8000, "'", "'", "max length          ", 3, None, None, None, 12, None, None, 2),
    ("date", 91, 10, "'", "'", None, 3, None, None, 0, 9, 1, None, 0),
    ("datetime2", 93, 27, "'", "'", "scale               ", 3, None, 0, 7, 9, 3, None, 0),
    ("datetime", 93, 23, "'", "'", None, 3, None, 3, 3, 9, 3, None, 12),
    ("smalldatetime", 93, 16, "'", "'", None, 3, None, 0, 0, 9, 3, None, 22),
)
_BEFORE_ODBC_3 = {91: 9, 92: 10, 93: 11}


def datatype_info(data_type: int, odbc_version: int) -> ResultSet:
    """Return what sp_datatype_info_100 says of an ODBC type; 0 asks for all.

    Drivers take from it the scale of the parameters that they bind: without its rows they cut fractions of a second.
    """
    rows = []
    for name, number, precision, prefix, suffix, parameters, searchable, unsigned, low, high, *rest in _TYPES:
        told = number if odbc_version >= 3 else _BEFORE_ODBC_3.get(number, number)
        if data_type not in (0, told):
            continue
        verbose, part, radix, user = rest
        text = prefix in ("'", "N'") and number not in (-155, -154, -11, 91, 93)
        money, counts = int("money" in name), 0 if unsigned is not None else None
        head = (name, told, precision, prefix, suffix, parameters, 1, int(text), searchable, unsigned, money, counts)
        rows.append((*head, name, low, high, verbose, part, radix, None, user))
    return table(_TYPE_COLUMNS, rows)


_SYSTEM_TYPES = {
    Kind.UNIQUEIDENTIFIER: 36,
    Kind.DATE: 40,
    Kind.TIME: 41,
    Kind.DATETIME2: 42,
    Kind.DATETIMEOFFSET: 43,
    Kind.TINYINT: 48,
    Kind.SMALLINT: 52,
    Kind.INT: 56,
    Kind.SMALLDATETIME: 58,
    Kind.REAL: 59,
    Kind.MONEY: 60,
    Kind.DATETIME: 61,
    Kind.FLOAT: 62,
    Kind.BIT: 104,
    Kind.DECIMAL: 106,
    Kind.BIGINT: 127,
    Kind.VARBINARY: 165,
    Kind.VARCHAR: 167,
    Kind.BINARY: 173,
    Kind.CHAR: 175,
    Kind.NVARCHAR: 231,
    Kind.NCHAR: 239,
    Kind.XML: 241,
}
"""`system_type_id` of sys.types."""

_PRECISIONS = {
    Kind.BIT: 1,
    Kind.TINYINT: 3,
    Kind.SMALLINT: 5,
    Kind.INT: 10,
    Kind.BIGINT: 19,
    Kind.MONEY: 19,
    Kind.REAL: 24,
    Kind.FLOAT: 53,
    Kind.DATE: 10,
    Kind.DATETIME: 23,
    Kind.SMALLDATETIME: 16,
}

_DESCRIBED = (
    ("parameter_ordinal", _INT),
    ("name", _NAME),
    ("suggested_system_type_id", _INT),
    ("suggested_system_type_name", SqlType(Kind.NVARCHAR, 256)),
    ("suggested_max_length", _SMALL),
    ("suggested_precision", _TINY),
    ("suggested_scale", _TINY),
    ("suggested_user_type_id", _INT),
    ("suggested_user_type_database", _NAME),
    ("suggested_user_type_schema", _NAME),
    ("suggested_user_type_name", _NAME),
    ("suggested_assembly_qualified_type_name", _TEXT),
    ("suggested_xml_collection_id", _INT),
    ("suggested_xml_collection_database", _NAME),
    ("suggested_xml_collection_schema", _NAME),
    ("suggested_xml_collection_name", _NAME),
    ("suggested_is_xml_document", _BIT),
    ("suggested_is_case_sensitive", _BIT),
    ("suggested_is_fixed_length_clr_type", _BIT),
    ("suggested_is_input", _BIT),
    ("suggested_is_output", _BIT),
    ("formal_parameter_name", _NAME),
    ("suggested_tds_type_id", _INT),
    ("suggested_tds_length", _INT),
)


def described(parameters: Sequence[Parameter]) -> ResultSet:
    """Return what sp_describe_undeclared_parameters says of parameters."""
    return table(_DESCRIBED, [_describe(number, parameter) for number, parameter in enumerate(parameters, 1)])


def _describe(number: int, parameter: Parameter) -> tuple[object, ...]:
    sql = parameter.type
    length = _length(sql)
    digits = {Kind.TIME: 8, Kind.DATETIME2: 19, Kind.DATETIMEOFFSET: 26}.get(sql.kind)
    precision = digits + sql.scale + (sql.scale > 0) if digits else sql.precision or _PRECISIONS.get(sql.kind, 0)
    scale = {Kind.MONEY: 4, Kind.DATETIME: 3}.get(sql.kind, sql.scale)
    name = (number, parameter.name, _SYSTEM_TYPES[sql.kind], type_text(sql), length, precision, scale)
    case = sql.kind in (Kind.CHAR, Kind.VARCHAR, *WIDE)
    token = write_type(sql)[0]
    return (*name, *[None] * 9, False, case, False, True, False, None, token, 0xFFFF if length < 0 else length)


def _length(sql: SqlType) -> int:
    """Bytes of the longest value, -1 for MAX."""
    info = type_info(sql)
    if info.width:
        return info.width
    return -1 if sql.length is None else sql.length * (2 if sql.kind in WIDE else 1)


_COLLATED = (COLLATION, "Latin1_General_100_BIN2_UTF8")


def table_collations(columns: Sequence[ResultColumn]) -> ResultSet:
    """Return what sp_tablecollations_100 says of a table's columns: a collation where they are text."""
    told = (("colid", _INT), ("name", _NAME), ("tds_collation_100", SqlType(Kind.BINARY, 5)), ("collation_100", _NAME))
    texts = (Kind.CHAR, Kind.VARCHAR, Kind.NCHAR, Kind.NVARCHAR)
    return table(
        told,
        [
            (number, column.name, *(_COLLATED if column.type.kind in texts else (None, None)))
            for number, column in enumerate(columns, 1)
        ],
    )
