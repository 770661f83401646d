"""Transaction manager requests: a driver's own BEGIN, COMMIT, ROLLBACK and SAVE.

Here lives how they are read and what they ask of a session; the token that announces a transaction is written by
`connection`. It may import the standard library and the modules of the wire below it.

Source: MS-TDS 2.2.6.9 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import itertools
from collections.abc import Iterator

from resources.endpoints.mssql_emulator.engine import Affected, Outcome, Session, SqlError
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader, without_headers

_BEGIN, _COMMIT, _ROLLBACK, _SAVE = 5, 7, 8, 9
_DISTRIBUTED = (0, 1, 6)
_ANOTHER = 1
_LEVELS = {1: "READ UNCOMMITTED", 2: "READ COMMITTED", 3: "REPEATABLE READ", 4: "SERIALIZABLE", 5: "SNAPSHOT"}
_descriptors = itertools.count(1)


def next_descriptor() -> int:
    """Return a number by which a client names a transaction."""
    return next(_descriptors)


def request(session: Session, message: bytes) -> Iterator[Outcome]:
    """Do what a request asks. Raises ProtocolError, SqlError."""
    reader = without_headers(message)
    kind = reader.u16()
    if kind in _DISTRIBUTED:
        raise SqlError(8520, "Distributed transactions are not supported by this endpoint.")
    if kind == _BEGIN:
        yield from _begin(session, reader)
    elif kind == _COMMIT:
        reader.b_varchar()
        session.commit()
        yield from _another(session, reader)
    elif kind == _ROLLBACK:
        if name := reader.b_varchar():
            yield from _quietly(session, f"ROLLBACK TRANSACTION {_quoted(name)}")
        else:
            session.rollback()
        yield from _another(session, reader)
    elif kind == _SAVE:
        yield from _quietly(session, f"SAVE TRANSACTION {_quoted(reader.b_varchar())}")
    else:
        raise ProtocolError(f"there is no transaction manager request {kind}")
    yield Affected(None)


def _begin(session: Session, reader: Reader) -> Iterator[Outcome]:
    level = reader.u8()
    if level:
        if level not in _LEVELS:
            raise ProtocolError(f"there is no isolation level {level}")
        yield from _quietly(session, f"SET TRANSACTION ISOLATION LEVEL {_LEVELS[level]}")
    session.begin()


def _another(session: Session, reader: Reader) -> Iterator[Outcome]:
    """A request that ends a transaction may begin the next one."""
    if reader.left and reader.u8() & _ANOTHER:
        yield from _begin(session, reader)


def _quietly(session: Session, text: str) -> Iterator[Outcome]:
    """Execute a statement that tells nothing."""
    for outcome in session.execute(text):
        if not isinstance(outcome, Affected):
            yield outcome


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"
