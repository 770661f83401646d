"""SELECT @x = @x + ...: the old way to write STRING_AGG, which clients still use.

Here lives how it becomes an aggregate; any other variable that depends on itself is refused. It may import `syntax`,
`tokens` and sqlglot's nodes.
"""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.tsql import syntax
from resources.endpoints.mssql_emulator.tsql.tokens import refused


def running_concatenation(tree: Any, names: Sequence[str]) -> Any:
    """SELECT @x = COALESCE(@x + ', ', '') + expression ... ORDER BY: the old way to write STRING_AGG.

    Returns the query that aggregates, None where no variable depends on itself. Raises SqlError 102 for other forms.
    """
    own = [
        any(column.name.lower() == name for column in node.find_all(exp.Column))
        for node, name in zip(tree.expressions, names, strict=True)
    ]
    if not any(own) or tree.args.get("from_") is None:
        return None
    if len(own) != 1:
        raise refused("SELECT of a variable that adds to itself beside others")
    whole = tree.expressions[0]
    terms = _terms(whole)
    first, *rest = terms
    separator: Any = exp.Literal.string("")
    variable = syntax.variable(names[0])
    start: Any = variable
    if isinstance(first, exp.Coalesce | exp.Anonymous) and len(first.expressions) == 2:
        inner = _terms(first.expressions[0])
        if len(inner) == 2 and _is(inner[0], names[0]):
            separator = inner[1]
            start = exp.Case(
                ifs=[exp.If(this=exp.Is(this=variable.copy(), expression=exp.Null()), true=first.expressions[1])],
                default=exp.Add(this=variable.copy(), expression=separator.copy()),
            )
            first = inner[0]
        elif len(inner) == 1 and _is(inner[0], names[0]):
            start = exp.Anonymous(this="COALESCE", expressions=[variable.copy(), first.expressions[1]])
            first = inner[0]
    if not _is(first, names[0]) or not rest or any(_mentions(term, names[0]) for term in rest):
        raise refused("SELECT of a variable that adds to itself in this form")
    value = rest[0]
    for term in rest[1:]:
        value = exp.Add(this=value, expression=term)
    order = tree.args.pop("order", None)
    aggregated = exp.GroupConcat(
        this=exp.Order(this=_wide(value), expressions=order.expressions) if order is not None else _wide(value),
        separator=separator.copy(),
    )
    tree.set("expressions", [exp.Add(this=start, expression=aggregated)])
    return tree


def _wide(node: Any) -> Any:
    return exp.Anonymous(this="CAST", expressions=[node, exp.Literal.string("nvarchar(max)")])


def _terms(node: Any) -> list[Any]:
    if isinstance(node, exp.Add):
        return [*_terms(node.this), node.expression]
    return [node]


def _is(node: Any, name: str) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == name


def _mentions(node: Any, name: str) -> bool:
    return any(column.name.lower() == name for column in node.find_all(exp.Column))
