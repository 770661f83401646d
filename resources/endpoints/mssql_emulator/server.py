"""The socket on which the local SQL Server endpoint listens.

Here live its threads, two per client, and their end; what is said on a connection lives in `connection`. It may import
the standard library and the modules of the wire.
"""

import contextlib
import itertools
import socket
import threading

from resources.endpoints.mssql_emulator.connection import Connection
from resources.endpoints.mssql_emulator.engine import Engine

_WAITING = 256
_PAUSE = 0.05
"""Seconds before the next client is accepted where one could not be."""


class TdsServer:
    """Serves an engine to TDS clients. Start it once; `stop` ends every connection and leaves the engine open."""

    def __init__(self, engine: Engine, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen at once; port 0 takes a free one. Raises OSError where the port is taken."""
        self._engine = engine
        self._listener = socket.create_server((host, port), backlog=_WAITING)
        self.port: int = self._listener.getsockname()[1]
        self._numbers = itertools.count(51)
        self._served: dict[Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="tds-acceptor", daemon=True)

    def start(self) -> None:
        """Begin to accept clients."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port, cut every connection and wait for their threads. Safe to call twice."""
        with self._lock:
            self._stopped.set()
            served = dict(self._served)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in served:
            connection.close()
        for thread in served.values():
            thread.join()
        if self._acceptor.ident:
            self._acceptor.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                # A client that has left again, or too many open files: neither ends the server.
                if self._stopped.wait(_PAUSE):
                    return
                continue
            connection = Connection(client, self._engine, next(self._numbers))
            thread = threading.Thread(target=self._serve, args=(connection,), name="tds-connection", daemon=True)
            with self._lock:
                if self._stopped.is_set():
                    connection.close()
                    return
                self._served[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                del self._served[connection]
