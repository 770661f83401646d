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
        """Inside the block an error of the iterator is raised in place of the driver's."""
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
