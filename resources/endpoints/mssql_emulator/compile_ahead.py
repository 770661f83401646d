"""`python -m resources.endpoints.mssql_emulator.compile_ahead`: compile what the first rows would wait for.

Here lives which functions those are; how they are compiled and kept is said in `compiling`. `make setup` runs it. It
may import `copy_in`, `copy_out`, `places` and the types of the wire.
"""

from resources.endpoints.mssql_emulator.copy_in import copied_rows
from resources.endpoints.mssql_emulator.copy_out import rows_of
from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, SqlType
from resources.endpoints.mssql_emulator.places import find_rows
from resources.endpoints.mssql_emulator.types import type_info


def compile_ahead() -> None:
    """Walk over no rows: a function is compiled for the types of its arguments, whatever they hold."""
    column = ResultColumn("n", SqlType(Kind.INT))
    info = type_info(column.type)
    copied_rows(b"", [info])
    find_rows(b"", [info])
    rows_of(b"", [column])


if __name__ == "__main__":
    compile_ahead()
