"""The system procedures that drivers call to prepare and execute statements.

Here lives what each does with a session; how calls are read is said by `rpc`, how answers are written by `answer`. It
may import the standard library and the modules of the wire below it.

Source: https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/database-engine-stored-procedures-transact-sql.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from resources.endpoints.mssql_emulator import results
from resources.endpoints.mssql_emulator.bulk import all_columns
from resources.endpoints.mssql_emulator.declared import bind, parse_declarations
from resources.endpoints.mssql_emulator.engine import (
    Kind,
    Outcome,
    OutputValue,
    Parameter,
    Session,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.rpc import Call

_INT = SqlType(Kind.INT)


Prepared = Callable[[Sequence[Parameter], int], Iterator[Outcome]]
"""A statement that was kept: takes values, and how many arguments stand before them in the call."""


@dataclass(frozen=True)
class Returned(OutputValue):
    """The value of an OUTPUT parameter of a call."""

    ordinal: int
    """Its place in the call, from 0."""


class Procedures:
    """The procedures of one session, with the statements it has prepared."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prepared: dict[object, Prepared] = {}
        self._handles = count(1)

    def run(self, call: Call) -> Iterator[Outcome]:
        """Execute a call lazily; its output parameters come as `Returned`. Raises SqlError."""
        known = _PROCEDURES.get(call.short_name)
        if known:
            return known(self, _Arguments(call))
        if call.short_name.startswith("sp_cursor"):
            raise SqlError(
                40510, f"Statement '{call.short_name}' is not supported: this endpoint has no server-side cursors."
            )
        return self._other(call.procedure)(call.parameters, 0)

    def executesql(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_executesql @stmt, @params, values: execute with parameters."""
        statement = self._statement(arguments.text(0, "@stmt"), arguments.text(1, "@params", ""))
        return statement(arguments.after(2), 2)

    def prepare(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_prepare @handle OUTPUT, @params, @stmt: keep a statement."""
        statement = self._statement(arguments.text(2, "@stmt"), arguments.text(1, "@params", ""))
        yield self._keep(arguments, statement)

    def prepexec(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_prepexec @handle OUTPUT, @params, @stmt, values: keep a statement and execute it."""
        statement = self._statement(arguments.text(2, "@stmt"), arguments.text(1, "@params", ""))
        yield self._keep(arguments, statement)
        yield from statement(arguments.after(3), 3)

    def prepexecrpc(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_prepexecrpc @handle OUTPUT, @procedure, values: keep a call of a procedure and execute it."""
        statement = self._other(arguments.text(1, "@procedure"))
        yield self._keep(arguments, statement)
        yield from statement(arguments.after(2), 2)

    def execute(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_execute @handle, values: execute a kept statement. Raises SqlError 8179."""
        handle = arguments.value(0)
        if handle not in self._prepared:
            raise SqlError(8179, f"Could not find prepared statement with handle {handle}.")
        return self._prepared[handle](arguments.after(1), 1)

    def unprepare(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_unprepare @handle: forget a statement. Raises SqlError 8179."""
        if self._prepared.pop(arguments.value(0), None) is None:
            raise SqlError(8179, f"Could not find prepared statement with handle {arguments.value(0)}.")
        return iter(())

    def describe(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_describe_undeclared_parameters @tsql, @params: suggest types for parameters."""
        declared = parse_declarations(arguments.text(1, "@params", ""))
        known = [Parameter(name, sql, None, output) for name, sql, output in declared if sql]
        yield results.described(self._session.describe(arguments.text(0, "@tsql"), known))

    def datatype_info(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_datatype_info_100 @data_type, @ODBCVer: tell about types."""
        yield results.datatype_info(arguments.number(0, "@data_type", 0), arguments.number(1, "@odbcver", 2))

    def table_collations(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_tablecollations_100 @object: tell the collations of a table's columns."""
        yield results.table_collations(all_columns(self._session, arguments.text(0, "@object")))

    def _keep(self, arguments: "_Arguments", statement: Prepared) -> Returned:
        # A client that prepares anew gives back the handle it had.
        self._prepared.pop(arguments.value(0), None)
        handle = next(self._handles)
        self._prepared[handle] = statement
        return Returned(Parameter(arguments.name(0), _INT, handle, True), 0)

    def _statement(self, text: str, declarations: str) -> Prepared:
        """A statement with declared parameters."""
        declared = parse_declarations(declarations)

        def prepared(values: Sequence[Parameter], before: int) -> Iterator[Outcome]:
            bound = bind(declared, values)
            return _returned(
                self._session.execute(text, bound), [parameter.name for parameter in bound], values, before
            )

        return prepared

    def _other(self, procedure: str) -> Prepared:
        """A call of any other procedure, as T-SQL."""

        def prepared(values: Sequence[Parameter], before: int) -> Iterator[Outcome]:
            names = [f"@_p{place}" for place in range(1, len(values) + 1)]
            told = [
                (f"{value.name} = " if value.name else "") + name + (" OUTPUT" if value.output else "")
                for name, value in zip(names, values, strict=True)
            ]
            named = [replace(value, name=name) for name, value in zip(names, values, strict=True)]
            text = f"EXEC {procedure} {', '.join(told)}".rstrip()
            return _returned(self._session.execute(text, named), names, values, before)

        return prepared


def _returned(
    outcomes: Iterable[Outcome], names: Sequence[str], values: Sequence[Parameter], before: int
) -> Iterator[Outcome]:
    """Give output parameters back the names and places they have in the call."""
    for outcome in outcomes:
        if isinstance(outcome, OutputValue):
            place = names.index(outcome.parameter.name)
            client = values[place].name if place < len(values) else outcome.parameter.name
            yield Returned(replace(outcome.parameter, name=client), before + place)
        else:
            yield outcome


_PROCEDURES: dict[str, Callable[[Procedures, "_Arguments"], Iterator[Outcome]]] = {
    "sp_executesql": Procedures.executesql,
    "sp_prepare": Procedures.prepare,
    "sp_prepexec": Procedures.prepexec,
    "sp_prepexecrpc": Procedures.prepexecrpc,
    "sp_execute": Procedures.execute,
    "sp_unprepare": Procedures.unprepare,
    "sp_describe_undeclared_parameters": Procedures.describe,
    "sp_datatype_info": Procedures.datatype_info,
    "sp_datatype_info_100": Procedures.datatype_info,
    "sp_tablecollations_100": Procedures.table_collations,
}

_REQUIRED = object()


class _Arguments:
    """The arguments of a call, by place or by name."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def name(self, place: int) -> str:
        return self._call.parameters[place].name if place < len(self._call.parameters) else ""

    def after(self, place: int) -> list[Parameter]:
        return self._call.parameters[place:]

    def value(self, place: int, name: str = "", default: object = _REQUIRED) -> object:
        for parameter in self._call.parameters:
            if name and parameter.name.lower() == name:
                return parameter.value
        if place < len(self._call.parameters):
            return self._call.parameters[place].value
        if default is _REQUIRED:
            raise SqlError(
                201,
                f"Procedure or function '{self._call.short_name}' expects parameter number {place + 1}, "
                "which was not supplied.",
            )
        return default

    def number(self, place: int, name: str, default: int) -> int:
        value = self.value(place, name, default)
        if not isinstance(value, int):
            raise SqlError(214, f"Procedure expects parameter '{name}' of type 'int'.")
        return value

    def text(self, place: int, name: str, default: object = _REQUIRED) -> str:
        value = self.value(place, name, default)
        if not isinstance(value, str | None) or (value is None and default is _REQUIRED):
            raise SqlError(214, f"Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'.")
        return value or ""
