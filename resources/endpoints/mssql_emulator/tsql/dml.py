"""INSERT, UPDATE, DELETE and MERGE: read from their tokens.

Here lives the grammar of statements that write, as values; `dml_sql` and `merge_sql` say them in PostgreSQL's SQL. It
may import `syntax`, `tokens` and sqlglot's nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.syntax import (
    parse_condition,
    parse_expression,
    parse_from,
    parse_list,
    parse_query,
    parse_tree,
)
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, Name, refused, tokenize

CHANGED = ("inserted", "deleted")
"""What OUTPUT calls the rows that are changed; written in any case."""
COMPOUND = {"+", "-", "*", "/", "%", "&", "|", "^"}


@dataclass(frozen=True)
class Output:
    """An OUTPUT clause."""

    columns: Sequence[Any]
    into: Name = ()
    into_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Insert:
    """INSERT; exactly one of rows and query is there, or neither for DEFAULT VALUES."""

    target: Name
    hints: tuple[str, ...]
    columns: tuple[str, ...]
    output: Output | None
    rows: tuple[tuple[Any, ...], ...] = ()
    """Trees; None stands for DEFAULT."""
    query: Any = None
    with_: Any = None


@dataclass(frozen=True)
class Change:
    """UPDATE, or DELETE where it assigns nothing."""

    target: Name
    hints: tuple[str, ...]
    top: Any
    assignments: tuple[tuple[str, str, Any], ...]
    """Column, operator of a compound assignment or empty, tree."""
    output: Output | None
    source: Any
    """`SELECT * FROM ... WHERE ...`, or None without FROM."""
    where: Any
    with_: Any = None
    options: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Merge:
    """MERGE, as sqlglot reads it."""

    tree: Any
    output: Output | None
    options: tuple[Any, ...] = ()


# ---------------------------------------------------------------------- reading


def read_insert(cursor: Cursor, with_: Any = None) -> Insert:
    """Read an INSERT. Raises SqlError 102."""
    cursor.expect("INSERT")
    cursor.accept("INTO")
    target = cursor.name()
    hints = _hints(cursor)
    columns: tuple[str, ...] = ()
    if cursor.word() == "(" and cursor.word(1) not in ("SELECT", "WITH", "("):
        columns = _names(cursor.wrapped())
    output = _output(cursor, "VALUES", "SELECT", "DEFAULT", "EXEC", "EXECUTE", "(")
    if cursor.accept("DEFAULT", "VALUES"):
        cursor.end()
        return Insert(target, hints, columns, output, with_=with_)
    if cursor.accept("VALUES"):
        rows = []
        for part in cursor.split():
            row = part.wrapped()
            part.end()
            rows.append(tuple(_given(value) for value in row.split()))
        if len({len(row) for row in rows}) != 1 or (columns and len(rows[0]) != len(columns)):
            raise SqlError(
                110,
                "There are fewer or more columns in the INSERT statement than values specified in the VALUES clause.",
                severity=15,
                line=cursor.line,
            )
        if len(rows) > 1000:
            raise SqlError(
                10738,
                "The number of row value expressions in the INSERT statement exceeds the maximum "
                "allowed number of 1000 row values.",
                severity=15,
            )
        return Insert(target, hints, columns, output, rows=tuple(rows), with_=with_)
    return Insert(target, hints, columns, output, query=parse_query(cursor), with_=with_)


def _given(cursor: Cursor) -> Any:
    if cursor.word() == "DEFAULT" and cursor.peek(1) is None:
        return None
    return parse_expression(cursor)


def read_change(cursor: Cursor, with_: Any = None) -> Change:
    """Read an UPDATE or DELETE. Raises SqlError 102."""
    verb = cursor.accept_any("UPDATE", "DELETE")
    top = _top(cursor)
    if verb == "DELETE":
        cursor.accept("FROM")
    target = cursor.name()
    hints = _hints(cursor)
    assignments: tuple[tuple[str, str, Any], ...] = ()
    if verb == "UPDATE":
        cursor.expect("SET")
        assignments = tuple(_assignment(part) for part in cursor.until("OUTPUT", "FROM", "WHERE", "OPTION").split())
    output = _output(cursor, "FROM", "WHERE", "OPTION")
    from_ = cursor.until("WHERE", "OPTION") if cursor.accept("FROM") else None
    where = cursor.until("OPTION") if cursor.accept("WHERE") else None
    options = _options(cursor)
    source = parse_from(from_) if from_ is not None else None
    condition = parse_condition(where) if where is not None else None
    return Change(target, hints, top, assignments, output, source, condition, with_, options)


def _assignment(cursor: Cursor) -> tuple[str, str, Any]:
    name = cursor.name()[-1]
    if name.startswith("@"):
        raise refused(f"SET {name} in UPDATE", cursor.line)
    operator = cursor.take().text if cursor.word() in COMPOUND else ""
    cursor.expect("=")
    return name, operator, _given(cursor)


def read_merge(cursor: Cursor, with_: Any = None) -> Merge:
    """Read a MERGE. Raises SqlError 102."""
    if cursor.word(1) == "TOP":
        raise refused("MERGE TOP", cursor.line)
    line = cursor.line
    tree = parse_tree(cursor.until("OUTPUT", "OPTION"))
    output = _output(cursor, "OPTION")
    options = _options(cursor)
    if not isinstance(tree, exp.Merge):
        raise refused("MERGE", line)
    if with_ is not None:
        tree.set("with_", with_)
    return Merge(tree, output, options)


def _options(cursor: Cursor) -> tuple[Any, ...]:
    """Take OPTION (...), or nothing, to the end of the statement. Raises SqlError 102."""
    if not cursor:
        return ()
    if cursor.word() != "OPTION":
        raise cursor.wrong()
    query = parse_query(Cursor(cursor.text, [*tokenize("SELECT 1"), *cursor.tokens[cursor.at :]]))
    if any(value for name, value in query.args.items() if name not in ("expressions", "options")):
        raise refused("OPTION", cursor.line)
    return tuple(query.args.get("options") or ())


def _top(cursor: Cursor) -> Any:
    if not cursor.accept("TOP"):
        return None
    top = parse_expression(cursor.wrapped()) if cursor.word() == "(" else exp.Literal.number(cursor.integer())
    if cursor.word() == "PERCENT":
        raise refused("TOP ... PERCENT", cursor.line)
    return top


def _hints(cursor: Cursor) -> tuple[str, ...]:
    if cursor.word() == "WITH" and cursor.word(1) == "(":
        cursor.take()
        return tuple(part.source() for part in cursor.wrapped().split())
    return ()


def _names(cursor: Cursor) -> tuple[str, ...]:
    names = []
    for part in cursor.split():
        names.append(part.identifier())
        part.end()
    return tuple(names)


def _output(cursor: Cursor, *ends: str) -> Output | None:
    if not cursor.accept("OUTPUT"):
        return None
    clause = cursor.until(*ends)
    columns = parse_list(clause.until("INTO"))
    for column in (column for item in columns for column in item.find_all(exp.Column)):
        if column.table.lower() in CHANGED:
            column.set("table", exp.to_identifier(column.table.lower(), quoted=True))
    if not clause.accept("INTO"):
        return Output(columns)
    into = clause.name()
    if into[-1].startswith("@"):
        raise refused(f"OUTPUT INTO {into[-1]} (a table variable)", cursor.line)
    names: tuple[str, ...] = ()
    if clause.word() == "(":
        names = _names(clause.wrapped())
    elif cursor.word() == "(" and cursor.word(1) not in ("SELECT", "WITH"):
        names = _names(cursor.wrapped())
    clause.end()
    return Output(columns, into, names)


OPERATORS: dict[str, Any] = {
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "%": exp.Mod,
    "&": exp.BitwiseAnd,
    "|": exp.BitwiseOr,
    "^": exp.BitwiseXor,
}
