"""The Dagster instance that the command writes its verdicts to: `.dagster/` unless DAGSTER_HOME names another.

Here lives how it is found and opened; its settings are in dagster.yaml at the top of the project.
It may import `lost_runs`, Dagster and SQLAlchemy, which Dagster brings.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, event

from assets.lost_runs import end_lost_runs

log = logging.getLogger(__name__)


def open_instance() -> DagsterInstance:
    """Return the instance in DAGSTER_HOME, by default `.dagster` in the working folder, which is made if need be.

    Runs of commands that were killed are ended, or nothing that is queued would begin.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or ".dagster").expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    settings = home / "dagster.yaml"
    if not settings.exists() and Path("dagster.yaml").exists():
        settings.symlink_to(os.path.relpath("dagster.yaml", home))
    instance = DagsterInstance.from_ref(_with_kept_connections(InstanceRef.from_dir(str(home))))
    if ended := end_lost_runs(instance):
        log.warning("%d run(s) of a command that was killed were still in progress; they are failed now", ended)
    return instance


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, same files, with connections that stay open.

    Dagster connects anew for every statement, and closing the last connection makes SQLite check-point the file; it
    waits for the disk at every commit, and asks anew for every check of a case whether there is a table of checks.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(*args, **kwargs)

    @classmethod
    def from_config_value(  # Dagster's own returns its own class, whatever it is asked of
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the storage that an instance's settings describe."""
        return cls(inst_data=inst_data, **config_value)

    def has_table(self, table_name: str) -> bool:
        """Return whether the index has the table; none is ever dropped."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                engine = create_engine(
                    self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
                )
                event.listen(engine, "connect", _without_waiting_for_the_disk)
                self._initdb(engine)
                self._engines[shard] = engine
            with self._engines[shard].begin() as connection:
                yield connection


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _: Any) -> None:
    """The log is written ahead, so a power cut may cost the last events but not the log.

    https://www.sqlite.org/pragma.html#pragma_synchronous
    """
    connection.execute("PRAGMA synchronous = NORMAL")


def _with_kept_connections(ref: InstanceRef) -> InstanceRef:
    """Replace the event log of a default instance; one whose storage was chosen is left alone."""
    event_log = ref.event_storage_data
    if not ref.storage_data or ref.storage_data.class_name != "DagsterSqliteStorage" or not event_log:
        return ref
    kept = ConfigurableClassData(__name__, KeptSqliteEventLogStorage.__name__, event_log.config_yaml)
    return ref._replace(storage_data=None, event_storage_data=kept)
