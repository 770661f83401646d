"""Free TCP ports of the loopback interface, for servers that must be told which one to take.

Here lives the choice and the second try when somebody else was faster; servers are started by the callers.
It may import the standard library and `supervised`.
"""

import socket
from collections.abc import Callable

from resources.endpoints.supervised import CommandError

PORT_ATTEMPTS = 5


def free_port() -> int:
    """Return a TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
        return port


def serve_on_free_port(serve: Callable[[int], object], taken: str, choose_port: Callable[[], int] = free_port) -> int:
    """Start a server on a chosen port and return the port; another is tried when that was taken in between.

    `taken` is what the server's log says then. Raises CommandError for any other failure, and after the last try.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = choose_port()
        try:
            serve(port)
            return port
        except CommandError as error:
            if taken not in error.log or attempt == PORT_ATTEMPTS:
                raise
    raise AssertionError("unreachable")
