"""SQL Server's Change Tracking as a change stream: which keys changed since a version, and how they are now.

Here live the net changes and their versions; every change with its place in the log lives in `cdc`. It may import
`session` and `dialect`.
https://learn.microsoft.com/sql/relational-databases/track-changes/work-with-change-tracking-sql-server
"""

from collections.abc import Generator
from contextlib import closing

import pyarrow as pa

from matrix_defs.errors import ReadError
from matrix_defs.ports import DELETE, OP, SEQ, UPSERT, Batch, Position, ReadEnd
from matrix_defs.table import TableSpec
from resources.mssql.dialect import MssqlDialect
from resources.mssql.session import Session, explained

_DIALECT = MssqlDialect()


class ChangeTracking:
    """The net changes of one table: one row per key that changed, however often. Begun by the first read.

    The server keeps changes for as long as the database's CHANGE_RETENTION says, whether or not they were read.
    """

    def __init__(self, session: Session, namespace: str, table: TableSpec) -> None:
        self._session = session
        self._table = table
        self._relation = _DIALECT.relation(namespace, table.name)
        self._id = f"OBJECT_ID({_DIALECT.literal(self._relation)})"

    def read(self, position: Position | None) -> Batch:
        """Return the changes since the position; without one a snapshot consistent with the version it begins at.

        Raises ReadError where they are no longer held.
        """
        if position is None:
            self._begin()
            return self._batch(None)
        if "version" not in position.value:
            raise ReadError(
                "SQL Server, reading changes: the position is none of Change Tracking's; set MATRIX_MSSQL_CDC_MODE as"
                " it was, or drop the target with its position and load anew"
            )
        return self._batch(int(position.value["version"]))

    def drop(self) -> None:
        """Nothing: tracking ends with the table."""

    def _begin(self) -> None:
        if not self._session.value(f"SELECT 1 FROM sys.change_tracking_tables WHERE object_id = {self._id}"):
            self._session.execute(f"ALTER TABLE {self._relation} ENABLE CHANGE_TRACKING")

    def _batch(self, since: int | None) -> Batch:
        """Version and rows are of one snapshot: what commits meanwhile has a later version and is read next time."""
        reached: list[int] = []

        def chunks() -> Generator[pa.RecordBatch, None, None]:
            with explained("reading changes"), self._session.snapshot():
                if since is not None:
                    self._refuse_gap(since)
                reached.append(self._session.arrow_value("SELECT CHANGE_TRACKING_CURRENT_VERSION()"))
                columns = self._table.columns if since is None else (*self._table.columns, OP, SEQ)
                with closing(self._session.rows(self._query(since), columns)) as batches:
                    yield from batches

        stream = chunks()
        schema = self._table.schema if since is None else pa.schema([*self._table.schema, OP.field, SEQ.field])
        return Batch(schema, stream, lambda: ReadEnd(Position({"version": reached[0]})), close=stream.close)

    def _query(self, since: int | None) -> str:
        if since is None:
            return f"SELECT {_DIALECT.names(self._table.names)} FROM {self._relation}"
        key = self._table.key
        columns = ", ".join(_DIALECT.column(name, "o" if name in key else "t") for name in self._table.names)
        op = f"CASE o.SYS_CHANGE_OPERATION WHEN N'D' THEN N'{DELETE}' ELSE N'{UPSERT}' END AS {_DIALECT.quote(OP.name)}"
        seq = f"o.SYS_CHANGE_VERSION AS {_DIALECT.quote(SEQ.name)}"
        changes = f"CHANGETABLE(CHANGES {self._relation}, {since}) AS o"
        joined = f"{changes} LEFT JOIN {self._relation} AS t ON {_DIALECT.same(key)}"
        return f"SELECT {columns}, {op}, {seq} FROM {joined} ORDER BY o.SYS_CHANGE_VERSION"

    def _refuse_gap(self, since: int) -> None:
        """Raise ReadError if changes after `since` were cleaned up, or if the version is none of this database's."""
        oldest = self._session.arrow_value(f"SELECT CHANGE_TRACKING_MIN_VALID_VERSION({self._id})")
        newest = self._session.arrow_value("SELECT CHANGE_TRACKING_CURRENT_VERSION()")
        if oldest is None or newest is None:
            what = "its changes are not tracked, or the login lacks VIEW CHANGE TRACKING on it"
        elif since < oldest:
            what = f"changes up to version {oldest} were cleaned up (CHANGE_RETENTION) or the table was truncated"
        elif since > newest:
            what = f"the database is at version {newest}, so the position is another one's"
        else:
            return
        raise ReadError(
            f"SQL Server, reading the changes of {self._relation} after version {since}: {what}; "
            "drop the target with its position and load anew"
        )
