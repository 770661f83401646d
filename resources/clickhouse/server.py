"""The client of one ClickHouse server: statements and Arrow streams, the same for the embedded engine and for HTTP.

Here lives what differs between the two, and the settings that every statement runs under; what is said lives in
`source`, `sink` and `dialect`. It may import clickhouse_connect, chdb (where embedded) and the endpoint.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from matrix_defs.table import Column
from resources.clickhouse.arrow import READ_SETTINGS, from_driver, to_driver
from resources.endpoints.endpoint import Endpoint

DRIVER_ERRORS = (ClickHouseError, pa.ArrowException)

ANSWER_SECONDS = 30
"""How much longer than the server may work on a statement its answer is waited for."""

INSERT_BYTES = 64 << 20
"""Rows are inserted in blocks of about this size: one part each, and the most that is held in memory."""

SETTINGS: dict[str, Any] = {
    # A statement returns when its work is done, on every replica.
    "mutations_sync": 2,
    "lightweight_deletes_sync": 2,
    "async_insert": 0,
    # Deleted rows are marked in a small part beside the others: 10 ms, where rewriting parts of 136 columns takes 100
    # and waits for background threads. Tables that are not made for it are rewritten all the same
    # (https://clickhouse.com/docs/operations/settings/settings#lightweight_delete_mode).
    "lightweight_delete_mode": "lightweight_update",
    # A replayed insert is an insert, not a duplicate to be dropped.
    "insert_deduplicate": 0,
    # Memory: 5 million narrow rows pass from staging to target in 0.75 instead of 1.3 GiB, and no slower on two cores.
    "max_insert_threads": 1,
    "min_insert_block_size_bytes": INSERT_BYTES,
    "min_insert_block_size_rows": 1 << 18,
    # Grouping by the key that a table is sorted by needs no table of all keys.
    "optimize_aggregation_in_order": 1,
    # A NULL or a column that is missing is an error, never a default.
    "input_format_null_as_default": 0,
    "insert_null_as_default": 0,
    "input_format_arrow_allow_missing_columns": 0,
    # REPLACE PARTITION from a table without that partition empties it. Servers before 26.6 always do so and do not know
    # the setting (https://github.com/ClickHouse/ClickHouse/pull/104939).
    "allow_replace_partition_from_empty_source": 1,
}

Streams = Callable[[str], Iterator[Any]]
"""Runs a query and yields Arrow IPC streams, each whole, one after the other."""


class Server:
    """A server that all cases of a process share. Safe to use from any thread: there is no session."""

    def __init__(self, client: Client, streams: Streams) -> None:
        self._client = client
        self._streams = streams
        for name, value in SETTINGS.items():
            if name in client.server_settings:
                client.set_client_setting(name, value)

    def execute(self, text: str) -> None:
        """Run a statement that returns no rows."""
        self._client.command(text)

    def rows(self, text: str) -> Sequence[Sequence[Any]]:
        """Return the few rows of a query."""
        return self._client.query(text).result_rows

    def insert(self, relation: str, columns: Sequence[Column], chunks: Iterable[pa.RecordBatch]) -> int:
        """Append canonical rows and return how many; a column that is not named takes its default."""
        names = [column.name for column in columns]
        inserted = 0
        for block in _blocks(to_driver(chunk, columns) for chunk in chunks):
            stream = pa.BufferOutputStream()
            with pa.ipc.new_stream(stream, block[0].schema) as writer:
                for chunk in block:
                    writer.write_batch(chunk)
            self._client.raw_insert(relation, names, stream.getvalue(), fmt="ArrowStream")
            inserted += sum(chunk.num_rows for chunk in block)
        return inserted

    def batches(self, query: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query of these columns in canonical form, block by block, in no order."""
        for stream in self._streams(f"{query} SETTINGS {READ_SETTINGS}"):
            with pa.ipc.open_stream(stream) as reader:
                for batch in reader:
                    if batch.num_rows:
                        yield from_driver(batch, columns)

    def close(self) -> None:
        """Close the client; safe to call twice."""
        self._client.close()


def connect(endpoint: Endpoint) -> Server:
    """Return a client of the endpoint. Raises ClickHouseError."""
    if endpoint.in_process:
        path = endpoint.options["path"]
        return Server(clickhouse_connect.get_client(interface="chdb", path=path), _embedded_streams(path))
    seconds = int(endpoint.options.get("statement_seconds", 0))
    client = clickhouse_connect.get_client(
        host=endpoint.host,
        port=endpoint.port or 0,
        username=endpoint.user,
        password=endpoint.password or "",
        database=endpoint.database or "default",
        secure=endpoint.options.get("secure") == "true",
        settings={"max_execution_time": seconds} if seconds else None,
        send_receive_timeout=seconds + ANSWER_SECONDS if seconds else 300,
        autogenerate_session_id=False,  # in a session only one query may run at a time
    )
    return Server(client, _http_streams(client))


def explain(error: BaseException) -> str:
    """Return one line of what the server said: its message, code and the code's name; no place, version or trace."""
    text = " ".join(str(error).split())
    code, name = re.search(r"Code: (\d+)", text), re.search(r"\(([A-Z][A-Z0-9_]+)\)", text)
    if not (code and name):
        return text
    message = re.split(r"(?:: | )\(in file/uri |: While executing |\. \([A-Z]", re.sub(r".*DB::Exception: ", "", text))
    return f"{message[0]} (code {code[1]}, {name[1]})"


def _blocks(chunks: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    block: list[pa.RecordBatch] = []
    size = 0
    for chunk in chunks:
        block.append(chunk)
        size += chunk.nbytes
        if size >= INSERT_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _http_streams(client: Client) -> Streams:
    def streams(query: str) -> Iterator[Any]:
        with client.raw_stream(query, fmt="ArrowStream") as stream:
            yield stream

    return streams


def _embedded_streams(path: str) -> Streams:
    """Run queries by chdb itself, which hands out each block as a stream of its own; clickhouse_connect would collect
    the whole result in memory. Each query needs a connection, which costs less than a millisecond.
    """
    import chdb

    def streams(query: str) -> Iterator[Any]:
        try:
            with (
                chdb.connect(os.path.realpath(path)) as connection,  # type: ignore[no-untyped-call]
                connection.send_query(query, "ArrowStream") as blocks,
            ):
                for block in blocks:
                    yield block.bytes()
        except (chdb.ChdbError, RuntimeError) as error:
            raise DatabaseError(str(error)) from error

    return streams
