"""Looking whether a SQL Server offers what cases need: version, privileges, and what a source needs of its database.

Here live the questions; what each requirement means and how it is met is said in `matrix_defs.requirements`. It may
import `driver`, `writers` and the endpoint: it is imported once the drivers were found.
"""

from collections.abc import Mapping
from typing import Any

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.probe import CONNECT_SECONDS
from resources.mssql import driver
from resources.mssql.writers import WRITERS, choose

OLDEST = 14
"""SQL Server 2017, as the server numbers its versions."""

_AZURE = 5
"""SERVERPROPERTY('EngineEdition') of Azure SQL Database, whose version numbers tell nothing."""

_PRIVILEGES = ("CREATE SCHEMA", "CREATE TABLE")

_DATABASE = "FROM sys.databases WHERE name = DB_NAME()"
_TRACKED = "SELECT COUNT(*) FROM sys.change_tracking_databases WHERE database_id = DB_ID()"

_CHANGES: dict[str, tuple[str, str, str]] = {
    "change_tracking": ("change_tracking", _TRACKED, "tracks no changes"),
    "cdc": ("change_data_capture", f"SELECT is_cdc_enabled {_DATABASE}", "captures no changes"),
}
"""By the value of MATRIX_MSSQL_CDC_MODE: the requirement, the question, and what it means if the answer is no."""


def check(endpoint: Endpoint) -> Mapping[str, str]:
    """Return by requirement what is wrong. Raises SystemUnavailableError where the server does not answer.

    An emulator is no version of SQL Server's and has no privileges to grant, so those are not looked at there.
    """
    database = f"database {endpoint.database}"
    changes, question, verdict = _CHANGES[endpoint.options.get("cdc_mode", "change_tracking")]
    with driver.reached(endpoint, CONNECT_SECONDS) as connection:
        own = {} if endpoint.emulator else _of_the_real_server(connection, endpoint)
        isolated = _value(connection, f"SELECT snapshot_isolation_state {_DATABASE}") == 1
        return own | {
            "snapshot_isolation": "" if isolated else f"{database} does not allow snapshot isolation",
            changes: "" if _value(connection, question) else f"{database} {verdict}",
            "writer": _why_not_written(endpoint),
            "bcp": next(writer.missing() for writer in WRITERS if writer.name == "bcp"),
        }


def _why_not_written(endpoint: Endpoint) -> str:
    try:
        choose(endpoint.options.get("writer", "fastest"))
    except SystemUnavailableError as missing:
        return str(missing)
    return ""


def _of_the_real_server(connection: Any, endpoint: Endpoint) -> dict[str, str]:
    edition = _value(connection, "SELECT CAST(SERVERPROPERTY('EngineEdition') AS INT)")
    old = edition != _AZURE and int(endpoint.version.partition(".")[0]) < OLDEST
    granted = driver.granted(connection, _PRIVILEGES)
    missing = [name for name in _PRIVILEGES if name not in granted]
    switch = endpoint.options.get("partition_switch") == "yes"
    return {
        "version": f"the server is version {endpoint.version}" if old else "",
        "create_schema": f"{endpoint.user} may not {' or '.join(missing)} in {endpoint.database}" if missing else "",
        "partition_switch": "" if switch else f"{endpoint.user} may not ALTER ANY DATASPACE",
    }


def _value(connection: Any, question: str) -> Any:
    row = connection.execute(question).fetchone()
    return row[0] if row else None
