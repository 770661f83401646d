"""Rows that wait to be written, for systems where nothing can wait in an open transaction.

Here lives the waiting; writing is each system's matter. It may import the standard library.
"""

from collections.abc import Callable


class HeldRows:
    """Rows that wait for their commit. Committing or rolling back ends the wait; either is safe afterwards."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write: Callable[[], None] | None = write

    def commit(self) -> None:
        """Make the rows visible."""
        write, self._write = self._write, None
        if write:
            write()

    def rollback(self) -> None:
        """Forget the rows."""
        self._write = None
