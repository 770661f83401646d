"""Asking a service which version it is, which proves at once that it answers and that the login is right.

Here lives one probe per system that is reached over a network; what a driver says becomes one line without secrets.
It may import `matrix_defs` and, inside the probes, the drivers.
"""

import logging
from contextlib import closing
from dataclasses import replace

from matrix_defs.errors import MatrixError, SystemUnavailableError
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.needs import require

CONNECT_SECONDS = 5

MSSQL_EMULATORS_LACK = {
    "SWITCH PARTITION": "it is asked of real servers alone; days are replaced by DELETE and INSERT in one transaction"
}

BROKERS_WITHOUT_TRANSACTIONS_LACK = {
    "transactions": "readers that ask for committed records get aborted ones too; events are written so that a repeated"
    " load folds to the same rows"
}

PARTITION_DECORATORS = "partition decorators"
BQEMULATOR_LACKS = {
    PARTITION_DECORATORS: "jobs on table$day fail; days are replaced by DELETE and INSERT in one script",
    "BIGNUMERIC": "it holds 38 digits, five of them decimals; no column of the workload needs it",
    "query destination": "the table is silently never written; no step asks for one",
}


def postgres(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the server's own version. Raises SystemUnavailableError."""
    require(endpoint.system, "psycopg")
    import psycopg

    from resources.postgres import login

    try:
        with psycopg.connect(login.conninfo(endpoint, CONNECT_SECONDS)) as connection:
            version = connection.info.parameter_status("server_version") or "unknown"
    except psycopg.Error as error:
        raise login.refused(endpoint, error) from None
    return replace(endpoint, version=version.split()[0])


def mssql(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with what answers there, and how partitions can change places.

    Raises SystemUnavailableError.
    """
    from resources.mssql import driver

    driver.load_all()
    from resources.mssql.server_types import lacking

    with driver.reached(endpoint, CONNECT_SECONDS) as connection:
        banner, version = connection.execute(
            "SELECT @@VERSION, CAST(SERVERPROPERTY('ProductVersion') AS NVARCHAR(128))"
        ).fetchone()
        endpoint = replace(endpoint, version=version, lacks=lacking(connection))
        if "emulat" in banner.lower() or not banner.startswith("Microsoft "):
            lacks = {**endpoint.lacks, **MSSQL_EMULATORS_LACK}
            engine = banner.splitlines()[0].partition(" - ")[0]
            return replace(endpoint, engine=engine, emulator=True, lacks=lacks)
        switch = "yes" if driver.granted(connection, ["ALTER ANY DATASPACE"]) else "no"
    return replace(endpoint, options={**endpoint.options, "partition_switch": switch})


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


def kafka(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint once its brokers have told their topics, and what they lack. Raises SystemUnavailableError.

    The protocol tells no version, so an engine whose version is not known already has none. Whether aborted records
    are hidden no broker tells either: it is what the endpoint was described with.
    """
    require(endpoint.system, "confluent_kafka")
    from resources.kafka.client import Cluster

    cluster = Cluster(endpoint, connect_seconds=CONNECT_SECONDS)
    try:
        cluster.check()
    except MatrixError as error:
        raise unavailable(endpoint, str(error)) from None
    finally:
        cluster.close()
    lacks = {} if cluster.transactions else BROKERS_WITHOUT_TRANSACTIONS_LACK
    return replace(endpoint, version=endpoint.version or "unknown", lacks=lacks)


def bigquery(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with what answers there, and what it cannot do. Raises SystemUnavailableError.

    The service tells no version. An emulator, at an address of plain HTTP, does where the service has nothing.
    """
    require(endpoint.system, "dagster_gcp")
    import httpx

    from resources.bigquery.client import DRIVER_ERRORS, connect, explain, require_reader

    require_reader(endpoint)
    base_url = endpoint.options["base_url"]
    try:
        if base_url.startswith("http://"):
            health = httpx.get(f"{base_url}/healthz", timeout=CONNECT_SECONDS).raise_for_status().json()
            told = {"engine": "bqemulator", "version": health["version"], "emulator": True}
            return replace(endpoint, **told, lacks=BQEMULATOR_LACKS)
        with closing(connect(endpoint)) as client:
            next(iter(client.list_datasets(max_results=1, retry=None, timeout=CONNECT_SECONDS)), None)
    except (httpx.HTTPError, *DRIVER_ERRORS) as error:
        reason = f"bigquery: no answer for project {endpoint.options['project']} at {base_url}: {explain(error)}"
        raise SystemUnavailableError(reason) from None
    return replace(endpoint, version="v2")


def unavailable(endpoint: Endpoint, message: str) -> SystemUnavailableError:
    """Return the error for a login that failed with this message.

    Drivers answer in many lines and may quote what they were given: keep the first line, without the password.
    """
    line = next((text.strip() for text in message.splitlines() if text.strip()), "no reason given")
    if endpoint.password:
        line = line.replace(endpoint.password, "***")
    by = f" as {endpoint.user}" if endpoint.user else ""
    return SystemUnavailableError(
        f"{endpoint.system}: cannot log in to {endpoint.engine} at {endpoint.address}{by}: {line}"
    )
