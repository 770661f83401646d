"""What a system must offer before a case can run on it: each requirement by its name, who needs it, how it is met.

Here live words alone; whether a requirement is met is looked at in `resources`, by one look for `matrix doctor` and
for every run. It may import `cases`, `ports`, `run_modes` and `systems`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from matrix_defs.cases import Case
from matrix_defs.ports import ReadMode
from matrix_defs.run_modes import systems
from matrix_defs.systems import System

DRIVER, REACHABLE = "driver", "reachable"
"""The requirements that every system has: what lies on this machine, and whether the service answers."""


def _always(case: Case, system: System) -> bool:
    return True


def _as_source(case: Case, system: System) -> bool:
    return case.source is system


def _as_sink(case: Case, system: System) -> bool:
    return case.sink is system


def _for_changes(case: Case, system: System) -> bool:
    return case.source is system and case.strategy.reads is ReadMode.CHANGES


@dataclass(frozen=True)
class Requirement:
    """One thing that a system must offer."""

    system: System
    name: str
    meaning: str
    """What must hold."""
    how: str
    """How to make it hold; `{user}`, `{database}`, `{project}` stand for those of the endpoint."""
    needed_by: Callable[[Case, System], bool] = _always
    optional: bool = False
    """Cases run without it too, in the way that `how` names."""

    def remedy(self, **names: str | None) -> str:
        """Return `how` with the endpoint's names in it; one that is not known is told by what it is."""
        known = {name: f"<{name}>" for name in ("user", "database", "project")}
        return self.how.format(**known | {name: value for name, value in names.items() if value})

    def needed(self, case: Case) -> bool:
        """Return whether the case cannot run without it."""
        return not self.optional and self.concerns(case)

    def concerns(self, case: Case) -> bool:
        """Return whether the case would use it."""
        return self.system in systems(case) and self.needed_by(case, self.system)


_PG, _MS, _CH, _BQ, _KA = System.POSTGRES, System.MSSQL, System.CLICKHOUSE, System.BIGQUERY, System.KAFKA

REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(_PG, DRIVER, "psycopg and ADBC are installed", "pip install -e '.[postgres]'"),
    Requirement(
        _PG,
        REACHABLE,
        "the server answers and takes the login, by the TLS that was asked for",
        "set MATRIX_POSTGRES_HOST, _PORT, _USER, _PASSWORD, _DATABASE, _SSLMODE, _SSLROOTCERT; see pg_hba.conf",
    ),
    Requirement(_PG, "version", "PostgreSQL 14 or later", "upgrade the server, or name another"),
    Requirement(
        _PG,
        "create_schema",
        "the role may create schemas",
        'GRANT CREATE ON DATABASE "{database}" TO "{user}", on a primary whose transactions may write',
    ),
    Requirement(
        _PG,
        "wal_level",
        "wal_level is logical",
        "set wal_level = logical and restart the server (a managed one has a parameter for it)",
        _for_changes,
    ),
    Requirement(
        _PG,
        "replication",
        "the role may open a replication connection",
        'ALTER ROLE "{user}" REPLICATION (Amazon RDS: GRANT rds_replication TO "{user}"), and max_wal_senders > 0',
        _for_changes,
    ),
    Requirement(
        _PG,
        "replication_slot",
        "a replication slot is free",
        "raise max_replication_slots, or drop slots that nobody reads (`matrix cleanup` drops those of old runs)",
        _for_changes,
    ),
    Requirement(
        _MS,
        DRIVER,
        "ODBC Driver 18 for SQL Server, unixODBC, pyodbc and mssql-python are here",
        "pip install -e '.[mssql]' and apt-get install unixodbc; the driver comes with the wheel",
    ),
    Requirement(
        _MS,
        REACHABLE,
        "the server answers and takes the login, by the encryption that was asked for",
        "set MATRIX_MSSQL_HOST, _PORT, _USER, _PASSWORD, _DATABASE, _ENCRYPT, _TRUST_SERVER_CERTIFICATE",
    ),
    Requirement(_MS, "version", "SQL Server 2017 or later, or Azure SQL", "upgrade the server, or name another"),
    Requirement(
        _MS,
        "create_schema",
        "the login may create schemas and tables",
        "run in the database: ALTER ROLE db_ddladmin ADD MEMBER [{user}]",
    ),
    Requirement(
        _MS,
        "snapshot_isolation",
        "the database allows snapshot isolation, or a reader would wait for writers",
        "ALTER DATABASE [{database}] SET ALLOW_SNAPSHOT_ISOLATION ON",
        _as_source,
    ),
    Requirement(
        _MS,
        "change_tracking",
        "the database tracks changes",
        "ALTER DATABASE [{database}] SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS)",
        _for_changes,
    ),
    Requirement(
        _MS,
        "change_data_capture",
        "the database captures changes (MATRIX_MSSQL_CDC_MODE=cdc)",
        "as a sysadmin, with SQL Server Agent running, run in [{database}]: EXEC sys.sp_cdc_enable_db",
        _for_changes,
    ),
    Requirement(
        _MS,
        "partition_switch",
        "the login may make partition schemes",
        "GRANT ALTER ANY DATASPACE TO [{user}]; without it partition_replace deletes and inserts",
        _as_sink,
        optional=True,
    ),
    Requirement(
        _MS,
        "writer",
        "the writer that MATRIX_MSSQL_WRITER names is here",
        "or set MATRIX_MSSQL_WRITER=fastest to take the fastest that is",
    ),
    Requirement(
        _MS,
        "bcp",
        "bcp is here",
        "without it rows are written by mssql-python's bulk copy",
        optional=True,
    ),
    Requirement(_CH, DRIVER, "clickhouse-connect is installed", "pip install -e '.[clickhouse]'"),
    Requirement(
        _CH,
        REACHABLE,
        "the server answers over HTTP and takes the login",
        "set MATRIX_CLICKHOUSE_HOST, _PORT, _USER, _PASSWORD, _SECURE",
    ),
    Requirement(_CH, "version", "ClickHouse 24.8 or later", "upgrade the server, or name another"),
    Requirement(
        _CH,
        "create_database",
        "the user may create and drop databases",
        "GRANT CREATE DATABASE, DROP DATABASE, CREATE TABLE, DROP TABLE, SELECT, INSERT, ALTER ON *.* TO {user}",
    ),
    Requirement(_BQ, DRIVER, "dagster-gcp and Google's clients are installed", "pip install -e '.[gcp]'"),
    Requirement(
        _BQ,
        "credentials",
        "there are Google credentials",
        "set MATRIX_BIGQUERY_CREDENTIALS_FILE to a service account's key, or gcloud auth application-default login",
    ),
    Requirement(
        _BQ,
        REACHABLE,
        "the service answers for the project",
        "set MATRIX_BIGQUERY_PROJECT and _LOCATION, and enable the BigQuery API",
    ),
    Requirement(
        _BQ,
        "create_dataset",
        "the account may create and drop datasets",
        "grant it BigQuery Data Owner (or User) on {project}",
    ),
    Requirement(
        _BQ,
        "run_jobs",
        "the account may run jobs",
        "grant it BigQuery Job User on {project}",
    ),
    Requirement(
        _BQ,
        "read_rows",
        "the account may read rows by the Storage Read API",
        "grant it BigQuery Read Session User on {project}, and enable the BigQuery Storage API",
    ),
    Requirement(_KA, DRIVER, "confluent-kafka is installed", "pip install -e '.[kafka]'"),
    Requirement(
        _KA,
        REACHABLE,
        "a broker answers and takes the login",
        "set MATRIX_KAFKA_BOOTSTRAP_SERVERS, _SECURITY_PROTOCOL, _SASL_MECHANISM, _USER, _PASSWORD, _SSL_CA_LOCATION",
    ),
    Requirement(
        _KA,
        "create_topics",
        "the user may create topics",
        "allow {user} CREATE, DELETE, READ, WRITE and DESCRIBE on topics that begin with m_",
    ),
    Requirement(
        _KA,
        "transactions",
        "a transaction can be written, and readers never see an aborted one (MATRIX_KAFKA_TRANSACTIONS=true)",
        "allow {user} WRITE and DESCRIBE on transactional ids that begin with m_, or set"
        " MATRIX_KAFKA_TRANSACTIONS=false",
        needed_by=_as_sink,
    ),
    Requirement(
        _KA,
        "schema_registry",
        "the Schema Registry answers (MATRIX_KAFKA_MESSAGE_FORMAT=avro)",
        "set MATRIX_KAFKA_REGISTRY_URL, _REGISTRY_USER, _REGISTRY_PASSWORD, or use the json format",
    ),
    Requirement(
        System.REST,
        REACHABLE,
        "the local service runs: a foreign API cannot be seeded, so REST is local in every mode",
        "pip install -e '.[embedded]'",
    ),
)
"""Every requirement, by system, in the order in which they are looked at."""


def requirements(system: System) -> tuple[Requirement, ...]:
    """Return the requirements of a system."""
    return tuple(requirement for requirement in REQUIREMENTS if requirement.system is system)
