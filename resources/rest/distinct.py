"""Rows told apart by key over all pages of one read.

Here lives the memory of what a read has seen, nothing of pages or requests.
It may import `matrix_defs`, numpy, pyarrow and `json_rows`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.table import Column
from resources.json_rows import to_json


class Distinct:
    """Remembers rows by the JSON text of some columns, which is unambiguous (a concatenated key is not), at some 100
    bytes a row. Of rows with equal text the first is the one kept.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def first_seen(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows not seen before, in their order."""
        texts = to_json(pa.Table.from_batches([rows]), self._columns)
        listed = texts.to_pylist()
        page = set(listed)
        repeats = self._seen & page
        self._seen |= page
        if repeats or len(page) < len(listed):
            rows = rows.take(_first_places(texts, list(repeats)))
        return rows


def _first_places(texts: pa.ChunkedArray, but: list[str]) -> pa.Array:
    """Where each text stands for the first time, in order, leaving some texts out."""
    numbered = pa.table({"text": texts, "place": np.arange(len(texts))})
    places = numbered.group_by("text").aggregate([("place", "min")])
    left = places.filter(pc.invert(pc.is_in(places["text"], value_set=pa.array(but, pa.large_string()))))
    return left["place_min"].combine_chunks().sort()
