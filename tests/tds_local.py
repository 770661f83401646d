"""The endpoint for the tests of the wire, in this process or in one of its own.

Here lives how tests start it and where Microsoft's driver is; what they expect lives with the tests. Clients
that hold Python's global lock while they wait need a server in another process. It may import everything.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tds_engine import DATABASE, PASSWORD, USER, MemoryEngine

from resources.endpoints.mssql_emulator.server import TdsServer

ROOT = Path(__file__).parents[1]


@contextmanager
def served() -> Iterator[tuple[MemoryEngine, int]]:
    """Serve an engine from this process; yield it and the port."""
    engine = MemoryEngine()
    server = TdsServer(engine)
    server.start()
    try:
        yield engine, server.port
    finally:
        server.stop()
        engine.close()


@contextmanager
def served_apart() -> Iterator[int]:
    """Serve an engine from a process of its own; yield the port."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def odbc_driver() -> str | None:
    """Return the path of the driver in the wheel, else the name of an installed one; None where there is neither."""
    if wheel := importlib.util.find_spec("mssql_python_odbc"):
        (folder,) = wheel.submodule_search_locations or [""]
        found = sorted(Path(folder).glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql*"))
        if found:
            return str(found[0])
    if importlib.util.find_spec("pyodbc"):
        import pyodbc

        return next((name for name in pyodbc.drivers() if "for SQL Server" in name), None)
    return None


def connection_string(port: int, **changed: str) -> str:
    """Return what ODBC needs to connect."""
    settings = {
        "Server": f"127.0.0.1,{port}",
        "UID": USER,
        "PWD": f"{{{PASSWORD}}}",
        "Database": DATABASE,
        "Encrypt": "no",
        "TrustServerCertificate": "yes",
    } | changed
    return ";".join(f"{name}={value}" for name, value in settings.items())


if __name__ == "__main__":
    _server = TdsServer(MemoryEngine())
    _server.start()
    print(_server.port, flush=True)  # noqa: T201
    sys.stdin.read()
    _server.stop()
