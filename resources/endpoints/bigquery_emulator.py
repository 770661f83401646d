"""The process of the local BigQuery emulator: bqemulator on two free ports of the loopback interface.

Here lives how it is started without a network and kept small; what starts and ends it is `embedded_bigquery`. It is
executed by path in an interpreter of its own and may import bqemulator and the standard library only.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from bqemulator.config import PersistenceMode, Settings
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.grpc_api import read_servicer
from bqemulator.jobs import executor
from bqemulator.sql.translator import SQLTranslator
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.streaming import read_session
from bqemulator.versioning.snapshots import SnapshotManager
from google.cloud.bigquery_storage_v1.types import ReadRowsRequest

MEMORY = "512MB"
"""Tables beyond it go to files of the folder."""
RESULTS_KEPT = 8
"""Results of the jobs and read sessions made last; the emulator itself would keep them all until it ends."""
TRANSLATIONS_KEPT = 256
"""Statements of the cases under way; one of a wide table is some ten thousand characters long."""
_OF_A_TRANSACTION = re.compile(r"\s*(BEGIN|START|COMMIT|END|ROLLBACK)\b", re.IGNORECASE)


class _Latest(dict[str, Any]):
    """A dictionary that forgets its oldest entry when a new one would be too many."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > RESULTS_KEPT:
            del self[next(iter(self))]


def _set_up(folder: Path) -> None:
    """Change what cannot be configured. Must run before `bqemulator.server` is imported, which binds these names."""
    own_settings = DuckDBEngine._apply_session_pragmas

    def settings(engine: DuckDBEngine) -> None:
        own_settings(engine)
        for name, value in {"memory_limit": MEMORY, "temp_directory": str(folder / "spilled")}.items():
            engine.execute(f"SET {name} = '{value}'")

    DuckDBEngine._apply_session_pragmas = settings
    own_execute = DuckDBEngine.execute

    def execute(engine: DuckDBEngine, sql: str, parameters: list[Any] | None = None) -> Any:
        # Scripts keep their transactions without DuckDB's. One begun by a statement of its own would be everybody's,
        # for there is one connection, and would outlive its job: after an error in it every later job would fail.
        if _OF_A_TRANSACTION.match(sql):
            raise InvalidQueryError("Transaction control statements are supported only in scripts or sessions")
        return own_execute(engine, sql, parameters)

    DuckDBEngine.execute = execute
    # GEOGRAPHY needs an extension from DuckDB's own host, and without it the emulator would not start.
    DuckDBEngine._load_spatial = lambda engine: None
    # Time travel copies every table after every change.
    SnapshotManager.capture = lambda *_, **__: None
    from bqemulator.sql import inner_query

    inner_query.build_catalog_schema = lambda *_, **__: {}
    _remember_translations()
    own_rows = read_servicer.BigQueryReadHandler._handle_read_rows

    def read_rows(handler: Any, request: bytes, context: Any) -> Iterator[bytes]:
        yield from own_rows(handler, request, context)
        name = ReadRowsRequest.deserialize(request).read_stream.rpartition("/streams/")[0]
        session = read_session.get_session(name)
        if session is not None and len(session.streams) == 1:  # its only one has been read to its end
            del read_session._SESSIONS[name]

    read_servicer.BigQueryReadHandler._handle_read_rows = read_rows
    executor.JOB_RESULTS, executor.JOB_SCHEMAS, read_session._SESSIONS = _Latest(), _Latest(), _Latest()


def _remember_translations() -> None:
    """Translate a text once: a case says the same at every load, and parsing took half of the emulator's time.

    Only the text and who asks decide on a translation, since no catalog is looked at.
    """
    from bqemulator.scripting import interpreter
    from bqemulator.sql import table_rewriter

    translator = SQLTranslator()
    own = translator.translate
    translated = lru_cache(TRANSLATIONS_KEPT)(lambda text, caller: own(text, caller=caller))
    SQLTranslator.translate = lambda _, text, *, caller=None, **__: translated(text, caller)
    rewritten = lru_cache(TRANSLATIONS_KEPT)(table_rewriter.rewrite_table_refs)
    for module in (table_rewriter, executor, interpreter):
        module.rewrite_table_refs = rewritten


async def _serve(told: Path, ready: str) -> None:
    """Serve for ever. Once the servers listen, their ports are in the file `told`, and `ready` is printed."""
    from bqemulator.server import EmulatorServer

    server = EmulatorServer(
        Settings(
            persistence_mode=PersistenceMode.EPHEMERAL,
            rest_port=0,
            grpc_port=0,
            enable_format_extensions=False,
            upload_staging_dir=told.with_name("uploads"),
            upload_max_bytes=10 << 30,
            # It bounds the messages of every interface, those of the rows that are read too.
            write_api_max_request_bytes=1 << 30,
            log_level="critical",
        )
    )
    await server.start()
    told.write_text(json.dumps({"rest": server.rest_port, "grpc": server.grpc_port}))
    print(ready, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    # There is nothing to be saved, so a request to end is obeyed at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _set_up(Path(sys.argv[1]).parent)
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))
