"""Values of parameters and of bulk loads as their T-SQL types hold them: cut, filled up, rounded.

Here live values outside of PostgreSQL; those of statements live in `tsql.storing`. It may import `engine`, `tsql.types`
and pyarrow.
"""

from collections.abc import Callable
from datetime import time

import pyarrow as pa
import pyarrow.compute as pc

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types

_FILLED = {Kind.CHAR, Kind.NCHAR}
_DAY = 86_400_000_000


def held(value: object, type_: SqlType) -> object:
    """Return what a variable of a type holds of a value: it cuts without a word, as T-SQL's variables do."""
    if isinstance(value, str) and type_.length is not None and type_.kind in types.STRINGS:
        return _held_text(value, type_.kind, type_.length)
    if isinstance(value, bytes) and type_.length is not None and type_.kind in types.BINARIES:
        return value[: type_.length].ljust(type_.length * (type_.kind is Kind.BINARY), b"\0")
    if isinstance(value, time) and type_.kind is Kind.TIME:
        return _stored_time(pa.array([value], type_.arrow), type_)[0].as_py()
    return value


def _held_text(value: str, kind: Kind, length: int) -> str:
    wide = kind in types.UNICODE
    encoding, size = ("utf-16-le", 2 * length) if wide else ("utf-8", length)
    cut = value.encode(encoding)[:size].decode(encoding, "ignore")
    return _filled_text(cut, kind, length) if kind in _FILLED else cut


def _filled_text(value: str, kind: Kind, length: int) -> str:
    """Fill up with blanks; of more than fits, blanks alone are cut."""
    size = _units(value) if kind is Kind.NCHAR else len(value.encode())
    if size <= length:
        return value + " " * (length - size)
    blanks = len(value) - len(value.rstrip(" "))
    return value[: len(value) - min(blanks, size - length)]


def _units(value: str) -> int:
    return len(value.encode("utf-16-le")) // 2


def stored(array: pa.Array, type_: SqlType) -> pa.Array:
    """Return values of a bulk load as a column of a type keeps them; one that is too long is left to its domain."""
    fit = _STORED.get(type_.kind)
    return array if fit is None else fit(array, type_)


def _stored_text(array: pa.Array, type_: SqlType) -> pa.Array:
    if not pa.types.is_string(array.type) or type_.length is None:
        return array
    filled = [None if value is None else _filled_text(value, type_.kind, type_.length) for value in array.to_pylist()]
    return pa.array(filled, array.type)


def _stored_bytes(array: pa.Array, type_: SqlType) -> pa.Array:
    if not pa.types.is_binary(array.type):
        return array
    length = type_.length or 0
    return pa.array([None if value is None else value.ljust(length, b"\0") for value in array.to_pylist()], array.type)


def _stored_time(array: pa.Array, type_: SqlType) -> pa.Array:
    """Round to the digits of the type; midnight follows the day's last second."""
    if not pa.types.is_time64(array.type) or type_.scale >= 6:
        return array
    unit = 10 ** (6 - type_.scale)
    units = pc.divide(pc.add(array.cast(pa.int64()), unit // 2), unit)
    whole = pc.multiply(units, unit)
    return pc.if_else(pc.equal(whole, _DAY), 0, whole).cast(array.type)


_STORED: dict[Kind, Callable[[pa.Array, SqlType], pa.Array]] = {
    **dict.fromkeys(_FILLED, _stored_text),
    Kind.BINARY: _stored_bytes,
    Kind.TIME: _stored_time,
}
