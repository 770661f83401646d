"""What a value becomes on its way into a column whose type PostgreSQL would fill up otherwise, or not at all.

Here live values of statements; those of bulk loads live in `postgres_fitting`. It may import `convert`, `scope` and
`types`.
"""

from collections.abc import Collection, Sequence

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import moment, moment_from_text
from resources.endpoints.mssql_emulator.tsql.scope import Piece, quote

TEXTS = {Kind.CHAR, Kind.NCHAR}
"""Kinds of text whose values are all of one size."""


def stored(piece: Piece, type_: SqlType | None) -> str:
    """Return the value as a column of that type keeps it; one that is too long is left to the column's domain."""
    if type_ is None or not _changes(piece, type_):
        return piece.sql
    if type_.kind in TEXTS:
        return f"tsql.stored_{type_.kind}(CAST({piece.sql} AS bpchar), {type_.length})"
    if type_.kind is Kind.BINARY:
        return f"tsql.stored_binary({piece.sql}, {type_.length})"
    return moment_from_text(piece.sql, type_) if _is(piece, types.STRINGS) else moment(piece.sql, type_)


def _changes(piece: Piece, type_: SqlType) -> bool:
    if piece.null or piece.type == type_:
        return False
    if type_.kind is Kind.BINARY:
        return _is(piece, types.BINARIES)
    if type_.kind in types.FRACTIONS:
        return _is(piece, types.STRINGS) or (type_.kind is Kind.TIME and _is(piece, types.TIMES - {Kind.DATE}))
    return type_.kind in TEXTS


def _is(piece: Piece, kinds: Collection[Kind]) -> bool:
    return piece.type is not None and piece.type.kind in kinds


def stored_rows(query: str, pieces: Sequence[Piece] | None, wanted: Sequence[SqlType | None]) -> str:
    """Return a query whose rows are as columns of these types keep them."""
    if pieces is None or len(pieces) != len(wanted):
        return query  # a value that does not fit as it is, is refused by the column's domain
    pairs = list(zip(pieces, wanted, strict=True))
    if not any(type_ is not None and _changes(piece, type_) for piece, type_ in pairs):
        return query
    names = [quote(f"c{place}") for place in range(len(pieces))]
    said = [
        _null(type_) if piece.null else stored(Piece(name, piece.type), type_)
        for name, (piece, type_) in zip(names, pairs, strict=True)
    ]
    return f'SELECT {", ".join(said)} FROM ({query}) AS "__v" ({", ".join(names)})'


def _null(type_: SqlType | None) -> str:
    return "NULL" if type_ is None else f"CAST(NULL AS {types.base(type_)})"
