"""Endpoints that the caller already has: read from environment variables, reached once to learn their version.

Here lives the table of those variables, which documents and diagnostics print; nothing is started or stopped here.
It may import `matrix_defs` and, through `probe`, the drivers.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import FACTS, System
from resources.endpoints import probe
from resources.endpoints.endpoint import Endpoint, Running


@dataclass(frozen=True)
class Variable:
    """An environment variable that says where an external service is or how to log in."""

    system: System
    field: str
    """A field of `Endpoint`, or the name of one of its options."""
    meaning: str
    required: bool = False
    default: str | None = None
    """What holds when the variable is unset or empty."""
    secret: bool = False
    choices: tuple[str, ...] = ()
    """The only values that are taken; empty where any is."""
    only_with: tuple[str, tuple[str, ...]] | None = None
    """Another field, and the values of it with which this one is used, and needed if it is required; None: always."""
    file: bool = False
    """It is the path of a file, which must be there."""

    @property
    def name(self) -> str:
        """The variable's name, such as MATRIX_POSTGRES_HOST."""
        return f"MATRIX_{self.system.value}_{self.field}".upper()


_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SASL = ("security_protocol", ("SASL_PLAINTEXT", "SASL_SSL"))
_SSL = ("security_protocol", ("SSL", "SASL_SSL"))
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

VARIABLES: tuple[Variable, ...] = (
    Variable(System.POSTGRES, "host", "host name or address", required=True),
    Variable(System.POSTGRES, "port", "TCP port", default="5432"),
    Variable(System.POSTGRES, "user", "role that may create schemas, publications and slots", required=True),
    Variable(System.POSTGRES, "password", "password of the role; unset = none is sent", secret=True),
    Variable(System.POSTGRES, "database", "database that the cases' schemas are made in", default="postgres"),
    Variable(System.POSTGRES, "sslmode", "TLS mode, as libpq names them", default="prefer", choices=_SSLMODES),
    Variable(
        System.POSTGRES,
        "sslrootcert",
        "file of CA certificates that may sign the server's; verify-* needs it",
        file=True,
    ),
    Variable(System.POSTGRES, "statement_seconds", "longest that the server lets one statement run", default="600"),
    Variable(System.MSSQL, "host", "host name or address", required=True),
    Variable(System.MSSQL, "port", "TCP port", default="1433"),
    Variable(System.MSSQL, "user", "login that may create schemas and tables in the database", required=True),
    Variable(System.MSSQL, "password", "password of the login", secret=True),
    Variable(System.MSSQL, "database", "database that the cases' schemas are made in", required=True),
    Variable(System.MSSQL, "encrypt", "encryption, as ODBC names it", default="yes", choices=("yes", "no", "strict")),
    Variable(System.MSSQL, "trust_server_certificate", "take any certificate", default="no", choices=("yes", "no")),
    Variable(
        System.MSSQL,
        "writer",
        "how rows are written",
        default="fastest",
        choices=("fastest", "bulkcopy", "bcp", "fast_executemany"),
    ),
    Variable(
        System.MSSQL, "cdc_mode", "how changes are read", default="change_tracking", choices=("change_tracking", "cdc")
    ),
    Variable(System.MSSQL, "statement_seconds", "longest that one statement may run", default="600"),
    Variable(System.CLICKHOUSE, "host", "host name or address", required=True),
    Variable(System.CLICKHOUSE, "port", "port of the HTTP interface; often 8443 with TLS", default="8123"),
    Variable(System.CLICKHOUSE, "user", "user that may create databases", default="default"),
    Variable(System.CLICKHOUSE, "password", "password of the user; unset = an empty one", secret=True),
    Variable(System.CLICKHOUSE, "database", "database to log in to; the cases make their own", default="default"),
    Variable(System.CLICKHOUSE, "secure", "talk TLS", default="false", choices=("true", "false")),
    Variable(System.CLICKHOUSE, "statement_seconds", "longest that the server lets one run", default="600"),
    Variable(System.KAFKA, "bootstrap_servers", "host:port of one broker or more, comma list", required=True),
    Variable(System.KAFKA, "security_protocol", "how brokers are spoken to", default="PLAINTEXT", choices=_PROTOCOLS),
    Variable(
        System.KAFKA,
        "sasl_mechanism",
        "how the user logs in",
        required=True,
        choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        only_with=_SASL,
    ),
    Variable(
        System.KAFKA,
        "user",
        "SASL user that may create, write, read and delete topics",
        required=True,
        only_with=_SASL,
    ),
    Variable(System.KAFKA, "password", "SASL password", required=True, secret=True, only_with=_SASL),
    Variable(
        System.KAFKA,
        "ssl_ca_location",
        "file of CA certificates; unset = those of the machine",
        only_with=_SSL,
        file=True,
    ),
    Variable(System.KAFKA, "ssl_certificate_location", "file of the client's certificate", only_with=_SSL, file=True),
    Variable(
        System.KAFKA,
        "ssl_key_location",
        "file of the client's key, not encrypted",
        only_with=_SSL,
        file=True,
    ),
    Variable(
        System.KAFKA,
        "ssl_endpoint_identification_algorithm",
        "whether a broker's certificate must name the host",
        choices=("https", "none"),
        only_with=_SSL,
    ),
    Variable(
        System.KAFKA, "transactions", "the brokers hide aborted records", default="true", choices=("true", "false")
    ),
    Variable(System.KAFKA, "message_format", "how messages are written", default="json", choices=("json", "avro")),
    Variable(System.KAFKA, "registry_url", "address of the Schema Registry; avro needs one"),
    Variable(System.KAFKA, "registry_user", "user of the Schema Registry"),
    Variable(System.KAFKA, "registry_password", "password of the Schema Registry", secret=True),
    Variable(System.KAFKA, "registry_ca_location", "file of the Schema Registry's CA certificates", file=True),
    Variable(System.BIGQUERY, "project", "project that holds the datasets and pays", required=True),
    Variable(System.BIGQUERY, "location", "where datasets are made and jobs run, such as EU", default="US"),
    Variable(
        System.BIGQUERY, "credentials_file", "path of a service account's key; unset = application default", file=True
    ),
    Variable(System.BIGQUERY, "maximum_bytes_billed", "most bytes that one job may bill; 0 = no limit", default="0"),
    Variable(System.BIGQUERY, "statement_seconds", "longest that the service lets one job run", default="600"),
    Variable(System.BIGQUERY, "base_url", "address of the REST interface", default="https://bigquery.googleapis.com"),
    Variable(
        System.BIGQUERY, "grpc", "host:port of an emulator's Storage Read interface, which it needs; unset = Google's"
    ),
)
"""Every variable that is read, in the order in which people fill them in."""

PROBES: dict[System, Callable[[Endpoint], Endpoint]] = {
    System.POSTGRES: probe.postgres,
    System.MSSQL: probe.mssql,
    System.CLICKHOUSE: probe.clickhouse,
    System.KAFKA: probe.kafka,
    System.BIGQUERY: probe.bigquery,
}
"""The systems that can be external, and how their version is learnt."""

_FIELDS = ("host", "port", "user", "password", "database")


def start(system: System, environ: Mapping[str, str] = os.environ) -> Running:
    """Return the caller's own service of a system, reached once. Raises SystemUnavailableError."""
    configured = settings(system, environ)
    return Running(PROBES[system](configured))


def settings(system: System, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Return what the variables say, without reaching anything; the version is empty. Raises SystemUnavailableError."""
    label = FACTS[system].label
    if system not in PROBES:
        raise SystemUnavailableError(f"{system}: an external {label} is not supported in this version")
    variables = [variable for variable in VARIABLES if variable.system is system]
    values = {variable.field: environ.get(variable.name) or variable.default for variable in variables}
    missing = [v.name for v in variables if v.required and not values[v.field] and _is_used(v, values)]
    if missing:
        raise SystemUnavailableError(f"{system}: set {', '.join(missing)} to use an external {label}")
    for variable in variables:
        wrong = _what_is_wrong(variable, values)
        if wrong:
            raise SystemUnavailableError(f"{system}: {variable.name} {wrong}")
    return Endpoint(
        system=system,
        kind="external",
        engine=label,
        version="",
        host=values.get("host") or "",
        port=_port(system, values["port"] or "") if "port" in values else None,
        user=values.get("user"),
        password=values.get("password"),
        database=values.get("database"),
        options={
            v.field: str(values[v.field])
            for v in variables
            if v.field not in _FIELDS and values[v.field] and not v.secret
        },
    )


def _is_used(variable: Variable, values: Mapping[str, str | None]) -> bool:
    """Return whether the values of the system's variables leave this one a use."""
    return variable.only_with is None or values[variable.only_with[0]] in variable.only_with[1]


def _what_is_wrong(variable: Variable, values: Mapping[str, str | None]) -> str:
    """Return what is wrong about a variable's value and how it would be right, to be put behind its name; "" if none.

    Secrets are not repeated.
    """
    value = values[variable.field]
    if not value:
        return ""
    if not _is_used(variable, values):
        assert variable.only_with
        field, needed = variable.only_with
        other = replace(variable, field=field).name
        return f"is set, and {other}={values[field]} has no use for it: unset it, or set {' or '.join(needed)} there"
    if variable.choices and value not in variable.choices:
        return f"must be one of {', '.join(variable.choices)}, not {value!r}"
    if variable.file and not Path(value).is_file():
        return f"names no file: {value!r}"
    if variable.field == "statement_seconds" and not (value.isascii() and value.isdigit() and int(value)):
        return f"must be a whole number of seconds, 1 or more, not {value!r}"
    return ""


def is_named(system: System, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether any variable that an external service cannot do without is set; the service may be wrong still."""
    needed = [v.name for v in VARIABLES if v.system is system and v.required and not v.only_with]
    return any(map(environ.get, needed))


def as_variables(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return the variables, secrets included, by which another process uses these endpoints as external ones."""
    exported: dict[str, str] = {}
    for endpoint in endpoints:
        for variable in VARIABLES:
            if variable.system is endpoint.system:
                fallback = endpoint.options.get(variable.field)
                value = getattr(endpoint, variable.field) if variable.field in _FIELDS else fallback
                if value is not None:
                    exported[variable.name] = str(value)
    return exported


def _port(system: System, text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise SystemUnavailableError(f"{system}: MATRIX_{system.value.upper()}_PORT must be 1 to 65535, not {text!r}")
