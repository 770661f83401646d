"""The local BigQuery emulator, for this process alone.

Here lives how it is started; what runs in its process lives in `bigquery_emulator`, what it cannot do is said by
`probe`. It may import `matrix_defs` and the standard library.
"""

import json
import sys
from pathlib import Path

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import probe
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.supervised import CommandError, Supervised

PROJECT, LOCATION = "matrix", "US"
_PROGRAM = Path(__file__).with_name("bigquery_emulator.py")
_PORTS = "ports.json"
_READY = "bqemulator is ready"


def start() -> Running:
    """Start the emulator on two ports of its own. Raises SystemUnavailableError."""
    supervised = None
    try:
        supervised = Supervised("matrix-bigquery-")
        folder = supervised.folder
        argv = [sys.executable, "-I", str(_PROGRAM), str(folder / _PORTS), _READY]
        supervised.serve(argv, {"HOME": str(folder), "TMPDIR": str(folder), "TZ": "UTC"}, _READY)
        ports = json.loads((folder / _PORTS).read_text())
        endpoint = Endpoint(
            System.BIGQUERY,
            "embedded",
            "an emulator",
            version="",
            options={
                "project": PROJECT,
                "location": LOCATION,
                "base_url": f"http://127.0.0.1:{ports['rest']}",
                "grpc": f"127.0.0.1:{ports['grpc']}",
            },
        )
        return Running(probe.bigquery(endpoint), supervised.stop)
    except BaseException as error:
        if supervised is not None:
            supervised.stop()
        if isinstance(error, CommandError | OSError):
            raise SystemUnavailableError(f"bigquery: the embedded emulator did not start: {error}") from None
        raise
