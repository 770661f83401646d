"""A local HTTP service of this process: an application on a free port of loopback, served by a thread.

Here lives starting and stopping one; what a service answers is said by its application.
It may import `matrix_defs`, Starlette's types and uvicorn.
"""

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from matrix_defs.errors import SystemUnavailableError

_START_SECONDS = 10


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class LoopbackService:
    """An application while it is served."""

    def __init__(self, app: ASGIApp, label: str) -> None:
        """`label` names the service in words. Raises SystemUnavailableError."""
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = _Server(config)
        self._thread = threading.Thread(target=lambda: self._server.run([self._socket]), name=label, daemon=True)
        self._thread.start()
        if not self._server.listening.wait(_START_SECONDS):
            raise SystemUnavailableError(f"the local {label} did not start within {_START_SECONDS} seconds")
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        """What clients are given as base URL."""

    def stop(self) -> None:
        """Close the port and end the thread; safe to call twice."""
        self._server.should_exit = True
        self._thread.join()
