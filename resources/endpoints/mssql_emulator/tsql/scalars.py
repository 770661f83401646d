"""Conversions, choices and numbers: CAST, ISNULL, IIF, ROUND and their like.

Here live their entries in the table of `functions`. It may import `functions`, `scope`, `types` and `convert`.
"""

from dataclasses import replace

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import type_rules, types
from resources.endpoints.mssql_emulator.tsql.convert import cast, exact, try_cast
from resources.endpoints.mssql_emulator.tsql.functions import Call, function
from resources.endpoints.mssql_emulator.tsql.scope import Piece


@function("CAST", "TRY_CAST", least=2)
def _cast(call: Call) -> Piece:
    to = types.parse_type(call.nodes[1].name, 30)
    piece = call.arg(0)
    call.says.guess(piece, to)
    return (try_cast if call.name == "TRY_CAST" else cast)(piece, to)


@function("CONVERT", "TRY_CONVERT", least=2, most=3)
def _convert(call: Call) -> Piece:
    to = types.parse_type(call.nodes[0].name, 30)
    style = None
    if len(call.nodes) == 3:
        node = call.nodes[2]
        if not isinstance(node, exp.Literal) or not node.is_int:
            raise call.wrong(f"with style {node.sql('tsql')}")
        style = int(node.name)
    piece = call.arg(1)
    call.says.guess(piece, to)
    return (try_cast if call.name == "TRY_CONVERT" else cast)(piece, to, style)


@function("ISNULL", least=2)
def _isnull(call: Call) -> Piece:
    one, other = call.args()
    call.says.guess(one, other.type)
    call.says.guess(other, one.type)
    if one.null or one.type is None:
        one, other = call.says.same([one, other])
        return Piece(f"coalesce({one.sql}, {other.sql})", one.type or other.type)
    instead = other if other.null else cast(other, one.type) if other.type != one.type or other.literal else other
    if instead.null:
        instead = cast(other, one.type)
    return Piece(f"coalesce({call.says.suited(one, one.type).sql}, {instead.sql})", one.type)


@function("COALESCE", least=2, most=100)
def _coalesce(call: Call) -> Piece:
    given = call.says.same(call.args())
    if all(piece.null for piece in given):
        raise SqlError(
            4127, "At least one of the arguments to COALESCE must be an expression that is not the NULL constant."
        )
    type_ = type_rules.combine(piece.type for piece in given if not piece.null)
    return Piece(f"coalesce({', '.join(piece.sql for piece in given)})", type_)


@function("GREATEST", "LEAST", least=1, most=254)
def _extreme(call: Call) -> Piece:
    given = call.says.same(call.args())
    type_ = type_rules.combine(piece.type for piece in given if not piece.null)
    if type_ is not None and type_.kind is Kind.UNIQUEIDENTIFIER:
        raise call.wrong("of uniqueidentifier (its order is not PostgreSQL's)")
    return Piece(f"{call.name.lower()}({', '.join(piece.sql for piece in given)})", type_)


@function("NULLIF", least=2)
def _nullif(call: Call) -> Piece:
    one, other = call.args()
    condition = call.says.compared("=", one, other)
    value = f"CAST({one.sql} AS bpchar)" if one.literal else one.sql
    return Piece(f"CASE WHEN {condition} THEN NULL ELSE {value} END", one.type)


@function("IIF", least=3)
def _iif(call: Call) -> Piece:
    condition = call.says.condition(call.nodes[0], call.scope)
    given = [call.arg(1), call.arg(2)]
    then, otherwise = call.says.same(given)
    type_ = type_rules.combine(piece.type for piece in given if not piece.null)
    return Piece(f"CASE WHEN {condition} THEN {then.sql} ELSE {otherwise.sql} END", type_)


@function("CHOOSE", least=2, most=255)
def _choose(call: Call) -> Piece:
    given = [call.arg(place) for place in range(1, len(call.nodes))]
    type_ = type_rules.combine(piece.type for piece in given if not piece.null)
    chosen = " ".join(f"WHEN {place} THEN {piece.sql}" for place, piece in enumerate(call.says.same(given), 1))
    return Piece(f"CASE {call.number(0)} {chosen} END", type_)


@function("ISNUMERIC", least=1)
def _isnumeric(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.null or piece.type is None or piece.type.kind not in types.STRINGS | types.NUMBERS:
        raise call.wrong("of something else than text or a number")
    if piece.type.kind in types.NUMBERS:
        return Piece(f"CASE WHEN {piece.sql} IS NULL THEN 0 ELSE 1 END", types.INT)
    return Piece(f"coalesce(tsql.is_numeric(CAST({piece.sql} AS text)), 0)", types.INT)


@function("ABS", "CEILING", "FLOOR", least=1)
def _rounded(call: Call) -> Piece:
    piece = call.arg(0)
    type_ = piece.type
    if type_ and type_.kind is Kind.DECIMAL and call.name != "ABS":
        type_ = SqlType(Kind.DECIMAL, precision=type_.precision)
    said = f"{call.name.lower()}({piece.sql})"
    return Piece(f"CAST({said} AS {types.base(type_)})" if type_ else said, type_)


@function("SIGN", least=1)
def _sign(call: Call) -> Piece:
    piece = call.arg(0)
    return Piece(f"CAST(sign({piece.sql}) AS {types.base(piece.type)})" if piece.type else "", piece.type)


_WIDENED = {**dict.fromkeys((Kind.TINYINT, Kind.SMALLINT), types.INT), Kind.REAL: types.FLOAT}
"""What ROUND and POWER return of types whose results would not always fit."""


@function("ROUND", least=2, most=3)
def _round(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.type is None:
        raise call.wrong("of an expression whose type is not known")
    how = "round"
    if len(call.nodes) == 3:
        node = call.nodes[2]
        if not isinstance(node, exp.Literal) or node.name not in ("0", "1"):
            raise call.wrong("with a function argument that is not 0 or 1")
        how = "trunc" if node.name == "1" else "round"
    said = f"{how}(CAST({exact(piece.sql, piece.type)} AS numeric), {call.number(1)})"
    type_ = _WIDENED.get(piece.type.kind, piece.type)
    return Piece(f"CAST({said} AS {types.base(type_)})", type_)


@function("POWER", least=2)
def _power(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.type is None:
        raise call.wrong("of an expression whose type is not known")
    said = f"power(CAST({piece.sql} AS numeric), CAST({call.arg(1).sql} AS numeric))"
    type_ = _WIDENED.get(piece.type.kind, piece.type)
    if type_.kind in types.INTEGERS:
        said = f"tsql.whole_power({said}, '{type_.kind}')"
    if type_.kind in types.FLOATS:
        said = f"power({piece.sql}, {call.arg(1).sql})"
    if type_.kind is Kind.DECIMAL:
        type_ = replace(type_, precision=38)
    return Piece(f"CAST({said} AS {types.base(type_)})", type_)


@function("LOG", least=1, most=2)
def _log(call: Call) -> Piece:
    logarithms = [f"ln(CAST({piece.sql} AS double precision))" for piece in call.args()]
    return Piece(f"({' / '.join(logarithms)})", types.FLOAT)
