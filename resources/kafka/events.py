"""What messages mean: rows, deletes and what a load noted about them.

Here live the ways from messages to Arrow tables and back, whatever the format; moving messages is done in `read` and
`publish`. It may import `matrix_defs`, numpy, pyarrow and `formats`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from matrix_defs.errors import ReadError
from matrix_defs.ports import DELETE, LOAD_ID, LOADED_AT, UPSERT, Load, LoadTarget
from matrix_defs.table import TableSpec
from resources.kafka.formats import Format
from resources.kafka.publish import Headers

TOPIC_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""The log of a table forgets nothing: appended rows may share a key."""

PARTITIONS = 3
"""Partitions of a table's topic."""

_INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"

_PARTITION_BITS = 16


def topic_name(namespace: str, table: str) -> str:
    """Return the topic of a table."""
    return f"{namespace}.{table}"


def key_namer(format: Format, topic: str, table: TableSpec) -> Callable[[bytes], str]:
    """Return a function that tells an encoded key in words; one that is no key of the table is told as it is."""

    def name(key: bytes) -> str:
        try:
            (row,) = format.decode(topic, [key], table.key_columns, part="key").to_pylist()
        except ReadError:
            return repr(key)
        return ", ".join(f"{column}={value!r}" for column, value in row.items())

    return name


def load_headers(op: str, load: Load) -> Headers:
    """Return what every event of a load carries."""
    return [("op", op), (LOAD_ID.name, load.load_id), (LOADED_AT.name, f"{load.loaded_at:{_INSTANT}}")]


def changes(format: Format, topic: str, table: TableSpec, messages: Sequence[Message]) -> pa.Table:
    """Return one row per message: the table's columns, `_op` and `_seq`. A tombstone has its key and NULLs.

    `_seq` is made of offset and partition, so that it ascends with the changes of a key, which lives in one partition.
    Raises ReadError.
    """
    values = [message.value() for message in messages]
    gone = np.fromiter((value is None for value in values), bool, len(values))
    upserts = rows_of(format, topic, table, messages)
    keys = [message.key() for message, tombstone in zip(messages, gone, strict=True) if tombstone]
    deletes = format.decode(topic, keys, table.key_columns, part="key")
    rows = pa.concat_tables([upserts, _padded(deletes, upserts.schema)])
    rows = rows.append_column("_op", pa.array(np.where(np.sort(gone), DELETE, UPSERT), pa.string()))
    places = np.argsort(np.argsort(gone, kind="stable"))
    offsets = np.fromiter(map(Message.offset, messages), np.int64, len(values))
    partitions = np.fromiter(map(Message.partition, messages), np.int64, len(values))
    in_order = rows.take(pa.array(places)) if keys else rows
    return in_order.append_column("_seq", pa.array((offsets << _PARTITION_BITS) | partitions))


def rows_of(format: Format, topic: str, table: TableSpec, messages: Sequence[Message]) -> pa.Table:
    """Return the rows of the messages that are no tombstones, in order. Raises ReadError."""
    values = [value for value in map(Message.value, messages) if value is not None]
    return format.decode(topic, values, table.columns, part="value")


def load_columns(target: LoadTarget, messages: Sequence[Message]) -> dict[str, pa.Array]:
    """Return the target's columns that travel in headers: what loads noted about the rows. Raises ReadError."""
    carried = [dict(message.headers() or ()) for message in messages]
    columns = [column for column in target.columns if column.name not in target.table.names]
    made: dict[str, pa.Array] = {}
    for column in columns:
        texts = pa.array([headers.get(column.name) for headers in carried], pa.binary()).cast(pa.string())
        if texts.null_count:
            raise ReadError(f"{texts.null_count} message(s) of {target.namespace} lack the header {column.name!r}")
        made[column.name] = texts.cast(column.field.type)
    return made


def _padded(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    nothing: dict[str, Any] = {field.name: pa.nulls(rows.num_rows, field.type) for field in schema}
    return pa.table(nothing | {name: rows.column(name) for name in rows.column_names}, schema)
