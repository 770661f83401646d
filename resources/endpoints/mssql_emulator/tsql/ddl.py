"""CREATE, DROP and TRUNCATE: read from their tokens.

Here lives the grammar of definitions; that of ALTER lives in `ddl_alter`, and `ddl_sql` says both in PostgreSQL's SQL.
It may import `ddl_nodes`, `syntax`, `tokens`, `types` and `nodes` (for the collations that are accepted).
"""

from collections.abc import Callable
from typing import Any

from resources.endpoints.mssql_emulator.tsql.ddl_nodes import (
    ColumnDefinition,
    ComputedColumn,
    Constraint,
    CreateColumnstore,
    CreateDatabase,
    CreateIndex,
    CreateSchema,
    CreateTable,
    CreateView,
    Drop,
    DropIndex,
    Truncate,
)
from resources.endpoints.mssql_emulator.tsql.nodes import collated
from resources.endpoints.mssql_emulator.tsql.syntax import parse_condition, parse_expression, parse_query
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, refused
from resources.endpoints.mssql_emulator.tsql.types import read_type

Reader = Callable[[Cursor], Cursor]


def read(cursor: Cursor, part: Reader) -> Any:
    """Read CREATE, DROP or TRUNCATE; `part` takes the tokens of a query. Raises SqlError 102."""
    verb, line = cursor.take().text.upper(), cursor.line
    match verb:
        case "CREATE":
            return _create(cursor, part, line)
        case "DROP":
            return _drop(cursor, line)
        case _:
            cursor.expect("TABLE")
            name = cursor.name()
            if cursor.accept("WITH"):
                raise refused("TRUNCATE TABLE ... WITH (PARTITIONS)", line)
            return Truncate(name)


def _create(cursor: Cursor, part: Reader, line: int) -> Any:
    if cursor.accept("TABLE"):
        return _table(cursor)
    if cursor.accept("SCHEMA"):
        return _schema(cursor, line)
    if cursor.accept("DATABASE"):
        created = CreateDatabase(cursor.identifier())
        if cursor and cursor.word() != ";":
            raise cursor.wrong()
        return created
    replace = cursor.accept("OR", "ALTER")
    if cursor.accept("VIEW"):
        return _view(cursor, part, replace)
    unique = cursor.accept("UNIQUE")
    kind = cursor.accept_any("CLUSTERED", "NONCLUSTERED", "CLUSTERED INDEX", "NONCLUSTERED INDEX")
    if not replace and (kind.endswith("INDEX") or cursor.accept("INDEX")):
        return _index(cursor, unique, kind.startswith("CLUSTERED"))
    if not replace and not unique and kind == "CLUSTERED" and cursor.accept("COLUMNSTORE", "INDEX"):
        return _columnstore(cursor)
    raise refused(f"CREATE {cursor.word() or 'statement'}", line)


def _schema(cursor: Cursor, line: int) -> CreateSchema:
    name = cursor.identifier()
    if cursor.accept("AUTHORIZATION") and cursor.identifier() != "dbo":
        raise refused("AUTHORIZATION", line)
    return CreateSchema(name)


def _view(cursor: Cursor, part: Reader, replace: bool) -> CreateView:
    text = cursor.text
    for token in reversed(cursor.tokens[cursor.at - 3 : cursor.at - 1] if replace else ()):  # OR ALTER is not kept
        text = text[: token.start] + text[token.end + 1 :]
    name = cursor.name()
    columns = _names(cursor.wrapped()) if cursor.word() == "(" else ()
    cursor.expect("AS")
    return CreateView(name, columns, parse_query(part(cursor)), replace, text)


def _index(cursor: Cursor, unique: bool, clustered: bool) -> CreateIndex:
    name = cursor.identifier()
    cursor.expect("ON")
    table = cursor.name()
    columns = _keys(cursor.wrapped())
    include = _names(cursor.wrapped()) if cursor.accept("INCLUDE") else ()
    where = parse_condition(cursor.until("WITH", "ON", ";", *_ENDS)) if cursor.accept("WHERE") else None
    _storage(cursor)
    return CreateIndex(name, table, unique, clustered, columns, include, where)


def _columnstore(cursor: Cursor) -> CreateColumnstore:
    name = cursor.identifier()
    cursor.expect("ON")
    table = cursor.name()
    _storage(cursor)
    return CreateColumnstore(name, table)


_ENDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "END", "EXEC", "IF", "BEGIN", "COMMIT")
_STORAGE = {
    "DATA_COMPRESSION",
    "FILLFACTOR",
    "PAD_INDEX",
    "SORT_IN_TEMPDB",
    "ONLINE",
    "MAXDOP",
    "STATISTICS_NORECOMPUTE",
}
_STORAGE |= {"ALLOW_ROW_LOCKS", "ALLOW_PAGE_LOCKS", "OPTIMIZE_FOR_SEQUENTIAL_KEY", "DROP_EXISTING"}


def _storage(cursor: Cursor) -> None:
    """Take what says how and where data is kept, which changes no result."""
    if cursor.word() == "WITH" and cursor.word(1) == "(":
        cursor.take()
        for option in cursor.wrapped().split():
            name = option.take().text.upper()
            if name not in _STORAGE or (name == "DROP_EXISTING" and option.source().upper().split()[-1] != "OFF"):
                raise refused(f"WITH ({name})", cursor.line)
    for word in ("ON", "TEXTIMAGE_ON"):
        if cursor.accept(word):
            group = cursor.identifier()
            if group.upper() not in ("PRIMARY", "DEFAULT") or cursor.word() == "(":
                raise refused(f"{word} {group}", cursor.line)


def _table(cursor: Cursor) -> CreateTable:
    name = cursor.name()
    columns: list[ColumnDefinition] = []
    computed: list[ComputedColumn] = []
    constraints: list[Constraint] = []
    for part in cursor.wrapped().split():
        if part.word() in CONSTRAINT_WORDS:
            constraints.append(read_constraint(part))
        elif part.word(1) == "AS":
            computed.append(_computed(part))
        elif computed:
            raise refused(f"column {part.identifier()} behind a computed one", cursor.line)
        else:
            columns.append(read_column(part))
        part.end()
    _storage(cursor)
    return CreateTable(name, tuple(columns), tuple(constraints), tuple(computed))


def _computed(cursor: Cursor) -> ComputedColumn:
    """Read a computed column. One that is not PERSISTED would be computed by every reader anew: refused."""
    name = cursor.identifier()
    cursor.expect("AS")
    expression = parse_expression(cursor.until("PERSISTED"))
    if not cursor.accept("PERSISTED"):
        raise refused(f"computed column {name} that is not PERSISTED", cursor.line)
    return ComputedColumn(name, expression, nullable=not cursor.accept("NOT", "NULL"))


CONSTRAINT_WORDS = {"CONSTRAINT", "PRIMARY", "PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN", "FOREIGN KEY", "DEFAULT"}


def read_column(cursor: Cursor) -> ColumnDefinition:
    """Read a column. Raises SqlError 102."""
    name = cursor.identifier()
    if cursor.word() == "AS":
        raise refused(f"computed column {name}", cursor.line)
    type_ = read_type(cursor)
    nullable: bool | None = None
    identity: tuple[int, int] | None = None
    constraints: list[Constraint] = []
    while cursor:
        if cursor.accept("COLLATE"):
            collated(cursor.identifier())
        elif cursor.accept("NOT", "NULL"):
            nullable = False
        elif cursor.accept("NULL"):
            nullable = True
        elif cursor.accept("IDENTITY"):
            identity = _identity(cursor)
        elif cursor.word() in CONSTRAINT_WORDS or cursor.word() == "REFERENCES":
            constraints.append(read_constraint(cursor, name))
        else:
            raise cursor.wrong()
    return ColumnDefinition(name, type_, nullable, identity, tuple(constraints))


def _identity(cursor: Cursor) -> tuple[int, int]:
    if cursor.word() != "(":
        return 1, 1
    inside = cursor.wrapped()
    seed = inside.integer()
    inside.expect(",")
    step = inside.integer()
    inside.end()
    return seed, step


def read_constraint(cursor: Cursor, column: str = "") -> Constraint:
    """Read a constraint; one of a column covers that column. Raises SqlError 102."""
    name = cursor.identifier() if cursor.accept("CONSTRAINT") else ""
    own: tuple[tuple[str, bool], ...] = ((column, False),) if column else ()
    if cursor.accept("UNIQUE"):
        return _key("UQ", cursor, name, own)
    if cursor.accept("PRIMARY", "KEY") or cursor.accept("PRIMARY KEY"):
        return _key("PK", cursor, name, own)
    if cursor.accept("CHECK"):
        return Constraint("CK", name, own, expression=parse_condition(cursor.wrapped()))
    if cursor.accept("DEFAULT"):
        value = parse_expression(_default(cursor))
        if cursor.accept("FOR"):
            own = ((cursor.identifier(), False),)
        return Constraint("DF", name, own, expression=value, with_values=cursor.accept("WITH", "VALUES"))
    if (cursor.accept("FOREIGN", "KEY") or cursor.accept("FOREIGN KEY")) and cursor.word() == "(":
        own = _keys(cursor.wrapped())
    return _foreign(cursor, name, own)


def _key(kind: str, cursor: Cursor, name: str, own: tuple[tuple[str, bool], ...]) -> Constraint:
    clustered = {"CLUSTERED": True, "NONCLUSTERED": False}.get(cursor.accept_any("CLUSTERED", "NONCLUSTERED"))
    columns = _keys(cursor.wrapped()) if cursor.word() == "(" else own
    _storage(cursor)
    return Constraint(kind, name, columns, clustered)


def _foreign(cursor: Cursor, name: str, own: tuple[tuple[str, bool], ...]) -> Constraint:
    cursor.expect("REFERENCES")
    references = cursor.name()
    referenced = _names(cursor.wrapped()) if cursor.word() == "(" else ()
    actions = []
    while cursor.accept("ON"):
        event = cursor.accept_any("DELETE", "UPDATE")
        for action in ("NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT"):
            if event and (cursor.accept(*action.split()) or cursor.accept(action)):
                actions.append(f"ON {event} {action}")
                break
        else:
            raise cursor.wrong()
    return Constraint("FK", name, own, references=references, referenced=referenced, actions=tuple(actions))


_BEHIND_DEFAULT = (
    *("NOT", "NULL", "CONSTRAINT", "PRIMARY", "PRIMARY KEY", "UNIQUE", "CHECK", "REFERENCES", "FOR", "WITH"),
    *("COLLATE", "IDENTITY", ",", ";"),
)


def _default(cursor: Cursor) -> Cursor:
    """Take a default: up to what may follow it in a column's definition."""
    if cursor.word() == "NULL":
        cursor.take()
        return cursor.part(cursor.at - 1, cursor.at)
    return cursor.until(*_BEHIND_DEFAULT)


def _keys(cursor: Cursor) -> tuple[tuple[str, bool], ...]:
    keys = []
    for part in cursor.split():
        name = part.identifier()
        keys.append((name, part.accept_any("ASC", "DESC") == "DESC"))
        part.end()
    return tuple(keys)


def _names(cursor: Cursor) -> tuple[str, ...]:
    names = []
    for part in cursor.split():
        names.append(part.identifier())
        part.end()
    return tuple(names)


def _drop(cursor: Cursor, line: int) -> Any:
    kind = cursor.accept_any("TABLE", "VIEW", "SCHEMA", "DATABASE", "INDEX")
    if not kind:
        raise refused(f"DROP {cursor.word()}", line)
    if_exists = cursor.accept("IF", "EXISTS")
    if kind == "INDEX":
        indexes = []
        while True:
            name = cursor.name()
            if len(name) > 1:
                indexes.append((name[-1], name[:-1]))
            else:
                cursor.expect("ON")
                indexes.append((name[0], cursor.name()))
            if not cursor.accept(","):
                return DropIndex(tuple(indexes), if_exists)
    names = [cursor.name()]
    while cursor.accept(","):
        names.append(cursor.name())
    return Drop(kind, tuple(names), if_exists)
