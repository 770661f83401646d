"""WITH that refers to itself, counted: SQL Server ends it behind a number of rounds, PostgreSQL goes on for ever.

Here lives how the rounds are counted: in a column of a table of their own, which the one that the query names leaves
out. It may import `derived`, `nodes`, `relations`, `scope`, `types` and sqlglot's nodes.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import derived
from resources.endpoints.mssql_emulator.tsql.nodes import own_column, parts
from resources.endpoints.mssql_emulator.tsql.relations import renamed
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, quote
from resources.endpoints.mssql_emulator.tsql.tokens import refused
from resources.endpoints.mssql_emulator.tsql.types import STRINGS

_ROUND = "__round"
_MOST = 100

Query = Callable[[Any, Scope], tuple[str, list[Piece] | None]]


def most_rounds(node: Any) -> int:
    """Return what OPTION (MAXRECURSION n) says of a statement, 100 without it; 0 is no limit. Raises SqlError 310."""
    for part in (node, node.args.get("expression")):
        for option in part.args.get("options") or () if isinstance(part, exp.Expression) else ():
            if option.this is not None and option.this.name.upper() == "MAXRECURSION":
                given = option.args.get("expression")
                if not isinstance(given, exp.Literal) or not given.is_int:
                    raise refused("OPTION (MAXRECURSION)")
                if int(given.name) > 32767:
                    raise SqlError(310, f"The value {given.name} specified for the MAXRECURSION option exceeds 32767.")
                return int(given.name)
    return _MOST


def is_recursive(cte: exp.CTE) -> bool:
    """Tell whether a query that WITH defines reads itself."""
    return any(table.name == cte.alias and not table.db for table in cte.this.find_all(exp.Table))


def recursive(cte: exp.CTE, names: Sequence[str], scope: Scope, query: Query, most: int) -> list[str]:
    """Return the definitions of a query that reads itself, and let the scope know it. Raises SqlError 252, 102."""
    name, union = cte.alias, cte.this
    if not isinstance(union, exp.Union) or union.args.get("distinct"):
        raise SqlError(
            252, f"Recursive common table expression '{name}' does not contain a top-level UNION ALL operator."
        )
    parts(union, "this", "expression", "distinct")
    scope.ctes[name] = None
    anchor, columns = query(union.this, scope)
    derived.named(columns, names, name)
    scope.ctes[name] = renamed(columns, names)
    if columns is None or not isinstance(union.expression, exp.Select):
        raise refused(f"{name} in this form of recursion")
    given = [quote(column) for column in names or [column.name for column in columns]]
    inside = f"{name}__rounds"
    scope.inside[name] = inside
    member = _counting(union.expression.copy(), name)
    said, found = query(member, scope)
    del scope.inside[name]
    if found is None or len(found) != len(columns) + 1:
        raise SqlError(
            205,
            "All queries combined using UNION, INTERSECT or EXCEPT must have an equal number of expressions in their "
            "target lists.",
        )
    for column, other in zip(columns, found, strict=False):
        if _differ(column, other):
            raise SqlError(
                240,
                f'Types don\'t match between the anchor and the recursive part in column "{column.name}" of recursive '
                f'query "{name}".',
            )
    cells = [f"c{place}" for place in range(len(columns))]
    onward = f"CASE WHEN c < {most} THEN c + 1 ELSE tsql.too_deep({most}) END" if most else "0"
    listed = ", ".join(given)
    return [
        f"{quote(inside)} ({listed}, {quote(_ROUND)}) AS (SELECT a.*, 0 FROM ({anchor}) AS a UNION ALL "
        f"SELECT {', '.join(cells)}, {onward} FROM ({said}) AS q ({', '.join(cells)}, c))",
        f"{quote(name)} ({listed}) AS (SELECT {listed} FROM {quote(inside)})",
    ]


def _differ(one: Piece, other: Piece) -> bool:
    """Tell whether two texts have types of their own; PostgreSQL says so of other kinds."""
    if one.type is None or other.type is None or one.null or other.null:
        return False
    return one.type != other.type and {one.type.kind, other.type.kind} <= STRINGS


def _counting(member: exp.Select, name: str) -> exp.Select:
    """Let the recursive part select the round, too."""
    own = [table for table in member.find_all(exp.Table) if table.name == name and not table.db]
    direct = [table for table in own if table.find_ancestor(exp.Select) is member]
    if len(own) != 1 or len(direct) != 1:
        raise refused(f"{name} more than once, or in a subquery, in its own definition")
    alias = own[0].alias or name
    for node in member.expressions:
        starred = isinstance(node, exp.Column) and isinstance(node.this, exp.Star) and node.table == alias
        if isinstance(node, exp.Star) or starred:
            raise refused(f"{alias}.* in the recursive part of {name}")
    member.append("expressions", own_column(_ROUND, alias))
    return member
