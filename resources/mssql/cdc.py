"""SQL Server's change data capture as a change stream: every change, in the order of the transaction log.

Here live capture instances and positions in the log; net changes without the log live in `tracking`. It may import
`session` and `dialect`.
https://learn.microsoft.com/sql/relational-databases/track-changes/about-change-data-capture-sql-server
"""

import secrets
from collections.abc import Generator
from contextlib import closing

import pyarrow as pa
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from matrix_defs.errors import ReadError
from matrix_defs.ports import DELETE, OP, SEQ, UPSERT, Batch, Position, ReadEnd
from matrix_defs.table import TableSpec
from resources.mssql.dialect import MssqlDialect
from resources.mssql.session import Session, explained

CAPTURE_SECONDS = 60
"""How long the capture job of SQL Server Agent may lag behind; it looks every five seconds unless told otherwise."""

_DIALECT = MssqlDialect()


class LogCapture:
    """The changes of one table, as the capture job copies them from the log. Begun by the first read.

    The job works behind the writers, so each read writes a mark of its own and waits until the job has copied it: all
    that was committed before it is there by then. A position is the log sequence number of such a mark.
    """

    def __init__(self, session: Session, namespace: str, table: TableSpec) -> None:
        self._session = session
        self._namespace = namespace
        self._table = table
        self._relation = _DIALECT.relation(namespace, table.name)
        self._instance, self._marks = f"{namespace}__t", f"{namespace}__m"
        """The capture instances of the table and of the marks; a name is at most 100 characters long."""

    def read(self, position: Position | None) -> Batch:
        """Return the changes since the position, in commit order; without one a snapshot that no change precedes.

        Raises ReadError where they are no longer held.
        """
        if position is None:
            self._begin()
            return self._first()
        if "lsn" not in position.value:
            raise ReadError(
                "SQL Server, reading changes: the position is none of change data capture's; set MATRIX_MSSQL_CDC_MODE"
                " as it was, or drop the target with its position and load anew"
            )
        return self._changes(str(position.value["lsn"]))

    def drop(self) -> None:
        """Nothing: capture ends with the table."""

    def _begin(self) -> None:
        marks = _DIALECT.relation(self._namespace, "marks")
        if not self._session.value(f"SELECT OBJECT_ID({_DIALECT.literal(marks)})"):
            self._session.execute(f"CREATE TABLE {marks} ({_DIALECT.quote('mark')} BIGINT NOT NULL PRIMARY KEY)")
            self._capture("marks", self._marks, ("mark",))
            self._capture(self._table.name, self._instance, self._table.names)

    def _capture(self, table: str, instance: str, columns: tuple[str, ...]) -> None:
        text = _DIALECT.literal
        self._session.execute(
            f"EXEC sys.sp_cdc_enable_table @source_schema = {text(self._namespace)}, @source_name = {text(table)}, "
            f"@role_name = NULL, @capture_instance = {text(instance)}, "
            f"@captured_column_list = {text(_DIALECT.names(columns))}"
        )

    def _first(self) -> Batch:
        """The snapshot is younger than the mark: a change in between is read again next time, and changes nothing."""
        start = self._mark()

        def chunks() -> Generator[pa.RecordBatch, None, None]:
            query = f"SELECT {_DIALECT.names(self._table.names)} FROM {self._relation}"
            rows = self._session.rows(query, self._table.columns)
            with explained("reading the first snapshot"), self._session.snapshot(), closing(rows) as batches:
                yield from batches

        stream = chunks()
        return Batch(self._table.schema, stream, lambda: ReadEnd(Position({"lsn": start})), close=stream.close)

    def _changes(self, since: str) -> Batch:
        reached = self._mark()
        self._refuse_gap(since)
        order = "[__$start_lsn], [__$seqval], [__$operation]"
        op = f"CASE [__$operation] WHEN 1 THEN N'{DELETE}' ELSE N'{UPSERT}' END AS {_DIALECT.quote(OP.name)}"
        seq = f"ROW_NUMBER() OVER (ORDER BY {order}) AS {_DIALECT.quote(SEQ.name)}"
        function = f"cdc.{_DIALECT.quote(f'fn_cdc_get_all_changes_{self._instance}')}"
        query = (
            f"SELECT {_DIALECT.names(self._table.names)}, {op}, {seq} "
            f"FROM {function}(sys.fn_cdc_increment_lsn({since}), {reached}, N'all') ORDER BY {order}"
        )

        def chunks() -> Generator[pa.RecordBatch, None, None]:
            columns = (*self._table.columns, OP, SEQ)
            with explained("reading changes"), closing(self._session.rows(query, columns)) as batches:
                yield from batches

        stream = chunks()
        schema = pa.schema([*self._table.schema, OP.field, SEQ.field])
        return Batch(schema, stream, lambda: ReadEnd(Position({"lsn": reached})), close=stream.close)

    def _mark(self) -> str:
        """Write a mark and return its place in the log, as a binary literal, once the capture job has copied it."""
        mark = secrets.randbits(63)
        self._session.execute(f"INSERT INTO {_DIALECT.relation(self._namespace, 'marks')} VALUES ({mark})")
        copied = (
            "SELECT CONVERT(VARCHAR(22), [__$start_lsn], 1) "
            f"FROM cdc.{_DIALECT.quote(f'{self._marks}_CT')} WHERE {_DIALECT.quote('mark')} = {mark}"
        )
        place = Retrying(
            retry=retry_if_result(lambda found: found is None),
            stop=stop_after_delay(CAPTURE_SECONDS),
            wait=wait_fixed(0.2),
            retry_error_callback=lambda _: None,
        )(self._session.value, copied)
        if place is None:
            raise ReadError(
                f"SQL Server, reading changes: the capture job copied nothing for {CAPTURE_SECONDS} s; see"
                f" that SQL Server Agent runs and that its job is started: EXEC sys.sp_cdc_start_job"
            )
        return str(place)

    def _refuse_gap(self, since: str) -> None:
        """Raise ReadError if changes after `since` were cleaned up."""
        oldest = f"sys.fn_cdc_get_min_lsn({_DIALECT.literal(self._instance)})"
        held = f"SELECT CASE WHEN sys.fn_cdc_increment_lsn({since}) >= {oldest} THEN 1 ELSE 0 END"
        if not self._session.value(held):
            raise ReadError(
                f"SQL Server, reading the changes of {self._relation} after {since}: the cleanup job removed them, or"
                " they are not captured; drop the target with its position and load anew"
            )
