"""How Arrow columns become the parameters of an INSERT, without a value that the ODBC driver would round or shift.

Here lives one row per kind of column; the INSERT itself lives in `writers`. It may import pyarrow and pyodbc.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyodbc

from resources import codecs


@dataclass(frozen=True)
class Parameter:
    """How the values of one Arrow type are bound."""

    size: tuple[int, int, int]
    """ODBC's type, size and digits; a size of 0 is MAX."""
    cast: str = ""
    """The type that the server makes of it; empty = as it is bound."""
    values: Callable[[pa.Array], pa.Array] = lambda array: array
    """The array whose Python values are bound."""


_SHORT = (pyodbc.SQL_WVARCHAR, 40, 0)


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _instants(array: pa.Array) -> pa.Array:
    """ISO text at +00:00. As a parameter of its own type an instant loses its zone."""
    return pc.binary_join_element_wise(array.cast(pa.timestamp("us")).cast(pa.string()), " +00:00", "")


def parameter(kind: pa.DataType) -> Parameter:
    """Return how values of an Arrow type are bound. Raises ValueError for a type that no column has."""
    if pa.types.is_decimal(kind):
        return Parameter((pyodbc.SQL_DECIMAL, kind.precision, kind.scale))
    if kind == pa.binary(16):
        return Parameter(_SHORT, "UNIQUEIDENTIFIER", codecs.over_values(codecs.uuid_text))
    if pa.types.is_timestamp(kind):
        zoned = Parameter(_SHORT, "DATETIMEOFFSET(6)", _instants)
        return zoned if kind.tz else Parameter(_SHORT, "DATETIME2(6)", _text)
    if pa.types.is_time(kind):
        return Parameter(_SHORT, "TIME(6)", lambda array: _text(array.cast(pa.time64("us"))))
    if kind not in _PLAIN:
        raise ValueError(f"no parameter for Arrow type {kind}")
    return _PLAIN[kind]


_PLAIN: dict[pa.DataType, Parameter] = {
    pa.bool_(): Parameter((pyodbc.SQL_BIT, 0, 0)),
    pa.uint8(): Parameter((pyodbc.SQL_SMALLINT, 0, 0)),
    pa.int16(): Parameter((pyodbc.SQL_SMALLINT, 0, 0)),
    pa.int32(): Parameter((pyodbc.SQL_INTEGER, 0, 0)),
    pa.int64(): Parameter((pyodbc.SQL_BIGINT, 0, 0)),
    pa.float32(): Parameter((pyodbc.SQL_DOUBLE, 0, 0)),
    pa.float64(): Parameter((pyodbc.SQL_DOUBLE, 0, 0)),
    pa.string(): Parameter((pyodbc.SQL_WVARCHAR, 0, 0)),
    pa.binary(): Parameter((pyodbc.SQL_VARBINARY, 0, 0)),
    pa.date32(): Parameter(_SHORT, "DATE", _text),
}


def placeholder(kind: pa.DataType) -> str:
    """Return what stands for a value of an Arrow type in VALUES."""
    cast = parameter(kind).cast
    return f"CAST(? AS {cast})" if cast else "?"


def columns_of(schema: pa.Schema) -> str:
    """Return the columns of a schema, quoted, as a comma list."""
    return ", ".join("[" + name.replace("]", "]]") + "]" for name in schema.names)
