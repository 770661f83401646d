"""How a connection begins: PRELOGIN, which agrees on nothing but plain text, and LOGIN7, which says who asks.

Here live the bytes of both; whether the password is right is the engine's to say, and the answer to a login is written
by `tokens`. It may import the standard library and `reading`.

Source: MS-TDS 2.2.6.4 and 2.2.6.5 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import struct
from dataclasses import dataclass, field

from resources.endpoints.mssql_emulator.reading import ProtocolError, Reader

VERSION = (16, 0, 1000)
"""Told to clients: SQL Server 2022, since drivers choose their statements by it."""
_NOT_SUPPORTED = 2
_LONGEST = 128 * 1024
_FIXED = 94
_INTEGRATED = 0x80
_EXTENSION = 0x10
_END_OF_FEATURES = 0xFF
UTF8_FEATURE = 0x0A


def prelogin_answer(data: bytes) -> bytes:
    """Return the answer to a PRELOGIN: no encryption, no MARS. A client that insists on TLS ends here by itself."""
    _check_options(data)
    options = {
        0: struct.pack(">BBHH", *VERSION, 0),
        1: bytes([_NOT_SUPPORTED]),
        2: b"\0",
        3: b"",
        4: b"\0",
    }
    place = len(options) * 5 + 1
    head, body = b"", b""
    for option, value in options.items():
        head += struct.pack(">BHH", option, place + len(body), len(value))
        body += value
    return head + b"\xff" + body


def _check_options(data: bytes) -> None:
    reader = Reader(data)
    while (option := reader.u8()) != 0xFF:
        offset, length = struct.unpack(">HH", reader.take(4))
        if offset + length > len(data):
            raise ProtocolError(f"PRELOGIN option {option} lies outside the message")


@dataclass(frozen=True)
class Login:
    """What a client says about itself."""

    tds_version: int
    packet_size: int
    user: str
    password: str = field(repr=False)
    database: str
    language: str
    integrated: bool
    """It wants to be known by its Windows account."""
    utf8: bool
    """It asks whether the server has UTF-8 collations."""


def parse_login(data: bytes) -> Login:
    """Read a LOGIN7 message. Raises ProtocolError."""
    if not _FIXED <= len(data) <= _LONGEST:
        raise ProtocolError(f"a login of {len(data)} bytes; {_FIXED} to {_LONGEST} are allowed")
    length, version, packet_size = struct.unpack_from("<III", data)
    if length != len(data):
        raise ProtocolError(f"a login that says it has {length} bytes has {len(data)}")
    flags2, flags3 = data[25], data[27]
    password = bytes((byte ^ 0xA5) >> 4 | ((byte ^ 0xA5) & 0x0F) << 4 for byte in _field(data, 44))
    return Login(
        version,
        packet_size,
        user=_text(_field(data, 40)),
        password=_text(password),
        database=_text(_field(data, 68)),
        language=_text(_field(data, 64)),
        integrated=bool(flags2 & _INTEGRATED),
        utf8=bool(flags3 & _EXTENSION) and UTF8_FEATURE in _features(data),
    )


def _field(data: bytes, place: int) -> bytes:
    offset, characters = struct.unpack_from("<HH", data, place)
    if not characters:
        return b""
    return Reader(data, _inside(data, offset)).take(characters * 2)


def _text(data: bytes) -> str:
    return Reader(data).text(len(data) // 2)


def _features(data: bytes) -> set[int]:
    """The numbers of the feature extensions, none of which has to be granted."""
    offset, size = struct.unpack_from("<HH", data, 56)
    if size < 4:
        return set()
    reader = Reader(data, _inside(data, Reader(data, _inside(data, offset)).u32()))
    found = set()
    while reader.left and (feature := reader.u8()) != _END_OF_FEATURES:
        reader.take(reader.u32())
        found.add(feature)
    return found


def _inside(data: bytes, offset: int) -> int:
    if not _FIXED <= offset <= len(data):
        raise ProtocolError(f"a field of the login lies at byte {offset} of {len(data)}")
    return offset
