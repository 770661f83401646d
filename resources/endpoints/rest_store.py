"""The tables of the local REST service: rows, the JSON that each is served as, changes and filters.

Here lives data; paths, pages and misbehaviour live in `rest_service`. Tables are immutable and replaced whole, so a
reader on any thread sees all of a change or nothing. It may import `matrix_defs`, numpy, pyarrow and `json_rows`.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.ports import Change, Op
from matrix_defs.table import TableSpec
from resources.json_rows import to_json


@dataclass(frozen=True)
class StoredTable:
    """A table with its rows in the order in which they were last written."""

    spec: TableSpec
    rows: pa.Table
    objects: pa.LargeStringArray
    """Each row as a JSON object."""
    keys: pa.LargeStringArray
    """Each row's key as a JSON object: unlike concatenated values it is unambiguous."""

    @classmethod
    def of(cls, spec: TableSpec, rows: pa.Table) -> "StoredTable":
        """Render the rows once, so that serving a page is joining texts."""
        return cls(spec, rows, to_json(rows, spec.columns).combine_chunks(), _keys(spec, rows))

    def after(self, changes: Sequence[Change]) -> "StoredTable":
        """Return the table with the changes applied in order; updates and deletes of unknown keys do nothing."""
        parts, keys, alive = [self], self.keys, np.ones(len(self.keys), bool)
        for change in changes:
            rows = change.rows
            if change.op is not Op.INSERT:
                touched = _keys(self.spec, rows)
                rows = rows.filter(pc.is_in(touched, value_set=keys.filter(pa.array(alive))))
                alive &= ~np.asarray(pc.is_in(keys, value_set=touched))
            if change.op is not Op.DELETE:
                parts.append(StoredTable.of(self.spec, rows))
                keys = pa.concat_arrays([keys, parts[-1].keys])
                alive = np.append(alive, np.ones(len(parts[-1].keys), bool))
        left = pa.array(alive)
        rows = pa.concat_tables([part.rows for part in parts]).filter(left).combine_chunks()
        objects = pa.concat_arrays([part.objects for part in parts]).filter(left)
        return StoredTable(self.spec, rows, objects, keys.filter(left))

    def matching(self, query: Mapping[str, str]) -> pa.Array:
        """Return the places of the rows that a query's filters leave: `updated_since` (inclusive), and on the partition
        column `<name>_from` (inclusive), `<name>_to` (exclusive), `<name>_in` (comma list).
        Raises ValueError for a filter that is no instant or date.
        """
        name = self.spec.partition
        days, cursor = self.rows.column(name), self.rows.column(self.spec.cursor)
        filters: dict[str, Callable[[str], pa.ChunkedArray]] = {
            "updated_since": lambda text: pc.greater_equal(cursor, _read(text, cursor.type)),
            f"{name}_from": lambda text: pc.greater_equal(days, _read(text, days.type)),
            f"{name}_to": lambda text: pc.less(days, _read(text, days.type)),
            f"{name}_in": lambda text: pc.is_in(days, value_set=pa.array(names(text), pa.string()).cast(days.type)),
        }
        masks = [mask(query[param]) for param, mask in filters.items() if param in query]
        return pc.indices_nonzero(reduce(pc.and_, masks)) if masks else pa.array(np.arange(self.rows.num_rows))

    def json(self, places: pa.Array, fields: Sequence[str]) -> bytes:
        """Return the rows at some places as a JSON array, with all fields or only those named.

        Raises ValueError for a field that the table has not.
        """
        if fields:
            if unknown := set(fields) - set(self.spec.names):
                raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
            columns = [column for column in self.spec.columns if column.name in fields]
            objects = to_json(self.rows.select(list(fields)).take(places), columns).combine_chunks()
        else:
            objects = self.objects.take(places)
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(objects)], pa.int64()), objects)
        return b"[%s]" % pc.binary_join(whole, pa.scalar(",", pa.large_string()))[0].as_buffer().to_pybytes()


class Store:
    """The service's tables by namespace and name."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], StoredTable] = {}
        self._writing = threading.Lock()

    def get(self, namespace: str, name: str) -> StoredTable | None:
        """The table as it is now."""
        return self._tables.get((namespace, name))

    def put(self, namespace: str, table: StoredTable) -> None:
        """Create or replace a table."""
        with self._writing:
            self._tables[namespace, table.spec.name] = table

    def apply(self, namespace: str, name: str, changes: Sequence[Change]) -> bool:
        """Apply the changes in order, visible together. Returns False where there is no such table."""
        with self._writing:
            table = self._tables.get((namespace, name))
            if table is None:
                return False
            self._tables[namespace, name] = table.after(changes)
            return True

    def drop(self, namespace: str) -> None:
        """Forget a namespace; one that does not exist is forgotten already."""
        with self._writing:
            self._tables = {place: table for place, table in self._tables.items() if place[0] != namespace}


def names(text: str) -> list[str]:
    """Return the items of a comma list; none of an empty text."""
    return [name for name in text.split(",") if name]


def _read(text: str, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(text).cast(kind)


def _keys(spec: TableSpec, rows: pa.Table) -> pa.LargeStringArray:
    return to_json(rows, spec.key_columns).combine_chunks()
