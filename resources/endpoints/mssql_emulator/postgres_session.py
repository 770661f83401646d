"""Runs a batch: one statement after the other, with variables, the flow of control, and errors that are caught.

Here lives the interpreter; procedures live in `postgres_procedures`, transactions in `postgres_connection`, results in
`postgres_statements`. It may import them, `engine` and `tsql`.

What differs from SQL Server: a batch ends at its first error (there, some errors let the next statement run). Readers
see the last committed state and wait for no writer, as under READ_COMMITTED_SNAPSHOT. The offset of a datetimeoffset is
not kept. Comparisons are by code point, trailing blanks aside, as under a server collation of Latin1_General_100_BIN2_UTF8,
so names of objects, columns and variables' values are told apart by case.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator import postgres_options as options
from resources.endpoints.mssql_emulator import postgres_procedures as procedures
from resources.endpoints.mssql_emulator.engine import (
    Affected,
    Kind,
    Message,
    Outcome,
    OutputValue,
    Parameter,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.postgres_connection import Database, Values
from resources.endpoints.mssql_emulator.postgres_frame import Frame, bindings
from resources.endpoints.mssql_emulator.postgres_results import one_value, text_of
from resources.endpoints.mssql_emulator.postgres_statements import PostgresStatements
from resources.endpoints.mssql_emulator.tsql import ddl_nodes, dml, program, types
from resources.endpoints.mssql_emulator.tsql.batch import read_batch
from resources.endpoints.mssql_emulator.tsql.concatenation import running_concatenation
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.ddl_sql import Definitions, select_into
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.tokens import refused, tokenize, word

_NESTING = 32
_KNOWN = 200
"""How many statements a session remembers in PostgreSQL's words."""


class _Jump(Exception):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@lru_cache(maxsize=256)
def _read(text: str) -> program.Block:
    return read_batch(text)


class PostgresSession(PostgresStatements):
    """A login: the engine's `Session`."""

    def __init__(self, shared: Database) -> None:
        super().__init__(shared)
        self._known: dict[Any, tuple[program.Statement, Said]] = {}

    user = ""
    """Who logged in."""
    create_database: Callable[[str], None]
    """Makes a database; set by the engine, and so is `ended`, which is told of `close`."""
    ended: Callable[["PostgresSession"], None]

    def close(self) -> None:
        """End the session: roll back, drop its temporary tables. Safe to call twice."""
        super().close()
        self.ended(self)

    def execute(self, text: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        """Execute a batch lazily, yielding what its statements come to, in order. Raises SqlError."""
        self.begin_batch()
        frame = Frame(depth=1 if parameters else 0)
        for place, parameter in enumerate(parameters, 1):
            name = (parameter.name or f"@P{place}").lower()
            frame.variables[name] = (parameter.type, text_of(parameter.value, parameter.type))
        yield from self.run_text(text, frame)
        for place, parameter in enumerate(parameters, 1):
            if parameter.output:
                type_, value = frame.variables[(parameter.name or f"@P{place}").lower()]
                yield OutputValue(Parameter(parameter.name, parameter.type, one_value(value, type_), output=True))

    def run_text(self, text: str, frame: Frame) -> Iterator[Outcome]:
        """Run a batch in a frame; temporary tables that a called batch makes end with it. Raises SqlError."""
        if frame.depth > _NESTING:
            raise SqlError(217, f"Maximum stored procedure nesting level exceeded (limit {_NESTING}).")
        open_before = self.transactions
        block = _read(text)
        try:
            yield from self._block(block, frame)
        except _Jump:  # RETURN
            pass
        finally:
            if frame.depth and frame.temporary and self._usable():
                self._drop_temporary(frame)
        if frame.depth == 0 and self.doomed:
            self._drop_transaction()
            raise SqlError(
                3998, "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back."
            )
        if frame.depth and self.transactions != open_before and self.tries == 0:
            return

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
        for statement in _read(text).statements:
            if isinstance(statement, program.Query | program.Selected | program.Writing):
                with self._compiling(statement.line):
                    says = self.says(frame)
                    says.guesses = guesses
                    self._translated(statement, says, frame)
        return [Parameter(name, type_ or types.NVARCHAR_4000, None) for name, type_ in guesses.items()]

    def _usable(self) -> bool:
        return self._opened is not None and not self._opened.closed

    def _drop_temporary(self, frame: Frame) -> None:
        from resources.endpoints.mssql_emulator.tsql.scope import Table

        self.defined()
        for name in frame.temporary:
            self.connection.execute(f"DROP TABLE IF EXISTS {Table('pg_temp', name).sql.replace('%%', '%')}")

    # ------------------------------------------------------------------ statements

    def _block(self, block: program.Block, frame: Frame) -> Iterator[Outcome]:
        for statement in block.statements:
            yield from self._statement(statement, frame)

    def _statement(self, statement: program.Statement, frame: Frame) -> Iterator[Outcome]:
        self.check_cancelled()
        line = statement.line
        match statement:
            case program.Block():
                yield from self._block(statement, frame)
            case program.Query() | program.Writing() | program.Selected():
                yield from self._said(statement, frame)
            case program.Definition():
                yield from self._definition(statement, frame)
            case program.Assigning():
                self._assigning(statement, frame)
            case program.Declare():
                frame.variables[statement.name] = (statement.type, None)
                if statement.value is not None:
                    self._assign(statement.name, statement.value, frame, line)
            case program.Assign():
                self._assign(statement.name, statement.value, frame, line)
            case program.If():
                if self._holds(statement.condition, frame, line):
                    yield from self._statement(statement.then, frame)
                elif statement.otherwise is not None:
                    yield from self._statement(statement.otherwise, frame)
            case program.While():
                yield from self._while(statement, frame)
            case program.Jump():
                raise _Jump(statement.word)
            case program.Try():
                yield from self._try(statement, frame)
            case program.Throw() | program.RaiseError():
                yield from self._raise(statement, frame)
            case program.Print():
                said = self.evaluate(statement.value, frame, line, SqlType(Kind.NVARCHAR, 4000))
                yield Message(0, said or "")
            case program.Transaction():
                self._transaction(statement)
                yield Affected(None)
            case program.SetOption():
                options.apply(self, statement)
            case program.ExecuteText():
                text = self.evaluate(statement.value, frame, line, types.NVARCHAR_MAX)
                yield from self.run_text(text or "", Frame(frame.depth + 1, errors=frame.errors))
            case program.Execute():
                yield from procedures.execute(self, statement, frame)
            case program.Use():
                self._use(statement)
            case _:
                raise refused(type(statement).__name__, line)

    def says(self, frame: Frame) -> Manipulation:
        """What says statements in PostgreSQL's SQL, for one statement."""
        manipulation = Manipulation(self.catalog, frame.types())
        manipulation.identity_insert = self.settings.identity_insert
        return manipulation

    def _said(self, statement: program.Statement, frame: Frame) -> Iterator[Outcome]:
        types_ = frame.types()
        key = (id(statement), tuple(types_.items()), self.settings.identity_insert, self._shared.definitions)
        known = self._known.get(key)
        if known is None or known[0] is not statement:
            with self._compiling(statement.line):
                said = self._translated(statement, self.says(frame), frame)
            if isinstance(statement, program.Selected):
                self.defined()
            else:
                self._known[key] = (statement, said)
                if len(self._known) > _KNOWN:
                    self._known.pop(next(iter(self._known)))
        else:
            said = known[1]
        yield from self.run(said, self.bindings(frame), statement.line)

    def _translated(self, statement: program.Statement, says: Manipulation, frame: Frame) -> Said:
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

    def _compiling(self, line: int) -> Any:
        """What a statement's meaning is looked up in: an error there counts as the statement's."""
        return self.guarded(writes=False, line=line)

    def _definition(self, statement: program.Definition, frame: Frame) -> Iterator[Outcome]:
        node = statement.node
        if isinstance(node, ddl_nodes.AlterDatabase):
            yield from procedures.alter_database(self, node, statement.line)
            return
        if isinstance(node, ddl_nodes.CreateDatabase):
            procedures.create_database(self, node)
            yield Affected(None)
            return
        with self._compiling(statement.line):
            definitions = Definitions(self.says(frame))
            said = definitions.say(node)
            self._shared.ensure(definitions.types)
        if isinstance(node, ddl_nodes.CreateTable) and node.name[-1].startswith("#"):
            frame.temporary.append(node.name[-1])
        self.defined()
        yield from self.run(said, self.bindings(frame), statement.line)

    # ------------------------------------------------------------------ expressions

    def bindings(self, frame: Frame) -> Values:
        """The values of every placeholder."""
        return bindings(self, self.user, frame)

    def evaluate(self, node: Any, frame: Frame, line: int, to: SqlType) -> str | None:
        """Return the value of an expression as that type, in PostgreSQL's text form. Raises SqlError."""
        with self.guarded(writes=False, line=line, verb="SELECT"):
            says = self.says(frame)
            piece = converted(says.value(node, Scope()), to)
            return self.value(f"SELECT CAST({piece.sql} AS text)", self.bindings(frame))

    def _assign(self, name: str, node: Any, frame: Frame, line: int) -> None:
        if name not in frame.variables:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', severity=15, line=line)
        type_, _ = frame.variables[name]
        frame.variables[name] = (type_, self.evaluate(node, frame, line, type_))

    def _holds(self, node: Any, frame: Frame, line: int) -> bool:
        with self.guarded(writes=False, line=line, verb="SELECT"):
            condition = self.says(frame).condition(node, Scope())
            return self.value(f"SELECT CASE WHEN {condition} THEN '1' END", self.bindings(frame)) == "1"

    def _assigning(self, statement: program.Assigning, frame: Frame) -> None:
        """SELECT @a = ...: the last row's values; without a row the variables keep theirs."""
        for name in statement.names:
            if name not in frame.variables:
                raise SqlError(137, f'Must declare the scalar variable "{name}".', severity=15, line=statement.line)
        tree = statement.tree.copy()
        joined = running_concatenation(tree, statement.names)
        if joined is not None:
            tree = joined
        with self.guarded(writes=False, line=statement.line, verb="SELECT"):
            says = self.says(frame)
            sql, columns = says.query(tree, None)
            if columns is None:
                raise refused("SELECT @variable = *", statement.line)
            names = [f"c{place}" for place in range(len(columns))]
            values = []
            for name, column, variable in zip(names, columns, statement.names, strict=True):
                piece = converted(Piece(name, column.type, null=column.null), frame.variables[variable][0])
                values.append(f"CAST({piece.sql} AS text)")
            whole = f"SELECT {', '.join(values)} FROM ({sql}) AS q ({', '.join(names)})"
            rows = self.connection.execute(whole.encode(), self.bindings(frame)).fetchall()
        self.rowcount = len(rows)
        if rows:
            for name, value in zip(statement.names, rows[-1], strict=True):
                frame.variables[name] = (frame.variables[name][0], value)

    # ------------------------------------------------------------------ flow of control

    def _while(self, statement: program.While, frame: Frame) -> Iterator[Outcome]:
        while self._holds(statement.condition, frame, statement.line):
            self.check_cancelled()
            try:
                yield from self._statement(statement.body, frame)
            except _Jump as jump:
                if jump.word == "BREAK":
                    return
                if jump.word == "RETURN":
                    raise

    def _try(self, statement: program.Try, frame: Frame) -> Iterator[Outcome]:
        self.tries += 1
        caught: SqlError | None = None
        try:
            yield from self._block(statement.body, frame)
        except SqlError as error:
            if error.number in (3617, 596) or error.severity >= 20:
                raise
            caught = error
        finally:
            self.tries -= 1
        if caught is None:
            return
        frame.errors.append(caught)
        try:
            yield from self._block(statement.handler, frame)
        finally:
            frame.errors.pop()

    def _raise(self, statement: program.Throw | program.RaiseError, frame: Frame) -> Iterator[Outcome]:
        line = statement.line
        if isinstance(statement, program.Throw):
            if not statement.arguments:
                if not frame.errors:
                    raise SqlError(
                        10704, "To rethrow an error, a THROW statement must be used inside a CATCH block.", line=line
                    )
                error = frame.errors[-1]
            else:
                number, message, state = (
                    self.evaluate(node, frame, line, type_)
                    for node, type_ in zip(statement.arguments, (types.INT, types.NVARCHAR_MAX, types.INT), strict=True)
                )
                error = SqlError(int(number or 0), message or "", state=int(state or 1), line=line)
                if error.number < 50000:
                    raise SqlError(
                        35100, f"Error number {error.number} in the THROW statement is outside the valid range."
                    )
            if self.transactions and self.settings.xact_abort:
                self._failed(error.number, False, self.tries > 0)
            raise error
        yield from self._raiserror(statement, frame)

    def _raiserror(self, statement: program.RaiseError, frame: Frame) -> Iterator[Outcome]:
        line = statement.line
        message_node, severity_node, state_node, *rest = statement.arguments
        if isinstance(message_node, exp.Literal) and not message_node.is_string:
            raise refused("RAISERROR with the number of a message", line)
        message = self.evaluate(message_node, frame, line, types.NVARCHAR_MAX) or ""
        severity = int(self.evaluate(severity_node, frame, line, types.INT) or 0)
        state = int(self.evaluate(state_node, frame, line, types.INT) or 1)
        given = [self.evaluate(node, frame, line, types.NVARCHAR_MAX) for node in rest]
        text = _formatted(message, given, line)
        if severity <= 10:
            yield Message(50000, text, severity)
            return
        raise SqlError(50000, text, severity=severity, state=state, line=line)

    def _transaction(self, statement: program.Transaction) -> None:
        match statement.verb:
            case "BEGIN":
                self.begin()
            case "COMMIT":
                self.commit()
            case "SAVE":
                self.save(statement.name)
            case _ if statement.name:
                self.rollback_to(statement.name)
            case _:
                self.rollback()

    def _use(self, statement: program.Use) -> None:
        if statement.database != self.database:
            raise SqlError(
                911,
                f"Database '{statement.database}' does not exist, or this endpoint cannot change to it: "
                "log in to it instead.",
            )


def converted(piece: Piece, to: SqlType) -> Piece:
    """Return a value as a variable's type holds it; text is cut, as T-SQL cuts it there. Raises SqlError 102."""
    if piece.type is None and not piece.null:
        return Piece(f"CAST({piece.sql} AS {types.base(to)})", to)
    return cast(piece, to)


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
