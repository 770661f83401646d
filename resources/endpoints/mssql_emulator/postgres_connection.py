"""A connection to PostgreSQL with T-SQL's transactions, and what a failed statement undoes.

Here lives what is begun, saved, committed and rolled back; statements live in `postgres_statements`. It may import
`engine`, `tsql`, its siblings below it and psycopg.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from resources.endpoints.mssql_emulator.engine import (
    SqlError,
    SqlType,
)
from resources.endpoints.mssql_emulator.postgres_catalog import PostgresCatalog
from resources.endpoints.mssql_emulator.postgres_errors import Circumstances, sql_error
from resources.endpoints.mssql_emulator.tsql.scope import Table, quote

Values = dict[str, str | None]
"""Placeholders and their values in PostgreSQL's text form."""

_ABORTING = {241, 242, 245, 248, 295, 8114, 8169, 1205, 3960, 596, 3617}
"""Errors that end the batch and its transaction whatever XACT_ABORT is."""
_LEVELS = {
    "READ UNCOMMITTED": "READ COMMITTED",
    "READ COMMITTED": "READ COMMITTED",
    "REPEATABLE READ": "REPEATABLE READ",
    "SNAPSHOT": "REPEATABLE READ",
    "SERIALIZABLE": "SERIALIZABLE",
}
_SAVEPOINT = "tsql_statement"


@dataclass
class Settings:
    """What SET has set."""

    xact_abort: bool = False
    nocount: bool = False
    implicit: bool = False
    format_only: bool = False
    level: str = "READ COMMITTED"
    lock_timeout: int = -1
    """Milliseconds; -1 waits for ever."""
    dateformat: str = "mdy"
    identity_insert: Table | None = None


@dataclass
class Database:
    """What the sessions of one database share."""

    name: str
    connect: Callable[[], psycopg.Connection]
    """Opens a connection. Raises psycopg.Error."""
    ensure: Callable[[set[SqlType]], None]
    """Makes the domains of types that are not there yet."""
    definitions: int = 0
    """Grows whenever something may have been defined anew: what a statement was said as holds until then."""


class PostgresConnection(ABC):
    """A connection with T-SQL's transactions; `postgres_batch` runs batches on it."""

    def __init__(self, shared: Database) -> None:
        self._shared = shared
        self._defines = False
        """The open transaction has defined something."""
        self._opened: psycopg.Connection | None = None
        self._catalog: PostgresCatalog | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self.database = shared.name
        self.settings = Settings()
        self.transactions = 0
        """@@TRANCOUNT."""
        self.outermost = ""
        """The name of the transaction, by which it may be rolled back."""
        self.doomed = False
        """The transaction can only be rolled back."""
        self.tries = 0
        """How many TRY blocks are open."""
        self.error = 0
        """@@ERROR: the number of the error in which the last statement ended."""
        self.rowcount = 0
        """@@ROWCOUNT."""

    # ------------------------------------------------------------------ the connection

    @property
    def connection(self) -> psycopg.Connection:
        """The connection, opened when first needed. Raises SqlError."""
        if self._opened is None:
            try:
                opened = self._shared.connect()
            except psycopg.Error as error:
                raise sql_error(error, Circumstances(self.database)) from error
            with self._lock:
                self._opened = opened
            self._catalog = PostgresCatalog(opened, self.database, self.bind_view)
        return self._opened

    @property
    def catalog(self) -> PostgresCatalog:
        """What statements ask about the database."""
        _ = self.connection
        assert self._catalog is not None
        return self._catalog

    @abstractmethod
    def bind_view(self, view: Table, text: str, columns: Sequence[str] = ()) -> None:
        """Make a view anew from its text; `columns` are those that it must have. Raises SqlError."""

    def cancel(self) -> None:
        """Stop what runs, from another thread."""
        with self._lock:
            opened = self._opened
            self._cancelled.set()
        if opened is not None:
            with suppress(psycopg.Error):
                opened.cancel_safe(timeout=5)

    def close(self) -> None:
        """Roll back and disconnect; temporary tables go with the connection. Safe to call twice."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(psycopg.Error):
                opened.close()
        self.transactions = 0
        self.doomed = False

    def begin_batch(self) -> None:
        """Forget a cancellation of what ran before."""
        self._cancelled.clear()

    def check_cancelled(self) -> None:
        """Raise SqlError 3617 if `cancel` was called."""
        if self._cancelled.is_set():
            raise SqlError(3617, "The operation was cancelled by the user.")

    def circumstances(self, verb: str = "") -> Circumstances:
        """What errors are told of."""
        process = self._opened.info.backend_pid if self._opened is not None and not self._opened.closed else 0
        return Circumstances(self.database, verb, self.settings.level == "SNAPSHOT", process)

    def command(self, sql: str) -> None:
        """Run a statement of PostgreSQL that is not T-SQL's. Raises SqlError."""
        try:
            self.connection.execute(sql.encode())
        except psycopg.Error as error:
            raise sql_error(error, self.circumstances()) from error

    def tell(self) -> None:
        """Tell PostgreSQL those settings that it has a part in. Raises SqlError."""
        patience = max(1, self.settings.lock_timeout) if self.settings.lock_timeout >= 0 else 0  # 0 waits for ever
        told = {"lock_timeout": patience, "datestyle": f"ISO, {self.settings.dateformat}"}
        self.command("SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in told.items()))

    def _tell_again(self) -> None:
        """PostgreSQL forgets in a rollback what it was told in that transaction."""
        if (self.settings.lock_timeout, self.settings.dateformat) != (Settings.lock_timeout, Settings.dateformat):
            self.tell()

    # ------------------------------------------------------------------ transactions

    def begin(self, name: str = "") -> None:
        """Begin a transaction, or nest one: of a nested one SQL Server does not keep the name."""
        if self.transactions == 0:
            self.outermost = name
            self.command(f"BEGIN ISOLATION LEVEL {_LEVELS[self.settings.level]}")
        self.transactions += 1

    def commit(self) -> None:
        """Commit the innermost transaction. Raises SqlError 3902, 3930."""
        if self.transactions == 0:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        if self.doomed:
            raise _doomed()
        self.transactions -= 1
        if self.transactions == 0:
            try:
                self.command("COMMIT")
            except SqlError:
                self._drop_transaction()
                raise
            self._ended()

    def rollback(self) -> None:
        """Roll all transactions back. Raises SqlError 3903."""
        if self.transactions == 0:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self._drop_transaction()

    def save(self, name: str) -> None:
        """Set a savepoint. Raises SqlError 628."""
        if self.transactions == 0:
            raise SqlError(628, "Cannot issue SAVE TRANSACTION when there is no active transaction.")
        self.command(f"SAVEPOINT {plain(quote(f's:{name}'))}")
        if name == self.outermost:  # the savepoint is nearer
            self.outermost = ""

    def rollback_to(self, name: str) -> None:
        """Roll back to a savepoint. Raises SqlError 6401."""
        if self.doomed:
            raise _doomed()
        try:
            self.command(f"SAVEPOINT {_SAVEPOINT}")
            self.command(f"ROLLBACK TO SAVEPOINT {plain(quote(f's:{name}'))}")
            self._tell_again()
        except SqlError:
            with suppress(SqlError):
                self.command(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            raise SqlError(
                6401, f"Cannot roll back {name}. No transaction or savepoint of that name was found."
            ) from None

    def defined(self) -> None:
        """Note that something was defined, changed or dropped."""
        self._shared.definitions += 1
        self._defines = self.transactions > 0

    def _ended(self) -> None:
        """A transaction has ended: what it defined is there now, or gone."""
        if self._defines:
            self._shared.definitions += 1
            self._defines = False

    def _drop_transaction(self) -> None:
        self.transactions = 0
        self._ended()
        self.doomed = False
        if self._opened is not None and not self._opened.closed:
            with suppress(psycopg.Error, SqlError):
                self._opened.execute("ROLLBACK")
                self._tell_again()

    @contextmanager
    def guarded(self, *, block: bool = False, writes: bool = True, verb: str = "", line: int = 1) -> Iterator[None]:
        """Run statements as one statement of T-SQL: what it did is undone if it fails, and XACT_ABORT is obeyed.

        `block` says that they need a transaction even where none is open. Raises SqlError.
        """
        self.check_cancelled()
        if writes and self.doomed:
            raise _doomed()
        own, saved = self._open(block)
        try:
            yield
            if own:
                self.connection.execute("COMMIT")
            elif saved:
                self.connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        except psycopg.Error as error:
            failed = sql_error(error, self.circumstances(verb), line)
            self._failed(failed.number, own, saved)
            raise failed from error
        except SqlError as error:
            self._failed(error.number, own, saved)
            error.line = line if error.line == 1 else error.line
            raise
        except BaseException:
            self._failed(0, own, saved)
            raise

    def _open(self, block: bool) -> tuple[bool, bool]:
        """Begin what a statement needs; tell whether that is a transaction of its own, and whether a savepoint."""
        if self.settings.implicit and self.transactions == 0:
            self.begin()
        own = self.transactions == 0 and block
        saved = self.transactions > 0 and (not self.settings.xact_abort or self.tries > 0)
        if own:
            self.command(f"BEGIN ISOLATION LEVEL {_LEVELS[self.settings.level]}")
        elif saved:
            self.command(f"SAVEPOINT {_SAVEPOINT}")
        return own, saved

    def _failed(self, number: int, own: bool, saved: bool) -> None:
        if own:
            self._drop_transaction()
            return
        if self.transactions == 0:
            return
        aborts = self.settings.xact_abort or number in _ABORTING
        if self.tries > 0 and saved:
            self.doomed = self.doomed or aborts
            self._undo()
        elif aborts or not saved:
            self._drop_transaction()
        else:
            self._undo()

    def thrown(self) -> None:
        """Do to the transaction what XACT_ABORT says of an error that THROW raises."""
        if self.transactions and self.settings.xact_abort:
            if self.tries:
                self.doomed = True
            else:
                self._drop_transaction()

    def _undo(self) -> None:
        """Undo the statement alone."""
        if self._defines:
            self._shared.definitions += 1
        try:
            self.connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            self._tell_again()
        except (psycopg.Error, SqlError):
            self._drop_transaction()

    def value(self, sql: str, values: Values) -> str | None:
        """Return the one value of a query, in PostgreSQL's text form. Raises psycopg.Error."""
        row = self.connection.execute(sql.encode(), values).fetchone()
        found: str | None = row[0] if row else None
        return found


def _doomed() -> SqlError:
    return SqlError(
        3930,
        "The current transaction cannot be committed and cannot support operations that write to the log file. Roll "
        "back the transaction.",
    )


def plain(sql: str) -> str:
    """Return text that has no placeholders, and so no doubled percent signs."""
    return sql.replace("%%", "%")
