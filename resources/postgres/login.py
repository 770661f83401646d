"""How one logs in to a PostgreSQL server: the connection string of an endpoint, and why a login failed, in one line.

Here lives no connection; those are opened by `session` and by the probe. It may import the drivers, `matrix_defs` and
the endpoint.
"""

import socket
import ssl
import struct

from psycopg.conninfo import make_conninfo

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.probe import unavailable

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""By which a client asks for TLS (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

_ADVICE = {
    "password authentication failed": "check MATRIX_POSTGRES_USER and MATRIX_POSTGRES_PASSWORD",
    "no password supplied": "set MATRIX_POSTGRES_PASSWORD",
    "no pg_hba.conf entry": "let pg_hba.conf admit the role from here, or set MATRIX_POSTGRES_SSLMODE=require",
    "root certificate file": "set MATRIX_POSTGRES_SSLROOTCERT to the file of the CA that signed the server's",
    "certificate verify failed": "set MATRIX_POSTGRES_SSLROOTCERT to the CA that signed it, or have it renewed",
    "does not match host name": "set MATRIX_POSTGRES_HOST to a name that the certificate bears",
    "does not support SSL": "enable TLS on the server, or set MATRIX_POSTGRES_SSLMODE=prefer, which sends in the clear",
}
"""What to do about a login that failed, by what is found in the server's or the driver's words."""


def conninfo(endpoint: Endpoint, seconds: int, **extra: str) -> str:
    """Return the connection string of an endpoint, password included: for drivers only.

    `seconds` is the longest that connecting may take; `extra` are more words of the string.
    """
    given = {
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "password": endpoint.password,
        "dbname": endpoint.database,
        "sslmode": endpoint.options.get("sslmode"),
        "sslrootcert": endpoint.options.get("sslrootcert"),
        "connect_timeout": seconds,
        "application_name": "integration-matrix",
    }
    return make_conninfo("", **{name: value for name, value in given.items() if value is not None}, **extra)


def limits(endpoint: Endpoint) -> str:
    """Return the statement by which the server itself ends what runs too long in a session; empty where nothing does.

    It is no word of the connection string, because poolers do not know it there.
    """
    seconds = endpoint.options.get("statement_seconds")
    return f"SET statement_timeout = '{int(seconds)}s'" if seconds else ""


def refused(endpoint: Endpoint, error: BaseException) -> SystemUnavailableError:
    """Return the error for a login that failed, with what to do about it where that is known."""
    line = " ".join(str(error).split("\n")[0].split())
    if "certificate verify failed" in line:  # libpq does not say which of its many flaws the certificate has
        line = f"{line}: {_certificate_flaw(endpoint)}".rstrip(": ")
    advice = next((f"; {advice}" for sign, advice in _ADVICE.items() if sign in str(error)), "")
    return unavailable(endpoint, line + advice)


def _certificate_flaw(endpoint: Endpoint) -> str:
    """Ask for TLS once more, and return what is wrong with the server's certificate; empty where nothing is found."""
    context = ssl.create_default_context(cafile=endpoint.options.get("sslrootcert"))
    context.check_hostname = False
    try:
        with socket.create_connection((endpoint.host, endpoint.port or 0), timeout=5) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) == b"S":
                context.wrap_socket(plain).close()
    except ssl.SSLCertVerificationError as flaw:
        return flaw.verify_message
    except OSError:
        pass
    return ""
