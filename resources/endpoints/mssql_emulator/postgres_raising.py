"""THROW and RAISERROR: errors that a batch raises itself, and which of all errors a CATCH block gets.

Here lives what they say; what an error does to the transaction lives in `postgres_connection`. It may import
`postgres_evaluation`, `postgres_frame`, `engine` and `tsql`.
"""

from collections.abc import Iterator, Sequence

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Message, Outcome, SqlError
from resources.endpoints.mssql_emulator.postgres_evaluation import PostgresEvaluation
from resources.endpoints.mssql_emulator.postgres_frame import Frame
from resources.endpoints.mssql_emulator.tsql import program, types
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_ENDING = {3617, 596}
_OF_COMPILING = {
    *(
        102,
        108,
        120,
        121,
        137,
        141,
        145,
        147,
        156,
        164,
        174,
        191,
        195,
        205,
        207,
        208,
        209,
        213,
        264,
        4104,
        4108,
        4121,
        8120,
    ),
    *(206, 257, 402, 529, 8624),  # of types, and of the engine behind this endpoint
}
"""Errors of SQL Server's compiler, and all that this endpoint refuses."""


def caught(error: SqlError) -> bool:
    """Tell whether CATCH gets an error: it gets none that ends the session, and none of compiling its own batch."""
    if error.number in _ENDING or error.severity >= 20:
        return False
    return error.below or error.number not in _OF_COMPILING


def throw(session: PostgresEvaluation, statement: program.Throw, frame: Frame) -> None:
    """Raise the error that THROW says, or the one that was caught."""
    line = statement.line
    if statement.arguments:
        wanted = (types.INT, types.NVARCHAR_MAX, types.INT)
        given = zip(statement.arguments, wanted, strict=True)
        number, message, state = (session.evaluate(node, frame, line, type_) for node, type_ in given)
        error = SqlError(int(number or 0), message or "", state=int(state or 1), line=line)
        if error.number < 50000:
            raise SqlError(35100, f"Error number {error.number} in the THROW statement is outside the valid range.")
    elif frame.errors:
        error = frame.errors[-1]
    else:
        raise SqlError(10704, "To rethrow an error, a THROW statement must be used inside a CATCH block.", line=line)
    session.thrown()
    raise error


def raiserror(session: PostgresEvaluation, statement: program.RaiseError, frame: Frame) -> Iterator[Outcome]:
    """Raise the error that RAISERROR says; one of severity 10 or less is a message."""
    line = statement.line
    message_node, severity_node, state_node, *rest = statement.arguments
    if isinstance(message_node, exp.Literal) and not message_node.is_string:
        raise refused("RAISERROR with the number of a message", line)
    message = session.evaluate(message_node, frame, line, types.NVARCHAR_MAX) or ""
    severity = int(session.evaluate(severity_node, frame, line, types.INT) or 0)
    state = int(session.evaluate(state_node, frame, line, types.INT) or 1)
    given = [session.evaluate(node, frame, line, types.NVARCHAR_MAX) for node in rest]
    text = _formatted(message, given, line)
    if severity <= 10:
        yield Message(50000, text, severity)
        return
    raise SqlError(50000, text, severity=severity, state=state, line=line)


def _formatted(message: str, given: Sequence[str | None], line: int) -> str:
    """Fill in %s and %d; other formats are refused."""
    made, rest, values = "", message, list(given)
    while "%" in rest:
        front, _, rest = rest.partition("%")
        kind, rest = rest[:1], rest[1:]
        if kind == "%":
            made += front + "%"
        elif kind in ("s", "d", "i", "u") and values:
            made += front + (values.pop(0) or "(null)")
        else:
            raise refused(f"RAISERROR with %{kind}", line)
    return made + rest
