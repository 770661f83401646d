"""The local SQL Server endpoint, for this process alone: an emulator on a PostgreSQL server of its own.

Here lives how the two are started; what runs in the emulator's process lives in `mssql_emulator`, what it is said to be
in `probe`. It may import `matrix_defs` and the standard library.
"""

import json
import secrets
import sys
from pathlib import Path

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import embedded_postgres, probe
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.supervised import CommandError, Supervised
from resources.mssql import driver

USER, DATABASE = "sa", "matrix"
_OPTIONS = ("ALLOW_SNAPSHOT_ISOLATION ON", "CHANGE_TRACKING = ON (CHANGE_RETENTION = 1 DAYS, AUTO_CLEANUP = ON)")
"""What a source needs of a database, as its own administrator would set it."""

_PROGRAM = Path(__file__).parent / "mssql_emulator" / "server_process.py"
_READY = "T-SQL is spoken on port"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def start() -> Running:
    """Start PostgreSQL, and the emulator on it. Raises SystemUnavailableError, also where a driver is missing."""
    driver.load_all()
    postgres = embedded_postgres.start()
    supervised = None
    try:
        supervised = Supervised("matrix-mssql-")
        login = {"user": USER, "password": secrets.token_urlsafe(24), "database": DATABASE}
        port = serve(supervised, postgres.endpoint, login)
        endpoint = Endpoint(
            System.MSSQL,
            "embedded",
            "an emulator",
            version="",
            port=port,
            user=USER,
            password=login["password"],
            database=DATABASE,
            options={"encrypt": "no", "trust_server_certificate": "yes"},
        )
        with driver.reached(endpoint, probe.CONNECT_SECONDS) as connection:
            for option in _OPTIONS:
                connection.execute(f"ALTER DATABASE [{DATABASE}] SET {option}")
        running = probe.mssql(endpoint)
    except BaseException as error:
        if supervised is not None:
            supervised.stop()
        postgres.stop()
        if isinstance(error, CommandError | OSError):
            raise SystemUnavailableError(f"mssql: the embedded emulator did not start: {error}") from None
        raise
    emulator = supervised

    def stop() -> None:
        emulator.stop()
        postgres.stop()

    return Running(running, stop)


def serve(supervised: Supervised, postgres: Endpoint, login: dict[str, str]) -> int:
    """Start the emulator on a running PostgreSQL and return the port that it took.

    Passwords travel in the environment, never in arguments.
    """
    engine = {
        "host": postgres.host,
        "port": postgres.port,
        "user": postgres.user,
        "password": postgres.password,
        "database": postgres.database,
        "options": dict(postgres.options),
    }
    told = {"MATRIX_ENGINE": json.dumps(engine), "MATRIX_LOGIN": json.dumps(login), "HOME": str(supervised.folder)}
    supervised.serve([sys.executable, "-I", str(_PROGRAM), _READY], _ENVIRONMENT | told, _READY)
    (line,) = (text for text in (supervised.folder / "server.log").read_text().splitlines() if text.startswith(_READY))
    return int(line.removeprefix(_READY))
