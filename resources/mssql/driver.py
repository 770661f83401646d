"""Microsoft's drivers: whether they are here, what they are told to connect with, and what they say when they fail.

Here lives no connection; those are opened by `session` and by the probe. It may import `matrix_defs` and the endpoint;
the drivers are imported inside the functions, because pyodbc cannot be loaded without unixODBC.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.needs import require
from resources.endpoints.probe import unavailable

NAME = "ODBC Driver 18 for SQL Server"
"""The driver's name where it is installed on the system (https://learn.microsoft.com/sql/connect/odbc)."""

APPLICATION = "integration-matrix"

_HOW = {
    "libodbc": "install unixODBC: apt-get install unixodbc, dnf install unixODBC or brew install unixodbc",
    "No module named": "pip install -e '.[mssql]'",
    "libgssapi": "install Kerberos' client library: apt-get install libgssapi-krb5-2 or dnf install krb5-libs",
}
"""How to get what a driver cannot be loaded without, by what its error names."""

_ADVICE = {
    "(18456)": "check MATRIX_MSSQL_USER and MATRIX_MSSQL_PASSWORD",
    "(4060)": "create the database or grant the login access to it, or set MATRIX_MSSQL_DATABASE",
    "wrong version number": "the server does not speak TDS 8; set MATRIX_MSSQL_ENCRYPT=yes",
    "certificate": "give the server a trusted certificate, or set MATRIX_MSSQL_TRUST_SERVER_CERTIFICATE=yes",
    "SSL": "see whether the server can encrypt; MATRIX_MSSQL_ENCRYPT=no sends all but the login in the clear",
    "Encryption not supported": "MATRIX_MSSQL_ENCRYPT=no sends all in the clear",
}
"""What to do about a login that failed, by what is found in the driver's words."""

_SHOWS_ROWS = re.compile(r"(The duplicate key value is|Truncated value:).*")
_BULK = re.compile(r"Sql Error: (\d+): Class \d+: State \d+: (.*?)( on \S* in .* at line \d+)?$", re.DOTALL)
_NUMBER = re.compile(r"\((-?\d+)\) \(SQL\w+\)")


def load(module: str) -> ModuleType:
    """Return pyodbc or mssql_python. Raises SystemUnavailableError naming the package or library that is missing."""
    require(System.MSSQL, module)
    try:
        return import_module(module)
    except ImportError as error:
        line = str(error).splitlines()[0]
        how = next((how for library, how in _HOW.items() if library in line), "install the library that it names")
        raise SystemUnavailableError(f"mssql: {module} cannot be loaded: {line}; {how}") from None


def load_all() -> None:
    """Return if both drivers can be loaded. Raises SystemUnavailableError."""
    for module in ("pyodbc", "mssql_python"):
        load(module)


def odbc_driver() -> str:
    """Return Microsoft's ODBC Driver 18 as pyodbc takes it: its name where installed, else its path in the wheel."""
    if NAME in load("pyodbc").drivers():
        return NAME
    load("mssql_python")
    bindings, wheel = import_module("mssql_python.ddbc_bindings"), import_module("mssql_python_odbc")
    path = Path(bindings.GetDriverPathCpp(str(Path(wheel.__file__ or "").parent)))
    if not path.is_file():
        raise SystemUnavailableError(
            f"mssql: {NAME} is neither installed on the system nor in the mssql-python-odbc wheel for this platform;"
            " install msodbcsql18 (https://learn.microsoft.com/sql/connect/odbc/download-odbc-driver-for-sql-server)"
        )
    return str(path)


def settings(endpoint: Endpoint) -> str:
    """Return the connection string of an endpoint, password included and without a driver: for drivers only."""
    given = {
        "Server": f"{endpoint.host},{endpoint.port}",
        "Database": endpoint.database,
        "UID": endpoint.user,
        "PWD": endpoint.password,
        "Encrypt": endpoint.options.get("encrypt", "yes"),
        "TrustServerCertificate": endpoint.options.get("trust_server_certificate", "no"),
    }
    return ";".join(f"{name}={_braced(value)}" for name, value in given.items() if value)


def odbc_settings(endpoint: Endpoint) -> str:
    """Return the connection string of an endpoint for pyodbc, driver and password included."""
    return f"Driver={_braced(odbc_driver())};App={APPLICATION};{settings(endpoint)}"


def knock(endpoint: Endpoint, seconds: int) -> None:
    """Return if the port is open. Raises SystemUnavailableError.

    Of a server that is down the drivers say no more than a number, and only once the time for the login is over.
    """
    try:
        socket.create_connection((endpoint.host, endpoint.port), seconds).close()
    except OSError as error:
        raise unavailable(endpoint, error.strerror or str(error)) from None


def connect(endpoint: Endpoint, seconds: int) -> Any:
    """Return a connection of pyodbc in autocommit. Raises SystemUnavailableError."""
    pyodbc = load("pyodbc")
    knock(endpoint, seconds)
    try:
        return pyodbc.connect(odbc_settings(endpoint), autocommit=True, timeout=seconds)
    except pyodbc.Error as error:
        told = explain(error)
        advice = next((f"; {advice}" for sign, advice in _ADVICE.items() if sign in told), "")
        raise unavailable(endpoint, told + advice) from None


@contextmanager
def reached(endpoint: Endpoint, seconds: int) -> Iterator[Any]:
    """Yield a connection of pyodbc, closed behind the block. Raises SystemUnavailableError for what it refuses."""
    with closing(connect(endpoint, seconds)) as connection:
        try:
            yield connection
        except load("pyodbc").Error as error:
            raise unavailable(endpoint, explain(error)) from None


def granted(connection: Any, permissions: Sequence[str]) -> set[str]:
    """Return those of the database's permissions that the login has."""
    asked = ", ".join(f"HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', '{name}')" for name in permissions)
    row = connection.execute(f"SELECT {asked}").fetchone()
    return {name for name, has in zip(permissions, row, strict=True) if has}


def explain(error: BaseException) -> str:
    """Return one line of what the server said and its error number, without the values of rows that it may quote."""
    text = str(error.args[-1] if error.args else error)
    bulk = _BULK.search(text)
    if bulk:
        return f"{' '.join(_SHOWS_ROWS.sub('', bulk[2]).split())} ({bulk[1]})"
    number = _NUMBER.search(text)
    text = text.rpartition("DDBC Error:")[2] if "DDBC Error:" in text else text.split("; [")[0]
    text = re.sub(r"^\s*(\[[^\]]*\]\s*)+", "", text)
    text = _SHOWS_ROWS.sub("", re.sub(r"\s*\(-?\d+\) \(SQL\w+\).*", "", text, flags=re.DOTALL))
    line = " ".join(text.split()) or type(error).__name__
    return f"{line} ({number[1]})" if number else line


def number(error: BaseException) -> int | None:
    """Return the server's own number of an error that pyodbc raised, such as 1205; None where it has none."""
    found = _NUMBER.search(str(error.args[-1] if error.args else ""))
    return int(found[1]) if found else None


def _braced(value: str) -> str:
    """The value as connection strings take any text: in braces, with closing ones doubled."""
    return "{" + value.replace("}", "}}") + "}"
