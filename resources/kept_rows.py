"""Rows of the workload on a source's server: sent for one case, or kept for all and copied by the server itself.

Here lives which rows are kept and under which name; how a table is made and filled is each system's matter. Only an
embedded server keeps them, because it ends with this process: on any other they would be left behind. It may import
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


class StagedRows:
    """Tables, for reading alone, in which a source's server holds rows that are to be put into the case's table."""

    def __init__(
        self,
        endpoint: Endpoint,
        table: TableSpec,
        namespace: str,
        *,
        common: str,
        relation: Callable[[str, str], str],
        write: Callable[[str, str, pa.Table], None],
        execute: Callable[[str], object],
    ) -> None:
        """Know how the system names a relation, makes one anew with rows, and runs a statement.

        `namespace` is the case's schema, `common` the one that every database has.
        """
        self._endpoint, self._table = endpoint, table
        self._namespace, self._common = namespace, common
        self._relation, self._write, self._execute = relation, write, execute
        self._own: set[str] = set()

    def kept(self, rows: pa.Table) -> str | None:
        """Return the table in which the server keeps these rows for every case; None where it keeps none."""
        name = KEPT.name(self._endpoint, self._table, rows, lambda name: self._write(self._common, name, rows))
        return name and self._relation(self._common, name)

    def hold(self, name: str, rows: pa.Table) -> str:
        """Return a table that holds these rows: the kept one, else one of the case's own, until `let_go`."""
        kept = self.kept(rows)
        if kept:
            return kept
        own = self._relation(self._namespace, name)
        self._own.add(own)
        self._write(self._namespace, name, rows)
        return own

    def let_go(self, relation: str) -> None:
        """Drop a table that `hold` returned, unless it is kept."""
        if relation in self._own:
            self._own.remove(relation)
            self._execute(f"DROP TABLE IF EXISTS {relation}")
