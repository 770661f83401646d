"""What T-SQL asks of a query inside another statement: that its rows have no order and its columns have names.

Here live the checks alone; queries are said in `query` and `relations`, definitions in `ddl_sql`. It may import
`scope`, `engine` and sqlglot's nodes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.scope import Piece


def unordered(query: Any) -> None:
    """Refuse ORDER BY where nothing but TOP or OFFSET gives it a meaning. Raises SqlError 1033."""
    parts = [query]
    if isinstance(query, exp.SetOperation):
        parts.append(query.expression)  # sqlglot leaves the whole operation's ORDER BY there
        limited = any(part.args.get("offset") or isinstance(part.args.get("limit"), exp.Fetch) for part in parts)
    else:
        limited = any(part.args.get("offset") or part.args.get("limit") for part in parts)
    if not limited and any(part.args.get("order") for part in parts):
        raise SqlError(
            1033,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table "
            "expressions, unless TOP, OFFSET or FOR XML is also specified.",
            severity=15,
        )


def named(columns: Sequence[Piece] | None, names: Sequence[str], owner: str) -> None:
    """Check the columns of a derived table or CTE, by their own names or by those listed behind its name.

    Raises SqlError 8155, 8156, 8158, 8159.
    """
    given = listed(columns, names, owner)
    unnamed = nameless(given)
    if unnamed:
        raise SqlError(8155, f"No column name was specified for column {unnamed} of '{owner}'.")
    twice = repeated(given)
    if twice:
        raise SqlError(8156, f"The column '{twice}' was specified multiple times for '{owner}'.")


def listed(columns: Sequence[Piece] | None, names: Sequence[str], owner: str) -> Sequence[str]:
    """Return the columns' names, as many as there are columns. Raises SqlError 8158, 8159."""
    if names and columns is not None and len(columns) != len(names):
        number, how = (8158, "more") if len(columns) > len(names) else (8159, "fewer")
        raise SqlError(number, f"'{owner}' has {how} columns than were specified in the column list.")
    return names or [column.name for column in columns or ()]


def nameless(names: Sequence[str]) -> int:
    """Return the place of the first column without a name, from 1; 0 where all have one."""
    return next((place for place, name in enumerate(names, 1) if not name), 0)


def repeated(names: Sequence[str]) -> str:
    """Return the first name that is there twice; empty where none is."""
    return next((name for name, count in Counter(names).items() if count > 1), "")
