"""The process of the local BigQuery emulator: bqemulator on two free ports of the loopback interface.

Here lives how it is started without a network and kept small; what starts and ends it is `embedded_bigquery`. It is
executed by path in an interpreter of its own and may import bqemulator and the standard library only.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlglot
from bqemulator.catalog import ddl_sync
from bqemulator.config import PersistenceMode, Settings
from bqemulator.domain.errors import DomainError, InvalidQueryError
from bqemulator.domain.result import Ok
from bqemulator.grpc_api import read_servicer
from bqemulator.jobs import executor
from bqemulator.scripting import interpreter, parser
from bqemulator.sql import inner_query, table_rewriter
from bqemulator.sql.rewriter import row_access_filter
from bqemulator.sql.translator import SQLTranslator
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.streaming import read_session
from bqemulator.versioning.snapshots import SnapshotManager
from google.cloud.bigquery_storage_v1.types import ReadRowsRequest

MEMORY = "512MB"
"""Tables beyond it go to files of the folder."""
RESULTS_KEPT = 8
"""Results of the jobs and read sessions made last; the emulator itself would keep them all until it ends."""
TRANSLATIONS_KEPT = 512
"""What is said to all strategies' tables; one statement to a wide table is some ten thousand characters long."""
TREES_KEPT = 64
"""Statements of the cases under way."""
_NO_CHANGE = re.compile(r"\s*(BEGIN|CREATE|DECLARE|DROP|SELECT)\b", re.IGNORECASE)
"""What begins no statement that changes rows; a script is none, to the emulator's own look either."""
_DATASET = re.compile(r"\bm_[0-9a-f]{12}_\w+")
_ANY_DATASET = "m_any_case"
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
    inner_query.build_catalog_schema = lambda *_, **__: {}
    _translate_once()
    _parse_once()
    _parse_less()
    own_rows = read_servicer.BigQueryReadHandler._handle_read_rows

    def read_rows(handler: Any, request: bytes, context: Any) -> Iterator[bytes]:
        yield from own_rows(handler, request, context)
        name = ReadRowsRequest.deserialize(request).read_stream.rpartition("/streams/")[0]
        session = read_session.get_session(name)
        if session is not None and len(session.streams) == 1:  # its only one has been read to its end
            del read_session._SESSIONS[name]

    read_servicer.BigQueryReadHandler._handle_read_rows = read_rows
    executor.JOB_RESULTS, executor.JOB_SCHEMAS, read_session._SESSIONS = _Latest(), _Latest(), _Latest()


def _translate_once() -> None:
    """Remember translations, which took half of the emulator's time.

    They depend on the text and who asks alone, since no catalog is looked at.
    """
    translator, own_translate = SQLTranslator(), SQLTranslator.translate
    translated = _for_any_dataset(lambda text, caller: own_translate(translator, text, caller=caller).unwrap())

    def translate(self: SQLTranslator, text: str, *, caller: Any = None, **__: Any) -> Any:
        try:
            return Ok(translated(text, caller))
        except DomainError:
            return own_translate(self, text, caller=caller)  # for an error that names the dataset

    SQLTranslator.translate = translate
    rewritten = _for_any_dataset(table_rewriter.rewrite_table_refs)
    for module in (table_rewriter, executor, interpreter):
        module.rewrite_table_refs = rewritten


def _parse_once() -> None:
    """Remember the trees of texts: each statement was parsed some ten times, to be looked at and left as it is."""
    parsed = lru_cache(TREES_KEPT)(sqlglot.parse_one)
    for module in (ddl_sync, row_access_filter):
        module.sqlglot = SimpleNamespace(parse_one=parsed, errors=sqlglot.errors)
    own_rewrite = row_access_filter._Rewriter.rewrite_tree

    def rewrite_tree(self: Any, tree: Any, *, depth: int) -> Any:
        changed = True
        try:
            changed = own_rewrite(self, tree, depth=depth)
        finally:
            if changed:  # a tree is no longer that of its text
                parsed.cache_clear()
        return changed

    row_access_filter._Rewriter.rewrite_tree = rewrite_tree
    parser.tokenize = lru_cache(RESULTS_KEPT)(parser.tokenize)
    interpreter._is_row_producing = lru_cache(TREES_KEPT)(interpreter._is_row_producing)
    interpreter._dml_targets = lru_cache(TREES_KEPT)(interpreter._dml_targets)


def _parse_less() -> None:
    """Do not parse what can be told from the text."""
    own_variables = interpreter._rewrite_vars_to_params

    def variables(text: str, frames: Any) -> tuple[str, list[Any]]:
        return own_variables(text, frames) if any(name in text for name in frames.all_visible()) else (text, [])

    interpreter._rewrite_vars_to_params = variables
    own_refusal, own_capture = executor._reject_dml_on_immutable, executor._capture_dml_snapshots

    def refusal(project: str, text: str, context: Any) -> None:
        if not _NO_CHANGE.match(text):
            own_refusal(project, text, context)

    async def capture(project: str, text: str, context: Any) -> None:
        if not _NO_CHANGE.match(text):
            await own_capture(project, text, context)

    executor._reject_dml_on_immutable, executor._capture_dml_snapshots = refusal, capture


def _for_any_dataset(rewrite: Callable[..., str]) -> Callable[..., str]:
    """Return a rewriting of texts that remembers what it made of a text for the datasets of all cases.

    Cases say the same but for its name, which both texts hold in quotes and which decides on nothing.
    """
    remembered = lru_cache(TRANSLATIONS_KEPT)(rewrite)

    def rewritten(text: str, *more: Any) -> str:
        dataset = _DATASET.search(text)
        if dataset is None:
            return remembered(text, *more)
        return remembered(text.replace(dataset[0], _ANY_DATASET), *more).replace(_ANY_DATASET, dataset[0])

    return rewritten


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
