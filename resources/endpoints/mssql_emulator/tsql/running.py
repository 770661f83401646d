"""SELECT @a = ..., @b = ...: how variables depend on what the same statement assigns to them.

T-SQL assigns row by row, and within a row from left to right. Here lives which of that queries can say, and the rest is
refused; `postgres_assigning` runs them. It may import `aggregates`, `nodes`, `tokens` and sqlglot's nodes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.tsql.aggregates import gathers_rows
from resources.endpoints.mssql_emulator.tsql.nodes import bare_call
from resources.endpoints.mssql_emulator.tsql.tokens import refused

ITSELF = "SELECT of a variable that adds to itself"
_CHOOSING = {"offset": "OFFSET", "limit": "TOP", "distinct": "DISTINCT", "group": "GROUP BY", "having": "HAVING"}


@dataclass(frozen=True)
class Running:
    """SELECT @x = @x + term ... FROM ..., or COALESCE(@x + joint ..., otherwise) + term ...: @x gathers the rows."""

    tree: Any
    """The query of what each row adds: the joints, `otherwise` if there is one, the terms."""
    joints: int
    otherwise: bool

    def held(self, start: Any, rows: Sequence[Sequence[Any]], add: Callable[[Any, Any], Any]) -> Iterator[list[Any]]:
        """Yield for every row what the variable comes to, addition by addition; None is NULL."""
        held = start
        for row in rows:
            steps = []
            for place, value in enumerate(row):
                if self.otherwise and place == self.joints:
                    held = value if held is None else held
                else:
                    held = None if held is None or value is None else add(held, value)
                steps.append(held)
            yield steps


def running(tree: Any, names: Sequence[str]) -> Running | None:
    """Return how a variable gathers the rows of FROM, None where none does.

    Raises SqlError 102 for a variable that depends on itself or on others in another way.
    """
    if tree.args.get("from_") is None:
        return None
    one_row = _is_of_one_row(tree)
    for place, node in enumerate(tree.expressions):
        later = () if one_row else names[place + 1 :]
        for name in _mentioned(node, [*names[:place], *later]):
            raise refused(f"{name} in a SELECT ... FROM that assigns it too")
    if one_row or not any(_mentioned(node, names) for node in tree.expressions):
        return None
    if len(names) > 1:
        raise refused(f"{ITSELF} beside others")
    return _gathering(tree, names[0])


def in_turn(tree: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """Yield the assignments from left to right, in parts that depend on nothing they assign. Raises SqlError 102."""
    starts = [0]
    for place, node in enumerate(tree.expressions):
        if _mentioned(node, names[starts[-1] : place]):
            starts.append(place)
    if len(starts) == 1:
        yield tree, names
        return
    for name in _mentioned(_around(tree), names):
        raise refused(f"{name} in the condition of a SELECT that assigns it")
    for start, end in zip(starts, [*starts[1:], len(names)], strict=True):
        part = tree.copy()
        part.set("expressions", part.expressions[start:end])
        yield part, names[start:end]


def _gathering(tree: Any, name: str) -> Running:
    for part, shown in _CHOOSING.items():
        if tree.args.get(part) is not None:
            raise refused(f"{shown} in a {ITSELF}")
    order = tree.args.get("order")
    if order is not None and any(isinstance(key.this, exp.Literal) for key in order.expressions):
        raise refused(f"ORDER BY a place in a {ITSELF}")
    first, *terms = _terms(tree.expressions[0])
    joints: list[Any] = []
    otherwise: list[Any] = []
    if isinstance(first, exp.Anonymous) and bare_call(first) in ("COALESCE", "ISNULL") and len(first.expressions) == 2:
        otherwise = [first.expressions[1]]
        first, *joints = _terms(first.expressions[0])
    added = [*joints, *otherwise, *terms]
    alone = not any(_mentioned(node, [name]) for node in (*added, _around(tree)))
    if not isinstance(first, exp.Column) or first.name.lower() != name or not added or not alone:
        raise refused(f"{ITSELF} in this form")
    adding = tree.copy()
    adding.set("expressions", [node.copy() for node in added])
    return Running(adding, len(joints), bool(otherwise))


def _terms(node: Any) -> list[Any]:
    """Return what is added up, from left to right."""
    inner = node.unnest()
    if isinstance(inner, exp.Add):
        return [*_terms(inner.this), inner.expression]
    if isinstance(inner, exp.Sub):
        return [*_terms(inner.this), exp.Neg(this=exp.Paren(this=inner.expression.copy()))]
    return [inner]


def _is_of_one_row(tree: Any) -> bool:
    """Tell whether a query has one row at most: all rows gathered into one, or TOP 1."""
    limit = tree.args.get("limit")
    if isinstance(limit, exp.Limit) and not limit.args.get("limit_options"):
        return bool(limit.expression.unnest() == exp.Literal.number(1))
    return tree.args.get("group") is None and any(gathers_rows(node) for node in tree.expressions)


def _mentioned(node: Any, names: Sequence[str]) -> list[str]:
    """Return which variables a node mentions."""
    found = {column.name.lower() for column in node.find_all(exp.Column)} if names else set()
    return [name for name in names if name in found]


def _around(tree: Any) -> Any:
    """Return a query without what it lists."""
    around = tree.copy()
    around.set("expressions", [])
    return around
