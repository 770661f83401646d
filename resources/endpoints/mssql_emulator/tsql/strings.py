"""Functions of strings and bytes.

Here live their entries in the table of `functions`. It may import `functions`, `scope`, `types` and `convert`.
https://learn.microsoft.com/sql/t-sql/functions/string-functions-transact-sql
"""

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import held, string_bytes
from resources.endpoints.mssql_emulator.tsql.functions import Call, as_string, function, on_text, simple
from resources.endpoints.mssql_emulator.tsql.scope import Piece

on_text("UPPER", least=1, sql="upper({0})")
on_text("LOWER", least=1, sql="lower({0})")
on_text("LTRIM", least=1, sql="ltrim({0}, ' ')")
on_text("RTRIM", least=1, sql="rtrim({0}, ' ')")
on_text("TRIM", least=1, sql="btrim({0}, ' ')")
on_text("REVERSE", least=1, sql="reverse({0})")
on_text("REPLACE", least=3, sql="replace({0}, {1}, {2})", grows=True)
on_text("TRANSLATE", least=3, sql="translate({0}, {1}, {2})", grows=True)

simple("ISJSON", least=1, sql="tsql.is_json(CAST({0} AS text))", type_=types.INT)
simple(
    "JSON_VALUE",
    least=2,
    sql="tsql.json_value(CAST({0} AS text), CAST({1} AS text))",
    type_=SqlType(Kind.NVARCHAR, 4000),
)
simple("UNICODE", least=1, sql="ascii(CAST({0} AS text))", type_=types.INT)
simple("NCHAR", least=1, sql="CAST(chr({0}) AS bpchar)", type_=SqlType(Kind.NVARCHAR, 2))
simple("QUOTENAME", least=1, most=2, sql="tsql.quotename({0}, {1})", type_=SqlType(Kind.NVARCHAR, 258))
simple("PARSENAME", least=2, sql="tsql.parsename({0}, {1})", type_=types.SYSNAME)


@function("SPACE", least=1)
def _space(call: Call) -> Piece:
    many = call.number(0)
    said = f"CASE WHEN {many} >= 0 THEN CAST(repeat(' ', least({many}, 8000)) AS bpchar) END"
    return Piece(said, SqlType(Kind.VARCHAR, 8000))


@function("LEN", least=1)
def _len(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.type and piece.type.kind in types.BINARIES:
        return Piece(f"octet_length({piece.sql})", types.INT)
    return Piece(f"length(rtrim(CAST({as_string(piece).sql} AS text), ' '))", types.INT)


@function("DATALENGTH", least=1)
def _datalength(call: Call) -> Piece:
    piece = call.arg(0)
    if piece.null:
        return Piece("CAST(NULL AS integer)", types.INT)
    if piece.type is None:
        raise call.wrong("of an expression whose type is not known")
    kind, result = piece.type.kind, types.INT
    if kind in types.STRINGS | types.BINARIES and piece.type.length is None:
        result = types.BIGINT
    if kind in types.UNICODE:
        said = f"2 * tsql.units(CAST({piece.sql} AS bpchar))"
    elif kind in types.STRINGS or kind in types.BINARIES:
        said = f"octet_length({piece.sql})"
    elif kind is Kind.XML:
        raise call.wrong("of xml")
    else:
        said = f"CASE WHEN {piece.sql} IS NOT NULL THEN {piece.type.size} END"
    return Piece(f"CAST({said} AS {types.base(result)})", result)


def _of_first(call: Call, said: str, length: int | None = None) -> Piece:
    first = call.arg(0).type
    kind = Kind.NVARCHAR if first is None or first.kind in types.UNICODE else Kind.VARCHAR
    return Piece(f"CAST({said} AS bpchar)", SqlType(kind, length if length else first.length if first else None))


@function("SUBSTRING", least=3)
def _substring(call: Call) -> Piece:
    piece, start, length = call.arg(0), call.number(1), call.number(2)
    if piece.type and piece.type.kind in types.BINARIES:
        return Piece(f"substring({piece.sql} FROM {start} FOR {length})", SqlType(Kind.VARBINARY, piece.type.length))
    return _of_first(call, f"substring(CAST({as_string(piece).sql} AS text) FROM {start} FOR {length})")


@function("LEFT", "RIGHT", least=2)
def _end(call: Call) -> Piece:
    return _of_first(call, f"{call.name.lower()}(CAST({call.string(0).sql} AS text), tsql.natural({call.number(1)}))")


@function("REPLICATE", least=2)
def _replicate(call: Call) -> Piece:
    piece, many = call.string(0), call.number(1)
    wide = piece.type is None or piece.type.kind in types.UNICODE
    said = f"CASE WHEN {many} >= 0 THEN {{}} END"
    if piece.type is not None and piece.type.length is None:
        return _of_first(call, said.format(f"repeat(CAST({piece.sql} AS text), {many})"))
    longest, cut = (4000, "cut_units") if wide else (8000, "cut_bytes")
    repeated = f"repeat(CAST({piece.sql} AS text), least({many}, {longest}))"
    return _of_first(call, said.format(f"tsql.{cut}({repeated}, {longest})"), longest)


@function("STUFF", least=4)
def _stuff(call: Call) -> Piece:
    given = [f"CAST({call.string(place).sql} AS text)" for place in (0, 3)]
    piece = _of_first(call, f"tsql.stuff({given[0]}, {call.number(1)}, {call.number(2)}, {given[1]})")
    return Piece(piece.sql, SqlType(piece.type.kind if piece.type else Kind.NVARCHAR))


@function("CHARINDEX", least=2, most=3)
def _charindex(call: Call) -> Piece:
    start = call.number(2) if len(call.nodes) == 3 else "1"
    sought, within = (f"CAST({call.string(place).sql} AS text)" for place in (0, 1))
    return Piece(f"tsql.charindex({sought}, {within}, {start})", types.INT)


@function("PATINDEX", least=2)
def _patindex(call: Call) -> Piece:
    pattern, within = (f"CAST({call.string(place).sql} AS text)" for place in (0, 1))
    return Piece(f"tsql.patindex({pattern}, {within})", types.INT)


@function("ASCII", least=1)
def _ascii(call: Call) -> Piece:
    return Piece(f"get_byte(convert_to(CAST({call.string(0).sql} AS text), 'UTF8'), 0)", types.INT)


@function("CHAR", least=1)
def _char(call: Call) -> Piece:
    node = call.nodes[0]
    if isinstance(node, exp.Literal) and node.is_int and not 1 <= int(node.this) <= 127:
        raise call.wrong(f"({node.this})")
    return Piece(f"CAST(chr(tsql.ascii_code({call.number(0)})) AS bpchar)", SqlType(Kind.VARCHAR, 1))


@function("CONCAT", least=2, most=254)
def _concat(call: Call) -> Piece:
    given = [as_string(piece) for piece in call.args()]
    return _joined(" || ".join(f"coalesce(CAST({piece.sql} AS text), '')" for piece in given), given)


@function("CONCAT_WS", least=3, most=254)
def _concat_ws(call: Call) -> Piece:
    given = [as_string(piece) for piece in call.args()]
    # The separator stands between all others.
    lengths = [given[0]] * (len(given) - 2) + given[1:]
    return _joined(f"concat_ws({', '.join(f'CAST({piece.sql} AS text)' for piece in given)})", lengths)


def _joined(said: str, given: list[Piece]) -> Piece:
    known = [piece.type for piece in given if not piece.null]
    wide = any(type_ is None or type_.kind in types.UNICODE for type_ in known)
    lengths = [None if type_ is None else type_.length for type_ in known]
    longest = 4000 if wide else 8000
    total = None if None in lengths else max(1, sum(length or 0 for length in lengths))
    type_ = SqlType(Kind.NVARCHAR if wide else Kind.VARCHAR, total and min(longest, total))
    if total is not None:
        said = held(said, SqlType(type_.kind, total), type_)
    return Piece(f"CAST({said} AS bpchar)", type_)


@function("HASHBYTES", least=2)
def _hashbytes(call: Call) -> Piece:
    node, piece = call.nodes[0], call.arg(1)
    algorithm = node.name.upper() if isinstance(node, exp.Literal | exp.National) else ""
    if piece.type is None or piece.type.kind not in types.STRINGS | types.BINARIES:
        raise call.wrong("of an expression that is not known to be a string or bytes; CAST it")
    bytes_ = piece.sql if piece.type.kind in types.BINARIES else string_bytes(piece.sql, piece.type)
    match algorithm:
        case "MD5":
            return Piece(f"decode(md5({bytes_}), 'hex')", SqlType(Kind.VARBINARY, 8000))
        case "SHA2_256" | "SHA2_512":
            return Piece(f"sha{algorithm[-3:]}({bytes_})", SqlType(Kind.VARBINARY, 8000))
        case _:
            raise call.wrong(f"with {node.sql('tsql')} (MD5, SHA2_256 and SHA2_512 are known)")
