"""Rows of the workload that the embedded server keeps for the next case: sent once, copied by itself from then on.

Here lives which rows are kept and under which name; how a table is made and filled is the source's matter. They lie
outside any case's namespace, so no other server keeps them: the embedded one ends with this process. It may import
`matrix_defs` and the endpoint.
"""

from collections.abc import Callable
from secrets import token_hex
from threading import Lock

import pyarrow as pa

from matrix_defs.table import TableSpec
from resources.endpoints.endpoint import Endpoint

MOST = 16
"""Tables that a server keeps at most: one workload has fewer."""


class KeptRows:
    """The tables that servers keep. Safe to use from any thread."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str | None], dict[tuple[TableSpec, int], tuple[str, pa.Table]]] = {}
        self._writing = Lock()

    def name(self, endpoint: Endpoint, table: TableSpec, rows: pa.Table, write: Callable[[str], None]) -> str | None:
        """Return the table that holds exactly these rows of `table`, for reading alone; `write` makes it at first.

        None where the server keeps nothing, or not these. Rows are told apart by being the same object, which a
        workload's are from case to case.
        """
        if endpoint.kind != "embedded":
            return None
        with self._writing:
            # Each server has a password of its own; a port may come again.
            kept = self._kept.setdefault((endpoint.address, endpoint.password), {})
            place = (table, id(rows))
            if place not in kept and len(kept) < MOST:
                name = f"kept_{token_hex(4)}"  # two logins of one server must not take each other's
                write(name)
                kept[place] = (name, rows)  # holding the rows keeps their id from being given to others
            return kept[place][0] if place in kept else None


KEPT = KeptRows()
"""Of this process."""
