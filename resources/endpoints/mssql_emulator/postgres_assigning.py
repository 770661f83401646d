"""SELECT @a = ..., @b = ...: queries whose rows go into variables.

Here lives how they are run; how variables depend on each other lives in `tsql.running`. It may import
`postgres_evaluation`, `postgres_frame`, `engine` and `tsql`.
"""

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from functools import reduce
from typing import Any

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_connection import Values
from resources.endpoints.mssql_emulator.postgres_evaluation import PostgresEvaluation, converted
from resources.endpoints.mssql_emulator.postgres_frame import Frame
from resources.endpoints.mssql_emulator.tsql import program, type_rules, types
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.running import ITSELF, Running, in_turn, running
from resources.endpoints.mssql_emulator.tsql.scope import Piece
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_GATHERING_TEXT = {Kind.VARCHAR, Kind.NVARCHAR}
_GATHERING_NUMBERS = types.EXACT - {Kind.BIT}
_EXACTLY = Context(prec=100)

_Rows = list[tuple[Any, ...]]
_Gathered = tuple[list[Piece], Values]
"""What the variable gets first, with what must fit as well; and the values of the placeholders in it."""


def assigning(session: PostgresEvaluation, statement: program.Assigning, frame: Frame) -> None:
    """SELECT @a = ...: the last row's values, or what all rows add up to; without a row the variables keep theirs."""
    for name in statement.names:
        if name not in frame.variables:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', severity=15, line=statement.line)
    with session.guarded(writes=False, line=statement.line, verb="SELECT"):
        gathering = running(statement.tree, statement.names)
        if gathering is not None:
            session.rowcount = _gather(session, gathering, statement.names[0], frame)
            return
        rowcount = 0
        for tree, names in in_turn(statement.tree, statement.names):
            rowcount = _take_last_row(session, tree, names, frame)
        session.rowcount = rowcount


def _take_last_row(session: PostgresEvaluation, tree: Any, names: Sequence[str], frame: Frame) -> int:
    """Give variables the values of the last row; return how many rows there are."""
    says = session.says(frame)
    sql, cells = _cells(says, tree)
    pieces = [converted(cell, frame.variables[name][0]) for cell, name in zip(cells, names, strict=True)]
    rows = _texts(session, says, frame, pieces, sql)
    for name, value in zip(names, rows[-1] if rows else (), strict=bool(rows)):
        frame.put(name, value)
    return len(rows)


def _gather(session: PostgresEvaluation, gathering: Running, name: str, frame: Frame) -> int:
    """Let a variable gather the rows; return how many there are."""
    says = session.says(frame)
    sql, cells = _cells(says, gathering.tree)
    type_, start = frame.variables[name]
    gather = _gathered_text if type_.kind in types.STRINGS else _gathered_number
    sum_type = _sum_type(says, Piece("NULL", type_), cells)
    rows = _texts(session, says, frame, cells, sql)
    if rows:
        checked, values = gather(gathering, start, rows, sum_type, type_)
        listed = ", ".join(f"CAST({piece.sql} AS text)" for piece in checked)
        [[value, *_]] = session.connection.execute(f"SELECT {listed}".encode(), values).fetchall()
        frame.put(name, value)
    return len(rows)


def _sum_type(says: Manipulation, variable: Piece, cells: Sequence[Piece]) -> SqlType:
    """Return the type of a variable and what is added to it. Raises SqlError 102 where adding up is not exact."""
    assert variable.type is not None
    kinds = {cell.type.kind if cell.type else None for cell in cells}
    if variable.type.kind in _GATHERING_TEXT and kinds <= types.STRINGS:
        return reduce(says.concatenated, cells, variable).type or variable.type
    if variable.type.kind in _GATHERING_NUMBERS and kinds <= types.EXACT:
        type_ = reduce(lambda one, other: says.arithmetic("+", one, other), cells, variable).type
        if type_ is not None and type_rules.as_decimal(type_).scale == type_rules.as_decimal(variable.type).scale:
            return type_
    added = ", ".join(sorted({types.type_name(cell.type) if cell.type else "an unknown type" for cell in cells}))
    raise refused(f"{ITSELF}: {types.type_name(variable.type)} and {added}")


def _gathered_text(gathering: Running, start: str | None, rows: _Rows, sum_type: SqlType, type_: SqlType) -> _Gathered:
    *_, last = gathering.held(start, rows, str.__add__)
    held = Piece("CAST(%(held)s AS text)", types.NVARCHAR_MAX)
    return [converted(cast(held, sum_type), type_)], {"held": last[-1]}


def _gathered_number(
    gathering: Running, start: str | None, rows: _Rows, sum_type: SqlType, type_: SqlType
) -> _Gathered:
    """The last sum, and beside it those that may be too great or too small for their types on the way there."""
    exact = [[value and Decimal(value) for value in row] for row in rows]
    steps = list(gathering.held(start and Decimal(start), exact, _EXACTLY.add))
    passed = [_number(value) for value in _extremes(value for step in steps for value in step)]
    kept = [_number(value) for value in (steps[-1][-1], *_extremes(step[-1] for step in steps))]
    return [
        *(converted(cast(piece, sum_type), type_) for piece in kept),
        *(cast(piece, sum_type) for piece in passed),
    ], {}


def _extremes(values: Iterable[Decimal | None]) -> tuple[Decimal, ...]:
    """Return the least and the greatest value; nothing where all are NULL."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else ()


def _number(value: Decimal | None) -> Piece:
    if value is None:
        return Piece("NULL", null=True)
    return Piece(f"CAST('{value:f}' AS numeric)", SqlType(Kind.DECIMAL, precision=38, scale=_decimals(value)))


def _decimals(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))


def _cells(says: Manipulation, tree: Any) -> tuple[str, list[Piece]]:
    """Return a query, and its columns as they are called behind it."""
    sql, columns = says.query(tree, None)
    if columns is None:
        raise refused("SELECT @variable = *")
    cells = [Piece(f"c{place}", column.type, null=column.null) for place, column in enumerate(columns)]
    return f"({sql}) AS q ({', '.join(cell.sql for cell in cells)})", cells


def _texts(session: PostgresEvaluation, says: Manipulation, frame: Frame, pieces: Sequence[Piece], sql: str) -> _Rows:
    """Return the rows of a query's columns in PostgreSQL's text form."""
    listed = ", ".join(f"CAST({piece.sql} AS text)" for piece in pieces)
    values = session.bindings(frame, says.described)
    return session.connection.execute(f"SELECT {listed} FROM {sql}".encode(), values).fetchall()
