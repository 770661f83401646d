"""ALTER: read from its tokens.

Here lives the grammar of changes; that of CREATE and DROP lives in `ddl`. It may import `ddl`, `ddl_nodes`, `tokens`,
`types` and `nodes` (for the collations that are accepted).
"""

from dataclasses import replace
from typing import Any

from resources.endpoints.mssql_emulator.tsql.ddl import CONSTRAINT_WORDS, read_column, read_constraint
from resources.endpoints.mssql_emulator.tsql.ddl_nodes import (
    AlterDatabase,
    AlterTable,
    ColumnDefinition,
    Constraint,
    Transfer,
)
from resources.endpoints.mssql_emulator.tsql.nodes import collated
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, Name, refused
from resources.endpoints.mssql_emulator.tsql.types import read_type


def read_alter(cursor: Cursor, line: int) -> Any:
    """Read what follows ALTER. Raises SqlError 102."""
    if cursor.accept("DATABASE"):
        return _alter_database(cursor, line)
    if cursor.accept("SCHEMA"):
        schema = cursor.identifier()
        cursor.expect("TRANSFER")
        if cursor.accept("OBJECT"):
            cursor.expect("::")
        return Transfer(schema, cursor.name())
    if cursor.accept("TABLE"):
        return _alter_table(cursor, line)
    raise refused(f"ALTER {cursor.word()}", line)


def _alter_table(cursor: Cursor, line: int) -> AlterTable:
    table = cursor.name()
    checked = True
    if cursor.accept("WITH"):
        checked = {"CHECK": True, "NOCHECK": False}[cursor.accept_any("CHECK", "NOCHECK") or refuse_here(cursor)]
    if cursor.accept("ADD"):
        return _add(cursor, table, checked)
    if cursor.accept("ALTER", "COLUMN"):
        return AlterTable(table, "ALTER COLUMN", (_altered(cursor),))
    if cursor.accept("DROP"):
        return _drop_from_table(cursor, table)
    switched = cursor.accept_any("ENABLE", "DISABLE")
    if switched and cursor.accept("CHANGE_TRACKING"):
        if cursor.word() == "WITH" and cursor.word(1) == "(":
            cursor.take()
            if cursor.wrapped().source().upper().replace(" ", "") != "TRACK_COLUMNS_UPDATED=OFF":
                raise refused("TRACK_COLUMNS_UPDATED = ON", line)
        return AlterTable(table, switched)
    raise refused(f"ALTER TABLE ... {switched} {cursor.word()}".replace("  ", " "), line)


def _altered(cursor: Cursor) -> ColumnDefinition:
    name = cursor.identifier()
    type_ = read_type(cursor)
    if cursor.accept("COLLATE"):
        collated(cursor.identifier())
    nullable = not cursor.accept("NOT", "NULL")
    if nullable:
        cursor.accept("NULL")
    return ColumnDefinition(name, type_, nullable)


def refuse_here(cursor: Cursor) -> str:
    """Raise SqlError 102 at this place."""
    raise cursor.wrong()


def _add(cursor: Cursor, table: Name, checked: bool) -> AlterTable:
    columns: list[ColumnDefinition] = []
    constraints: list[Constraint] = []
    while True:
        part = cursor.until(
            ",", ";", "SELECT", "INSERT", "EXEC", "CREATE", "ALTER", "DROP", "END", "BEGIN", "COMMIT", "IF"
        )
        if part.word() in CONSTRAINT_WORDS:
            found = read_constraint(part)
            constraints.append(replace(found, checked=checked))
        else:
            columns.append(read_column(part))
        part.end()
        if not cursor.accept(","):
            return AlterTable(table, "ADD", tuple(columns), tuple(constraints))


def _drop_from_table(cursor: Cursor, table: Name) -> AlterTable:
    kind = "DROP COLUMN" if cursor.accept("COLUMN") else "DROP CONSTRAINT"
    if kind == "DROP CONSTRAINT":
        cursor.accept("CONSTRAINT")
    if_exists = cursor.accept("IF", "EXISTS")
    names = [cursor.identifier()]
    while cursor.accept(","):
        names.append(cursor.identifier())
    return AlterTable(table, kind, names=tuple(names), if_exists=if_exists)


def _alter_database(cursor: Cursor, line: int) -> AlterDatabase:
    name = cursor.identifier()
    name = "" if name.upper() == "CURRENT" else name
    cursor.expect("SET")
    option = cursor.take().text.upper()
    if option == "CHANGE_TRACKING":
        return _change_tracking(cursor, name, line)
    value = cursor.accept_any("ON", "OFF")
    if option == "ALLOW_SNAPSHOT_ISOLATION" or (option == "READ_COMMITTED_SNAPSHOT" and value == "ON"):
        if cursor.accept("WITH") and not (cursor.accept("ROLLBACK", "IMMEDIATE") or cursor.accept("NO_WAIT")):
            raise cursor.wrong()
        if value:
            return AlterDatabase(name, option, value)
    raise refused(f"ALTER DATABASE ... SET {option} {value}", line)


def _change_tracking(cursor: Cursor, name: str, line: int) -> AlterDatabase:
    cursor.accept("=")
    value = cursor.accept_any("ON", "OFF")
    retention, cleanup = "2 days", True
    inside = cursor.wrapped() if cursor.word() == "(" else None
    if not value and inside is None:
        raise cursor.wrong()
    for part in inside.split() if inside is not None else ():
        setting = part.take().text.upper()
        part.expect("=")
        if setting == "CHANGE_RETENTION":
            number, unit = part.integer(), part.accept_any("DAYS", "HOURS", "MINUTES") or refuse_here(part)
            retention = f"{number} {unit.lower()}"
        elif setting == "AUTO_CLEANUP":
            cleanup = (part.accept_any("ON", "OFF") or refuse_here(part)) == "ON"
        else:
            raise refused(setting, line)
        part.end()
    return AlterDatabase(name, "CHANGE_TRACKING", value or "ON", retention, cleanup)
