"""Interrupts that have arrived, also those whose exception a driver has swallowed.

Here lives the noticing alone; what an interrupt ends is said by `cli` and `runner`. It may import the standard library.

Python raises KeyboardInterrupt wherever the main thread is. Inside a driver's own code that may be a callback, and what
is raised there the driver takes for a failure of its own: pyodbc then says "The driver did not supply an error!".
"""

import os
import signal

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_noted: list[int] = []
"""The end of a pipe from which signals are read, once they are watched."""


def watch() -> None:
    """Note every signal from now on. It is for the main thread of a process that ends with its first interrupt."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _noted[:] = [reading]


def arrived() -> bool:
    """Tell whether an interrupt has arrived since the last call; False where nothing is watched."""
    try:
        return any(not _SIGNALS.isdisjoint(os.read(end, 4096)) for end in _noted)
    except BlockingIOError:
        return False
