"""The process of the local SQL Server endpoint: the wire and the engine, on a free port of the loopback interface.

Here lives how the two are joined and served; what starts and ends the process is `embedded_mssql`. It is executed by
path in an interpreter of its own, because clients that hold Python's lock while they wait would wait for ever on a
server in their own process. It may import everything of this package.
"""

import gc
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PROJECT = Path(__file__).parents[3]


class WithoutPandas:
    """Lets no pandas be found: Arrow imports it at its first value, nothing here needs it, and that takes long."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """Return None for any other module: the next finder is asked. Raises ImportError."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not wanted here", name=name)


def serve(ready: str) -> None:
    """Serve for ever what the environment describes. Once the port is open, `ready` is printed, and the port."""
    from matrix_defs.systems import System
    from resources.endpoints.endpoint import Endpoint
    from resources.endpoints.mssql_emulator.postgres_databases import PREFIX, make

    def completed(database: str) -> bool:
        """Tell whether the database was not there before."""
        new = make(postgres, PREFIX + database)
        # Only now: what it needs of T-SQL is imported below while PostgreSQL makes the files.
        from resources.endpoints.mssql_emulator.postgres_library import complete

        return complete(postgres, PREFIX, database) or new

    postgres = Endpoint(System.POSTGRES, "embedded", "PostgreSQL", "", **json.loads(os.environ.pop("MATRIX_ENGINE")))
    login = json.loads(os.environ.pop("MATRIX_LOGIN"))
    with ThreadPoolExecutor() as pool:
        # It takes PostgreSQL as long as the imports take here.
        new = pool.submit(completed, login["database"])
        from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine
        from resources.endpoints.mssql_emulator.server import TdsServer

        engine = PostgresEngine(postgres, login["user"], login["password"])
        engine.serve(login["database"], new.result())
    gc.freeze()
    gc.enable()
    server = TdsServer(engine)
    server.start()
    print(f"{ready} {server.port}", flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    # There is nothing to be saved, so a request to end is obeyed at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What is imported stays: the collector would look it over again and again while it comes in.
    gc.disable()
    sys.path.insert(0, str(_PROJECT))
    sys.meta_path.insert(0, WithoutPandas())
    serve(sys.argv[1])
