"""The tokens of an answer, as bytes.

Here lives what each token looks like; which are sent, and when, is said by `answer`. It may import the standard
library and the modules of the wire below it.

Source: MS-TDS 2.2.7 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag

from resources.endpoints.mssql_emulator.engine import OutputValue, ResultColumn, SqlError
from resources.endpoints.mssql_emulator.login import VERSION
from resources.endpoints.mssql_emulator.rows import encode_value
from resources.endpoints.mssql_emulator.types import COLLATION, write_type

SERVER = "emulator"
_PRODUCT = "Microsoft SQL Server"
"""Some drivers refuse a server of another name."""
_NULLABLE, _UPDATABLE = 1, 8
_LONGEST_MESSAGE = 2047
_SELECT = 0xC1


class Done(IntEnum):
    """The three tokens that end something."""

    BATCH = 0xFD
    PROCEDURE = 0xFE
    IN_PROCEDURE = 0xFF


class Status(IntFlag):
    """What a DONE token says."""

    MORE = 0x1
    ERROR = 0x2
    IN_TRANSACTION = 0x4
    COUNT = 0x10
    ATTENTION = 0x20
    RPC_IN_BATCH = 0x80


class Change(IntEnum):
    """What an ENVCHANGE token announces."""

    DATABASE = 1
    LANGUAGE = 2
    PACKET_SIZE = 4
    COLLATION = 7
    BEGIN = 8
    COMMIT = 9
    ROLLBACK = 10
    RESET = 18


def done(token: Done, status: int, rows: int | None = None, *, select: bool = False) -> bytes:
    """Return the end of a statement, a procedure or a batch, with the rows it counted."""
    status |= Status.COUNT if rows is not None else 0
    return struct.pack("<BHHQ", token, status, _SELECT if select else 0, rows or 0)


def error(found: SqlError) -> bytes:
    """Return an ERROR token."""
    return _message(0xAA, found.number, str(found), found.severity, found.state, found.line)


def info(number: int, text: str, severity: int = 0) -> bytes:
    """Return an INFO token."""
    return _message(0xAB, number, text, severity, 1, 1)


def _message(token: int, number: int, text: str, severity: int, state: int, line: int) -> bytes:
    body = struct.pack("<iBB", number, state, severity) + _us_varchar(text[:_LONGEST_MESSAGE])
    body += b_varchar(SERVER) + b_varchar("") + struct.pack("<I", line)
    return struct.pack("<BH", token, len(body)) + body


def login_ack(tds_version: int) -> bytes:
    """Return the LOGINACK of a version of the protocol."""
    major, minor, build = VERSION
    body = struct.pack(">BI", 1, tds_version) + b_varchar(_PRODUCT) + struct.pack(">BBH", major, minor, build)
    return struct.pack("<BH", 0xAD, len(body)) + body


def feature_ack(feature: int) -> bytes:
    """Return a FEATUREEXTACK that grants one feature."""
    return struct.pack("<BBIB", 0xAE, feature, 1, 1) + b"\xff"


def text_change(kind: Change, new: str, old: str = "") -> bytes:
    """Return the ENVCHANGE of a setting that is text."""
    return _change(kind, b_varchar(new) + b_varchar(old))


def collation_change() -> bytes:
    """Return the ENVCHANGE that tells the collation of the database."""
    return _change(Change.COLLATION, bytes([len(COLLATION)]) + COLLATION + b"\0")


def transaction_change(kind: Change, descriptor: int) -> bytes:
    """Return the ENVCHANGE of a transaction that begins or ends."""
    told = b"\x08" + struct.pack("<Q", descriptor)
    return _change(kind, told + b"\0" if kind is Change.BEGIN else b"\0" + told)


def reset_change() -> bytes:
    """Return the ENVCHANGE that acknowledges a reset connection."""
    return _change(Change.RESET, b"\0\0")


def _change(kind: Change, body: bytes) -> bytes:
    return struct.pack("<BHB", 0xE3, len(body) + 1, kind) + body


def column_metadata(columns: Sequence[ResultColumn]) -> bytes:
    """Return the COLMETADATA of a result set."""
    parts = [struct.pack("<BH", 0x81, len(columns))]
    for column in columns:
        flags = _UPDATABLE | (_NULLABLE if column.nullable else 0)
        parts += struct.pack("<IH", 0, flags), write_type(column.type), b_varchar(column.name[:128])
    return b"".join(parts)


def return_status(value: int) -> bytes:
    """Return the RETURNSTATUS of a procedure."""
    return struct.pack("<Bi", 0x79, value)


def return_value(output: OutputValue, ordinal: int) -> bytes:
    """Return the value of an OUTPUT parameter."""
    parameter = output.parameter
    head = struct.pack("<BH", 0xAC, ordinal) + b_varchar(parameter.name) + struct.pack("<BIH", 1, 0, _NULLABLE)
    return head + write_type(parameter.type) + encode_value(parameter.value, parameter.type)


def b_varchar(text: str) -> bytes:
    """Return text with its length in one byte before it. Raises ValueError for more than 255 units."""
    data = text.encode("utf-16-le")
    if len(data) > 510:
        raise ValueError(f"a name of {len(data) // 2} characters")
    return bytes([len(data) // 2]) + data


def _us_varchar(text: str) -> bytes:
    data = text.encode("utf-16-le", "replace")
    return struct.pack("<H", len(data) // 2) + data
