"""DECLARE, SET, EXEC and USE: read from their tokens.

Here lives the grammar of variables, options and calls; that of statements lives in `batch`. It may import `dml`,
`options`, `program`, `syntax`, `tokens` and `types`.
"""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlType
from resources.endpoints.mssql_emulator.tsql import dml, options
from resources.endpoints.mssql_emulator.tsql.program import (
    Argument,
    Assign,
    Declare,
    Execute,
    ExecuteText,
    SetOption,
    Statement,
    Use,
)
from resources.endpoints.mssql_emulator.tsql.syntax import parse_expression, variable
from resources.endpoints.mssql_emulator.tsql.tokens import STARTS, Cursor, refused, tokenize, word
from resources.endpoints.mssql_emulator.tsql.types import read_type


def declare(cursor: Cursor, line: int) -> Iterator[Statement]:
    """Read DECLARE. Raises SqlError 102."""
    cursor.expect("DECLARE")
    while True:
        name = cursor.identifier()
        if not name.startswith("@") or name.startswith("@@"):
            raise refused(f"DECLARE {name}", line)
        cursor.accept("AS")
        if cursor.word() in ("TABLE", "CURSOR"):
            raise refused(f"DECLARE {name} {cursor.word()}", line)
        type_ = read_type(cursor)
        value = parse_expression(cursor.until(",", *STARTS, "THROW", "WITH", ";")) if cursor.accept("=") else None
        yield Declare(line, name.lower(), type_, value)
        if not cursor.accept(","):
            return


def set_(cursor: Cursor, line: int) -> Iterator[Statement]:
    """Read SET. Raises SqlError 102."""
    cursor.expect("SET")
    token = cursor.peek()
    if token is not None and word(token).startswith("@"):
        name = cursor.identifier()
        operator = cursor.take().text if cursor.word() in dml.COMPOUND else ""
        cursor.expect("=")
        value = parse_expression(rest(cursor))
        if operator:
            value = dml.OPERATORS[operator](this=variable(name), expression=exp.Paren(this=value))
        yield Assign(line, name.lower(), value)
        return
    for name, given in options.read(cursor):
        yield SetOption(line, name, given)


def execute(cursor: Cursor, line: int) -> Statement:
    """Read EXEC. Raises SqlError 102."""
    cursor.take()
    if cursor.word() == "(":
        value = parse_expression(cursor.wrapped())
        if cursor.word() in ("AS", "AT"):
            raise cursor.wrong()
        return ExecuteText(line, value)
    return procedure(cursor, line)


def procedure(cursor: Cursor, line: int) -> Statement:
    """Read a call, EXEC already taken or left out. Raises SqlError 102."""
    result = ""
    if cursor.word().startswith("@"):
        result = cursor.identifier().lower()
        cursor.expect("=")
        if cursor.word().startswith("@"):
            raise refused("EXEC of a procedure named by a variable", line)
    name = cursor.name()
    arguments = []
    for part in rest(cursor).split():
        named = ""
        if part.word().startswith("@") and part.word(1) == "=":
            named = part.identifier().lower()
            part.expect("=")
        value = part.until("OUTPUT", "OUT")
        output = bool(part.accept_any("OUTPUT", "OUT"))
        part.end()
        token = value.peek()
        if token is not None and value.peek(1) is None and word(token) and not token.text.startswith("@"):
            tree: Any = exp.Null() if word(token) == "NULL" else exp.Literal.string(token.text)
            if token.text.isdigit():
                tree = exp.Literal.number(token.text)
        else:
            tree = parse_expression(value)
        arguments.append(Argument(named, tree, output))
    return Execute(line, name, tuple(arguments), result)


def use(cursor: Cursor, line: int) -> Statement:
    """Read USE. Raises SqlError 102."""
    cursor.expect("USE")
    return Use(line, cursor.identifier())


def rest(cursor: Cursor) -> Cursor:
    """Take what is left of a statement without a grammar of its own."""
    return cursor.until(*STARTS, "THROW", ";")


def declarations(text: str) -> list[tuple[str, SqlType, bool]]:
    """Return names, types and directions of parameters declared as `@a int, @b bit OUTPUT`. Raises SqlError."""
    found = []
    for part in Cursor(text, tokenize(text)).split():
        name = part.identifier().lower()
        part.accept("AS")
        type_ = read_type(part)
        output = bool(part.accept_any("OUTPUT", "OUT"))
        part.end()
        found.append((name, type_, output))
    return found
