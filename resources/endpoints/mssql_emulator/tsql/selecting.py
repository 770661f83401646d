"""SELECT as a statement: one that returns rows, makes a table of them, or assigns them to variables.

Here lives which of these it is; how T-SQL writes a query lives in `syntax`. It may import `dml`, `nodes`, `program`,
`syntax`, `tokens` and sqlglot's nodes.
"""

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.dml import COMPOUND, OPERATORS
from resources.endpoints.mssql_emulator.tsql.nodes import temporary
from resources.endpoints.mssql_emulator.tsql.program import Assigning, Query, Selected, Statement
from resources.endpoints.mssql_emulator.tsql.syntax import parse_query, variable
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, refused, word

_BEHIND_THE_LIST = {
    *("INTO", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "UNION", "EXCEPT", "INTERSECT", "FOR", "OPTION")
}


def read_select(cursor: Cursor, line: int) -> Statement:
    """Read a SELECT, with whatever WITH stands before it. Raises SqlError 102, 141, 191."""
    plain, operators = _without_operators(cursor)
    tree = parse_query(plain)
    names = [_assigned(node) for node in tree.expressions] if isinstance(tree, exp.Select) else []
    if any(place >= len(names) or not names[place] for place in operators):
        raise refused("=", line)
    if any(names):
        return _assigning(tree, names, operators, line)
    into = tree.args.get("into")
    if into is None:
        return Query(line, tree)
    table = into.this
    stripped = tree.copy()
    stripped.set("into", None)
    return Selected(line, stripped, (table.text("catalog"), table.text("db"), temporary(table.this)))


def _without_operators(cursor: Cursor) -> tuple[Cursor, Mapping[int, str]]:
    """Return the statement with `@x = ...` where it says `@x += ...`, and those operators by place in its list."""
    operators: dict[int, str] = {}
    taken: set[int] = set()
    listed = -1
    for at, found in cursor.top_level():
        if listed >= 0 and found in _BEHIND_THE_LIST:
            break
        if found == "SELECT" or (found == "," and listed >= 0):
            listed += 1
        elif found in COMPOUND and _is_compound(cursor, at):
            operators[listed] = found
            taken.add(at)
    if not taken:
        return cursor, operators
    tokens = [token for at, token in enumerate(cursor.tokens) if at >= cursor.at and at not in taken]
    return Cursor(cursor.text, tokens), operators


def _is_compound(cursor: Cursor, at: int) -> bool:
    around = [word(token) for token in cursor.tokens[at - 1 : at + 2]]
    return len(around) == 3 and around[0].startswith("@") and around[2] == "="


def _assigned(node: Any) -> str:
    if isinstance(node, exp.Alias) and node.alias.startswith("@") and not node.args["alias"].args.get("quoted"):
        return str(node.alias)
    if isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and node.this.name.startswith("@"):
        return str(node.this.name)
    return ""


def _assigning(tree: exp.Query, names: list[str], operators: Mapping[int, str], line: int) -> Assigning:
    if not all(names):
        raise SqlError(
            141,
            "A SELECT statement that assigns a value to a variable must not be combined with "
            "data-retrieval operations.",
            severity=15,
            line=line,
        )
    stripped = tree.copy()
    values = [node.this if isinstance(node, exp.Alias) else node.expression for node in stripped.expressions]
    for place, operator in operators.items():
        values[place] = OPERATORS[operator](this=variable(names[place]), expression=exp.Paren(this=values[place]))
    stripped.set("expressions", values)
    return Assigning(line, stripped, tuple(name.lower() for name in names))
