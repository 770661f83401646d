"""The grammar of a batch: statements, their bounds, and the flow of control between them.

Here lives how text becomes a `program`; what single statements mean lives in `dml`, `ddl` and `query`. It may import
them, `syntax`, `tokens` and `types`.

T-SQL needs no semicolons: a statement ends where a word begins another one. A batch is read whole before any of it
runs, so that a syntax error leaves nothing done.
"""

from collections.abc import Callable, Iterator
from typing import Any

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import ddl, dml
from resources.endpoints.mssql_emulator.tsql.calls import declare, execute, procedure, rest, set_, use
from resources.endpoints.mssql_emulator.tsql.ddl_alter import read_alter
from resources.endpoints.mssql_emulator.tsql.ddl_nodes import CreateSchema, CreateView
from resources.endpoints.mssql_emulator.tsql.program import (
    Block,
    Declare,
    Definition,
    If,
    Jump,
    Print,
    RaiseError,
    Statement,
    Throw,
    Transaction,
    Try,
    While,
    Writing,
)
from resources.endpoints.mssql_emulator.tsql.selecting import read_select
from resources.endpoints.mssql_emulator.tsql.syntax import parse_condition, parse_expression, parse_query
from resources.endpoints.mssql_emulator.tsql.tokens import STARTS, Cursor, refused, tokenize, word

_DML = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"}
_SET_WORDS = {"UNION", "ALL", "EXCEPT", "INTERSECT"}


def read_batch(text: str) -> Block:
    """Return what a batch does. Raises SqlError 102, 105, 111 and those of its parts."""
    cursor = Cursor(text, tokenize(text))
    block = Block(1, tuple(_statements(cursor)))
    if cursor:
        raise cursor.wrong()
    names: set[str] = set()
    for declared in _declared(block):
        if declared.name in names:
            raise SqlError(
                134,
                f"The variable name '{declared.name}' has already been declared. Variable names must be unique within "
                "a query batch or stored procedure.",
                severity=15,
                line=declared.line,
            )
        names.add(declared.name)
    return block


def _declared(statement: Statement | None) -> Iterator[Declare]:
    """Yield every DECLARE in a statement: a variable is the whole batch's, wherever it is declared."""
    match statement:
        case Declare():
            yield statement
        case Block(statements=inner):
            for one in inner:
                yield from _declared(one)
        case If(then=then, otherwise=otherwise):
            yield from _declared(then)
            yield from _declared(otherwise)
        case While(body=body):
            yield from _declared(body)
        case Try(body=body, handler=handler):
            yield from _declared(body)
            yield from _declared(handler)


def _statements(cursor: Cursor, *ends: str) -> Iterator[Statement]:
    """Read statements up to END, or to the end of the batch."""
    while True:
        while cursor.accept(";"):
            pass
        if not cursor or (ends and cursor.word() in ends):
            return
        yield from _statement(cursor)


def _one(cursor: Cursor) -> Statement:
    """Read the one statement that IF or WHILE governs."""
    line = cursor.line
    while cursor.accept(";"):
        pass
    found = tuple(_statement(cursor))
    return found[0] if len(found) == 1 else Block(line, found)


def _statement(cursor: Cursor) -> Iterator[Statement]:
    line, first = cursor.line, cursor.word()
    if first == "INSERT" and cursor.word(1) == "BULK":
        raise refused("INSERT BULK, whose rows follow in packets of their own", line)
    if first in _DML or first == "WITH":
        made = _query_or_writing(_part(cursor), line)
        if isinstance(made, Writing) and isinstance(made.node, dml.Merge) and cursor.word() != ";":
            raise SqlError(
                10713, "A MERGE statement must be terminated by a semi-colon (;).", severity=15, line=cursor.line
            )
        yield made
    elif first in _READERS:
        found = _READERS[first](cursor, line)
        if isinstance(found, Statement):
            yield found
        else:
            yield from found
    elif first in ("CREATE", "ALTER", "DROP", "TRUNCATE"):
        yield Definition(line, _definition(cursor, line))
    elif first.startswith("SP_") or (cursor.at == 0 and cursor.word(1) == "." and cursor.word(2).startswith("SP_")):
        yield procedure(cursor, line)  # the first statement of a batch may leave EXEC out
    else:
        token = cursor.peek()
        raise refused(token.text if token else "end of batch", line)


def _definition(cursor: Cursor, line: int) -> Any:
    """Read a definition; those of views and schemas have places of their own in a batch."""
    leads = all(word(token) == ";" for token in cursor.tokens[: cursor.at])
    node = read_alter(cursor, line) if cursor.accept("ALTER") else ddl.read(cursor, _part)
    if isinstance(node, CreateView | CreateSchema) and not leads:
        kind = "VIEW" if isinstance(node, CreateView) else "SCHEMA"
        raise SqlError(111, f"'CREATE {kind}' must be the first statement in a query batch.", severity=15, line=line)
    if isinstance(node, CreateView):
        while cursor.accept(";"):
            pass
        cursor.end()
    return node


def _part(cursor: Cursor) -> Cursor:
    """Take the tokens of one query or writing statement: up to a word that begins another one."""
    start = cursor.at
    extent = _Extent(cursor.word())
    end = next((place for place, found in cursor.top_level() if place > start and extent.ends_at(found)), None)
    cursor.at = len(cursor.tokens) if end is None else end
    if cursor.at == start:
        raise cursor.wrong()
    return cursor.part(start, cursor.at)


class _Extent:
    """Tells where a statement ends, word by word."""

    def __init__(self, first: str) -> None:
        self._kind = self._previous = first
        self._inner = _INNER.get(first, ())
        """Words that begin a statement and still belong to this one, once."""

    def ends_at(self, found: str) -> bool:
        """Tell whether the statement ends before this word."""
        previous, self._previous = self._previous, found
        if found == ";" or self._kind == "MERGE" or found not in STARTS:  # only a semicolon ends a MERGE
            return found == ";"
        if self._kind == "WITH" and found in _DML:
            self._kind, self._inner = found, _INNER.get(found, ())
            return False
        if found in self._inner:
            self._inner = ()
            return False
        return not (found == "SELECT" and previous in _SET_WORDS)


_INNER = {"INSERT": ("SELECT", "EXEC", "EXECUTE"), "UPDATE": ("SET",)}


def _query_or_writing(cursor: Cursor, line: int) -> Statement:
    with_ = None
    if cursor.word() == "WITH":
        start = cursor.at
        body = cursor.until(*_DML)
        if cursor.word() != "SELECT":
            select = parse_query(Cursor(cursor.text, [*body.tokens, *tokenize("SELECT 1")]))
            with_ = select.args["with_"]
        else:
            cursor.at = start
    match cursor.word():
        case "INSERT":
            return Writing(line, dml.read_insert(cursor, with_))
        case "UPDATE" | "DELETE":
            return Writing(line, dml.read_change(cursor, with_))
        case "MERGE":
            return Writing(line, dml.read_merge(cursor, with_))
        case _:
            return read_select(cursor, line)


# ---------------------------------------------------------------------- flow of control


def _begin(cursor: Cursor, line: int) -> Statement:
    cursor.expect("BEGIN")
    if cursor.accept_any("TRAN", "TRANSACTION"):
        return Transaction(line, "BEGIN", _name_of_transaction(cursor))
    if cursor.word() in ("DISTRIBUTED", "DIALOG", "CONVERSATION", "ATOMIC"):
        raise refused(f"BEGIN {cursor.word()}", line)
    if cursor.accept("TRY"):
        body = Block(line, tuple(_statements(cursor, "END")))
        cursor.expect("END", "TRY")
        cursor.accept(";")
        cursor.expect("BEGIN", "CATCH")
        handler = Block(cursor.line, tuple(_statements(cursor, "END")))
        cursor.expect("END", "CATCH")
        return Try(line, body, handler)
    block = Block(line, tuple(_statements(cursor, "END")))
    cursor.expect("END")
    if not block.statements:
        raise refused("END", line)
    return block


def _name_of_transaction(cursor: Cursor) -> str:
    token = cursor.peek()
    if token is None or cursor.word() in STARTS | {";", "WITH", "THROW"}:
        return ""
    name = cursor.identifier()
    if name.startswith("@"):
        raise refused(f"transaction name {name}", cursor.line)
    return name


def _end_transaction(cursor: Cursor, line: int) -> Statement:
    verb = cursor.take().text.upper()
    named = cursor.accept_any("TRAN", "TRANSACTION")
    if verb == "SAVE" and not named:
        raise cursor.wrong()
    if not named:
        cursor.accept("WORK")
        return Transaction(line, verb)
    name = _name_of_transaction(cursor)
    if cursor.word() == "WITH":
        raise refused("WITH (DELAYED_DURABILITY)", line)
    return Transaction(line, verb, name)


def _if(cursor: Cursor, line: int) -> Statement:
    cursor.expect("IF")
    condition = parse_condition(_condition(cursor))
    then = _one(cursor)
    place = cursor.at
    while cursor.accept(";"):
        pass
    if cursor.accept("ELSE"):
        return If(line, condition, then, _one(cursor))
    cursor.at = place
    return If(line, condition, then, None)


def _while(cursor: Cursor, line: int) -> Statement:
    cursor.expect("WHILE")
    return While(line, parse_condition(_condition(cursor)), _one(cursor))


def _condition(cursor: Cursor) -> Cursor:
    """Take a condition: up to the word that begins the statement it governs."""
    return cursor.until(*STARTS, "THROW", "WITH", ";")


def _jump(cursor: Cursor, line: int) -> Statement:
    verb = cursor.take().text.upper()
    if verb == "RETURN" and cursor and cursor.word() not in STARTS | {";"}:
        raise refused("RETURN with a value", line)
    return Jump(line, verb)


def _throw(cursor: Cursor, line: int) -> Statement:
    cursor.expect("THROW")
    arguments = tuple(parse_expression(part) for part in rest(cursor).split())
    if len(arguments) not in (0, 3):
        raise refused("THROW", line)
    return Throw(line, arguments)


def _raiserror(cursor: Cursor, line: int) -> Statement:
    cursor.expect("RAISERROR")
    arguments = tuple(parse_expression(part) for part in cursor.wrapped().split())
    if len(arguments) < 3:
        raise refused("RAISERROR", line)
    if cursor.accept("WITH") and not cursor.accept("NOWAIT"):
        raise refused("RAISERROR WITH", line)
    return RaiseError(line, arguments)


def _print(cursor: Cursor, line: int) -> Statement:
    cursor.expect("PRINT")
    return Print(line, parse_expression(rest(cursor)))


_READERS: dict[str, Callable[[Cursor, int], Statement | Iterator[Statement]]] = {
    "BEGIN": _begin,
    "COMMIT": _end_transaction,
    "ROLLBACK": _end_transaction,
    "SAVE": _end_transaction,
    "IF": _if,
    "WHILE": _while,
    "BREAK": _jump,
    "CONTINUE": _jump,
    "RETURN": _jump,
    "THROW": _throw,
    "RAISERROR": _raiserror,
    "PRINT": _print,
    "DECLARE": declare,
    "SET": set_,
    "EXEC": execute,
    "EXECUTE": execute,
    "USE": use,
}
