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


@dataclass(frozen=True)
class _Prepared:
    text: str
    declared: list[tuple[str, SqlType | None, bool]]


class Procedures:
    """The procedures of one session, with the statements it has prepared."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prepared: dict[int, _Prepared] = {}
        self._handles = count(1)

    def run(self, call: Call) -> Iterator[Outcome]:
        """Execute a call lazily. Raises SqlError."""
        known = _PROCEDURES.get(call.short_name)
        if known:
            return known(self, _Arguments(call))
        if call.short_name.startswith("sp_cursor"):
            raise SqlError(
                40510, f"Statement '{call.short_name}' is not supported: this endpoint has no server-side cursors."
            )
        if call.short_name == "sp_prepexecrpc":
            raise SqlError(40510, "Statement 'sp_prepexecrpc' is not supported: call the procedure by its name.")
        return iter(self._session.execute(_as_text(call), _named(call.parameters)))

    def executesql(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_executesql @stmt, @params, values: execute with parameters."""
        text = arguments.text(0, "@stmt")
        declared = parse_declarations(arguments.text(1, "@params", "") or "")
        return self._execute(_Prepared(text, declared), arguments.after(2))

    def prepare(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_prepare @handle OUTPUT, @params, @stmt: keep a statement."""
        yield self._keep(arguments)

    def prepexec(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_prepexec @handle OUTPUT, @params, @stmt, values: keep a statement and execute it."""
        # A client that prepares anew gives back the handle it had.
        self._prepared.pop(arguments.value(0), None)
        handle = self._keep(arguments)
        yield from self._execute(self._prepared[handle.parameter.value], arguments.after(3))
        yield handle

    def execute(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_execute @handle, values: execute a kept statement. Raises SqlError 8179."""
        handle = arguments.value(0)
        if handle not in self._prepared:
            raise SqlError(8179, f"Could not find prepared statement with handle {handle}.")
        return self._execute(self._prepared[handle], arguments.after(1))

    def unprepare(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_unprepare @handle: forget a statement. Raises SqlError 8179."""
        if self._prepared.pop(arguments.value(0), None) is None:
            raise SqlError(8179, f"Could not find prepared statement with handle {arguments.value(0)}.")
        return iter(())

    def describe(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_describe_undeclared_parameters @tsql, @params: suggest types for parameters."""
        declared = parse_declarations(arguments.text(1, "@params", "") or "")
        known = [Parameter(name, sql, None, output) for name, sql, output in declared if sql]
        yield results.described(self._session.describe(arguments.text(0, "@tsql"), known))

    def datatype_info(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_datatype_info_100 @data_type, @ODBCVer: tell about types."""
        yield results.datatype_info(arguments.value(0, "@data_type", 0), arguments.value(1, "@odbcver", 2))

    def table_collations(self, arguments: "_Arguments") -> Iterator[Outcome]:
        """sp_tablecollations_100 @object: tell the collations of a table's columns."""
        yield results.table_collations(all_columns(self._session, arguments.text(0, "@object")))

    def _keep(self, arguments: "_Arguments") -> OutputValue:
        handle = next(self._handles)
        declared = parse_declarations(arguments.text(1, "@params", "") or "")
        self._prepared[handle] = _Prepared(arguments.text(2, "@stmt"), declared)
        return OutputValue(Parameter(arguments.name(0), _INT, handle, True))

    def _execute(self, prepared: _Prepared, values: Sequence[Parameter]) -> Iterator[Outcome]:
        return iter(self._session.execute(prepared.text, bind(prepared.declared, values)))


_PROCEDURES: dict[str, Callable[[Procedures, "_Arguments"], Iterator[Outcome]]] = {
    "sp_executesql": Procedures.executesql,
    "sp_prepare": Procedures.prepare,
    "sp_prepexec": Procedures.prepexec,
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

    def text(self, place: int, name: str, default: object = _REQUIRED) -> str:
        value = self.value(place, name, default)
        if not isinstance(value, str | None) or (value is None and default is _REQUIRED):
            raise SqlError(214, f"Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'.")
        return value or ""


def _named(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Give parameters by position the names by which the text of `_as_text` asks for them."""
    return [replace(value, name=f"@_p{place}") for place, value in enumerate(parameters, 1)]


def _as_text(call: Call) -> str:
    """A call of any other procedure as T-SQL."""
    arguments = [
        (f"{value.name} = " if value.name else "") + f"@_p{place}" + (" OUTPUT" if value.output else "")
        for place, value in enumerate(call.parameters, 1)
    ]
    return f"EXEC {call.procedure} {', '.join(arguments)}".rstrip()
