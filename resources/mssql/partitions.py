"""Whole partitions of SQL Server that change places: what is said so that a day can be switched in and out.

Here lives the text of partition functions, schemes and SWITCH; all else of T-SQL lives in `dialect`, which is imported
for its type alone. It may import `matrix_defs` and `sql_plan`.
https://learn.microsoft.com/sql/t-sql/statements/alter-table-transact-sql#switch
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from matrix_defs.ports import LoadTarget
from matrix_defs.table import LogicalType
from resources.sql_plan import Statement

if TYPE_CHECKING:
    from resources.mssql.dialect import MssqlDialect

_MANUAL = "https://learn.microsoft.com/sql/t-sql/statements"
_NAME, _TEXT, _DAY = r"\[\w+\]", r"N'\w+'", r"CAST\('[\d-]+' AS DATE\)"
_TABLE = rf"{_NAME}\.{_NAME}"
_PLACE = rf"PARTITION \$PARTITION\.{_NAME}\({_DAY}\)"

_FUNCTION = rf"CREATE PARTITION FUNCTION {_NAME} \(DATE\) AS RANGE RIGHT FOR VALUES \(\)"
_SCHEME = rf"CREATE PARTITION SCHEME {_NAME} AS PARTITION {_NAME} ALL TO \(\[PRIMARY\]\)"
_DROP = (
    rf"IF EXISTS \(SELECT 1 FROM sys\.partition_(schemes|functions) WHERE name = {_TEXT}\) "
    rf"DROP PARTITION (SCHEME|FUNCTION) {_NAME}"
)
_SPLIT = (
    r"IF NOT EXISTS \(SELECT 1 FROM sys\.partition_functions AS f JOIN sys\.partition_range_values AS v "
    rf"ON v\.function_id = f\.function_id WHERE f\.name = {_TEXT} AND v\.value = {_DAY}\) "
    rf"BEGIN ALTER PARTITION SCHEME {_NAME} NEXT USED \[PRIMARY\]; "
    rf"ALTER PARTITION FUNCTION {_NAME}\(\) SPLIT RANGE \({_DAY}\) END"
)
_SWITCH = rf"ALTER TABLE {_TABLE} SWITCH {_PLACE} TO {_TABLE} {_PLACE}"

TEMPLATES: tuple[tuple[str, str], ...] = (
    (_FUNCTION, f"{_MANUAL}/create-partition-function-transact-sql"),
    (_SCHEME, f"{_MANUAL}/create-partition-scheme-transact-sql"),
    (_DROP, f"{_MANUAL}/drop-partition-scheme-transact-sql"),
    (_SPLIT, f"{_MANUAL}/alter-partition-function-transact-sql"),
    (_SWITCH, f"{_MANUAL}/alter-table-transact-sql"),
)
"""Statements that sqlglot does not look into: an exact pattern and the vendor's page, for each."""


def create_scheme(dialect: "MssqlDialect", target: LoadTarget) -> list[Statement]:
    """Create the target's partition function and scheme, which bear the namespace's name and have no boundary yet."""
    name, day = dialect.quote(target.namespace), dialect.types[LogicalType.DATE].ddl
    return [
        Statement(f"CREATE PARTITION FUNCTION {name} ({day}) AS RANGE RIGHT FOR VALUES ()"),
        Statement(f"CREATE PARTITION SCHEME {name} AS PARTITION {name} ALL TO ([PRIMARY])"),
    ]


def placed(dialect: "MssqlDialect", target: LoadTarget) -> str:
    """Return what follows the columns of a target that lies on its scheme."""
    return f" ON {dialect.quote(target.namespace)} ({dialect.quote(target.table.partition)})"


def drop_scheme(dialect: "MssqlDialect", namespace: str) -> list[Statement]:
    """Drop scheme and function of a namespace where they exist; there is no DROP PARTITION ... IF EXISTS."""
    return [
        Statement(
            f"IF EXISTS (SELECT 1 FROM sys.partition_{kind.lower()}s WHERE name = {dialect.literal(namespace)}) "
            f"DROP PARTITION {kind} {dialect.quote(namespace)}"
        )
        for kind in ("SCHEME", "FUNCTION")
    ]


def boundaries(dialect: "MssqlDialect", target: LoadTarget, days: Sequence[date]) -> list[Statement]:
    """Give the function a boundary before and behind each of the days, where it has none: a day is a partition."""
    known = "sys.partition_functions AS f JOIN sys.partition_range_values AS v ON v.function_id = f.function_id"
    named = f"f.name = {dialect.literal(target.namespace)}"
    name = dialect.quote(target.namespace)
    edges = sorted({*days, *(day + timedelta(days=1) for day in days)})
    return [
        Statement(
            f"IF NOT EXISTS (SELECT 1 FROM {known} WHERE {named} AND v.value = {value}) "
            f"BEGIN ALTER PARTITION SCHEME {name} NEXT USED [PRIMARY]; "
            f"ALTER PARTITION FUNCTION {name}() SPLIT RANGE ({value}) END"
        )
        for value in map(dialect.literal, edges)
    ]


def exchange(dialect: "MssqlDialect", target: LoadTarget, days: Sequence[date]) -> list[Statement]:
    """Switch the days' old rows out into a table that is dropped, and their staged rows in.

    The partition that receives must be empty, and the three tables made alike, on one scheme
    (https://learn.microsoft.com/previous-versions/sql/sql-server-2008-r2/ms191160(v=sql.105)).
    """
    table, staged = dialect.table(target), dialect.staged(target)
    old = dialect.relation(target.namespace, f"{target.table.name}__old")
    statements = [
        Statement(dialect.create(old, target.columns) + placed(dialect, target)),
        dialect.cluster(target, old),
    ]
    for day in days:
        place = f"PARTITION $PARTITION.{dialect.quote(target.namespace)}({dialect.literal(day)})"
        statements += [
            Statement(f"ALTER TABLE {table} SWITCH {place} TO {old} {place}"),
            Statement(f"ALTER TABLE {staged} SWITCH {place} TO {table} {place}"),
        ]
    return [*statements, Statement(f"DROP TABLE {old}")]
