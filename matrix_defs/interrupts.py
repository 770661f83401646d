"""Interrupts that have arrived, also those whose exception a driver has swallowed.

Here lives the noticing alone; what an interrupt ends is said by `cli` and `runner`. It may import the standard library.

Python raises KeyboardInterrupt wherever the main thread is. Inside a driver's own code that may be a callback, and what
is raised there the driver takes for a failure of its own: pyodbc then says "The driver did not supply an error!".
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_noted: list[int] = []
"""The end of a pipe from which signals are read, while they are watched."""


@contextmanager
def watched() -> Iterator[None]:
    """Note every signal that arrives in the block. It is for the main thread, and for what ends with an interrupt."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _noted.append(reading)
    try:
        yield
    finally:
        _noted.remove(reading)
        signal.set_wakeup_fd(before)
        os.close(writing)
        os.close(reading)


def arrived() -> bool:
    """Tell whether an interrupt has arrived since the last call; False where nothing is watched."""
    try:
        return any(not _SIGNALS.isdisjoint(os.read(end, 4096)) for end in _noted)
    except BlockingIOError:
        return False
