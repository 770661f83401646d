"""PostgreSQL's change stream: a logical replication slot, read by peeking and advanced only when told to.

Here live slot, publication and positions; the message format lives in `pgoutput`. It may import `session` and `pgoutput`.
https://www.postgresql.org/docs/current/logicaldecoding.html
"""

from collections.abc import Iterator

import psycopg
import pyarrow as pa
from psycopg import pq

from matrix_defs.errors import ReadError
from matrix_defs.ports import OP, SEQ, Batch, Position, ReadEnd
from matrix_defs.table import TableSpec
from resources.postgres.dialect import PostgresDialect
from resources.postgres.pgoutput import Decoder
from resources.postgres.session import Session

SLOT_SECONDS = 60
"""How long creating a slot may wait for writing transactions that were open before it."""

_DIALECT = PostgresDialect()


class ChangeStream:
    """The changes of one table. Slot and publication bear the namespace's name and exist from the first read on."""

    def __init__(self, session: Session, namespace: str, table: TableSpec) -> None:
        self._session = session
        self._slot = namespace
        self._table = table
        self._relation = _DIALECT.relation(namespace, table.name)

    def read(self, position: Position | None) -> Batch:
        """Return the changes since the position, in commit order; without one a snapshot consistent with the slot's start."""
        return self._first() if position is None else self._changes(int(position.value["lsn"]))

    def _first(self) -> Batch:
        """Create the slot and read the table in the snapshot that the slot exports: no change is lost or seen twice.

        The slot of an earlier first read whose load failed is replaced: nothing was committed from it. REPLICA IDENTITY
        FULL makes the old row part of an update, so that a TOAST value that did not change arrives all the same.
        """
        self.drop()
        self._session.execute(f"ALTER TABLE {self._relation} REPLICA IDENTITY FULL")
        self._session.execute(f"CREATE PUBLICATION {_DIALECT.quote(self._slot)} FOR TABLE {self._relation}")
        exporter = psycopg.connect(self._session.conninfo(replication="database"), autocommit=True)
        try:
            start, snapshot = self._create_slot(exporter)
        except BaseException:
            exporter.close()
            raise

        def chunks() -> Iterator[pa.RecordBatch]:
            self._run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                self._run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
                columns = _DIALECT.names(self._table.names)
                yield from self._session.rows(f"SELECT {columns} FROM {self._relation}", self._table.columns)
            finally:
                self._run("ROLLBACK")

        return Batch(self._table.schema, chunks(), lambda: ReadEnd(Position({"lsn": start})), close=exporter.close)

    def _create_slot(self, exporter: psycopg.Connection) -> tuple[int, str]:
        """Return where the slot starts and the name of the snapshot that lives as long as `exporter` stays idle."""
        exporter.pgconn.exec_(f"SET statement_timeout = '{SLOT_SECONDS}s'".encode())
        command = f"CREATE_REPLICATION_SLOT {_DIALECT.quote(self._slot)} LOGICAL pgoutput EXPORT_SNAPSHOT"
        result = exporter.pgconn.exec_(command.encode())
        if result.status != pq.ExecStatus.TUPLES_OK:
            message = " ".join(result.error_message.decode().split())
            raise ReadError(
                f"PostgreSQL, creating replication slot {self._slot}: {message}; it needs wal_level=logical, a free slot, "
                f"and waits up to {SLOT_SECONDS} s for open writing transactions to end"
            )
        point, snapshot = (result.get_value(0, column) for column in (1, 2))
        assert point is not None and snapshot is not None
        high, low = point.decode().split("/")
        return (int(high, 16) << 32) + int(low, 16), snapshot.decode()

    def _changes(self, since: int) -> Batch:
        """Peek, never get: the slot keeps what the sink has not committed. Changes up to `since` are dropped."""
        decoder = Decoder(self._table, since)
        query = (
            f"SELECT data FROM pg_logical_slot_peek_binary_changes('{self._slot}', NULL, NULL, "
            f"'proto_version', '1', 'publication_names', '{_DIALECT.quote(self._slot)}')"
        )

        def chunks() -> Iterator[pa.RecordBatch]:
            with self._session.arrow.cursor() as cursor:
                cursor.execute(query)
                for batch in cursor.fetch_record_batch():
                    yield from decoder.rows(batch.column(0))

        schema = pa.schema([*self._table.schema, OP.field, SEQ.field])
        return Batch(schema, chunks(), lambda: ReadEnd(Position({"lsn": decoder.reached})))

    def release(self, position: Position) -> None:
        """Advance the slot; a position behind it or of another kind moves nothing."""
        released = self.released()
        if released is not None and "lsn" in position.value and position.value["lsn"] > released.value["lsn"]:
            lsn = int(position.value["lsn"])
            self._session.value(f"SELECT pg_replication_slot_advance('{self._slot}', '{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}')")

    def released(self) -> Position | None:
        """The position up to which the server may forget; None without a slot."""
        confirmed = "(confirmed_flush_lsn - '0/0'::pg_lsn)::bigint"
        lsn = self._session.value(f"SELECT {confirmed} FROM pg_replication_slots WHERE slot_name = '{self._slot}'")
        return Position({"lsn": lsn}) if lsn is not None else None

    def drop(self) -> None:
        """Drop slot and publication where they exist."""
        slot = f"pg_replication_slots WHERE slot_name = '{self._slot}'"
        self._session.value(f"SELECT pg_drop_replication_slot(slot_name) FROM {slot}")
        self._session.execute(f"DROP PUBLICATION IF EXISTS {_DIALECT.quote(self._slot)}")

    def _run(self, text: str) -> None:
        with self._session.arrow.cursor() as cursor:
            cursor.execute(text)
