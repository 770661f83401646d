"""What a value becomes on its way into a column whose type PostgreSQL would fill up otherwise, or not at all.

Here live values of statements; those of bulk loads live in `postgres_fitting`. It may import `convert`, `scope` and
`types`.
"""

from collections.abc import Sequence

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.scope import Piece, quote

FILLED = {Kind.CHAR, Kind.NCHAR}
"""Kinds whose values are all of one size."""


def stored(piece: Piece, type_: SqlType | None) -> str:
    """Return the value as a column of that type keeps it; one that is too long is left to the column's domain."""
    if type_ is None or not _changes(piece, type_):
        return piece.sql
    return f"tsql.stored_{type_.kind}(CAST({piece.sql} AS bpchar), {type_.length})"


def _changes(piece: Piece, type_: SqlType) -> bool:
    return type_.kind in FILLED and not piece.null and piece.type != type_


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
