"""PostgreSQL's change stream: a logical replication slot, read by peeking and advanced only when told to.

Here live slot, publication and positions; the message format lives in `pgoutput`. It may import `session`, `dialect`
and `pgoutput`.
https://www.postgresql.org/docs/current/logicaldecoding.html
"""

from collections.abc import Generator

import psycopg
import pyarrow as pa
from psycopg import pq

from matrix_defs.errors import ReadError
from matrix_defs.ports import OP, SEQ, Batch, Position, ReadEnd
from matrix_defs.table import TableSpec
from resources.postgres.dialect import PostgresDialect
from resources.postgres.pgoutput import Decoder
from resources.postgres.session import Session, explained

SLOT_SECONDS = 60
"""How long creating a slot may wait for each writing transaction that was open before it, on any table."""

_TEXT_FORMS = {"TimeZone": "UTC", "DateStyle": "ISO", "bytea_output": "hex", "extra_float_digits": "1"}
"""pgoutput renders values as the session that peeks would; a role or a database may be set otherwise."""

_DIALECT = PostgresDialect()


class ChangeStream:
    """The changes of one table. Slot and publication bear the namespace's name and exist from the first read on."""

    def __init__(self, session: Session, namespace: str, table: TableSpec) -> None:
        self._session = session
        self._slot = namespace
        self._table = table
        self._relation = _DIALECT.relation(namespace, table.name)

    def read(self, position: Position | None) -> Batch:
        """Return the changes since the position, in commit order; without one a snapshot of where the slot starts."""
        return self._first() if position is None else self._changes(int(position.value["lsn"]))

    def _first(self) -> Batch:
        """Create the slot and read the table in the snapshot that the slot exports: no change is lost or seen twice.

        The slot of an earlier first read whose load failed is replaced: nothing was committed from it. REPLICA IDENTITY
        FULL makes the old row part of an update, so that a TOAST value that did not change arrives all the same.
        """
        self.drop()
        self._identify_rows_fully()
        self._session.execute(f"CREATE PUBLICATION {_DIALECT.quote(self._slot)} FOR TABLE {self._relation}")
        exporter = self._session.connect(autocommit=True, replication="database")
        try:
            start, snapshot = self._create_slot(exporter)
        except BaseException:
            exporter.close()
            raise

        def chunks() -> Generator[pa.RecordBatch, None, None]:
            with explained("reading the first snapshot"):
                self._run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                try:
                    self._run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
                    columns = self._table.columns
                    query = f"SELECT {_DIALECT.selected(columns)} FROM {self._relation}"
                    yield from self._session.rows(query, columns)
                finally:
                    self._run("ROLLBACK")

        stream = chunks()

        def close() -> None:
            stream.close()
            exporter.close()

        return Batch(self._table.schema, stream, lambda: ReadEnd(Position({"lsn": start})), close=close)

    def _identify_rows_fully(self) -> None:
        """The ALTER needs the table to itself: it waits for open writers as long as the slot would, and no longer."""
        self._session.execute(f"SET lock_timeout = {round(SLOT_SECONDS * 1000)}")
        try:
            self._session.execute(f"ALTER TABLE {self._relation} REPLICA IDENTITY FULL")
        except psycopg.errors.LockNotAvailable as error:
            raise ReadError(
                f"PostgreSQL, preparing {self._table.name} for replication slot {self._slot}: waited {SLOT_SECONDS} s "
                "for open writing transactions to end; end them and load again"
            ) from error
        finally:
            self._session.execute("RESET lock_timeout")

    def _create_slot(self, exporter: psycopg.Connection) -> tuple[int, str]:
        """Return where the slot starts and the name of the snapshot that lives as long as `exporter` stays idle."""
        # Replication commands ignore statement_timeout; the wait for another transaction is a lock's.
        exporter.pgconn.exec_(f"SET lock_timeout = '{SLOT_SECONDS}s'".encode())
        command = f"CREATE_REPLICATION_SLOT {_DIALECT.quote(self._slot)} LOGICAL pgoutput EXPORT_SNAPSHOT"
        result = exporter.pgconn.exec_(command.encode())
        if result.status != pq.ExecStatus.TUPLES_OK:
            message = " ".join(result.error_message.decode().split())
            raise ReadError(
                f"PostgreSQL, creating replication slot {self._slot}: {message}; it needs wal_level=logical, a free "
                f"slot, and waits up to {SLOT_SECONDS} s for open writing transactions to end"
            )
        point, snapshot = (result.get_value(0, column) for column in (1, 2))
        assert point is not None
        assert snapshot is not None
        high, low = point.decode().split("/")
        return (int(high, 16) << 32) + int(low, 16), snapshot.decode()

    def _changes(self, since: int) -> Batch:
        """Peek, never get: the slot keeps what the sink has not committed. Changes up to `since` are dropped."""
        self._refuse_gap(since)
        decoder = Decoder(self._table, since)
        query = (
            f"SELECT data FROM pg_logical_slot_peek_binary_changes('{self._slot}', NULL, NULL, "
            f"'proto_version', '1', 'publication_names', '{_DIALECT.quote(self._slot)}')"
        )

        forms = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _TEXT_FORMS.items())

        def chunks() -> Generator[pa.RecordBatch, None, None]:
            with explained("reading changes"), self._session.arrow.cursor() as cursor:
                cursor.execute(f"SELECT {forms}")
                cursor.execute(query)
                for batch in cursor.fetch_record_batch():
                    changes = decoder.rows(batch.column(0))
                    if changes.num_rows:
                        yield changes

        stream = chunks()
        schema = pa.schema([*self._table.schema, OP.field, SEQ.field])
        return Batch(schema, stream, lambda: ReadEnd(Position({"lsn": decoder.reached})), close=stream.close)

    def _refuse_gap(self, since: int) -> None:
        """Raise ReadError if the slot no longer holds every change after `since`."""
        slot = self._state()
        if slot is None:
            what = "does not exist"
        elif slot[1] == "lost":
            what = "was invalidated by the server (max_slot_wal_keep_size or another limit)"
        elif slot[0] > since:
            what = f"was advanced to {_lsn(slot[0])}"
        else:
            return
        raise ReadError(
            f"PostgreSQL: replication slot {self._slot} {what}, so changes after {_lsn(since)} are lost; "
            "drop the target with its position and load anew"
        )

    def release(self, position: Position) -> None:
        """Advance the slot; a position behind it or of another kind moves nothing."""
        released = self.released()
        if released is not None and "lsn" in position.value and position.value["lsn"] > released.value["lsn"]:
            lsn = _lsn(int(position.value["lsn"]))
            self._session.value(f"SELECT pg_replication_slot_advance('{self._slot}', '{lsn}')")

    def released(self) -> Position | None:
        """The position up to which the server may forget; None without a slot."""
        slot = self._state()
        return Position({"lsn": slot[0]}) if slot else None

    def _state(self) -> tuple[int, str] | None:
        """Where the slot stands, and the state of its WAL; None without a slot."""
        query = (
            "SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint, wal_status "
            f"FROM pg_replication_slots WHERE slot_name = '{self._slot}'"
        )
        return self._session.sql.execute(query).fetchone()

    def drop(self) -> None:
        """Drop slot and publication where they exist."""
        slot = f"pg_replication_slots WHERE slot_name = '{self._slot}'"
        self._session.value(f"SELECT pg_drop_replication_slot(slot_name) FROM {slot}")
        self._session.execute(f"DROP PUBLICATION IF EXISTS {_DIALECT.quote(self._slot)}")

    def _run(self, text: str) -> None:
        with self._session.arrow.cursor() as cursor:
            cursor.execute(text)


def _lsn(value: int) -> str:
    """The integer as PostgreSQL writes it."""
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"
