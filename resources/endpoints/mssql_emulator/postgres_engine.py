"""T-SQL executed on a PostgreSQL server: one database there for each database of SQL Server.

Here lives which databases there are and how logins are checked; what every database has lives in `postgres_library`,
sessions live in `postgres_session`. It may import both, `postgres_databases`, `tsql`, the endpoint and psycopg.
"""

import hmac
import threading

import psycopg
from psycopg import sql

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.engine import SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_connection import Database
from resources.endpoints.mssql_emulator.postgres_databases import DEFAULT_DATABASE, PREFIX, connect
from resources.endpoints.mssql_emulator.postgres_library import complete
from resources.endpoints.mssql_emulator.postgres_session import PostgresSession
from resources.endpoints.mssql_emulator.tsql.types import FIXED, domain_definition, type_name


class PostgresEngine:
    """Sessions on a running PostgreSQL, whose user must be a superuser: the conversions of a database are T-SQL's."""

    def __init__(self, endpoint: Endpoint, user: str, password: str, prefix: str = PREFIX) -> None:
        """Serve no database yet but `master`; `prefix` begins the names of this engine's databases in PostgreSQL."""
        self._endpoint = endpoint
        self._user = user
        self._password = password
        self._prefix = prefix
        self._lock = threading.Lock()
        self._sessions: set[PostgresSession] = set()
        self._made: list[str] = []
        self._domains: dict[str, set[str]] = {}
        self._databases: dict[str, Database] = {}
        self._in_making: set[str] = set()
        self._opening_master = threading.Lock()

    def login(self, user: str, password: str, database: str) -> PostgresSession:
        """Return a session. Raises SqlError 18456 for a wrong user or password, 4060 for an unknown database."""
        same = hmac.compare_digest(password.encode(), self._password.encode())
        if not (hmac.compare_digest(user.encode(), self._user.encode()) and same):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        name = database or DEFAULT_DATABASE
        if name == DEFAULT_DATABASE:
            self._open_master()
        if name not in self._databases:
            raise _not_opened(name)
        session = PostgresSession(self._databases[name])
        session.user = user
        session.create_database = self.create_database
        session.ended = self._ended
        with self._lock:
            self._sessions.add(session)
        return session

    def create_database(self, name: str) -> None:
        """Make a database, and serve it; one that PostgreSQL has already is used as it is.

        Raises SqlError 1801 where this engine serves it already, and psycopg.Error.
        """
        with self._lock:
            if name in {DEFAULT_DATABASE, *self._databases, *self._in_making}:
                raise SqlError(1801, f"Database '{name}' already exists. Choose a different database name.")
            self._in_making.add(name)
        try:
            self.serve(name, complete(self._endpoint, self._prefix, name))
        finally:
            self._in_making.discard(name)

    def serve(self, name: str, new: bool) -> None:
        """Let clients log in to a database that is complete; a new one is dropped in the end."""
        if new:
            self._made.append(self._prefix + name)
        self._databases[name] = Database(
            name, lambda: self._connect(self._prefix + name, name), lambda types: self._ensure(name, types)
        )

    def close(self) -> None:
        """End every session and drop the databases that were made."""
        with self._lock:
            sessions, self._sessions = self._sessions, set()
            made, self._made = self._made, []
            self._databases.clear()
        for session in sessions:
            session.close()
        with self._connect("", "") as connection:
            for name in reversed(made):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _open_master(self) -> None:
        """Make `master` for its first client: few ask for it, and a start would wait for its three hundred files."""
        with self._opening_master:
            if DEFAULT_DATABASE in self._databases:
                return
            try:
                self.serve(DEFAULT_DATABASE, complete(self._endpoint, self._prefix, DEFAULT_DATABASE))
            except psycopg.Error as error:
                raise _not_opened(DEFAULT_DATABASE, f" {error}") from None

    def _ended(self, session: PostgresSession) -> None:
        with self._lock:
            self._sessions.discard(session)

    def _connect(self, database: str, shown: str) -> psycopg.Connection:
        return connect(self._endpoint, database, shown)

    # ------------------------------------------------------------------ databases

    def _ensure(self, database: str, types: set[SqlType]) -> None:
        """Make the domains of these types, in a transaction of their own: another session may need them at once."""
        fixed = {type_name(type_) for type_ in FIXED}
        with self._lock:
            known = self._domains.setdefault(database, fixed)
            missing = {type_name(type_): type_ for type_ in types if type_name(type_) not in known}
            if not missing:
                return
            with self._connect(self._prefix + database, database) as connection:
                there = {
                    row[0]
                    for row in connection.execute(
                        "SELECT typname::text FROM pg_type WHERE typnamespace = 'tsql'::regnamespace AND typtype = 'd'"
                    )
                }
                for name, type_ in missing.items():
                    if name not in there:
                        connection.execute(domain_definition(type_).encode())
                known |= there | set(missing)


def _not_opened(name: str, reason: str = "") -> SqlError:
    said = f'Cannot open database "{name}" requested by the login. The login failed.{reason}'
    return SqlError(4060, said, severity=11)
