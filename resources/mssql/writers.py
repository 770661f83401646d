"""The ways of writing rows to a table in bulk, behind one method: the fastest that can be used comes first.

Here lives what each way needs and does; how many rows arrived is asked of the server by `session`, because the count of
a client is its own. It may import `arrow`, `parameters` and the drivers.
"""

import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import mssql_python
import pyarrow as pa
import pyodbc

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint
from resources.mssql import arrow
from resources.mssql.parameters import columns_of, parameter, placeholder


class WriteError(Exception):
    """A writer failed, and said so by no exception of a driver's."""


class Connections(Protocol):
    """What a writer may use to reach the server."""

    endpoint: Endpoint
    statement_seconds: int
    """How long one statement may take; a bulk copy is one."""

    @property
    def sql(self) -> pyodbc.Connection:
        """In autocommit."""

    @property
    def arrow(self) -> mssql_python.Connection:
        """In autocommit."""


class Writer(Protocol):
    """One way of writing. It may commit on its own: only staging and tables that nobody reads yet are written so."""

    name: str
    """What people call it; a value of MATRIX_MSSQL_WRITER."""

    def missing(self) -> str:
        """Return what is not here that it needs, and how to get it; empty where it can be used."""

    def write(self, connections: Connections, relation: str, rows: pa.RecordBatchReader) -> None:
        """Append the rows to the columns of their names; a column that is not named takes its default.

        Raises WriteError, or what the driver raises.
        """


class BulkCopy:
    """The bulk load of TDS by mssql-python, straight from Arrow buffers, on a connection that it opens for itself."""

    name = "bulkcopy"

    def missing(self) -> str:
        """Nothing: the package is a requirement of the connection."""
        return ""

    def write(self, connections: Connections, relation: str, rows: pa.RecordBatchReader) -> None:
        """Append the rows as one batch; a table lock lets the server log pages instead of rows."""
        ready = pa.RecordBatchReader.from_batches(rows.schema, map(arrow.aligned, rows))
        with connections.arrow.cursor() as cursor, _told():
            seconds = connections.statement_seconds
            cursor.bulkcopy_arrow(relation, ready, timeout=seconds, column_mappings=rows.schema.names, table_lock=True)


class Bcp:
    """Microsoft's bcp, fed with a file in its native format.

    It comes second, because it spools all rows to a file first, and because its password stands in the list of
    processes while it runs: there is no other way to hand it one unattended
    (https://learn.microsoft.com/sql/tools/bcp-utility).
    """

    name = "bcp"

    def missing(self) -> str:
        """The program, or the package that writes its files."""
        if shutil.which("bcp") is None:
            return "bcp is not on PATH; install mssql-tools18 and add /opt/mssql-tools18/bin"
        return "" if find_spec("arrow_bcp") else "arrow-bcp is not installed; run: pip install -e '.[mssql-bcp]'"

    def write(self, connections: Connections, relation: str, rows: pa.RecordBatchReader) -> None:
        """Append the rows through a view of their columns: a file in native format has all columns of its table."""
        dump, program = import_module("arrow_bcp.bcp_data").dump, import_module("arrow_bcp.bcp_con")
        view = f"{relation[:-1]}__rows]"
        with tempfile.TemporaryDirectory(prefix="matrix-bcp-") as folder:
            file, form = Path(folder, "rows.bcp"), Path(folder, "rows.fmt")
            if not dump(map(arrow.to_file, rows), form, file):
                return
            connections.sql.execute(f"CREATE VIEW {view} AS SELECT {columns_of(rows.schema)} FROM {relation}")
            try:
                program.ConnectionInfo(bcp_arguments(connections.endpoint)).insert_file(form, file, view)
            except program.BcpError as error:
                raise WriteError(_bcp_said(error, connections.endpoint)) from None
            finally:
                connections.sql.execute(f"DROP VIEW {view}")


class FastExecutemany:
    """INSERT with arrays of parameters by pyodbc. It makes Python objects of every value, so it comes last."""

    name = "fast_executemany"

    def missing(self) -> str:
        """Nothing: the package is a requirement of the connection."""
        return ""

    def write(self, connections: Connections, relation: str, rows: pa.RecordBatchReader) -> None:
        """Append the rows batch by batch. Values that the driver would round or shift are sent as text and cast."""
        marks = ", ".join(placeholder(field.type) for field in rows.schema)
        with connections.sql.cursor() as cursor:
            cursor.fast_executemany = True
            cursor.setinputsizes([parameter(field.type).size for field in rows.schema])
            for batch in rows:
                if batch.num_rows:
                    values = [parameter(array.type).values(array).to_pylist() for array in batch.columns]
                    text = f"INSERT INTO {relation} ({columns_of(rows.schema)}) VALUES ({marks})"
                    cursor.executemany(text, list(zip(*values, strict=True)))


WRITERS: tuple[Writer, ...] = (BulkCopy(), Bcp(), FastExecutemany())
"""Every writer, the fastest first (docs/benchmarks.md)."""


def choose(name: str) -> Writer:
    """Return the writer of this name, or the `fastest` that can be used. Raises SystemUnavailableError."""
    missing = {writer.name: writer.missing() for writer in WRITERS}
    for writer in WRITERS:
        if name in ("fastest", writer.name) and not missing[writer.name]:
            return writer
    raise SystemUnavailableError(f"mssql: MATRIX_MSSQL_WRITER={name}: {missing.get(name, 'there is no such writer')}")


def bcp_arguments(endpoint: Endpoint) -> list[str]:
    """Return how bcp is told where to log in, password included; the first row that it cannot write ends it."""
    encryption = {"yes": "-Ym", "no": "-Yo", "strict": "-Ys"}[endpoint.options.get("encrypt", "yes")]
    arguments = ["-S", f"{endpoint.host},{endpoint.port}", "-d", endpoint.database or "master"]
    arguments += ["-U", endpoint.user or "", "-P", endpoint.password or "", encryption]
    arguments += ["-q", "-m", "1", "-h", "TABLOCK"]
    return [*arguments, "-u"] if endpoint.options.get("trust_server_certificate") == "yes" else arguments


def _bcp_said(error: BaseException, endpoint: Endpoint) -> str:
    """What bcp printed, in one line without the password."""
    printed = b" ".join(part for part in error.args if isinstance(part, bytes)).decode(errors="replace")
    line = " ".join(printed.split())
    return line.replace(endpoint.password, "***") if endpoint.password else line


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the bulk copy raises, which are no exceptions of its own, into WriteError.

    An error's traceback holds the frames that it came through, and one of them the connection of the load. That is let
    go here: left to Python's collector, it may be freed while another load pulls rows, where mssql-python panics.
    """
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as error:
        traceback.clear_frames(error.__traceback__)
        raise WriteError(str(error)) from error
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        if type(error).__name__ == "PanicException":
            raise WriteError(f"the bulk copy of mssql-python broke down: {error}") from error
        raise
