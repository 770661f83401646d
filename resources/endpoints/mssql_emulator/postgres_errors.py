"""PostgreSQL's errors as SQL Server's: number and message.

Here lives the table; when an error rolls back lives in `postgres_session`. It may import `engine` and psycopg.
https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.types import TRUNCATED


@dataclass(frozen=True)
class Circumstances:
    """What the error itself does not say."""

    database: str
    verb: str = ""
    """INSERT, UPDATE, DELETE, MERGE, DROP TABLE ..."""
    snapshot: bool = False
    process: int = 0


def sql_error(error: psycopg.Error, at: Circumstances, line: int = 1) -> SqlError:
    """Return the error that SQL Server would raise in its place."""
    state = error.sqlstate or ""
    handler = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    number, message = handler(error, at) if handler else (8624, _internal(error))
    severity = {1205: 13, 596: 21, 102: 15, 191: 15, 2627: 14, 2601: 14}.get(number, 16)
    return SqlError(number, message, severity=severity, line=line)


Said = tuple[int, str]


def _internal(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).split("\n")[0]
    return f"The engine behind this endpoint said: {' '.join(said.split())} ({error.sqlstate})."


def _own(error: psycopg.Error, _: Circumstances) -> Said:
    number, _bar, message = (error.diag.message_primary or "8624|").partition("|")
    return int(number), message


def _table(error: psycopg.Error) -> str:
    schema, table = error.diag.schema_name or "", error.diag.table_name or ""
    return f"{'dbo' if schema.startswith('pg_temp') else schema}.{table}"


def shown(name: str | None) -> str:
    """Return a constraint's or index's name as T-SQL gave it."""
    return re.sub(r"^(PK|UQ|CK|FK):|^IX:[0-9a-f]{8}:", "", name or "")


def _duplicate(error: psycopg.Error, at: Circumstances) -> Said:
    name = error.diag.constraint_name or ""
    found = re.match(
        r"Key \(.*?\)=\((.*)\) (?:already exists|is duplicated)", error.diag.message_detail or "", re.DOTALL
    )
    value = f" The duplicate key value is ({found.group(1)})." if found else ""
    if at.verb in ("CREATE INDEX", "ALTER TABLE ADD"):
        return 1505, (
            "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name "
            f"'{_table(error)}' and the index name '{shown(name)}'.{value}"
        )
    if name.startswith("IX:"):
        return 2601, (
            f"Cannot insert duplicate key row in object '{_table(error)}' with unique index '{shown(name)}'.{value}"
        )
    kind = "UNIQUE KEY" if name.startswith("UQ:") else "PRIMARY KEY"
    return 2627, (
        f"Violation of {kind} constraint '{shown(name)}'. Cannot insert duplicate key in object "
        f"'{_table(error)}'.{value}"
    )


def _null(error: psycopg.Error, at: Circumstances) -> Said:
    if at.verb == "ALTER TABLE ADD":
        return 4901, (
            "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition "
            f"specified. Column '{error.diag.column_name}' cannot be added to non-empty table "
            f"'{error.diag.table_name}' because it does not satisfy these conditions."
        )
    verb = at.verb if at.verb in ("INSERT", "UPDATE", "MERGE") else "INSERT"
    return 515, (
        f"Cannot insert the value NULL into column '{error.diag.column_name}', table '{at.database}.{_table(error)}'; "
        f"column does not allow nulls. {verb} fails."
    )


def _check(error: psycopg.Error, at: Circumstances) -> Said:
    type_ = error.diag.datatype_name
    if not type_:
        return 547, _conflict(error, at, "CHECK")
    if error.diag.constraint_name == TRUNCATED:
        column = re.search(r"COPY .*?, line \d+, column ([^:]+)", error.diag.context or "")
        if column:
            return 2628, f"String or binary data would be truncated in column '{column.group(1)}'."
        return 8152, "String or binary data would be truncated."
    if type_ == "xml":
        return 9400, "XML parsing: the text is not well formed."
    if type_ == "tinyint":
        return 220, "Arithmetic overflow error for data type tinyint."
    if type_.startswith("date") or type_ == "smalldatetime":
        return 242, f"The conversion to a {type_} data type resulted in an out-of-range value."
    return 8115, f"Arithmetic overflow error converting expression to data type {type_}."


def _conflict(error: psycopg.Error, at: Circumstances, kind: str) -> str:
    return (
        f"The {at.verb or 'INSERT'} statement conflicted with the {kind} constraint "
        f'"{shown(error.diag.constraint_name)}". '
        f'The conflict occurred in database "{at.database}", table "{_table(error)}".'
    )


def _foreign(error: psycopg.Error, at: Circumstances) -> Said:
    return 547, _conflict(error, at, "REFERENCE" if at.verb == "DELETE" else "FOREIGN KEY")


def _overflow(error: psycopg.Error, _: Circumstances) -> Said:
    said = error.diag.message_primary or ""
    parsed = re.search(r'value "(.*)" is out of range for type (.*)', said)
    if parsed:
        return (
            248,
            f"The conversion of the varchar value '{parsed.group(1)}' overflowed an {_type(parsed.group(2))} column.",
        )
    found = re.search(r"(integer|bigint|smallint|numeric|real|double precision)", said)
    type_ = _type(found.group(1)) if found else "float"  # of floats alone PostgreSQL does not name the type
    return 8115, f"Arithmetic overflow error converting expression to data type {type_}."


_TYPES = {
    "integer": "int",
    "double precision": "float",
    "timestamp": "datetime2",
    "timestamp with time zone": "datetime2",
}


def _type(name: str) -> str:
    return _TYPES.get(name, name)


def _unreadable(error: psycopg.Error, _: Circumstances) -> Said:
    found = re.match(r'invalid input syntax for type ([\w ]+): "(.*)"', error.diag.message_primary or "", re.DOTALL)
    type_, value = (found.group(1), found.group(2)) if found else ("", "")
    if type_ == "uuid":
        return 8169, "Conversion failed when converting from a character string to uniqueidentifier."
    if type_ in ("integer", "smallint", "bigint"):
        return 245, f"Conversion failed when converting the varchar value '{value}' to data type {_type(type_)}."
    return 8114, f"Error converting data type varchar to {_type(type_) or 'another type'}."


def _undefined_table(error: psycopg.Error, at: Circumstances) -> Said:
    found = re.search(r'(?:relation|table|view|schema) "(.*?)" does not exist', error.diag.message_primary or "")
    name = found.group(1) if found else ""
    if at.verb.startswith("DROP"):
        kind = at.verb.split()[1].lower()
        return 3701, (f"Cannot drop the {kind} '{name}', because it does not exist or you do not have permission.")
    aliased = re.search(
        r'(?:missing|invalid reference to) FROM-clause entry for table "(.*)"', error.diag.message_primary or ""
    )
    if aliased:
        return 4104, f'The multi-part identifier "{aliased.group(1)}" could not be bound.'
    return 208, f"Invalid object name '{name.removeprefix('pg_temp.')}'."


def _undefined_column(error: psycopg.Error, _: Circumstances) -> Said:
    found = re.search(r'column "?(.*?)"? (?:of relation .* )?does not exist', error.diag.message_primary or "")
    return 207, f"Invalid column name '{(found.group(1) if found else '').split('.')[-1]}'."


def _ambiguous(error: psycopg.Error, _: Circumstances) -> Said:
    found = re.search(r'column reference "(.*)" is ambiguous', error.diag.message_primary or "")
    return 209, f"Ambiguous column name '{found.group(1) if found else ''}'."


def _generated(error: psycopg.Error, _: Circumstances) -> Said:
    said, why = error.diag.message_primary or "", error.diag.message_detail or ""
    name = (re.findall(r'"(.*?)"', said) or [""])[0]
    if "generated column" in why:
        return 271, (
            f'The column "{name}" cannot be modified because it is either a computed column or is the result of a '
            "UNION operator."
        )
    if "updated" in said:
        return 8102, f"Cannot update identity column '{name}'."
    return 544, "Cannot insert explicit value for identity column in table when IDENTITY_INSERT is set to OFF."


def _there(error: psycopg.Error, _: Circumstances) -> Said:
    found = re.search(r'"(.*?)"', error.diag.message_primary or "")
    return 2714, f"There is already an object named '{shown(found.group(1)) if found else ''}' in the database."


def _schema(error: psycopg.Error, at: Circumstances) -> Said:
    found = re.search(r'schema "(.*)" does not exist', error.diag.message_primary or "")
    name = found.group(1) if found else ""
    if at.verb == "DROP SCHEMA":
        return 15151, f"Cannot drop the schema '{name}', because it does not exist or you do not have permission."
    return 2760, (f'The specified schema name "{name}" either does not exist or you do not have permission to use it.')


def _needed(error: psycopg.Error, at: Circumstances) -> Said:
    found = re.search(r"cannot drop \w+ (.*?) because", error.diag.message_primary or "")
    name = (found.group(1) if found else "").replace('"', "")
    if at.verb == "DROP SCHEMA":
        return 3729, f"Cannot drop schema '{name}' because it is being referenced by another object."
    return 3726, f"Could not drop object '{name}' because it is referenced by another object."


def _deadlock(_: psycopg.Error, at: Circumstances) -> Said:
    return 1205, (
        f"Transaction (Process ID {at.process}) was deadlocked on lock resources with another process and has been "
        "chosen as the deadlock victim. Rerun the transaction."
    )


def _serialization(error: psycopg.Error, at: Circumstances) -> Said:
    if not at.snapshot:
        return _deadlock(error, at)
    return 3960, (
        "Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot isolation to change, "
        f"in database '{at.database}', a row that was modified or deleted by another transaction. Retry "
        "the transaction."
    )


def _many(_: psycopg.Error, at: Circumstances) -> Said:
    if at.verb == "MERGE":
        return 8672, (
            "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when a target "
            "row matches more than one source row."
        )
    return 512, "Subquery returned more than 1 value. This is not permitted when the subquery is used as an expression."


def _misplaced(error: psycopg.Error, _: Circumstances) -> Said:
    said = error.diag.message_primary or ""
    if "not allowed in WHERE" in said:
        return 147, (
            "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause "
            "or a select list, and the column being aggregated is an outer reference."
        )
    if "not allowed in GROUP BY" in said:
        return 144, "Cannot use an aggregate or a subquery in an expression used for the group by list of a GROUP BY."
    return 8120, (
        "A column is not contained in either an aggregate function or the GROUP BY clause. " + _internal(error)
    )


def _unsupported(error: psycopg.Error, _: Circumstances) -> Said:
    if "truncate a table referenced in a foreign key" in (error.diag.message_primary or ""):
        return 4712, "Cannot truncate the table because it is being referenced by a FOREIGN KEY constraint."
    return 8624, _internal(error)


def _order(error: psycopg.Error, _: Circumstances) -> Said:
    place = re.search(r"ORDER BY position (\d+) is not in select list", error.diag.message_primary or "")
    if place:
        return 108, (
            f"The ORDER BY position number {place.group(1)} is out of range of the number of items in the select list."
        )
    return 145, "ORDER BY items must appear in the select list if SELECT DISTINCT is specified."


def _fixed(number: int, message: str) -> Callable[[psycopg.Error, Circumstances], Said]:
    return lambda *_: (number, message)


def _with_cause(number: int, message: str) -> Callable[[psycopg.Error, Circumstances], Said]:
    return lambda error, _: (number, f"{message} {_internal(error)}")


_BY_STATE: dict[str, Callable[[psycopg.Error, Circumstances], Said]] = {
    "TS001": _own,
    "23505": _duplicate,
    "23502": _null,
    "23514": _check,
    "23503": _foreign,
    "22001": _fixed(8152, "String or binary data would be truncated."),
    "22003": _overflow,
    "22012": _fixed(8134, "Divide by zero error encountered."),
    "22P02": _unreadable,
    "22007": _fixed(241, "Conversion failed when converting date and/or time from character string."),
    "22008": _fixed(241, "Conversion failed when converting date and/or time from character string."),
    "22011": _fixed(537, "Invalid length parameter passed to the LEFT or SUBSTRING function."),
    "42P01": _undefined_table,
    "42703": _undefined_column,
    "42702": _ambiguous,
    "42P07": _there,
    "42710": _there,
    "42P06": _there,
    "42723": _there,
    "42701": _fixed(2705, "Column names in each table must be unique."),
    "42P10": _order,
    "42803": _misplaced,
    "42P20": _fixed(4108, "Windowed functions can only appear in the SELECT or ORDER BY clauses."),
    "0A000": _unsupported,
    "2201E": _fixed(3623, "An invalid floating point operation occurred."),
    "2201F": _fixed(3623, "An invalid floating point operation occurred."),
    "42804": _with_cause(206, "Operand type clash."),
    "42883": _with_cause(402, "The data types are incompatible in an operator or function."),
    "42725": _with_cause(402, "The data types are incompatible in an operator or function."),
    "42846": _with_cause(529, "Explicit conversion is not allowed."),
    "54001": _fixed(191, "Some part of your SQL statement is nested too deeply."),
    "42601": _with_cause(102, "Incorrect syntax."),
    "428C9": _generated,
    "3F000": _schema,
    "2BP01": _needed,
    "40P01": _deadlock,
    "40001": _serialization,
    "55P03": _fixed(1222, "Lock request time out period exceeded."),
    "57014": _fixed(3617, "The operation was cancelled by the user."),
    "21000": _many,
    "53300": _fixed(17809, "Could not connect because the maximum number of user connections has been reached."),
}
_BY_CLASS: dict[str, Callable[[psycopg.Error, Circumstances], Said]] = {
    "57": _fixed(596, "Cannot continue the execution because the session is in the kill state."),
    "08": _fixed(596, "Cannot continue the execution because the session is in the kill state."),
    "": _with_cause(596, "Cannot continue the execution because the session is in the kill state."),
}
