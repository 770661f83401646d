"""Runs a batch: one statement after the other, with variables, the flow of control, and errors that are caught.

Here lives the interpreter; procedures live in `postgres_procedures`, transactions in `postgres_connection`, variables
in `postgres_evaluation`. It may import them, `engine` and `tsql`.

What differs from SQL Server, besides what is refused:
- A batch ends at its first error; there, some errors let the next statement run.
- Readers see the last committed state and wait for no writer, as under READ_COMMITTED_SNAPSHOT; REPEATABLE READ and
  SERIALIZABLE end in error 1205 where SQL Server would wait.
- Comparisons are by code point, trailing blanks aside, and names tell case apart, as under a server collation of
  Latin1_General_100_BIN2_UTF8; only the catalog views may be asked in any case.
- Text that is too long for a varchar or nvarchar is refused (8152, or 2628 from a bulk load) even where only blanks
  would be lost; nvarchar ends inside no pair of surrogates; text cannot hold the character NUL; names end at 63 bytes.
- A batch that is called and leaves another @@TRANCOUNT than it found raises no error 266.
- OUTPUT takes a column without INSERTED or DELETED before it for the row that is written.
- SCOPE_IDENTITY() and @@IDENTITY are the session's last identity, whichever batch it came from.
- Binaries that differ in zero bytes at their end alone are two values, which SQL Server takes for one.
- The offset of a datetimeoffset is not kept, so what depends on it is refused unless it is known to be zero; datetime
  keeps whole milliseconds.
- UPDATE and DELETE with joins or TOP skip a row that another transaction changes at the same moment.
- An UPDATE that passes values from row to row may end in error 2627 or 2601 where the column is of a unique index, or
  of a key in a table that a foreign key refers to; in such a table GROUP BY the primary key lets the other columns be
  selected, which SQL Server refuses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from resources.endpoints.mssql_emulator import postgres_options as options
from resources.endpoints.mssql_emulator import postgres_procedures as procedures
from resources.endpoints.mssql_emulator import postgres_raising as raising
from resources.endpoints.mssql_emulator.engine import (
    Affected,
    Kind,
    Message,
    Outcome,
    OutputValue,
    Parameter,
    SqlError,
)
from resources.endpoints.mssql_emulator.postgres_assigning import assigning
from resources.endpoints.mssql_emulator.postgres_connection import Database, Settings, plain
from resources.endpoints.mssql_emulator.postgres_evaluation import PostgresEvaluation, read
from resources.endpoints.mssql_emulator.postgres_frame import Frame
from resources.endpoints.mssql_emulator.postgres_results import one_value, text_of
from resources.endpoints.mssql_emulator.tsql import ddl_nodes, program, types
from resources.endpoints.mssql_emulator.tsql.ddl_sql import Definitions
from resources.endpoints.mssql_emulator.tsql.scope import Table
from resources.endpoints.mssql_emulator.tsql.statements import Said

_NESTING = 32
_KNOWN = 200
"""How many statements a session remembers in PostgreSQL's words."""


_AROUND = (program.Block, program.If, program.While, program.Try, program.Declare)
"""Statements that leave @@ERROR as those in them did."""


_UNCOUNTED = (
    *(program.Definition, program.Print, program.RaiseError, program.SetOption, program.Transaction, program.Use),
)
"""Statements that leave no @@ROWCOUNT."""


class _JumpError(Exception):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class PostgresSession(PostgresEvaluation):
    """A login: the engine's `Session`."""

    def __init__(self, shared: Database) -> None:
        super().__init__(shared)
        self._known: dict[Any, tuple[program.Statement, Said]] = {}

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
            if parameter.type.kind is Kind.DATETIMEOFFSET and (
                parameter.value is None or not parameter.value.utcoffset()
            ):
                frame.utc.add(name)
        try:
            yield from self.run_text(text, frame)
        except SqlError:
            if self.doomed:
                self._drop_transaction()
            raise
        if self.doomed:
            self._drop_transaction()
            raise SqlError(
                3998, "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back."
            )
        for place, parameter in enumerate(parameters, 1):
            if parameter.output:
                type_, value = frame.variables[(parameter.name or f"@P{place}").lower()]
                yield OutputValue(Parameter(parameter.name, parameter.type, one_value(value, type_), output=True))

    def run_text(self, text: str, frame: Frame) -> Iterator[Outcome]:
        """Run a batch in a frame. What a called batch sets, and its temporary tables, end with it. Raises SqlError."""
        if frame.depth > _NESTING:
            raise SqlError(217, f"Maximum stored procedure nesting level exceeded (limit {_NESTING}).")
        try:
            block = read(text)
        except SqlError as error:
            self.error = error.number
            error.below = frame.depth > 0
            raise
        settings = replace(self.settings)
        try:
            yield from self._block(block, frame)
        except _JumpError:  # RETURN
            pass
        except SqlError as error:
            error.below = True
            raise
        finally:
            if frame.depth:
                self._leave(frame, settings)

    def _leave(self, frame: Frame, settings: Settings) -> None:
        """End what a called batch has set and made for itself."""
        changed, self.settings = self.settings != settings, settings
        if self._opened is None or self._opened.closed:
            return
        if changed:
            self.tell()
        if frame.temporary:
            self._drop_temporary(frame)

    def _drop_temporary(self, frame: Frame) -> None:
        self.defined()
        for name in frame.temporary:
            self.connection.execute(f"DROP TABLE IF EXISTS {plain(Table('pg_temp', name).sql)}")

    # ------------------------------------------------------------------ statements

    def _block(self, block: program.Block, frame: Frame) -> Iterator[Outcome]:
        for statement in block.statements:
            yield from self._statement(statement, frame)

    def _statement(self, statement: program.Statement, frame: Frame) -> Iterator[Outcome]:
        self.check_cancelled()
        try:
            yield from self._RUNNERS[type(statement)](self, statement, frame) or ()
        except SqlError as error:
            self.error = error.number
            if isinstance(statement, program.Writing):
                self.rowcount = 0
            raise
        if not isinstance(statement, _AROUND):
            self.error = 0
        if isinstance(statement, _UNCOUNTED):
            self.rowcount = 0

    def _declare(self, statement: program.Declare, frame: Frame) -> None:
        frame.variables[statement.name] = (statement.type, None)
        if statement.value is not None:
            self.assign(statement, frame)

    def _if(self, statement: program.If, frame: Frame) -> Iterator[Outcome]:
        holds = self.holds(statement.condition, frame, statement.line)
        self.error = self.rowcount = 0
        if holds:
            yield from self._statement(statement.then, frame)
        elif statement.otherwise is not None:
            yield from self._statement(statement.otherwise, frame)

    def _jump(self, statement: program.Jump, _: Frame) -> None:
        raise _JumpError(statement.word)

    def _print(self, statement: program.Print, frame: Frame) -> Iterator[Outcome]:
        said = self.evaluate(statement.value, frame, statement.line, types.NVARCHAR_4000)
        yield Message(0, said or "")

    def _set(self, statement: program.SetOption, _: Frame) -> None:
        options.apply(self, statement)

    def _execute_text(self, statement: program.ExecuteText, frame: Frame) -> Iterator[Outcome]:
        text = self.evaluate(statement.value, frame, statement.line, types.NVARCHAR_MAX)
        yield from self.run_text(text or "", Frame(frame.depth + 1, errors=frame.errors))

    def _execute(self, statement: program.Execute, frame: Frame) -> Iterator[Outcome]:
        yield from procedures.execute(self, statement, frame)

    def _said(self, statement: program.Statement, frame: Frame) -> Iterator[Outcome]:
        types_ = frame.types()
        settings = (self.settings.identity_insert, frozenset(frame.utc))
        key = (id(statement), tuple(types_.items()), *settings, self._shared.definitions)
        known = self._known.get(key)
        if known is None or known[0] is not statement:
            with self.compiling(statement.line):
                says = self.says(frame)
                said = self.translated(statement, says, frame)
                said.described = says.described
            if isinstance(statement, program.Selected):
                self.defined()
            else:
                self._known[key] = (statement, said)
                if len(self._known) > _KNOWN:
                    self._known.pop(next(iter(self._known)))
        else:
            said = known[1]
        yield from self.run(said, self.bindings(frame, said.described), statement.line)

    def _definition(self, statement: program.Definition, frame: Frame) -> Iterator[Outcome]:
        node = statement.node
        if isinstance(node, ddl_nodes.AlterDatabase):
            yield from procedures.alter_database(self, node, statement.line)
            return
        if isinstance(node, ddl_nodes.CreateDatabase):
            procedures.create_database(self, node)
            yield Affected(None)
            return
        with self.compiling(statement.line):
            definitions = Definitions(self.says(frame))
            said = definitions.say(node)
            self._shared.ensure(definitions.types)
        if isinstance(node, ddl_nodes.CreateTable) and node.name[-1].startswith("#"):
            frame.temporary.append(node.name[-1])
        self.defined()
        yield from self.run(said, self.bindings(frame), statement.line)

    # ------------------------------------------------------------------ flow of control

    def _while(self, statement: program.While, frame: Frame) -> Iterator[Outcome]:
        while self.holds(statement.condition, frame, statement.line):
            self.check_cancelled()
            try:
                yield from self._statement(statement.body, frame)
            except _JumpError as jump:
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
            if not raising.caught(error):
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

    def _transaction(self, statement: program.Transaction, _: Frame) -> Iterator[Outcome]:
        match statement.verb:
            case "BEGIN":
                self.begin(statement.name)
            case "COMMIT":
                self.commit()
            case "SAVE":
                self.save(statement.name)
            case _ if statement.name not in ("", self.outermost):
                self.rollback_to(statement.name)
            case _:
                self.rollback()
        yield Affected(None)

    def _use(self, statement: program.Use, _: Frame) -> None:
        if statement.database != self.database:
            raise SqlError(
                911,
                f"Database '{statement.database}' does not exist, or this endpoint cannot change to it: "
                "log in to it instead.",
            )

    _RUNNERS: ClassVar[dict[type, Callable[[Any, Any, Frame], Iterator[Outcome] | None]]] = {
        program.Block: _block,
        program.Query: _said,
        program.Writing: _said,
        program.Selected: _said,
        program.Definition: _definition,
        program.Assigning: assigning,
        program.Declare: _declare,
        program.Assign: PostgresEvaluation.assign,
        program.If: _if,
        program.While: _while,
        program.Jump: _jump,
        program.Try: _try,
        program.Throw: raising.throw,
        program.RaiseError: raising.raiserror,
        program.Print: _print,
        program.Transaction: _transaction,
        program.SetOption: _set,
        program.ExecuteText: _execute_text,
        program.Execute: _execute,
        program.Use: _use,
    }
