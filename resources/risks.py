"""What a pair's guide must declare: risks that no check can take away.

Here live sentences alone, by system and by what the system is in the pair. It may import `matrix_defs.systems`.
"""

from collections.abc import Mapping

from matrix_defs.systems import System

_LATE = "Reads by cursor miss a row that is committed with a cursor behind the position, until it changes again"

SOURCE_RISKS: Mapping[System, tuple[str, ...]] = {
    System.POSTGRES: (
        "A replication slot that no load advances keeps the server's WAL: bound it with `max_slot_wal_keep_size`.",
        f"{_LATE}; `xmin` and `cdc` do not.",
    ),
    System.MSSQL: (
        "Change Tracking forgets changes that are older than the database's CHANGE_RETENTION, read or not: a longer "
        "pause between loads fails the next one, which says so, and the target must be loaded anew.",
        "Reads ask for a database that allows snapshot isolation; without it the cases do not run.",
        f"{_LATE}; `cdc` does not.",
    ),
    System.CLICKHOUSE: (f"{_LATE}.",),
    System.REST: (
        "Where the service declares no total, a page that it loses is not noticed: the rows of that page are missing, "
        "and a strategy that deletes absent keys deletes them.",
        "Pages are no snapshot: a service whose rows change between two pages may show a row twice, which is resolved "
        "by key, or not at all, which a declared total reveals.",
        f"{_LATE}.",
    ),
    System.KAFKA: (
        "A topic whose retention has removed events that no load has read no longer shows them: keep topics that are "
        "loaded compacted, or retained for longer than the longest pause between loads.",
    ),
}
"""By source."""

SINK_RISKS: Mapping[System, tuple[str, ...]] = {
    System.MSSQL: ("A text key longer than 400 characters is refused: an index key ends at 900 bytes.",),
    System.POSTGRES: ("A view on the target blocks `full_refresh`, which then fails and leaves everything as it was.",),
    System.CLICKHOUSE: (
        "There is no transaction over several statements: the position is written last, and a load that was killed "
        "converges when it runs again; until then a reader may see it half done.",
    ),
    System.BIGQUERY: (
        "A transaction fails when another job changes the same table: one loader per target.",
        "The copy jobs of `replace_partitions` are no transaction: if one fails, the partitions before it hold the new "
        "rows already, the position does not tell of them, and the load run again ends as if it had not failed.",
        "JSON is stored as STRING: a load job takes no Parquet into a column of type JSON.",
    ),
    System.KAFKA: (
        "What a topic holds is known by folding all of it in memory, so a load needs memory for the whole target.",
    ),
}
"""By sink."""
