"""Remote procedure calls: many in one request, each a name or a number with parameters.

Here lives how they are read; what the procedures do is said by `procedures`. It may import the standard library, numpy
and the modules of the wire below it.

Source: MS-TDS 2.2.6.6 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from resources.endpoints.mssql_emulator.engine import Parameter
from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader, without_headers
from resources.endpoints.mssql_emulator.scan import PADDING, decode_column, value_end
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
class _Value:
    name: str
    output: bool
    info: TypeInfo
    begin: int
    end: int


def parse_calls(message: bytes) -> list[Call]:
    """Read a request. Raises ProtocolError, SqlError for text that is none.

    Values of one type are decoded together, over all calls: a client that executes many times sends the same types.
    """
    reader = without_headers(message)
    calls: list[tuple[Call, list[_Value]]] = []
    while reader.left:
        if calls and message[reader.place] in _SEPARATORS:
            reader.u8()
            if not reader.left:
                break
        call = Call(_procedure(reader))
        reader.u16()
        calls.append((call, _values(reader)))
    decoded = _decoded(message, [value for _, values in calls for value in values])
    for call, values in calls:
        call.parameters.extend(Parameter(v.name, v.info.sql, next(decoded), v.output) for v in values)
    return [call for call, _ in calls]


def _procedure(reader: Reader) -> str:
    length = reader.u16()
    if length != 0xFFFF:
        return reader.text(length)
    number = reader.u16()
    if number not in _BY_NUMBER:
        raise ProtocolError(f"there is no procedure number {number}")
    return _BY_NUMBER[number]


def _values(reader: Reader) -> list[_Value]:
    values: list[_Value] = []
    while reader.left and reader.data[reader.place] not in _SEPARATORS:
        name = reader.b_varchar()
        status = reader.u8()
        if status & _ENCRYPTED:
            raise ProtocolError(f"parameter {name} is encrypted, which this endpoint never asks for")
        info = read_type(reader)
        begin = reader.place
        try:
            reader.place = value_end(reader.data, begin, info)
        except IndexError:
            raise ProtocolError(f"the value of parameter {name or len(values) + 1} does not end") from None
        if reader.left < 0:
            raise ProtocolError(f"the value of parameter {name or len(values) + 1} does not end")
        values.append(_Value(name, bool(status & _OUTPUT), info, begin, reader.place))
    return values


def _decoded(message: bytes, values: list[_Value]) -> Iterator[object]:
    """Yield the values in their order, as Python values."""
    groups: dict[TypeInfo, list[int]] = defaultdict(list)
    for number, value in enumerate(values):
        groups[value.info].append(number)
    found: list[object] = [None] * len(values)
    data = message + PADDING
    for info, numbers in groups.items():
        begins = np.array([values[number].begin for number in numbers], np.int64)
        ends = np.array([values[number].end for number in numbers], np.int64)
        for number, value in zip(numbers, decode_column(data, begins, ends, info).to_pylist(), strict=True):
            found[number] = value
    yield from found
