"""Remote procedure calls: many in one request, each a name or a number with parameters.

Here lives how they are read; what the procedures do is said by `procedures`. It may import the standard library, numpy
and the modules of the wire below it.

Source: MS-TDS 2.2.6.6 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np

from resources.endpoints.mssql_emulator.engine import Kind, Parameter
from resources.endpoints.mssql_emulator.places import NOWHERE, value_end
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader, without_headers
from resources.endpoints.mssql_emulator.scan import PADDING, decode_column
from resources.endpoints.mssql_emulator.types import TypeInfo, read_type

_BY_NUMBER = {
    1: "sp_cursor",
    2: "sp_cursoropen",
    3: "sp_cursorprepare",
    4: "sp_cursorexecute",
    5: "sp_cursorprepexec",
    6: "sp_cursorunprepare",
    7: "sp_cursorfetch",
    8: "sp_cursoroption",
    9: "sp_cursorclose",
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}
_SEPARATORS = (0x80, 0xFE, 0xFF)
"""What stands between two calls: for versions before 7.2, for calls not to be executed, and for others."""
_OUTPUT, _ENCRYPTED = 1, 8


@dataclass(frozen=True)
class Call:
    """One call."""

    procedure: str
    """As the client wrote it."""
    parameters: list[Parameter] = field(default_factory=list)

    @property
    def short_name(self) -> str:
        """The procedure without its schema and brackets, in lower case."""
        return self.procedure.rpartition(".")[2].strip("[]").lower()


@dataclass(frozen=True)
class _Head:
    """What stands before a value."""

    data: bytes
    name: str
    output: bool
    info: TypeInfo
    group: list[tuple[int, int, int]]
    """Number, begin and end of all values of this type in the request."""


def parse_calls(message: bytes) -> list[Call]:
    """Read a request. Raises ProtocolError, SqlError for text that is none.

    Values of one type are decoded together, over all calls: a client that executes many times sends the same types.
    """
    reader = without_headers(message)
    calls: list[tuple[str, list[_Head]]] = []
    parser = _Parser(reader)
    while reader.left:
        if calls and message[reader.place] in _SEPARATORS:
            reader.u8()
            if not reader.left:
                break
        procedure = _procedure(reader)
        reader.u16()
        calls.append((procedure, list(parser.parameters())))
    values = parser.values()
    return [
        Call(procedure, [Parameter(head.name, head.info.sql, next(values), head.output) for head in heads])
        for procedure, heads in calls
    ]


def _procedure(reader: Reader) -> str:
    length = reader.u16()
    if length != 0xFFFF:
        return reader.text(length)
    number = reader.u16()
    if number not in _BY_NUMBER:
        raise ProtocolError(f"there is no procedure number {number}")
    return _BY_NUMBER[number]


class _Parser:
    """Parameters of all calls of a request, with the places of their values."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._count = 0
        self._groups: dict[TypeInfo, list[tuple[int, int, int]]] = {}
        self._heads: dict[int, _Head] = {}

    def parameters(self) -> Iterator[_Head]:
        """Read the parameters of a call. One that has the same head as its like in the call before is not read anew."""
        reader, data = self._reader, self._reader.data
        place = 0
        while reader.left and data[reader.place] not in _SEPARATORS:
            head = self._heads.get(place)
            if head and data.startswith(head.data, reader.place):
                reader.place += len(head.data)
            else:
                head = self._heads[place] = self._head()
            place += 1
            begin = reader.place
            reader.place = value_end(data, begin, head.info.framing, head.info.width)
            if reader.place == NOWHERE:
                raise ProtocolError(f"the value of parameter {head.name or place} does not end")
            head.group.append((self._count, begin, reader.place))
            self._count += 1
            yield head

    def _head(self) -> _Head:
        reader = self._reader
        begin = reader.place
        name = reader.b_varchar()
        status = reader.u8()
        if status & _ENCRYPTED:
            raise ProtocolError(f"parameter {name} is encrypted, which this endpoint never asks for")
        info = read_type(reader)
        group = self._groups.setdefault(info, [])
        return _Head(reader.data[begin : reader.place], name, bool(status & _OUTPUT), info, group)

    def values(self) -> Iterator[object]:
        """Yield the values in their order, as Python values."""
        found: list[object] = [None] * self._count
        data = self._reader.data + PADDING
        for info, group in self._groups.items():
            numbers, begins, ends = np.array(group, np.int64).T.copy()
            for number, value in zip(
                numbers.tolist(), decode_column(data, begins, ends, info).to_pylist(), strict=True
            ):
                found[number] = value
            if info.sql.kind is Kind.DATETIMEOFFSET:
                for number, _, end in group:
                    found[number] = _at_offset(found[number], data[end - 2 : end])
        yield from found


def _at_offset(value: object, offset: bytes) -> object:
    """An instant at its own offset, by which alone an engine knows whether that is zero. Raises ProtocolError."""
    minutes = int.from_bytes(offset, "little", signed=True)
    if not isinstance(value, datetime) or not minutes:
        return value
    try:
        return value.astimezone(timezone(timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        raise ProtocolError(f"a datetimeoffset {minutes} minutes from UTC") from None
