"""The system procedures that this endpoint knows, and what concerns the whole database.

Here lives one function for each; the interpreter lives in `postgres_session`, which this module knows by its methods.
It may import `engine` and `tsql`. A procedure that is not in the table is refused: with error 102 if its name is like
those of SQL Server's own, and else it is not found (2812).
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from resources.endpoints.mssql_emulator.engine import Affected, Outcome, ResultColumn, ResultSet, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import ddl_nodes, program, types
from resources.endpoints.mssql_emulator.tsql.calls import declarations
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, refused, tokenize

if TYPE_CHECKING:
    from resources.endpoints.mssql_emulator.postgres_frame import Frame
    from resources.endpoints.mssql_emulator.postgres_session import PostgresSession


class Arguments:
    """The arguments of a call, by name or by position."""

    def __init__(
        self, session: "PostgresSession", call: program.Execute, frame: "Frame", names: tuple[str, ...]
    ) -> None:
        self._session = session
        self._frame = frame
        self._line = call.line
        self.given: dict[str, program.Argument] = {}
        for place, argument in enumerate(call.arguments):
            if not argument.name and place >= len(names):
                raise SqlError(8144, f"Procedure or function {call.procedure[-1]} has too many arguments specified.")
            name = argument.name or names[place]
            if name not in names:
                raise SqlError(8145, f"{name} is not a parameter for procedure {call.procedure[-1]}.")
            self.given[name] = argument

    def text(self, name: str, default: str | None = None) -> str | None:
        """An argument as text."""
        argument = self.given.get(name)
        if argument is None:
            return default
        return self._session.evaluate(argument.value, self._frame, self._line, types.NVARCHAR_MAX)

    def needed(self, name: str) -> str:
        """An argument that must be there. Raises SqlError 201."""
        found = self.text(name)
        if found is None:
            raise SqlError(201, f"Procedure or function expects parameter '{name}', which was not supplied.")
        return found


Procedure = Callable[["PostgresSession", program.Execute, "Frame"], Iterator[Outcome]]
_PROCEDURES: dict[str, Procedure] = {}


def _procedure(name: str) -> Callable[[Procedure], Procedure]:
    def enter(run: Procedure) -> Procedure:
        _PROCEDURES[name] = run
        return run

    return enter


def execute(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    """Run a procedure. Raises SqlError 102, 2812 for one that is not known."""
    schema = call.procedure[-2] if len(call.procedure) > 1 else ""
    run = _PROCEDURES.get(call.procedure[-1].lower())
    if run is None and call.procedure[-1].lower().startswith("sp_cdc_"):
        raise refused(f"{call.procedure[-1]} (change data capture; change tracking is there)", call.line)
    if run is None and call.procedure[-1].lower().startswith(("sp_", "xp_")):
        raise refused(f"procedure {call.procedure[-1]}", call.line)
    if run is None or schema.lower() not in ("", "sys", "dbo"):
        raise SqlError(2812, f"Could not find stored procedure '{'.'.join(call.procedure)}'.", line=call.line)
    if call.result and call.result not in frame.variables:
        raise SqlError(137, f'Must declare the scalar variable "{call.result}".', severity=15, line=call.line)
    yield from run(session, call, frame)


def _returns(call: program.Execute, frame: "Frame", value: int) -> None:
    if call.result:
        frame.put(call.result, str(value))


@_procedure("sp_executesql")
def _executesql(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    if not call.arguments:
        raise SqlError(214, "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.")
    first, *rest = call.arguments
    text = session.evaluate(first.value, frame, call.line, types.NVARCHAR_MAX) or ""
    inner = type(frame)(frame.depth + 1, errors=frame.errors)
    declared: list[tuple[str, SqlType, bool]] = []
    if rest:
        declared = declarations(session.evaluate(rest[0].value, frame, call.line, types.NVARCHAR_MAX) or "")
    values = rest[1:]
    outputs: dict[str, str] = {}
    for place, (name, type_, output) in enumerate(declared):
        argument = next((item for item in values if item.name == name), None)
        if argument is None and place < len(values) and not values[place].name:
            argument = values[place]
        if argument is None:
            raise SqlError(8178, f"The parameterized query expects the parameter '{name}', which was not supplied.")
        inner.variables[name] = (type_, session.evaluate(argument.value, frame, call.line, type_))
        if output and argument.output:
            outputs[name] = str(argument.value.name).lower()
    yield from session.run_text(text, inner)
    for name, variable in outputs.items():
        frame.put(variable, inner.variables[name][1])
    _returns(call, frame, 0)


@_procedure("sp_rename")
def _rename(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    given = Arguments(session, call, frame, ("@objname", "@newname", "@objtype"))
    names: dict[str, str | None] = {
        "object": given.needed("@objname"),
        "name": given.needed("@newname"),
        "kind": given.text("@objtype"),
    }
    session.defined()
    with session.guarded(verb="ALTER TABLE", line=call.line):
        session.value("SELECT tsql.rename(%(object)s, %(name)s, %(kind)s)::text", names)
    _returns(call, frame, 0)
    yield Affected(None)


@_procedure("sp_refreshview")
def _refreshview(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    given = Arguments(session, call, frame, ("@viewname",))
    name = given.needed("@viewname")
    with session.guarded(line=call.line):
        cursor = Cursor(name, tokenize(name))
        view = session.says(frame).table(cursor.name())
        cursor.end()
        text = session.value(
            "SELECT CAST(tsql.view_text(tsql.relation(%(schema)s, %(name)s)) AS text)",
            {"schema": view.schema, "name": view.name},
        )
        if text is None:
            raise SqlError(15165, f"Could not find object '{name}' or you do not have permission.")
        session.bind_view(view, text)
    _returns(call, frame, 0)
    yield Affected(None)


def _property(action: str, session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    levels = [f"@level{level}" for level in range(3)]
    valued = () if action == "drop" else ("@value",)
    names = ("@name", *valued, *(f"{level}{part}" for level in levels for part in ("type", "name")))
    given = Arguments(session, call, frame, names)
    kinds = [kind for level in levels if (kind := given.text(f"{level}type")) is not None]
    path = [given.needed(f"{level}name") for level in levels[: len(kinds)]]
    values = {"action": action, "name": given.needed("@name"), "value": given.text("@value")}
    values |= {"kinds": json.dumps([kind.upper() for kind in kinds]), "path": json.dumps(path)}
    with session.guarded(line=call.line):
        session.value(
            f"SELECT tsql.set_property(%(action)s, %(name)s, %(value)s, {_array('kinds')}, {_array('path')})::text",
            values,
        )
    _returns(call, frame, 0)
    yield Affected(None)


def _array(name: str) -> str:
    return f"ARRAY(SELECT jsonb_array_elements_text(CAST(%({name})s AS jsonb)))"


for _action in ("add", "update", "drop"):
    _procedure(f"sp_{_action}extendedproperty")(partial(_property, _action))


@_procedure("sp_getapplock")
def _getapplock(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    names = ("@resource", "@lockmode", "@lockowner", "@locktimeout", "@dbprincipal")
    given = Arguments(session, call, frame, names)
    mode = (given.text("@lockmode") or "").lower()
    owner = (given.text("@lockowner") or "transaction").lower()
    if mode not in ("exclusive", "shared") or owner not in ("transaction", "session"):
        raise refused(f"sp_getapplock with {mode} for {owner}", call.line)
    if owner == "transaction" and session.transactions == 0:
        _returns(call, frame, -999)
        raise SqlError(
            1223, "Cannot acquire the application lock because there is no active transaction.", line=call.line
        )
    name = ("pg_advisory_xact_lock" if owner == "transaction" else "pg_advisory_lock") + (
        "_shared" if mode == "shared" else ""
    )
    timeout = int(given.text("@locktimeout") or session.settings.lock_timeout)
    with session.guarded(writes=False, line=call.line):
        resource: dict[str, str | None] = {"resource": f"applock:{given.needed('@resource')}"}
        result = 0
        if timeout == 0:
            tried = name.replace("pg_advisory", "pg_try_advisory")
            result = (
                0
                if session.value(f"SELECT {tried}(hashtextextended(%(resource)s, 0))::text", resource) == "true"
                else -1
            )
        else:
            result = _wait_for_lock(session, name, resource, timeout)
    _returns(call, frame, result)
    yield Affected(None)


def _wait_for_lock(session: "PostgresSession", name: str, resource: dict[str, str | None], timeout: int) -> int:
    import psycopg

    inside = session.transactions > 0
    if inside:
        session.connection.execute("SAVEPOINT tsql_applock")
    session.connection.execute(f"SET lock_timeout = {max(0, timeout)}")
    try:
        session.value(f"SELECT {name}(hashtextextended(%(resource)s, 0))::text", resource)
        return 0
    except psycopg.errors.LockNotAvailable:
        if inside:
            session.connection.execute("ROLLBACK TO SAVEPOINT tsql_applock")
        return -1
    finally:
        if session.connection.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
            session.tell()


@_procedure("sp_releaseapplock")
def _releaseapplock(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    given = Arguments(session, call, frame, ("@resource", "@lockowner", "@dbprincipal"))
    if (given.text("@lockowner") or "transaction").lower() != "session":
        raise refused("sp_releaseapplock for a transaction, whose locks end with it", call.line)
    resource: dict[str, str | None] = {"resource": f"applock:{given.needed('@resource')}"}
    with session.guarded(writes=False, line=call.line):
        released = session.value("SELECT pg_advisory_unlock(hashtextextended(%(resource)s, 0))::text", resource)
    _returns(call, frame, 0 if released == "true" else -999)
    yield Affected(None)


@_procedure("sp_describe_first_result_set")
def _describe(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    names = ("@tsql", "@params", "@browse_information_mode")
    given = Arguments(session, call, frame, names)
    if given.text("@browse_information_mode", "0") != "0":
        raise refused("@browse_information_mode", call.line)
    inner = type(frame)(frame.depth + 1, errors=frame.errors)
    inner.variables = {name: (types.NVARCHAR_MAX, given.text(name)) for name in names}
    function = "sys.dm_exec_describe_first_result_set(@tsql, @params, 0)"
    yield from session.run_text(f"SELECT * FROM {function} ORDER BY column_ordinal", inner)
    _returns(call, frame, 0)


@_procedure("sp_tablecollations_100")
def _tablecollations(session: "PostgresSession", call: program.Execute, frame: "Frame") -> Iterator[Outcome]:
    """What a bulk copy asks: every column with its collation."""
    given = Arguments(session, call, frame, ("@object",))
    table = given.needed("@object")
    text = (
        "SELECT c.column_id AS colid, c.name, CAST(NULL AS VARBINARY(5)) AS collation_28, "
        "CAST(NULL AS VARBINARY(5)) AS collation_90, c.collation_name AS collation_100, c.collation_name AS collation "
        "FROM sys.columns AS c WHERE c.object_id = OBJECT_ID(@object) ORDER BY c.column_id"
    )
    inner = type(frame)(frame.depth + 1, errors=frame.errors)
    inner.variables["@object"] = (types.NVARCHAR_MAX, table.removeprefix("."))
    yield from session.run_text(text, inner)


def alter_database(session: "PostgresSession", node: ddl_nodes.AlterDatabase, line: int) -> Iterator[Outcome]:
    """ALTER DATABASE ... SET. Raises SqlError 5011, 102."""
    if node.name not in ("", session.database):
        raise refused(f"ALTER DATABASE of another database ({node.name})", line)
    if session.transactions and node.option != "ALLOW_SNAPSHOT_ISOLATION":
        raise SqlError(226, "ALTER DATABASE statement not allowed within multi-statement transaction.", line=line)
    session.defined()
    with session.guarded(block=True, line=line):
        if node.option == "CHANGE_TRACKING":
            values: dict[str, str | None] = {
                "on": node.value,
                "retention": node.retention,
                "cleanup": "true" if node.cleanup else "false",
            }
            session.value("SELECT tsql.set_change_tracking(%(on)s, %(retention)s, %(cleanup)s)::text", values)
        else:
            session.connection.execute(
                "INSERT INTO tsql.settings VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (node.option, node.value),
            )
    yield Affected(None)


def create_database(session: "PostgresSession", node: ddl_nodes.CreateDatabase) -> None:
    """CREATE DATABASE. Raises SqlError 1801, 226."""
    if session.transactions:
        raise SqlError(226, "CREATE DATABASE statement not allowed within multi-statement transaction.")
    session.create_database(node.name)


__all__ = ["Any", "ResultColumn", "ResultSet"]
