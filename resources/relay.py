"""Rows on their way from a Python iterator through a C stream into a driver.

Here lives what the way loses: the number of rows, and the type of an error that the iterator raised.
It may import pyarrow.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa


class Relay:
    """An iterator of record batches that counts rows and remembers its error.

    A driver that pulls batches through Arrow's C stream turns a Python error into text inside an error of its own;
    `errors_first` raises the original instead.
    """

    def __init__(self, chunks: Iterable[pa.RecordBatch]) -> None:
        self._chunks = iter(chunks)
        self._error: BaseException | None = None
        self.rows = 0
        """Rows handed over so far."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            raise
        except BaseException as error:
            self._error = error
            raise
        self.rows += chunk.num_rows
        return chunk

    @contextmanager
    def errors_first(self) -> Iterator[None]:
        """Inside the block an error of the iterator is raised in place of the driver's.

        The error is forgotten by that. Kept, it would never be freed, nor what its traceback refers to: the C stream
        holds this object out of the garbage collector's sight, and a frame of the traceback holds the stream.
        """
        try:
            yield
        except Exception:
            error, self._error = self._error, None
            if error is None:
                raise
            try:
                raise error from None
            finally:
                del error
