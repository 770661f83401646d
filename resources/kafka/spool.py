"""The staging of appended messages: encoded, in a temporary file, until all of them are known to be fit to be sent.

Here lives the file; what is written to it is the sink's matter. It may import pyarrow.
"""

from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile

import pyarrow as pa

_SCHEMA = pa.schema([("key", pa.large_binary()), ("value", pa.large_binary())])


class Spool:
    """Messages in the order in which they were added, in a file without a name that ends with the process."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  (closed by __exit__)
        self._writer = pa.ipc.new_stream(self._file, _SCHEMA)

    def add(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Append messages."""
        columns = [pa.array(keys, pa.large_binary()), pa.array(values, pa.large_binary())]
        self._writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))

    def __iter__(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield keys and values as they were added, once; nothing can be added afterwards."""
        self._writer.close()
        self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            yield batch.column(0).to_pylist(), batch.column(1).to_pylist()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
