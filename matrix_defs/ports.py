"""The narrow waist: what a source and a sink can be asked, and the values that pass between them.

Strategies and systems meet only at these names; neither knows the other, and nothing here does I/O.
It may import pyarrow and the words of `table` and `systems`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from time import perf_counter
from typing import Any, Protocol

import pyarrow as pa

from matrix_defs.errors import ReadError
from matrix_defs.systems import SourceKind
from matrix_defs.table import Column, LogicalType, TableSpec


class Step(StrEnum):
    """One set-based move from the staged rows to the target. The value is the name of a dialect's method."""

    DEDUPE_STAGED = "dedupe_staged"
    """Keep the last staged change per key, by `_seq`, never by time."""
    SWAP_IN = "swap_in"
    """The staged rows become the target, atomically; nothing staged empties it."""
    INSERT_STAGED = "insert_staged"
    """Add every staged row that is no delete."""
    INSERT_MISSING = "insert_missing"
    """Add the staged rows whose key the target does not hold."""
    DELETE_STAGED_KEYS = "delete_staged_keys"
    """Remove the target rows whose key is staged, as an upsert or as a delete."""
    DELETE_CHANGED = "delete_changed"
    """Remove the target rows whose key is staged with another row_hash."""
    DELETE_ABSENT_KEYS = "delete_absent_keys"
    """Remove the target rows whose key the source no longer holds."""
    DELETE_WINDOW = "delete_window"
    """Remove the target rows inside the load's window."""
    REPLACE_PARTITIONS = "replace_partitions"
    """The load's partitions come to hold the staged rows and nothing else; staged rows outside them fail the load."""
    CLOSE_CHANGED = "close_changed"
    """End the open versions whose key is staged with another row_hash."""
    CLOSE_ABSENT = "close_absent"
    """End the open versions whose key the source no longer holds."""
    OPEN_VERSIONS = "open_versions"
    """Add the staged rows whose key has no open version, valid from the load's instant on."""


class ReadMode(StrEnum):
    """What a read of a source asks for."""

    SNAPSHOT = "snapshot"
    """All present rows."""
    INCREMENTAL = "incremental"
    """State source: rows with cursor >= position, less those that it lists. Log source: events, less tombstones."""
    INCREMENTAL_AND_DELETES = "incremental_and_deletes"
    """As incremental, plus what shows deletes: the complete key list (state source) or the tombstones (log source)."""
    WINDOW = "window"
    """Present rows whose partition column lies in the request's window."""
    PARTITIONS = "partitions"
    """Present rows of the request's partitions."""
    XMIN = "xmin"
    """Rows written by transactions that the position's snapshot did not see, plus the complete key list."""
    CHANGES = "changes"
    """Change events since the position, in order; without a position a snapshot consistent with the start position."""


class KeyList(StrEnum):
    """Where the complete key set of the source is to be found while the steps run."""

    NONE = "none"
    """Unknown: no key is absent, nothing is deleted for it."""
    STAGED = "staged"
    """The staged rows are the complete key set."""
    LISTED = "listed"
    """In a list of its own that came with the batch; an empty list deletes everything."""


def key_list(mode: ReadMode, kind: SourceKind) -> KeyList:
    """Return where a read of this mode from this kind of source shows the complete key set."""
    if mode is ReadMode.SNAPSHOT:
        return KeyList.STAGED
    if mode is ReadMode.XMIN:
        return KeyList.LISTED
    if mode is ReadMode.INCREMENTAL_AND_DELETES and kind is SourceKind.STATE:
        return KeyList.LISTED
    return KeyList.NONE


class Encoding(StrEnum):
    """How the chunks of a batch are encoded."""

    ARROW = "arrow"
    """Record batches in the table's canonical schema (plus `_op` and `_seq` where the source knows them)."""
    POSTGRES_COPY_BINARY = "postgres_copy_binary"
    """Bytes of PostgreSQL's COPY ... (FORMAT BINARY), the table's columns in order, undecoded."""


@dataclass(frozen=True)
class Window:
    """A half-open range of the partition column: start <= day < end."""

    start: date
    end: date


@dataclass(frozen=True)
class Partitions:
    """Whole days, ascending and distinct; a day counts even when the source holds no row of it."""

    days: tuple[date, ...]


Scope = Window | Partitions | None


@dataclass(frozen=True)
class Position:
    """Where an incremental read stopped. Only the source that made it reads `value`; sinks store it as JSON text.

    Lists inside `value` must be in an order of their own (sorted), so that equal positions have equal text.
    """

    value: Mapping[str, Any]

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(self.value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Position":
        """Read back what `to_json` wrote."""
        return cls(json.loads(text))


@dataclass(frozen=True)
class ReadRequest:
    """One read of a source."""

    mode: ReadMode
    position: Position | None = None
    """Where the sink says the last committed read stopped; None on a first load."""
    scope: Scope = None
    """The window or partitions that the mode asks for."""
    encodings: frozenset[Encoding] = frozenset({Encoding.ARROW})
    """What the sink can take. Arrow always can be; anything else only where no step needs to look into the rows."""


@dataclass(frozen=True)
class ReadEnd:
    """What is known once a batch has been read to its end."""

    position: Position | None
    """The position reached; the request's own where nothing was read; None where the mode keeps none."""
    keys: pa.Table | None = None
    """The complete key set of the source (the table's key columns), for modes whose key list is `LISTED`."""


class Batch:
    """What one read of a source returns: a stream of chunks, then where the read stopped.

    Iterate it once, to the end; then ask `end()`. Closing it releases the source's connection and is always safe; use
    it as a context manager. Chunks are record batches (`encoding` ARROW) or bytes. Change streams carry `_op`
    (`upsert` or `delete`) and `_seq` (int64, ascending in the order of the changes) behind the table's columns; a
    delete may leave every column but the key NULL.
    """

    def __init__(
        self,
        schema: pa.Schema,
        chunks: Iterator[Any],
        end: Callable[[], ReadEnd],
        *,
        encoding: Encoding = Encoding.ARROW,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.schema = schema
        self.encoding = encoding
        self._chunks = chunks
        self._end = end
        self._close = close
        self._exhausted = False
        self._known: ReadEnd | None = None
        self.seconds = 0.0
        """Seconds spent so far in waiting for the source's chunks."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            started = perf_counter()
            chunk = next(self._chunks, None)
            self.seconds += perf_counter() - started
            if chunk is None:
                break
            yield chunk
        self._exhausted = True

    def end(self) -> ReadEnd:
        """Return what the read reached; the source is asked once. Raises ReadError before the stream was read out."""
        if not self._exhausted:
            raise ReadError("the end of a batch was asked for before its rows were read; read the stream first")
        if self._known is None:
            self._known = self._end()
        return self._known

    def close(self) -> None:
        """Release what the source holds open for this batch."""
        self._close()

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Op(StrEnum):
    """What happened to a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One set-based change of a source: `rows` in the table's schema, for a delete the key columns alone."""

    op: Op
    rows: pa.Table


Changes = Sequence[Change]
"""Changes in the order in which the source must see them, each as a statement of its own, committed together."""


class Held(Protocol):
    """Rows written in a transaction that is still open."""

    def commit(self) -> None:
        """Make the rows visible."""

    def rollback(self) -> None:
        """Forget the rows; safe after commit and when called twice."""


class Source(Protocol):
    """What a source can be asked, in the workload's terms."""

    kind: SourceKind

    def seed(self, rows: pa.Table) -> None:
        """Create the case's table and fill it with `rows`."""

    def apply(self, changes: Changes) -> None:
        """Apply the changes, in order."""

    def hold(self, rows: pa.Table) -> Held:
        """Insert rows in a transaction that stays open until the caller commits it."""

    def read(self, request: ReadRequest) -> Batch:
        """Begin one read. Raises ReadError when the source cannot be read."""

    def release(self, position: Position) -> None:
        """Let the source forget what lies before a position that the sink has committed."""

    def released(self) -> Position | None:
        """The position up to which the source was released; None where it keeps none."""

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as this source can hold them: the same object but for declared losses."""

    def drop(self) -> None:
        """Remove everything that this source created in the case's namespace; safe to call twice."""


@dataclass(frozen=True)
class LoadTarget:
    """The table that users read, as a strategy needs it."""

    namespace: str
    """The case's own schema, database, dataset or topic prefix."""
    table: TableSpec
    """The source's columns; its key is the target's key."""
    keeps_hash: bool = False
    """Rows carry `row_hash`."""
    keeps_history: bool = False
    """Rows are versions with `valid_from` and `valid_to`, half-open; `valid_to` is NULL while the version is open."""
    partitioned: bool = False
    """The table is partitioned by the partition column, one partition a day."""
    appends: bool = False
    """The target is a list of deliveries, without a key."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column of the target: the table's, then the load's."""
        extra = [Column("row_hash", LogicalType.INT64, nullable=False)] if self.keeps_hash else []
        extra += [LOAD_ID, LOADED_AT]
        if self.keeps_history:
            extra += [
                Column("valid_from", LogicalType.INSTANT, nullable=False),
                Column("valid_to", LogicalType.INSTANT),
            ]
        return (*self.table.columns, *extra)

    def only_key(self) -> "LoadTarget":
        """The same target to be read by its key and by what loads noted alone."""
        return replace(self, table=replace(self.table, columns=self.table.key_columns))

    @property
    def schema(self) -> pa.Schema:
        """The canonical Arrow schema of the target."""
        return pa.schema([column.field for column in self.columns])


LOAD_ID = Column("load_id", LogicalType.TEXT, nullable=False)
LOADED_AT = Column("loaded_at", LogicalType.INSTANT, nullable=False)
OP = Column("_op", LogicalType.TEXT, nullable=False)
SEQ = Column("_seq", LogicalType.INT64, nullable=False)

UPSERT, DELETE = "upsert", "delete"
"""The values of `_op`."""


@dataclass(frozen=True)
class Load:
    """One load, as the case made it."""

    load_id: str
    loaded_at: datetime
    """UTC, microseconds, later than that of the load before: one instant for all rows of the load."""
    scope: Scope = None
    key_list: KeyList = KeyList.NONE
    position: Position | None = None
    """Commit this position in place of the batch's own: a backfill's ledger of finished chunks."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did. Counts are by key: one rewritten, even identically, is `updated`; so is a version closed."""

    staged: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    position: Position | None = None
    """The position that was committed; None where the mode keeps none."""
    statements: tuple[str, ...] = ()
    """What ran, in order; no secret, no row."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds per stage: `stage` (reading and staging flow together), `steps`."""


class Sink(Protocol):
    """What a sink can be asked. It learns no strategy's name."""

    encodings: frozenset[Encoding]

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that this sink can do: computed from its dialect, never declared."""

    def create(self, target: LoadTarget) -> None:
        """Create the namespace, the empty target and the state table."""

    def load(self, target: LoadTarget, load: Load, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Stage the batch, run the steps and commit the position. Raises LoadError.

        Then nothing has changed; or all has, where the answer to the commit was lost: `position` tells which.
        """

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render the statements of a load without driver or connection."""

    def position(self, target: LoadTarget) -> Position | None:
        """The position that the last load committed."""

    def read(self, target: LoadTarget) -> pa.Table:
        """Every row of the target in its canonical schema, in any order; of `only_key` the columns that it has."""

    def leftovers(self, target: LoadTarget) -> list[str]:
        """Names in the namespace besides the target and the state table: staging that was left behind."""

    def represent(self, table: TableSpec, rows: pa.Table) -> pa.Table:
        """`rows` of `table` as this sink can hold them: the same object but for declared losses."""

    def drop(self, target: LoadTarget) -> None:
        """Remove the namespace and everything in it; safe to call twice."""
