"""ClickHouse inside this process, by chdb.

Here live its data folder, its memory behaviour and the rule about forks; clients are opened by whoever uses it, with
`clickhouse_connect.get_client(interface="chdb", path=endpoint.options["path"])`.
It may import `matrix_defs` and, when started, chdb and clickhouse_connect.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.supervised import CommandError, Supervised

_ALLOCATOR = "dirty_decay_ms:200"
"""Freed pages go back after 0.2 s instead of 5: some 250 MiB less at the peak of wide loads, a tenth more time."""

_engine_process: int | None = None
"""The process that opened the engine: a forked child inherits it without its threads, and would hang."""


def start() -> Running:
    """Open the engine on a folder of this process. Raises SystemUnavailableError."""
    global _engine_process
    if _engine_process not in (None, os.getpid()):
        raise SystemUnavailableError(
            f"clickhouse: the embedded engine lives inside process {_engine_process} and does not survive a fork;"
            " start worker processes by spawn, or run in one process"
        )
    with _allocator_settings():
        import chdb  # noqa: F401  (loads the engine, which reads the allocator's settings once)
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import Error

    try:
        supervised = Supervised("matrix-clickhouse-")
    except (CommandError, OSError) as error:
        raise SystemUnavailableError(f"clickhouse: no folder for the embedded engine: {error}") from None
    path = str(supervised.folder)
    try:
        _engine_process = os.getpid()
        # Kept open: with its last client the engine would close, and the next one pay for opening it again.
        client = clickhouse_connect.get_client(interface="chdb", path=path)
        version = str(client.command("select version()"))
    except Error as error:
        supervised.stop()
        line = str(error).splitlines()[0]
        raise SystemUnavailableError(f"clickhouse: the embedded engine did not open: {line}") from None

    def stop() -> None:
        client.close()
        supervised.stop()

    endpoint = Endpoint(
        System.CLICKHOUSE, "embedded", "ClickHouse (chdb)", version, options={"path": path}, in_process=True
    )
    return Running(endpoint, stop)


@contextmanager
def _allocator_settings() -> Iterator[None]:
    """Settings for the engine's jemalloc, unless the caller has some; gone again before a child could inherit them."""
    if "JE_MALLOC_CONF" in os.environ:
        yield
        return
    os.environ["JE_MALLOC_CONF"] = _ALLOCATOR
    try:
        yield
    finally:
        del os.environ["JE_MALLOC_CONF"]
