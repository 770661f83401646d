"""Asking a service which version it is, which proves at once that it answers and that the login is right.

Here lives one probe per system that is reached over a network; what a driver says becomes one line without secrets.
It may import `matrix_defs` and, inside the probes, the drivers.
"""

import logging
from dataclasses import replace

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.needs import require

CONNECT_SECONDS = 5


def postgres(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the server's own version. Raises SystemUnavailableError."""
    require(endpoint.system, "psycopg")
    import psycopg

    try:
        with psycopg.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=endpoint.user,
            password=endpoint.password,
            dbname=endpoint.database,
            connect_timeout=CONNECT_SECONDS,
            sslmode=endpoint.options.get("sslmode", "prefer"),
        ) as connection:
            version = connection.info.parameter_status("server_version") or "unknown"
    except psycopg.Error as error:
        raise unavailable(endpoint, str(error)) from None
    return replace(endpoint, version=version.split()[0])


def clickhouse(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the server's own version. Raises SystemUnavailableError."""
    require(endpoint.system, "clickhouse_connect")
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import Error

    # It logs what it raises; without a handler anywhere Python would print that beside our own line.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    try:
        client = clickhouse_connect.get_client(
            host=endpoint.host,
            port=endpoint.port or 0,
            username=endpoint.user,
            password=endpoint.password or "",
            database=endpoint.database or "default",
            secure=endpoint.options.get("secure") == "true",
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=CONNECT_SECONDS,
        )
    except Error as error:
        # urllib3 wraps the reason of a failed connection into a sentence about retries and URLs.
        raise unavailable(endpoint, str(getattr(error.__cause__, "reason", error))) from None
    version = client.server_version or "unknown"
    client.close()
    return replace(endpoint, version=version)


def unavailable(endpoint: Endpoint, message: str) -> SystemUnavailableError:
    """Return the error for a login that failed with this message.

    Drivers answer in many lines and may quote what they were given: keep the first line, without the password.
    """
    line = next((text.strip() for text in message.splitlines() if text.strip()), "no reason given")
    if endpoint.password:
        line = line.replace(endpoint.password, "***")
    return SystemUnavailableError(
        f"{endpoint.system}: cannot log in to {endpoint.engine} at {endpoint.address} as {endpoint.user}: {line}"
    )
