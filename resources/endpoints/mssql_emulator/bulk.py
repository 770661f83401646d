"""Bulk loads: the statement that announces one, the questions that clients ask before it, and its stream of rows.

Here live texts that are recognised, not parsed as T-SQL, since drivers alone write them; rows are read by `scan`. It
may import the standard library and the modules of the wire below it.

Source: MS-TDS 2.2.6.1 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from resources.endpoints.mssql_emulator import results
from resources.endpoints.mssql_emulator.engine import (
    Affected,
    Kind,
    Outcome,
    ResultColumn,
    ResultSet,
    Rows,
    Session,
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.forms import goes_into
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader
from resources.endpoints.mssql_emulator.scan import decode_rows
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo, read_type

_IDENTIFIER = r"(?:\[(?:[^\]]|\]\])+\]|\"(?:[^\"]|\"\")+\"|[^\s\[\]\"().,']+)"
_TABLE = rf"{_IDENTIFIER}?(?:\.{_IDENTIFIER}?)*"
_INSERT_BULK = re.compile(rf"\s*insert\s+bulk\s+(?P<table>{_TABLE})\s*\((?P<columns>.*)", re.I | re.S)
_COLUMN = re.compile(rf"\s*({_IDENTIFIER})\s", re.S)
_FMTONLY = re.compile(
    rf"\s*set\s+fmtonly\s+on\s*;?\s+select\s+\*\s+from\s+(?P<table>{_TABLE})\s*;?\s*set\s+fmtonly\s+off\s*;?\s*", re.I
)
_BULKCOPY = re.compile(
    r"\s*SELECT @@TRANCOUNT;.*QUOTENAME\(\[name\]\) FROM\s.*SET FMTONLY ON;.*SET FMTONLY OFF;\s*"
    r"EXEC\s+(?:\S*\.\.)?sp_tablecollations_100 N'(?P<table>(?:[^']|'')+)'",
    re.S,
)
_COLUMNS_AT_MOST = 4096


@dataclass(frozen=True)
class BulkLoad:
    """A bulk load that was announced and whose rows are awaited."""

    table: str
    columns: tuple[ResultColumn, ...]
    """As the table has them, in the order in which values will come."""


def announced(session: Session, text: str) -> BulkLoad | None:
    """Return the bulk load that a batch announces; None for any other batch. Raises SqlError 208, 207."""
    found = _INSERT_BULK.match(text)
    if not found:
        return None
    names = [_unquoted(match.group(1)) for match in map(_COLUMN.match, _parts(found["columns"])) if match]
    if not names:
        raise SqlError(102, "Incorrect syntax near 'BULK': no column is named.", severity=15)
    return BulkLoad(found["table"], tuple(session.columns(found["table"], names)))


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between commas, up to the parenthesis that closes the list."""
    depth = begin = place = 0
    while place < len(text):
        character = text[place]
        if character in '["':
            place = text.find("]" if character == "[" else '"', place + 1)
            while place >= 0 and text[place : place + 2] in ("]]", '""'):
                place = text.find(text[place], place + 2)
            if place < 0:
                break
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (character == "," and not depth):
            yield text[begin:place] + " "
            begin = place + 1
        if depth < 0:
            return
        place += 1
    raise SqlError(102, "Incorrect syntax near 'BULK': the list of columns is not closed.", severity=15)


def _unquoted(name: str) -> str:
    if name[0] == "[":
        return name[1:-1].replace("]]", "]")
    return name[1:-1].replace('""', '"') if name[0] == '"' else name


def all_columns(session: Session, table: str) -> list[ResultColumn]:
    """Return all columns of a table, in their order. Raises SqlError 208."""
    names: list[str] = []
    for outcome in session.execute(f"SELECT TOP 0 * FROM {table}"):
        if isinstance(outcome, ResultSet):
            names = [column.name for column in outcome.columns]
            for _ in outcome.batches:
                pass
    return session.columns(table, names)


def metadata(session: Session, text: str) -> Iterator[Outcome] | None:
    """Return the answer to a batch by which a client asks for a table's columns; None for any other batch.

    Raises SqlError 208. FreeTDS asks with SET FMTONLY; mssql-python adds @@TRANCOUNT before and the collations after.
    """
    if found := _FMTONLY.fullmatch(text):
        described: list[Outcome] = [_empty(all_columns(session, found["table"])), Affected(None)]
        return iter(described)
    if found := _BULKCOPY.match(text):
        columns = all_columns(session, found["table"].replace("''", "'"))
        depth = results.table([("", SqlType(Kind.INT))], [(session.transactions,)])
        answer: list[Outcome] = [depth, _empty(columns), results.table_collations(columns)]
        return iter(answer)
    return None


def _empty(columns: list[ResultColumn]) -> ResultSet:
    return ResultSet(tuple(columns), iter(()))


def _into(info: TypeInfo, column: ResultColumn) -> TypeInfo:
    """Return how values for a column are read: a client that writes XML as national text marks its byte order."""
    document = column.type.kind is Kind.XML and info.sql.kind is Kind.NVARCHAR
    return replace(info, sql=column.type) if document else info


def read_rows(
    load: BulkLoad, packets: Iterator[bytes], *, copies: bool
) -> tuple[tuple[ResultColumn, ...], Iterator[Rows]]:
    """Read the head of a stream of rows; return its columns and what follows. Raises ProtocolError, SqlError 4816.

    With `copies` rows come as PostgreSQL copies them, where they have nothing that it would have to convert.
    """
    # The head is small, but a table of a thousand columns does not fit into one packet.
    head = b""
    for packet in packets:
        head += packet
        try:
            reader, stream = _stream_columns(head)
        except ProtocolError:
            if len(head) > _COLUMNS_AT_MOST * 1024:
                raise
            continue
        break
    else:
        reader, stream = _stream_columns(head)
    if len(stream) != len(load.columns):
        raise SqlError(4816, f"Invalid column count: {len(stream)} came, {len(load.columns)} were announced.")
    stream = [_into(info, column) for column, info in zip(load.columns, stream, strict=True)]
    columns = tuple(
        ResultColumn(column.name, info.sql, column.nullable) for column, info in zip(load.columns, stream, strict=True)
    )

    def chunks() -> Iterator[bytes]:
        yield head[reader.place :]
        yield from packets

    as_told = all(goes_into(sent.type, column.type) for sent, column in zip(columns, load.columns, strict=True))
    return columns, decode_rows(chunks(), columns, stream, copies=copies and as_told)


def _stream_columns(head: bytes) -> tuple[Reader, list[TypeInfo]]:
    reader = Reader(head)
    if reader.u8() != 0x81:
        raise ProtocolError("a bulk load that does not begin with a COLMETADATA token")
    count = reader.u16()
    if not 0 < count <= _COLUMNS_AT_MOST:
        raise ProtocolError(f"a bulk load of {count} columns; 1 to {_COLUMNS_AT_MOST} are possible")
    stream = []
    for _ in range(count):
        reader.take(6)
        info = read_type(reader)
        if info.framing is Framing.LONG:
            raise ProtocolError("a bulk load of text, ntext or image; use the types with (max)")
        reader.b_varchar()
        stream.append(info)
    return reader, stream
