"""One load into a topic: staged, compared with what the topic holds, published, committed.

Here lives the order of events of a load; the steps live in `matrix_defs.arrow_steps`, how messages move in `read` and
`publish`. It may import `matrix_defs`, numpy, pyarrow and the modules beside it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress, repeat
from time import perf_counter

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from matrix_defs.arrow_steps import Tables, run_steps
from matrix_defs.errors import LoadError
from matrix_defs.ports import DELETE, UPSERT, Batch, KeyList, Load, LoadReport, LoadTarget, Position, ReadEnd, Step
from matrix_defs.staging import prepared_batches, staged_columns
from resources.kafka.client import Cluster, explained_load
from resources.kafka.events import key_namer, load_columns, load_headers, topic_name
from resources.kafka.formats import Format
from resources.kafka.publish import Headers, Outbox, outbox, refuse_too_large
from resources.kafka.read import BoundedRead, fold
from resources.kafka.spool import Spool
from resources.kafka.state import Committed, last_committed, state_key, state_topic, state_value

_ROW = "_number"
"""Which row a row of the steps stands for: the staged one of that number, or, below zero, one that the topic holds."""


class TopicLoad:
    """One load of one target. Raises LoadError; then no position was committed."""

    def __init__(self, cluster: Cluster, format: Format, target: LoadTarget, load: Load) -> None:
        self._cluster = cluster
        self._format = format
        self._target = target
        self._load = load
        self._topic = topic_name(target.namespace, target.table.name)
        self._name_key = key_namer(format, self._topic, target.table)
        self._headers = load_headers(UPSERT, load)

    # ------------------------------------------------------------------ appending

    def append(self, batch: Batch) -> LoadReport:
        """Publish one event per row. Rows wait in a file until the last one is known to be fit to be sent.

        Where a load broke off without a transaction, the rows that it had published lie behind the end that was last
        committed: as many equal ones of this load are not published again. They keep the load_id that brought them.
        """
        started, staged = perf_counter(), 0
        with Spool() as spool:
            for chunk in prepared_batches(self._target, batch, with_changes=False):
                rows = pa.Table.from_batches([chunk])
                spool.add(*self._encoded(rows))
                staged += rows.num_rows
            end = batch.end()
            staged_at = perf_counter()
            with self._publishing() as box:
                committed = last_committed(self._cluster, self._target)
                with BoundedRead(self._cluster, self._topic, committed.offsets) as log:
                    there = Counter(message.value() for messages in log for message in messages)
                with box.whole():
                    for keys, values in spool:
                        missing = _less(there, keys, values) if there else (keys, values)
                        box.send(self._topic, *missing, repeat(self._headers))
                    self._commit(box, end, log.offsets)
        return LoadReport(staged, inserted=staged, position=self._position(end), seconds=_seconds(started, staged_at))

    # ------------------------------------------------------------------ merging

    def merge(self, batch: Batch, steps: Sequence[Step]) -> LoadReport:
        """Run the steps on the keys that are staged and held, and publish at most one event per key.

        The steps see keys and hashes alone; the rows they choose are fetched by number. What a load that broke off has
        published is held like anything else, so that a rerun ends where the load would have.
        """
        started = perf_counter()
        chunks = list(prepared_batches(self._target, batch, with_changes=True))
        schema = pa.schema([c.field for c in staged_columns(self._target, with_changes=True)])
        staged = pa.Table.from_batches(chunks, schema)
        end = batch.end()
        if self._load.key_list is KeyList.LISTED and end.keys is None:
            raise LoadError("the source's complete key list did not come with its rows; nothing was deleted or loaded")
        staged_at = perf_counter()
        with self._publishing() as box:
            with BoundedRead(self._cluster, self._topic) as log:
                held = fold(log)
            done = run_steps(self._target, self._load, self._narrow(held, staged, end.keys), steps)
            number = done.target.column(_ROW).to_numpy()
            rows = staged.take(pa.array(number[number >= 0]))
            keys, values = self._encoded(rows)
            gone = self._gone(held, number[number < 0], keys)
            with box.whole():
                box.send(self._topic, keys, values, self._upsert_headers(rows))
                box.send(self._topic, gone, [None] * len(gone), repeat(load_headers(DELETE, self._load)))
                self._commit(box, end, log.offsets)
        return LoadReport(
            staged=staged.num_rows,
            inserted=done.inserted - done.replaced,
            updated=done.replaced,
            deleted=done.deleted,
            position=self._position(end),
            seconds=_seconds(started, staged_at),
        )

    # ------------------------------------------------------------------ their parts

    @contextmanager
    def _publishing(self) -> Iterator[Outbox]:
        """Open an outbox; a load of this target that was cut off in a transaction is rolled back by that."""
        with (
            explained_load(f"loading {self._topic}"),
            outbox(self._cluster, LoadError, self._name_key, transactional_id=self._target.namespace) as box,
        ):
            yield box

    def _encoded(self, rows: pa.Table) -> tuple[list[bytes], list[bytes]]:
        """Return keys and values of rows, all of them fit to be sent."""
        table = self._target.table
        keys = self._format.encode(self._topic, rows, table.key_columns, part="key")
        values = self._format.encode(self._topic, rows, table.columns, part="value")
        refuse_too_large(self._topic, keys, values, self._name_key)
        return keys, values

    def _upsert_headers(self, rows: pa.Table) -> Iterable[Headers]:
        if not self._target.keeps_hash:
            return repeat(self._headers)
        return [[*self._headers, ("row_hash", str(digest))] for digest in rows.column("row_hash").to_pylist()]

    def _narrow(self, held: Mapping[bytes, Message], staged: pa.Table, keys: pa.Table | None) -> Tables:
        """Return what the steps look at: keys, row hashes and where each row is to be found."""
        target = self._target
        there = self._format.decode(self._topic, list(held), target.table.key_columns, part="key")
        if target.keeps_hash:
            hashes = load_columns(target, list(held.values()))["row_hash"]
            there = there.append_column("row_hash", hashes)
        there = there.append_column(_ROW, pa.array(-1 - np.arange(there.num_rows)))
        new = staged.append_column(_ROW, pa.array(np.arange(staged.num_rows)))
        return Tables(there, new.select([*there.column_names, "_op", "_seq"]), keys)

    def _gone(self, held: Mapping[bytes, Message], kept: np.ndarray, published: Sequence[bytes]) -> list[bytes]:
        """Return the keys that the topic holds, and after the load neither keeps nor gets again."""
        left = np.ones(len(held), bool)
        left[-1 - kept] = False
        again = set(published)
        if len(again) < len(published):
            twice = self._name_key(Counter(published).most_common(1)[0][0])
            raise LoadError(f"the key {twice} was read more than once; a keyed topic takes one event per key and load")
        return [key for key in compress(held, left) if key not in again]

    def _commit(self, box: Outbox, end: ReadEnd, read_to: Mapping[int, int]) -> None:
        """Publish the position, once every event is known to have arrived."""
        box.settle()
        offsets = {**read_to, **box.ends.get(self._topic, {})}
        record = state_value(Committed(self._position(end), offsets))
        box.send(state_topic(self._target), [state_key(self._target)], [record], [self._headers])
        box.settle()

    def _position(self, end: ReadEnd) -> Position | None:
        return self._load.position or end.position


def _seconds(started: float, staged_at: float) -> dict[str, float]:
    return {"stage": staged_at - started, "steps": perf_counter() - staged_at}


def _less(there: Counter[bytes], keys: Sequence[bytes], values: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the messages that are not there yet, taking from `there` what was found in it."""
    missing = []
    for number, value in enumerate(values):
        if there[value]:
            there[value] -= 1
        else:
            missing.append(number)
    return [keys[number] for number in missing], [values[number] for number in missing]
