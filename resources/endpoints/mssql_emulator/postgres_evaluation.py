"""What expressions, conditions and statements of a running batch mean: in PostgreSQL's words, and in values.

Here live variables and what is looked up; the order of statements lives in `postgres_session`. It may import
`postgres_statements`, `postgres_frame`, `engine` and `tsql`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from resources.endpoints.mssql_emulator.engine import Parameter, SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_connection import Database, Values
from resources.endpoints.mssql_emulator.postgres_frame import Frame, bindings
from resources.endpoints.mssql_emulator.postgres_statements import PostgresStatements
from resources.endpoints.mssql_emulator.tsql import dml, program, types, views
from resources.endpoints.mssql_emulator.tsql.batch import read_batch
from resources.endpoints.mssql_emulator.tsql.calls import declarations
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.operators import converts
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, Table
from resources.endpoints.mssql_emulator.tsql.select_into import select_into
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.tokens import nested_too_deeply, refused, tokenize, word


@lru_cache(maxsize=256)
def read(text: str) -> program.Block:
    """Return what a batch does; a text that was read lately is not read again. Raises SqlError 102, 191."""
    try:
        return read_batch(text)
    except RecursionError:
        raise nested_too_deeply() from None


class PostgresEvaluation(PostgresStatements):
    """Evaluates what a batch says."""

    user = ""
    """Who logged in."""

    def __init__(self, shared: Database) -> None:
        super().__init__(shared)
        self._binding: set[Table] = set()
        """Views that are being made anew."""

    def describe(self, text: str, declared: Sequence[Parameter] = ()) -> list[Parameter]:
        """Return the undeclared parameters of a statement with suggested types, in order. Raises SqlError.

        A type is suggested by the column or the value that the parameter is assigned to or compared with, and is
        nvarchar(4000) where nothing suggests one.
        """
        self.begin_batch()
        given = {parameter.name.lower(): parameter.type for parameter in declared}
        guesses: dict[str, SqlType | None] = {}
        for token in tokenize(text):
            name = token.text if word(token).startswith("@") and not token.text.startswith("@@") else ""
            if name and name.lower() not in given:
                guesses.setdefault(name, None)
        frame = Frame(variables={name: (type_, None) for name, type_ in given.items()})
        for statement in read(text).statements:
            if isinstance(statement, program.Query | program.Selected | program.Writing):
                with self.compiling(statement.line):
                    says = self.says(frame)
                    says.guesses = guesses
                    self.translated(statement, says, frame)
        return [Parameter(name, type_ or types.NVARCHAR_4000, None) for name, type_ in guesses.items()]

    def says(self, frame: Frame) -> Manipulation:
        """What says statements in PostgreSQL's SQL, for one statement."""
        manipulation = Manipulation(self.catalog, frame.types())
        manipulation.identity_insert = self.settings.identity_insert
        manipulation.utc = frozenset(frame.utc)
        return manipulation

    def translated(self, statement: program.Statement, says: Manipulation, frame: Frame) -> Said:
        """Return a query or writing statement in PostgreSQL's words. Raises SqlError."""
        match statement:
            case program.Query():
                sql, columns = says.query(statement.tree, None, named=True)
                return Said(sql, columns, rows=True, used=says.used, before=says.locks, verb="SELECT")
            case program.Selected():
                if statement.into[-1].startswith("#"):
                    frame.temporary.append(statement.into[-1])
                return select_into(says, statement.tree, statement.into)
            case program.Writing(node=dml.Insert() as node):
                return says.insert(node)
            case program.Writing(node=dml.Change() as node):
                return says.change(node)
            case program.Writing(node=dml.Merge() as node):
                return says.merge(node)
            case _:
                raise refused(type(statement).__name__, statement.line)

    def bind_view(self, view: Table, text: str, columns: Sequence[str] = ()) -> None:
        """Make a view anew from its text; `columns` are those that it must have. Raises SqlError."""
        if view in self._binding:
            raise SqlError(
                4429,
                f"View or function '{view.name}' contains a self-reference. Views or functions cannot reference "
                "themselves directly or indirectly.",
            )
        node = next(made.node for made in read(text).statements if isinstance(made, program.Definition))
        self._binding.add(view)
        try:
            said, needed = views.view(self.says(Frame()), replace(node, replace=True), view, columns=columns)
        finally:
            self._binding.remove(view)
        self._shared.ensure(needed)
        self.defined()
        for _ in self.run(said, {}):
            pass

    @contextmanager
    def guarded(self, *, block: bool = False, writes: bool = True, verb: str = "", line: int = 1) -> Iterator[None]:
        """Run statements as one statement of T-SQL; its parts may be nested too deeply. Raises SqlError."""
        with super().guarded(block=block, writes=writes, verb=verb, line=line):
            try:
                yield
            except RecursionError:
                raise nested_too_deeply(line) from None

    def compiling(self, line: int) -> AbstractContextManager[None]:
        """What a statement's meaning is looked up in: an error there counts as the statement's."""
        return self.guarded(writes=False, line=line)

    def bindings(self, frame: Frame, described: Mapping[str, tuple[Any, Any]] | None = None) -> Values:
        """The values of every placeholder; `described` are those of what batches return. Raises SqlError."""
        values = bindings(self, self.user, frame)
        for name, (text, declared) in (described or {}).items():
            said = (self.evaluate(node, frame, 1, types.NVARCHAR_MAX) for node in (text, declared))
            values[name] = self.first_result(*(one or "" for one in said))
        return values

    def first_result(self, text: str, declared: str) -> str:
        """Return name, type and nullability of what a batch returns first, as JSON; it is not run. Raises SqlError."""
        frame = Frame(variables={name: (type_, None) for name, type_, _ in declarations(declared)})
        for statement in read(text).statements:
            if isinstance(statement, program.Query):
                break
            if not isinstance(statement, program.Use | program.SetOption):
                raise refused("the description of a batch that does not begin with SELECT", statement.line)
        else:
            return "[]"
        with self.compiling(statement.line):
            said = self.translated(statement, self.says(frame), frame)
            columns, unscaled, _ = self.described(self._bound(said.sql, self.bindings(frame)), said)
        if unscaled:
            raise refused("the description of a numeric expression whose scale is not known: CAST it", statement.line)
        return json.dumps([(column.name or None, types.type_name(column.type), column.nullable) for column in columns])

    def evaluate(self, node: Any, frame: Frame, line: int, to: SqlType) -> str | None:
        """Return the value of an expression as that type, in PostgreSQL's text form. Raises SqlError."""
        with self.guarded(writes=False, line=line, verb="SELECT"):
            says = self.says(frame)
            piece = converted(says.value(node, Scope()), to)
            return self.value(f"SELECT CAST({piece.sql} AS text)", self.bindings(frame, says.described))

    def assign(self, statement: program.Declare | program.Assign, frame: Frame) -> None:
        """Give a variable its value. Raises SqlError."""
        name, line = statement.name, statement.line
        if name not in frame.variables:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', severity=15, line=line)
        type_, _ = frame.variables[name]
        frame.put(name, self.evaluate(statement.value, frame, line, type_))
        self.rowcount = 1

    def holds(self, node: Any, frame: Frame, line: int) -> bool:
        """Tell whether a condition holds. Raises SqlError."""
        with self.guarded(writes=False, line=line, verb="SELECT"):
            says = self.says(frame)
            query = f"SELECT CASE WHEN {says.condition(node, Scope())} THEN '1' END"
            return self.value(query, self.bindings(frame, says.described)) == "1"


def converted(piece: Piece, to: SqlType) -> Piece:
    """Return a value as a variable's type holds it; text is cut, as T-SQL cuts it there. Raises SqlError 102."""
    if piece.type is None and not piece.null and to.kind in types.STRINGS:
        return cast(Piece(f"CAST({piece.sql} AS text)", types.NVARCHAR_MAX), to)
    if piece.type is None and not piece.null:
        return Piece(f"CAST({piece.sql} AS {types.base(to)})", to)
    if piece.type is not None:
        converts(piece.type, to)
    return cast(piece, to)
