"""Bytes of a TDS message, read forwards and never past their end.

Here live the error that every malformed message comes to and the reader of its fields; what the fields mean is said by
the modules that read them. It may import the standard library.
"""

import struct


class ProtocolError(Exception):
    """A client broke the protocol; the connection ends, since what follows can no longer be told apart."""


class Reader:
    """A place in bytes. Every method moves it; raises ProtocolError where fewer bytes are left than asked for."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data = data
        self.place = place

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.place

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if not 0 <= size <= self.left:
            raise ProtocolError(f"{size} bytes are announced at byte {self.place}, where {self.left} are left")
        self.place += size
        return self.data[self.place - size : self.place]

    def u8(self) -> int:
        """Return one byte as a number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return two bytes as a number, little-endian as all numbers of a message."""
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        """Return four bytes as a number."""
        return int.from_bytes(self.take(4), "little")

    def text(self, characters: int) -> str:
        """Return UTF-16 text of so many code units."""
        try:
            return self.take(characters * 2).decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise ProtocolError(f"text that is no UTF-16: {error.reason}") from None

    def b_varchar(self) -> str:
        """Return text whose length stands before it in one byte."""
        return self.text(self.u8())


def without_headers(data: bytes) -> Reader:
    """Return what follows the ALL_HEADERS of a request (transaction descriptor, query notification, trace)."""
    if len(data) < 4:
        raise ProtocolError("a request ends before its headers")
    (total,) = struct.unpack_from("<I", data)
    if not 4 <= total <= len(data):
        raise ProtocolError(f"the headers of a request say they are {total} bytes long")
    return Reader(data, total)
