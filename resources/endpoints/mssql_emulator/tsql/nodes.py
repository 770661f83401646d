"""What is asked of sqlglot's nodes: their parts, their names, and what is refused of them.

Here live small functions; what nodes mean lives in `values`, `expressions` and `query`. It may import `tokens`,
`syntax` and sqlglot's nodes.
"""

from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.tsql.reserved import RESERVED
from resources.endpoints.mssql_emulator.tsql.syntax import CALL
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_COLLATIONS = ("_bin", "_bin2", "_bin2_utf8", "database_default", "catalog_default")


def parts(node: Any, *known: str) -> None:
    """Refuse a node of which something else is set than `known`."""
    for name, value in node.args.items():
        if value and name not in known and not (isinstance(value, list) and not any(value)):
            shown = value[0] if isinstance(value, list) else value
            what = shown.sql("tsql") if isinstance(shown, exp.Expression) else name.strip("_").upper()
            raise refused(f"{name.strip('_').upper()} {what}"[:80])


def unreserved(identifier: Any) -> None:
    """Refuse a reserved word as a name that is not quoted."""
    if identifier is not None and not identifier.args.get("quoted") and identifier.name.upper() in RESERVED:
        raise refused(identifier.name)


def collated(name: str) -> None:
    """Refuse a collation that compares otherwise than the server's, which compares code points."""
    if not name.lower().endswith(_COLLATIONS):
        raise refused(f"COLLATE {name} (the server's collation compares code points)")


def bare_call(node: exp.Anonymous) -> str:
    """Return the name of a function, in capitals."""
    return written_call(node).upper()


def written_call(node: exp.Anonymous) -> str:
    """Return the name of a function as it was written, where sqlglot has none of that name."""
    return str(node.name).removeprefix(CALL)


def own_column(name: str, relation: str) -> exp.Column:
    """Return a column that is this endpoint's own and that no statement can name."""
    column = exp.column(name, relation, quoted=True)
    column.meta[_OWN] = True
    return column


def is_own(column: exp.Column) -> bool:
    """Tell whether a column is this endpoint's own."""
    return _OWN in column.meta


_OWN = "own"


def temporary(node: Any) -> str:
    """Return a table's name as it was written, the `#` of a temporary one included."""
    if node is None:
        return ""
    mark = "##" if node.args.get("global_") else "#" if node.args.get("temporary") else ""
    return mark + str(node.name)


def shown(node: Any) -> str:
    """Return a node as T-SQL, for a message."""
    return node.sql("tsql")[:80] if isinstance(node, exp.Expression) else str(node)
