"""The functions of T-SQL that this endpoint knows, one entry each.

Here live the table and its forms of entry; what is entered lives in `scalars`, `strings`, `dates`, `system` and
`aggregates`. It may import `scope`, `types`, `convert`, `expressions`, `functions_left_out`, `nodes` and `tokens`. A
function that is not in the table is refused: with error 102 if it is SQL Server's, and as SQL Server does (195, 4121)
if it is none.
https://learn.microsoft.com/sql/t-sql/functions/functions
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.convert import cast, held
from resources.endpoints.mssql_emulator.tsql.expressions import Expressions
from resources.endpoints.mssql_emulator.tsql.functions_left_out import LEFT_OUT, METHODS
from resources.endpoints.mssql_emulator.tsql.nodes import written_call
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope
from resources.endpoints.mssql_emulator.tsql.tokens import refused


@dataclass(frozen=True)
class Call:
    """A call of a function, its arguments unread."""

    says: Expressions
    name: str
    nodes: list[exp.Expression]
    scope: Scope

    def arg(self, place: int) -> Piece:
        """An argument."""
        return self.says.value(self.nodes[place], self.scope)

    def args(self) -> list[Piece]:
        """All arguments."""
        return self.says.values(self.nodes, self.scope)

    def string(self, place: int) -> Piece:
        """An argument as a string, turned into one where it is none."""
        return as_string(self.arg(place))

    def number(self, place: int) -> str:
        """An argument as a whole number."""
        piece = self.arg(place)
        self.says.guess(piece, types.INT)
        return f"CAST({piece.sql} AS integer)"

    def word(self, place: int) -> str:
        """An argument that is a bare word, such as a part of a date."""
        node = self.nodes[place]
        if not isinstance(node, exp.Column) or node.table:
            raise refused(f"{self.name}({node.sql('tsql')}")
        return node.name.lower()

    def wrong(self, why: str = "") -> SqlError:
        """The error of a call that is not known in this form."""
        return refused(f"{self.name}{f' {why}' if why else ''}")


Handler = Callable[[Call], Piece]
FUNCTIONS: dict[str, tuple[int, int, Handler]] = {}
"""By name in capitals: the least and the greatest number of arguments, and what says the call."""


def function(*names: str, least: int, most: int | None = None) -> Callable[[Handler], Handler]:
    """Enter a function into the table under these names."""

    def enter(handler: Handler) -> Handler:
        for name in names:
            FUNCTIONS[name] = (least, least if most is None else most, handler)
        return handler

    return enter


def called(says: Expressions, name: str, node: exp.Anonymous, scope: Scope) -> Piece:
    """Return the call. Raises SqlError 102, 195, 4121 for an unknown function, 174 for a wrong number of arguments."""
    entry = FUNCTIONS.get(name)
    if entry is None:
        raise _unknown(name, node)
    least, most, handler = entry
    if not least <= len(node.expressions) <= most:
        raise SqlError(174, f"The {name} function requires {least} argument(s).", severity=15)
    return replace(handler(Call(says, name, node.expressions, scope)), name="")


def _unknown(name: str, node: exp.Anonymous) -> SqlError:
    schema, _, own = name.rpartition(".")
    if (own in LEFT_OUT and not schema) or schema == "SYS" or (schema and own in METHODS):
        return refused(f"function {name}")
    written = written_call(node)
    if not schema:
        return SqlError(195, f"'{written}' is not a recognized built-in function name.", severity=15)
    owner = node.parent.this.name if isinstance(node.parent, exp.Dot) else schema
    return SqlError(
        4121,
        f'Cannot find either column "{owner}" or the user-defined function or aggregate "{owner}.{written}", or the '
        "name is ambiguous.",
    )


def as_string(piece: Piece) -> Piece:
    """Return the value as a string, as an implicit conversion makes it."""
    if piece.null or piece.literal or piece.type is None or piece.type.kind in types.STRINGS:
        return piece
    return cast(piece, SqlType(Kind.VARCHAR, 20 if piece.type.kind in types.INTEGERS else 60))


def simple(*names: str, least: int, most: int | None = None, sql: str, type_: SqlType) -> None:
    """Enter functions that are one expression over arguments whose types matter little."""

    def handler(call: Call) -> Piece:
        given = [piece.sql for piece in call.args()]
        given += ["NULL"] * ((most or least) - len(given))
        return Piece(sql.format(*given), type_)

    function(*names, least=least, most=most)(handler)


def on_text(*names: str, least: int, sql: str, grows: bool = False) -> None:
    """Enter functions of a string, and perhaps others, that return a string of the first one's kind.

    What `grows` is of the kind's greatest length, unless the first one is of any length.
    """

    def handler(call: Call) -> Piece:
        given = [call.string(place) for place in range(len(call.nodes))]
        first = given[0].type
        kept = None if first is None else first.length
        decide = given if "REPLACE" in names else given[:1]
        wide = any(piece.type is None or piece.type.kind in types.UNICODE for piece in decide if not piece.null)
        kind = Kind.NVARCHAR if wide or first is None else Kind.VARCHAR
        if kept is not None and grows:
            kept = 4000 if kind is Kind.NVARCHAR else 8000
        said = sql.format(*(f"CAST({piece.sql} AS text)" for piece in given))
        if kept is not None:  # another case of a letter, or another letter, may take more bytes
            said = held(said, SqlType(kind), SqlType(kind, kept))
        return Piece(f"CAST({said} AS bpchar)", SqlType(kind, kept))

    function(*names, least=least)(handler)
