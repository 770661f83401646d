"""SELECT ... INTO: a query, and what of its tree the new table's columns are.

Here lives what the tree alone tells; their types, and whether a column of a table may be NULL, are known when the query
is described. It may import `dml_sql` (which says queries), `derived`, `statements`, `scope`, `nodes` and sqlglot.

Which columns go on with an identity is what Books Online says, as quoted in
http://www.midnightdba.com/Jen/2011/07/select-into-and-identity-or-bol-is-sorta-wrong/
"""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.derived import repeated
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.nodes import bare_call, temporary
from resources.endpoints.mssql_emulator.tsql.scope import Table
from resources.endpoints.mssql_emulator.tsql.statements import Made, Said

_CONSTANTS = (exp.Literal, exp.National, exp.HexString)


def select_into(says: Manipulation, tree: exp.Expression, into: Any) -> Said:
    """Return SELECT ... INTO as the query alone, and the table to be made of it. Raises SqlError 102, 1038, 2705."""
    query, columns = says.query(tree, None, named=True)
    if columns is not None and any(not column.name for column in columns):
        raise SqlError(
            1038,
            "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name.",
        )
    table = says.table(into)
    if twice := repeated([column.name for column in columns or ()]):
        raise SqlError(
            2705,
            f"Column names in each table must be unique. Column name '{twice}' in table '{table.name}' is specified "
            "more than once.",
        )
    outer = any(join.args.get("side") for join in tree.find_all(exp.Join))
    single = isinstance(tree, exp.Select)
    made = Made(
        table,
        inherits=single and not outer,
        filled=frozenset(_filled(tree)) if single else frozenset(),
        identity=_identity(says, tree) if isinstance(tree, exp.Select) else None,
    )
    return Said(query, columns, counted=True, used=says.used, before=says.locks, verb="SELECT INTO", made=made)


def _filled(tree: exp.Expression) -> Iterator[str]:
    """Yield the names of expressions that are never NULL: literals, and ISNULL with one."""
    for node in tree.expressions:
        if isinstance(node, exp.Alias) and _never_null(node.this):
            yield node.alias


def _never_null(node: Any) -> bool:
    if isinstance(node, exp.Paren | exp.Neg):
        return _never_null(node.this)
    if isinstance(node, exp.Anonymous) and bare_call(node) == "ISNULL" and len(node.expressions) == 2:
        return _never_null(node.expressions[1])
    return isinstance(node, _CONSTANTS)


def _identity(says: Manipulation, tree: exp.Select) -> tuple[Table, str] | None:
    """Return the table whose identity a column of the new one goes on with, and that column's name.

    It is listed once and by itself, and the query is of one table, without a join or GROUP BY.
    """
    source = tree.args["from_"].this if tree.args.get("from_") is not None else None
    if not isinstance(source, exp.Table) or isinstance(source.this, exp.Anonymous) or tree.args.get("with_"):
        return None
    if any(tree.args.get(part) for part in ("joins", "laterals", "group")):
        return None
    table = says.table((source.text("catalog"), source.text("db"), temporary(source.this)))
    own = [column.name for column in says.catalog.columns(table) or () if column.identity]
    names = [name for node in tree.expressions for name in _listed(node, own)]
    return (table, names[0]) if len(names) == 1 else None


def _listed(node: Any, own: list[str]) -> list[str]:
    """Return what identity columns are called that a part of the list stands for."""
    if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
        return own
    inner = node.this if isinstance(node, exp.Alias) else node
    return [node.alias_or_name] if isinstance(inner, exp.Column) and inner.name in own else []
