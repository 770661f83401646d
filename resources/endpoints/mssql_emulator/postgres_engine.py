"""T-SQL executed on a PostgreSQL server: one database there for each database of SQL Server.

Here lives what every database has and how logins are checked; sessions live in `postgres_session`. It may import
them, `postgres_databases`, `tsql`, the endpoint and psycopg.
"""

import hmac
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg import sql

from resources.endpoints.endpoint import Endpoint
from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.postgres_connection import Database
from resources.endpoints.mssql_emulator.postgres_databases import DEFAULT_DATABASE, PREFIX, connect, make
from resources.endpoints.mssql_emulator.postgres_session import PostgresSession
from resources.endpoints.mssql_emulator.tsql.types import FIXED, domain_definition, type_name

_LIBRARY = ("library.sql", "conversions.sql")
_SCRIPTS = ("change_tracking.sql", "catalog_views.sql")
_OF_VIEWS = (
    *(SqlType(Kind.CHAR, length) for length in (1, 2)),
    *(SqlType(Kind.VARCHAR, length) for length in (2, 3, 7, 10, 11)),
)
"""Types of columns of the catalog views that are not among those that every database has."""


class PostgresEngine:
    """Sessions on a running PostgreSQL, whose user must be a superuser: the conversions of a database are T-SQL's."""

    def __init__(
        self,
        endpoint: Endpoint,
        user: str,
        password: str,
        databases: Iterable[str] = (),
        prefix: str = PREFIX,
    ) -> None:
        """Make the databases, besides `master`; those that are there are used as they are.

        `prefix` begins the names of this engine's databases in PostgreSQL. Raises psycopg.Error.
        """
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
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.create_database, (DEFAULT_DATABASE, *databases)))

    def login(self, user: str, password: str, database: str) -> PostgresSession:
        """Return a session. Raises SqlError 18456 for a wrong user or password, 4060 for an unknown database."""
        same = hmac.compare_digest(password.encode(), self._password.encode())
        if not (hmac.compare_digest(user.encode(), self._user.encode()) and same):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        name = database or DEFAULT_DATABASE
        if name not in self._databases:
            raise SqlError(
                4060, f'Cannot open database "{name}" requested by the login. The login failed.', severity=11
            )
        session = PostgresSession(self._databases[name])
        session.user = user
        session.create_database = self.create_database
        session.ended = self._ended
        with self._lock:
            self._sessions.add(session)
        return session

    def create_database(self, name: str) -> None:
        """Make a database, unless this engine knows it already (1801)."""
        with self._lock:
            if name in self._databases or name in self._in_making:
                raise SqlError(1801, f"Database '{name}' already exists. Choose a different database name.")
            self._in_making.add(name)
        try:
            if self._made_now(self._prefix + name):
                self._made.append(self._prefix + name)
            self._databases[name] = Database(
                name, lambda: self._connect(self._prefix + name, name), lambda types: self._ensure(name, types)
            )
        finally:
            self._in_making.discard(name)

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

    def _ended(self, session: PostgresSession) -> None:
        with self._lock:
            self._sessions.discard(session)

    def _connect(self, database: str, shown: str) -> psycopg.Connection:
        return connect(self._endpoint, database, shown)

    # ------------------------------------------------------------------ databases

    def _made_now(self, database: str) -> bool:
        """Make a database in PostgreSQL, where it is not there, and load what every one has, where that is not there.

        Tell whether the database was not there.
        """
        new = make(self._endpoint, database)
        folder = Path(__file__).parent
        with self._connect(database, "") as connection, connection.transaction():
            if connection.execute("SELECT to_regclass('tsql.settings')").fetchone() != (None,):
                return new
            for script in _LIBRARY:
                connection.execute((folder / script).read_bytes())
            connection.execute(";".join(domain_definition(type_) for type_ in (*FIXED, *_OF_VIEWS)).encode())
            for script in _SCRIPTS:
                connection.execute((folder / script).read_bytes())
            prefix = sql.Literal(self._prefix)
            connection.execute(sql.SQL("INSERT INTO tsql.settings VALUES ('prefix', {})").format(prefix))
        return new

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
