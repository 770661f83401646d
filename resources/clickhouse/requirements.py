"""Looking whether a ClickHouse server offers what cases need: its version, and databases of their own.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `server` and `dialect`.
"""

from collections.abc import Mapping

from matrix_defs.namespace import doctor_namespace, new_run
from resources.clickhouse.dialect import ClickHouseDialect
from resources.clickhouse.server import DRIVER_ERRORS, Server, explain

OLDEST = (24, 8)


def check(server: Server, version: str) -> Mapping[str, str]:
    """Return by requirement what is wrong."""
    known = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return {
        "version": f"the server is ClickHouse {version}" if known < OLDEST else "",
        "create_database": _create_database(server),
    }


def _create_database(server: Server) -> str:
    """Create one and drop it: grants, quotas and readonly profiles all have a say in it."""
    name = ClickHouseDialect().quote(doctor_namespace(new_run()))
    try:
        server.execute(f"CREATE DATABASE {name}")
        server.execute(f"DROP DATABASE {name} SYNC")
    except DRIVER_ERRORS as error:
        return explain(error)
    return ""
