"""Aggregates and the functions of windows.

Here live their entries in the table of `functions`, and OVER. It may import `functions`, `scope`, `types`,
`convert` and `expressions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.expressions import Expressions
from resources.endpoints.mssql_emulator.tsql.functions import Call, as_string, function
from resources.endpoints.mssql_emulator.tsql.nodes import bare_call, parts
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, quote
from resources.endpoints.mssql_emulator.tsql.tokens import refused


@dataclass(frozen=True)
class Windowed(Call):
    """A call with OVER."""

    over: str = ""


Handler = Callable[[Call, str], Piece]
_AGGREGATES: dict[str, Handler] = {}
_RANKINGS: dict[str, tuple[int, int, Handler]] = {}
"""By name: the least and the greatest number of arguments, and what says the call."""


def _aggregate(*names: str) -> Callable[[Handler], Handler]:
    def enter(handler: Handler) -> Handler:
        for name in names:
            _AGGREGATES[name] = handler
            function(name, least=1)(lambda call: handler(call, ""))
        return handler

    return enter


def _argument(call: Call, over: str) -> tuple[str, Piece]:
    """The argument, and DISTINCT before it."""
    node: Any = call.nodes[0]
    if not isinstance(node, exp.Distinct):
        return "", call.arg(0)
    parts(node, "expressions")
    if len(node.expressions) != 1 or over:
        raise call.wrong("DISTINCT")
    return "DISTINCT ", call.says.value(node.expressions[0], call.scope)


@_aggregate("COUNT", "COUNT_BIG")
def _count(call: Call, over: str) -> Piece:
    type_ = types.INT if call.name == "COUNT" else types.BIGINT
    if isinstance(call.nodes[0], exp.Star):
        counted = "*"
    else:
        distinct, piece = _argument(call, over)
        counted = f"{distinct}{f'CAST({piece.sql} AS bpchar)' if piece.literal else piece.sql}"
    return Piece(f"CAST(count({counted}){over} AS {types.base(type_)})", type_)


@_aggregate("MIN", "MAX")
def _extreme(call: Call, over: str) -> Piece:
    _, piece = _argument(call, over)
    if piece.type and piece.type.kind is Kind.UNIQUEIDENTIFIER:
        raise call.wrong("of uniqueidentifier (its order is not PostgreSQL's)")
    if piece.type and piece.type.kind is Kind.BIT:
        raise SqlError(8117, f"Operand data type bit is invalid for {call.name.lower()} operator.")
    value = f"CAST({piece.sql} AS bpchar)" if piece.literal else piece.sql
    return Piece(f"{call.name.lower()}({value}){over}", piece.type)


@_aggregate("SUM", "AVG")
def _sum(call: Call, over: str) -> Piece:
    distinct, piece = _argument(call, over)
    said = f"{call.name.lower()}({distinct}{piece.sql}){over}"
    type_ = piece.type
    if type_ is None:
        return Piece(said)
    if type_.kind not in types.NUMBERS or type_.kind is Kind.BIT:
        raise SqlError(8117, f"Operand data type {type_.kind} is invalid for {call.name.lower()} operator.")
    if type_.kind in types.FLOATS:
        return Piece(f"CAST({said} AS double precision)", types.FLOAT)
    if type_.kind is Kind.DECIMAL:
        scale = type_.scale if call.name == "SUM" else max(type_.scale, 6)
        result = SqlType(Kind.DECIMAL, precision=38, scale=scale)
        said = said if call.name == "SUM" else f"trunc({said}, {scale})"
    else:
        result = type_ if type_.kind in (Kind.MONEY, Kind.BIGINT) else types.INT
        said = said if call.name == "SUM" else f"trunc({said}, {4 if type_.kind is Kind.MONEY else 0})"
    return Piece(f"CAST({said} AS {types.base(result)})", result)


@_aggregate("STDEV", "STDEVP", "VAR", "VARP")
def _spread(call: Call, over: str) -> Piece:
    names = {"STDEV": "stddev_samp", "STDEVP": "stddev_pop", "VAR": "var_samp", "VARP": "var_pop"}
    distinct, piece = _argument(call, over)
    return Piece(f"{names[call.name]}({distinct}CAST({piece.sql} AS double precision)){over}", types.FLOAT)


def _ranking(*names: str, least: int = 0, most: int = 0) -> Callable[[Handler], Handler]:
    def enter(handler: Handler) -> Handler:
        _RANKINGS.update(dict.fromkeys(names, (least, max(least, most), handler)))
        return handler

    return enter


@_ranking("ROW_NUMBER", "RANK", "DENSE_RANK")
def _rank(call: Call, over: str) -> Piece:
    return Piece(f"{call.name.lower()}(){over}", types.BIGINT)


@_ranking("NTILE", least=1)
def _ntile(call: Call, over: str) -> Piece:
    return Piece(f"CAST(ntile({call.number(0)}){over} AS bigint)", types.BIGINT)


@_ranking("PERCENT_RANK", "CUME_DIST")
def _share(call: Call, over: str) -> Piece:
    return Piece(f"{call.name.lower()}(){over}", types.FLOAT)


@_ranking("LAG", "LEAD", least=1, most=3)
def _neighbour(call: Call, over: str) -> Piece:
    piece = call.arg(0)
    given = [f"CAST({piece.sql} AS bpchar)" if piece.literal else piece.sql]
    if len(call.nodes) > 1:
        given.append(call.number(1))
    if len(call.nodes) > 2:
        default = call.arg(2)
        if piece.type and piece.type.kind in types.STRINGS and not default.null:
            default = cast(default, piece.type)
        given.append(call.says.suited(default, piece.type).sql if piece.type else default.sql)
        if piece.type:
            given = [f"CAST({given[0]} AS {types.base(piece.type)})", given[1], given[2]]
            given[2] = f"CAST({given[2]} AS {types.base(piece.type)})"
    return Piece(f"{call.name.lower()}({', '.join(given)}){over}", piece.type)


@_ranking("FIRST_VALUE", "LAST_VALUE", least=1)
def _edge(call: Call, over: str) -> Piece:
    piece = call.arg(0)
    return Piece(f"{call.name.lower()}({piece.sql}){over}", piece.type)


def ordered(
    says: Expressions, order: exp.Order | None, scope: Scope, outputs: Sequence[Piece] = (), *, own: bool = True
) -> str:
    """Return ORDER BY; NULL comes first, as in T-SQL.

    `outputs` are the columns of the query, which a bare name means first; not `own` are rows that PostgreSQL orders by
    these alone.
    """
    if order is None:
        return ""
    parts(order, "expressions", "this")
    keys = []
    for key in order.expressions:
        parts(key, "this", "desc", "nulls_first")
        said = _key(says, key.this, scope, outputs, own=own)
        keys.append(f"{said} DESC NULLS LAST" if key.args.get("desc") else f"{said} ASC NULLS FIRST")
    return f" ORDER BY {', '.join(keys)}"


def _key(says: Expressions, node: Any, scope: Scope, outputs: Sequence[Piece], *, own: bool) -> str:
    """Return what rows are ordered by; uniqueidentifiers have an order of their own, which is not PostgreSQL's."""
    if isinstance(node, exp.Literal) and node.is_int:
        place = int(node.name)
        meant = outputs[place - 1] if 0 < place <= len(outputs) else None
        piece = Piece(node.name, meant.type if meant else None)
        simple = False
    else:
        alias = isinstance(node, exp.Column) and not node.table
        meant = next((output for output in outputs if alias and output.name == node.name), None)
        piece = says.value(node, scope) if meant is None else Piece(quote(node.name), meant.type)
        simple = meant is None or not meant.sql.endswith(f" AS {quote(meant.name)}")
    type_ = meant.type if meant is not None else piece.type
    if type_ is None or type_.kind is not Kind.UNIQUEIDENTIFIER:
        return piece.sql
    if not simple or not own:
        raise refused("ORDER BY of a uniqueidentifier by an alias or place, or behind DISTINCT or UNION")
    return f"tsql.guid_key({piece.sql})"


def windowed(says: Expressions, node: exp.Window, scope: Scope) -> Piece:
    """Return a function with OVER. Raises SqlError 102, 4112."""
    parts(node, "this", "partition_by", "order", "spec", "over")
    called = node.this
    if isinstance(called, exp.GroupConcat) or not isinstance(called, exp.Anonymous):
        raise refused(f"{called.sql('tsql')[:40]} OVER")
    name = bare_call(called)
    least, most, handler = _RANKINGS.get(name) or (1, 1, _AGGREGATES.get(name))
    if handler is None:
        raise refused(f"{name} OVER")
    if not least <= len(called.expressions) <= most:
        raise SqlError(174, f"The {name} function requires {least} argument(s).", severity=15)
    order = node.args.get("order")
    if name in _RANKINGS and order is None:
        raise SqlError(4112, f"The function '{name}' must have an OVER clause with ORDER BY.", severity=15)
    keys = ", ".join(says.value(key, scope).sql for key in node.args.get("partition_by") or ())
    inside = " ".join(filter(None, (f"PARTITION BY {keys}" if keys else "", _window_order(says, order, scope))))
    frame = node.args.get("spec")
    over = f" OVER ({inside}{_frame(frame) if frame is not None else ''})"
    return handler(Call(says, name, called.expressions, scope), over)


def _window_order(says: Expressions, order: exp.Order | None, scope: Scope) -> str:
    """ORDER BY (SELECT NULL) is how T-SQL says that the order does not matter."""
    if order is not None and len(order.expressions) == 1 and isinstance(order.expressions[0].this, exp.Subquery):
        inner = order.expressions[0].this.this
        if isinstance(inner, exp.Select) and not inner.args.get("from_"):
            return ""
    return ordered(says, order, scope).strip()


def _frame(spec: exp.WindowSpec) -> str:
    parts(spec, "kind", "start", "start_side", "end", "end_side")
    if spec.args.get("kind") not in ("ROWS", "RANGE"):
        raise refused(str(spec.args.get("kind")))
    start = _bound(spec.args.get("start"), spec.args.get("start_side"))
    end = spec.args.get("end")
    if end is None:
        return f" {spec.args['kind']} {start}"
    return f" {spec.args['kind']} BETWEEN {start} AND {_bound(end, spec.args.get('end_side'))}"


def _bound(bound: Any, side: Any) -> str:
    if bound == "CURRENT ROW":
        return "CURRENT ROW"
    if side not in ("PRECEDING", "FOLLOWING"):
        raise refused(f"window frame {bound} {side}")
    if bound == "UNBOUNDED":
        return f"UNBOUNDED {side}"
    if isinstance(bound, exp.Literal) and bound.is_int:
        return f"{bound.name} {side}"
    raise refused(f"window frame {bound}")


def gathers_rows(node: Any) -> bool:
    """Tell whether an expression gathers rows into one: it holds an aggregate without OVER, outside subqueries."""
    return any(
        isinstance(inner, exp.GroupConcat)
        or (isinstance(inner, exp.Anonymous) and bare_call(inner) in _AGGREGATES and not _is_windowed(inner))
        for inner in node.walk(prune=lambda found: isinstance(found, exp.Query))
    )


def _is_windowed(call: exp.Anonymous) -> bool:
    return isinstance(call.parent, exp.Window) and call.arg_key == "this"


def string_agg(says: Expressions, node: exp.GroupConcat, scope: Scope) -> Piece:
    """Return STRING_AGG, WITHIN GROUP (ORDER BY ...) included."""
    parts(node, "this", "separator")
    value, order = node.this, None
    if isinstance(value, exp.Order):
        value, order = value.this, value
    if node.args.get("separator") is None:
        raise SqlError(174, "The STRING_AGG function requires 2 argument(s).", severity=15)
    given = says.value(value, scope)
    piece = as_string(given)
    separator = says.value(node.args["separator"], scope)
    wide = given.type is None or given.type.kind not in types.STRINGS - types.UNICODE
    bounded = piece.type is not None and piece.type.length is not None
    type_ = SqlType(Kind.NVARCHAR if wide else Kind.VARCHAR, (4000 if wide else 8000) if bounded else None)
    said = f"string_agg(CAST({piece.sql} AS text), {separator.sql}{ordered(says, order, scope)})"
    if bounded:
        said = f"tsql.aggregated({said}, {type_.length}, {wide})"
    return Piece(f"CAST({said} AS bpchar)", type_)
