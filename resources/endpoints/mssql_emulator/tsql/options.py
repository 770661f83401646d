"""SET of options: each is known by name, with the values that this endpoint can honour.

Here lives the table and its reading; what an option does lives in the session. It may import `tokens`.

ANSI options are accepted with the value that they always have here. Preferences that change no result (which victim a
deadlock has) are accepted and do nothing.
"""

from collections.abc import Iterator

from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, refused

_SWITCHES: dict[str, tuple[str, ...]] = {
    "XACT_ABORT": ("ON", "OFF"),
    "NOCOUNT": ("ON", "OFF"),
    "IMPLICIT_TRANSACTIONS": ("ON", "OFF"),
    "FMTONLY": ("ON", "OFF"),
    "ANSI_NULLS": ("ON",),
    "ANSI_PADDING": ("ON",),
    "ANSI_WARNINGS": ("ON",),
    "ANSI_NULL_DFLT_ON": ("ON",),
    "ANSI_DEFAULTS": ("ON",),
    "ARITHABORT": ("ON",),
    "CONCAT_NULL_YIELDS_NULL": ("ON",),
    "QUOTED_IDENTIFIER": ("ON",),
    "NUMERIC_ROUNDABORT": ("OFF",),
    "CURSOR_CLOSE_ON_COMMIT": ("ON", "OFF"),  # there are no cursors that it could close
    "NOEXEC": ("OFF",),
    "PARSEONLY": ("OFF",),
    "NO_BROWSETABLE": ("OFF",),
    "LANGUAGE": ("US_ENGLISH", "ENGLISH"),
    "DATEFORMAT": ("MDY", "DMY", "YMD"),
    "DATEFIRST": ("7",),
    "DEADLOCK_PRIORITY": ("LOW", "NORMAL", "HIGH"),
    "ROWCOUNT": ("0",),
}
_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SNAPSHOT", "SERIALIZABLE")


def read(cursor: Cursor) -> Iterator[tuple[str, str]]:
    """Take what follows SET and yield options with their values, in capitals. Raises SqlError 102."""
    line = cursor.line
    if cursor.accept("TRANSACTION", "ISOLATION", "LEVEL"):
        yield "TRANSACTION ISOLATION LEVEL", _level(cursor)
        return
    if cursor.accept("IDENTITY_INSERT"):
        table = cursor.name()
        yield "IDENTITY_INSERT " + cursor.accept_any("ON", "OFF"), "\0".join(table)
        return
    names = [cursor.take().text.upper()]
    while cursor.accept(","):
        names.append(cursor.take().text.upper())
    if names == ["LOCK_TIMEOUT"] or names == ["TEXTSIZE"]:
        value = str(cursor.integer())
        if names == ["TEXTSIZE"] and value not in ("-1", "2147483647"):
            raise refused(f"SET TEXTSIZE {value}", line)
        yield names[0], value
        return
    token = cursor.take()
    for name in names:
        if token.text.upper() not in _SWITCHES.get(name, ()):
            raise refused(f"SET {name} {token.text}", line)
        yield name, token.text.upper()


def _level(cursor: Cursor) -> str:
    for level in _LEVELS:
        if cursor.accept(*level.split()) or cursor.accept(level):
            return level
    raise cursor.wrong()
