"""What a client sends, received by a thread of its own while statements run.

Here live the queue of packets, whole messages made of them and the attention signal, which must be heard while nobody
reads; what messages mean is said elsewhere. It may import the standard library, `packets` and `reading`.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Full, Queue

from resources.endpoints.mssql_emulator.packets import IGNORE, RESET, RESET_KEEPING, Kind, Packet, PacketReader
from resources.endpoints.mssql_emulator.reading import ProtocolError

LONGEST_MESSAGE = 256 << 20
"""Bytes of a request; a bulk load, which is never held as a whole, may be longer."""
_WAITING = 64
_AGAIN = 0.05
"""Seconds."""


class Gone(Exception):  # noqa: N818 - it says what happened, and no error did
    """The client has left."""


class Attention(Exception):  # noqa: N818 - it says what happened, and no error did
    """The client wants what runs to be stopped."""


class Ignored(Exception):  # noqa: N818 - it says what happened, and no error did
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

    @property
    def keeps_transaction(self) -> bool:
        """Whether the transaction is to outlive that beginning."""
        return bool(self.first.status & RESET_KEEPING)


class Inbox:
    """Packets in the order of their arrival. One thread calls `receive`, another everything else."""

    def __init__(self, reader: PacketReader, interrupt: Callable[[], None]) -> None:
        """Take a function that stops what runs, and does nothing where nothing runs."""
        self._reader = reader
        self._interrupt = interrupt
        self._queue: Queue[Packet | Exception] = Queue(_WAITING)
        self._answered = threading.Event()
        self._answered.set()
        self._closed = threading.Event()
        self._busy = False

    @property
    def attention(self) -> bool:
        """Whether an attention signal is unanswered."""
        return not self._answered.is_set()

    def answered(self) -> None:
        """Take note that an attention signal has its answer."""
        self._answered.set()

    def receive(self) -> None:
        """Receive until the client leaves or breaks the protocol; either is the last that is taken."""
        last: Exception = Gone()
        try:
            while not self._closed.is_set() and (packet := self._reader.packet()):
                if packet.kind is Kind.ATTENTION:
                    self._answered.clear()
                    self._put(Attention())
                    self._interrupt_until(self._answered)
                else:
                    self._put(packet)
        except ProtocolError as error:
            last = error
        except OSError:
            pass
        self._end(last)

    def close(self) -> None:
        """Let `receive` end as soon as the socket is shut down."""
        self._closed.set()
        self._answered.set()
        while not self._queue.empty():
            self._queue.get()

    def message(self) -> Message:
        """Wait for the next request. Raises Gone, Attention, Ignored, ProtocolError."""
        self._busy = False
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
        self._busy = True
        return Message(first, b"".join(parts))

    def rest(self, message: Message) -> Iterator[bytes]:
        """Yield the packets of a bulk load, the first included. Raises as `message`."""
        packet = message.first
        while True:
            yield packet.data
            if packet.last:
                self._busy = True
                return
            packet = self._next(message.first)

    def _interrupt_until(self, settled: threading.Event) -> None:
        """Stop what runs, again and again: what is about to begin cannot be stopped yet."""
        self._interrupt()
        while not settled.wait(_AGAIN):
            self._interrupt()

    def _end(self, last: Exception) -> None:
        """Hand over the last that is taken, however long it takes."""
        while not self._closed.is_set():
            self._interrupt()
            with contextlib.suppress(Full):
                self._queue.put(last, timeout=_AGAIN)
                break
        self._interrupt_until(self._closed)

    def _put(self, arrived: Packet | Exception) -> None:
        """Hand over, as fast as it is taken. Raises ProtocolError where a client sends ahead while a request runs."""
        while not self._closed.is_set():
            try:
                self._queue.put(arrived, timeout=_AGAIN)
            except Full:
                if self._busy:
                    raise ProtocolError("requests that do not wait for the answer to the one before") from None
            else:
                return

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
