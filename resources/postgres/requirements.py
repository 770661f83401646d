"""Looking whether a PostgreSQL server offers what cases need: version, privileges, and what a change stream needs.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `session` and `dialect`.
"""

from collections.abc import Callable, Mapping
from contextlib import closing

import psycopg

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.namespace import doctor_namespace, new_run
from resources.endpoints.endpoint import Endpoint
from resources.postgres.dialect import PostgresDialect
from resources.postgres.session import DRIVER_ERRORS, Session, explain

OLDEST = 140_000
"""PostgreSQL 14, as the server numbers its versions."""

_SLOTS = "SELECT current_setting('max_replication_slots')::int, count(*) FROM pg_replication_slots"


def check(endpoint: Endpoint) -> Mapping[str, str]:
    """Return by requirement what is wrong. Raises SystemUnavailableError where the server does not answer."""
    looks: dict[str, Callable[[Session], str]] = {
        "version": _version,
        "create_schema": _create_schema,
        "wal_level": _wal_level,
        "replication": _replication,
        "replication_slot": _free_slot,
    }
    with closing(Session(endpoint)) as session:
        return {name: _said(look, session) for name, look in looks.items()}


def _said(look: Callable[[Session], str], session: Session) -> str:
    """What the look found, or what the server said instead of an answer."""
    try:
        return look(session)
    except DRIVER_ERRORS as error:
        return explain(error)


def _version(session: Session) -> str:
    number = session.sql.info.server_version
    return "" if number >= OLDEST else f"the server is PostgreSQL {number // 10_000}"


def _create_schema(session: Session) -> str:
    """Create one, and take it back before anybody sees it: a standby and a read-only role refuse that too."""
    with session.sql.transaction(force_rollback=True):
        session.execute(f"CREATE SCHEMA {PostgresDialect().quote(doctor_namespace(new_run()))}")
    return ""


def _wal_level(session: Session) -> str:
    level = session.value("SELECT current_setting('wal_level')")
    return "" if level == "logical" else f"wal_level is {level}"


def _replication(session: Session) -> str:
    """Open one: attribute, pg_hba.conf, pooler and max_wal_senders all have a say in it."""
    try:
        session.connect(autocommit=True, replication="database").close()
    except (SystemUnavailableError, psycopg.Error) as error:
        return f"no replication connection: {error}"
    return ""


def _free_slot(session: Session) -> str:
    row = session.sql.execute(_SLOTS).fetchone()
    most, taken = row or (0, 0)
    return "" if taken < most else f"all {most} replication slots are taken"
