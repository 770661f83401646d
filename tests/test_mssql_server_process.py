"""Promises of the process that the local SQL Server endpoint runs in.

What it answers is promised elsewhere, on the wire and by its clients.
"""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from resources.endpoints.mssql_emulator.server_process import WithoutPandas
sys.meta_path.insert(0, WithoutPandas())
import pyarrow
import resources.endpoints.mssql_emulator.postgres_engine
pyarrow.array([1])
print("pandas" in sys.modules)
"""


def test_it_makes_values_without_loading_pandas_which_arrow_would_where_it_is_found() -> None:
    command = [sys.executable, "-I", "-c", CODE, str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
