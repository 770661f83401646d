"""What a client sends, received by a thread of its own while statements run.

Here live the queue of packets, whole messages made of them and the attention signal, which must be heard while nobody
reads; what messages mean is said elsewhere. It may import the standard library, `packets` and `reading`.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue

from resources.endpoints.mssql_emulator.packets import IGNORE, RESET, RESET_KEEPING, Kind, Packet, PacketReader
from resources.endpoints.mssql_emulator.reading import ProtocolError

LONGEST_MESSAGE = 256 << 20
"""Bytes of a request; a bulk load, which is never held as a whole, may be longer."""
_WAITING = 64


class Gone(Exception):
    """The client has left."""


class Attention(Exception):
    """The client wants what runs to be stopped."""


class Ignored(Exception):
    """The client has thrown away the message that it was sending."""


@dataclass(frozen=True)
class Message:
    """A whole request. Of a bulk load only the first packet is here; the others follow from `Inbox.rest`."""

    first: Packet
    data: bytes

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        return self.first.kind

    @property
    def reset(self) -> bool:
        """Whether the session is to begin anew before."""
        return bool(self.first.status & (RESET | RESET_KEEPING))


class Inbox:
    """Packets in the order of their arrival. One thread calls `receive`, another takes."""

    def __init__(self, reader: PacketReader, interrupt: Callable[[], None]) -> None:
        self.attention = threading.Event()
        """Set while an attention signal is unanswered."""
        self._reader = reader
        self._interrupt = interrupt
        self._queue: Queue[Packet | Exception] = Queue(_WAITING)
        self._closed = False

    def receive(self) -> None:
        """Receive until the client leaves or breaks the protocol; either is the last that is taken."""
        last: Exception = Gone()
        try:
            while not self._closed and (packet := self._reader.packet()):
                if packet.kind is Kind.ATTENTION:
                    self.attention.set()
                    self._interrupt()
                    self._queue.put(Attention())
                else:
                    self._queue.put(packet)
        except ProtocolError as error:
            last = error
        except OSError:
            pass
        if isinstance(last, Gone):
            self._interrupt()
        self._queue.put(last)

    def close(self) -> None:
        """Let `receive` end even where nobody takes any more. The socket must be shut down before."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get()

    def message(self) -> Message:
        """Wait for the next request. Raises Gone, Attention, Ignored, ProtocolError."""
        first = packet = self._take()
        if first.kind is Kind.BULK:
            return Message(first, first.data)
        parts, size = [first.data], len(first.data)
        while not packet.last:
            packet = self._next(first)
            parts.append(packet.data)
            size += len(packet.data)
            if size > LONGEST_MESSAGE:
                raise ProtocolError(f"a message of more than {LONGEST_MESSAGE} bytes")
        return Message(first, b"".join(parts))

    def rest(self, message: Message) -> Iterator[bytes]:
        """Yield the packets of a bulk load, the first included. Raises as `message`."""
        packet = message.first
        while True:
            yield packet.data
            if packet.last:
                return
            packet = self._next(message.first)

    def _next(self, first: Packet) -> Packet:
        packet = self._take()
        if packet.kind is not first.kind:
            raise ProtocolError(f"a packet of type {int(packet.kind)} inside a message of type {int(first.kind)}")
        return packet

    def _take(self) -> Packet:
        taken = self._queue.get()
        if isinstance(taken, Exception):
            if not isinstance(taken, Attention):
                # Whoever asks again hears it again.
                self._queue.put(taken)
            raise taken
        if taken.status & IGNORE:
            raise Ignored
        return taken
