"""What a value becomes on its way into a column whose type PostgreSQL would fill up otherwise, or not at all.

Here live values of statements; those of bulk loads live in `postgres_fitting`. It may import `convert`, `moments`,
`scope` and `types`.
"""

from collections.abc import Collection, Sequence

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import by_clock, cast
from resources.endpoints.mssql_emulator.tsql.moments import moment, moment_from_text
from resources.endpoints.mssql_emulator.tsql.scope import Piece, quote

_SAID = {*types.TIMES, Kind.MONEY}
"""Kinds that PostgreSQL would write into a column of text otherwise than T-SQL."""


def stored(piece: Piece, type_: SqlType | None) -> str:
    """Return the value as a column of that type keeps it; one that is too long is left to the column's domain.

    Raises SqlError 102 where the offset of a datetimeoffset would count.
    """
    if type_ is None or piece.null or piece.type == type_:
        return piece.sql
    if type_.kind in types.TIMES and type_.kind is not Kind.DATETIMEOFFSET:
        by_clock(piece, f"datetimeoffset in a column of {type_.kind}")
    if type_.kind in types.STRINGS and _is(piece, _SAID):
        piece = cast(piece, types.VARCHAR_MAX)
    fit = _FITS.get(type_.kind)
    return piece.sql if fit is None else fit(piece, type_)


def _text(piece: Piece, type_: SqlType) -> str:
    return f"tsql.stored_{type_.kind}(CAST({piece.sql} AS bpchar), {type_.length})"


def _bytes(piece: Piece, type_: SqlType) -> str:
    return f"tsql.stored_binary({piece.sql}, {type_.length})" if _is(piece, types.BINARIES) else piece.sql


def _bit(piece: Piece, type_: SqlType) -> str:
    return cast(piece, type_).sql if _is(piece, types.NUMBERS) else piece.sql


def _moment(piece: Piece, type_: SqlType) -> str:
    if _is(piece, types.STRINGS):
        return moment_from_text(piece.sql, type_)
    if type_.kind is Kind.SMALLDATETIME and _is(piece, types.TIMES):
        return cast(piece, type_).sql
    finer = type_.kind is Kind.TIME and _is(piece, types.TIMES - {Kind.DATE})
    return moment(piece.sql, type_) if finer else piece.sql


_FITS = {
    **dict.fromkeys((Kind.CHAR, Kind.NCHAR), _text),
    Kind.BINARY: _bytes,
    Kind.BIT: _bit,
    **dict.fromkeys(types.TIMES, _moment),
}


def _is(piece: Piece, kinds: Collection[Kind]) -> bool:
    return piece.type is not None and piece.type.kind in kinds


def stored_rows(query: str, pieces: Sequence[Piece] | None, wanted: Sequence[SqlType | None]) -> str:
    """Return a query whose rows are as columns of these types keep them."""
    if pieces is None or len(pieces) != len(wanted):
        return query  # a value that does not fit as it is, is refused by the column's domain
    names = [quote(f"c{place}") for place in range(len(pieces))]
    triples = list(zip(names, pieces, wanted, strict=True))
    said = [
        name if piece.null else stored(Piece(name, piece.type, utc=piece.utc), type_) for name, piece, type_ in triples
    ]
    if said == names:
        return query
    filled = [_null(type_) if piece.null else one for one, (_, piece, type_) in zip(said, triples, strict=True)]
    return f'SELECT {", ".join(filled)} FROM ({query}) AS "__v" ({", ".join(names)})'


def _null(type_: SqlType | None) -> str:
    return "NULL" if type_ is None else f"CAST(NULL AS {types.base(type_)})"
