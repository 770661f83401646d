"""TDS packets on a socket: eight bytes of header and a part of a message.

Here live how a stream of bytes becomes packets and an answer becomes packets of the agreed size; what messages mean is
said elsewhere. It may import the standard library and `reading`.

Source: MS-TDS 2.2.3.1 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from resources.endpoints.mssql_emulator.reading import ProtocolError

HEADER = struct.Struct(">BBHHBB")
"""Kind, status, length with the header, process id of the server, number of the packet, window."""
SMALLEST, DEFAULT, LARGEST = 512, 4096, 32767
"""Sizes of a packet in bytes: what may be agreed, and what holds before anything is."""
_ANSWER = 4
_ONCE = 256 * 1024


class Kind(IntEnum):
    """What a client sends."""

    BATCH = 1
    RPC = 3
    ATTENTION = 6
    BULK = 7
    TRANSACTION = 14
    LOGIN = 16
    PRELOGIN = 18


LAST, IGNORE, RESET, RESET_KEEPING = 1, 2, 8, 16
"""Bits of the status: end of the message, throw it away, and begin with a fresh session (transaction kept or not)."""


@dataclass(frozen=True)
class Packet:
    """A part of a message, without its header."""

    kind: Kind
    status: int
    data: bytes

    @property
    def last(self) -> bool:
        """Whether the message ends here."""
        return bool(self.status & LAST)


class PacketReader:
    """The packets that arrive on a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""
        self._place = 0

    def packet(self) -> Packet | None:
        """Return the next packet, None at the end of the stream. Raises ProtocolError, OSError."""
        if not self._have(HEADER.size):
            if len(self._data) > self._place:
                raise ProtocolError("the stream ends inside the header of a packet")
            return None
        kind, status, length, *_ = HEADER.unpack_from(self._data, self._place)
        if kind not in Kind.__members__.values():
            raise ProtocolError(f"packet type {kind}; this endpoint knows {[int(known) for known in Kind]}")
        if not HEADER.size <= length <= LARGEST:
            raise ProtocolError(f"a packet of {length} bytes; 8 to {LARGEST} are allowed")
        if not self._have(length):
            raise ProtocolError("the stream ends inside a packet")
        begin, self._place = self._place + HEADER.size, self._place + length
        return Packet(Kind(kind), status, self._data[begin : self._place])

    def _have(self, size: int) -> bool:
        """Receive until so many bytes lie after the place; False where the stream ends before."""
        while len(self._data) - self._place < size:
            received = self._connection.recv(_ONCE)
            if not received:
                return False
            self._data = self._data[self._place :] + received
            self._place = 0
        return True


class PacketWriter:
    """The answer to a client, cut into packets."""

    size = DEFAULT
    """Bytes of a packet, header included; a new size holds from the next answer on."""

    def __init__(self, connection: socket.socket, process: int) -> None:
        self._connection = connection
        self._process = process & 0xFFFF
        self._held: list[bytes | memoryview] = []
        self._bytes = 0
        self._number = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append to the answer; what fills many packets is sent. Raises OSError."""
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes > _ONCE:
            self._send(0)

    def flush(self) -> None:
        """Send what fills packets, so that a client need not wait for what comes later. Raises OSError."""
        if self._bytes > self.size:
            self._send(0)

    def finish(self) -> None:
        """End the answer. Raises OSError."""
        self._send(LAST)
        self._number = 0

    def _send(self, last: int) -> None:
        body = b"".join(self._held)
        room = self.size - HEADER.size
        # The packet that ends the message must hold something, so one byte at least stays behind.
        whole = len(body) if last else (len(body) - 1) // room * room
        parts: list[bytes] = []
        for begin in range(0, whole, room) if whole else (0,):
            part = body[begin : min(begin + room, whole)]
            self._number = (self._number + 1) % 256
            status = last if begin + room >= whole else 0
            parts += HEADER.pack(_ANSWER, status, len(part) + HEADER.size, self._process, self._number, 0), part
        self._held = [body[whole:]] if whole < len(body) else []
        self._bytes = len(body) - whole
        self._connection.sendall(b"".join(parts))
