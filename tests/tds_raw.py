"""A TDS client of a few lines, for what no real client would send.

Here live messages as bytes and the reading of answers as whole messages; nothing is taken from the code under test. It
may import the standard library.
"""

import socket
import struct

BATCH, RPC, ATTENTION, BULK, TRANSACTION, LOGIN, PRELOGIN = 1, 3, 6, 7, 14, 16, 18
DONE_ATTENTION = struct.pack("<BHHQ", 0xFD, 0x20, 0, 0)
HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


def packets(kind: int, body: bytes, size: int = 4096, status: int = 1) -> bytes:
    """A message as packets; the status is that of the last."""
    room = size - 8
    parts = [body[begin : begin + room] for begin in range(0, len(body), room)] or [b""]
    return b"".join(
        struct.pack(">BBHHBB", kind, status if number == len(parts) else 0, len(part) + 8, 0, number % 256, 0) + part
        for number, part in enumerate(parts, 1)
    )


def prelogin() -> bytes:
    return packets(PRELOGIN, struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF) + bytes(6) + b"\2")


def login(user: str, password: str, database: str = "", *, packet_size: int = 4096, version: int = 0x74000004) -> bytes:
    hidden = bytes(((byte << 4 | byte >> 4) & 0xFF) ^ 0xA5 for byte in password.encode("utf-16-le"))
    fields = [b"", user.encode("utf-16-le"), hidden, b"", b"", b"", b"", b"", database.encode("utf-16-le")]
    place, table, data = 94, b"", b""
    for field in fields:
        table += struct.pack("<HH", place + len(data), len(field) // 2)
        data += field
    table += bytes(6) + struct.pack("<HHHHHHI", place + len(data), 0, place + len(data), 0, place + len(data), 0, 0)
    head = struct.pack("<IIIIIBBBBiI", 94 + len(data), version, packet_size, 7, 1, 0, 0, 0, 0, 0, 0x409)
    head = head[:20] + struct.pack("<I", 0) + head[20:]
    return packets(LOGIN, head + table + data)


def batch(text: str, **how) -> bytes:
    return packets(BATCH, HEADERS + text.encode("utf-16-le"), **how)


def transaction(kind: int, body: bytes = b"\0\0") -> bytes:
    return packets(TRANSACTION, HEADERS + struct.pack("<H", kind) + body)


def attention() -> bytes:
    return packets(ATTENTION, b"")


def nvarchar(text: str, name: str = "") -> bytes:
    """A parameter."""
    data = text.encode("utf-16-le")
    head = bytes([len(name)]) + name.encode("utf-16-le") + b"\0"
    return head + struct.pack("<BHIBH", 0xE7, 8000, 0x26000409, 0, len(data)) + data


def integer(value: int | None, name: str = "", *, output: bool = False) -> bytes:
    """A parameter."""
    head = bytes([len(name)]) + name.encode("utf-16-le") + bytes([output])
    return head + b"\x26\4" + (b"\0" if value is None else struct.pack("<Bi", 4, value))


def call(number: int, *parameters: bytes) -> bytes:
    return struct.pack("<HHH", 0xFFFF, number, 0) + b"".join(parameters)


def named_call(name: str, *parameters: bytes) -> bytes:
    return struct.pack("<H", len(name)) + name.encode("utf-16-le") + b"\0\0" + b"".join(parameters)


def rpc(*calls: bytes, separator: bytes = b"\xff", **how) -> bytes:
    return packets(RPC, HEADERS + separator.join(calls), **how)


class RawClient:
    """A connection that sends bytes and receives whole messages."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sizes: list[int] = []
        """Of every packet received."""

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes) -> bytes:
        """Send, and return the tokens of the answer."""
        self.send(data)
        return self.answer()

    def answer(self) -> bytes:
        """Return the tokens of one message. Raises EOFError where the server has closed the connection."""
        body = b""
        while True:
            _, status, size = struct.unpack(">BBH", self._exactly(8)[:4])
            self.sizes.append(size)
            body += self._exactly(size - 8)
            if status & 1:
                return body

    def remainder(self) -> bytes:
        """Send nothing more, and return everything that comes until the server closes the connection."""
        self.socket.shutdown(socket.SHUT_WR)
        parts = []
        while part := self.socket.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data
