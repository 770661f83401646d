"""Promises of what is said about SQL Server's drivers and by them: what is missing, where to log in, what went wrong.

No server is asked. It may import `resources` and `matrix_defs`.
"""

import importlib
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import probe
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.ports import free_port
from resources.mssql import arrow, driver
from resources.mssql.resource import MssqlResource

CANARY = "canary}p4ss;w0rd={"
UNIXODBC_MISSING = "libodbc.so.2: cannot open shared object file: No such file or directory"
HERE = Endpoint(System.MSSQL, "external", "SQL Server", "16", "db.example", 1433, "loader", CANARY, "warehouse")

try:
    driver.load_all()
    drivers = pytest.mark.skipif(False, reason="")
except SystemUnavailableError as missing:
    drivers = pytest.mark.skip(reason=str(missing))


def said(text: str, state: str = "42000") -> Exception:
    """What pyodbc raises for a sentence of the server or the driver."""
    return Exception(state, f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server]{text}")


class TestMissing:
    """What is not installed."""

    def test_a_missing_unixodbc_is_a_reason_with_the_command_that_brings_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def without(name: str) -> object:
            raise ImportError(UNIXODBC_MISSING)

        monkeypatch.setattr(driver, "import_module", without)
        resource = MssqlResource(host="127.0.0.1", user="sa", database="d")
        for ask in (lambda: resource.endpoint("external"), lambda: resource.sink(HERE)):
            with pytest.raises(SystemUnavailableError) as refusal:
                ask()
            assert str(refusal.value) == (
                f"mssql: pyodbc cannot be loaded: {UNIXODBC_MISSING}; "
                "install unixODBC: apt-get install unixodbc, dnf install unixODBC or brew install unixodbc"
            )

    def test_everything_else_works_without_unixodbc(self) -> None:
        code = (
            "import sys; sys.modules['pyodbc'] = None\n"
            "from matrix_defs.systems import System\n"
            "from matrix_defs.definitions import build_defs\n"
            "build_defs()\n"
            "from resources.registry import RESOURCES\n"
            "assert RESOURCES[System.MSSQL].__name__ == 'MssqlResource'\n"
        )
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)

    @drivers
    def test_the_driver_of_the_wheel_is_used_where_none_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import pyodbc

        monkeypatch.setattr(pyodbc, "drivers", lambda: ["FreeTDS"])
        assert Path(driver.odbc_driver()).name.startswith("libmsodbcsql")
        monkeypatch.setattr(pyodbc, "drivers", lambda: ["FreeTDS", driver.NAME])
        assert driver.odbc_driver() == driver.NAME

    @drivers
    def test_a_driver_that_is_neither_installed_nor_in_the_wheel_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        import pyodbc

        monkeypatch.setattr(pyodbc, "drivers", list)
        bindings = importlib.import_module("mssql_python.ddbc_bindings")
        monkeypatch.setattr(bindings, "GetDriverPathCpp", lambda folder: str(tmp_path / "libmsodbcsql.so"))
        with pytest.raises(SystemUnavailableError, match=r"ODBC Driver 18 for SQL Server is neither .* msodbcsql18"):
            driver.odbc_driver()


class TestSettings:
    """Connection strings."""

    @drivers
    def test_any_password_stays_one_value(self) -> None:
        from mssql_python.connection_string_parser import _ConnectionStringParser

        parsed = _ConnectionStringParser(validate_keywords=True)._parse(driver.settings(HERE))
        assert parsed["pwd"] == CANARY
        assert parsed["server"] == "db.example,1433"

    def test_an_external_server_is_spoken_to_encrypted_and_known_unless_told_otherwise(self) -> None:
        assert "Encrypt={yes};TrustServerCertificate={no}" in driver.settings(HERE)


class TestExplain:
    """What becomes of an error."""

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (said("[SQL Server]Invalid object name 't'. (208) (SQLExecDirectW)"), "Invalid object name 't'. (208)"),
            (
                said("[SQL Server]Login failed. (18456) (SQLDriverConnect); [42000] [Microsoft]x (4060) (SQLx)"),
                "Login failed. (18456)",
            ),
            (
                said(
                    "[SQL Server]Violation of PRIMARY KEY constraint 'p'. Cannot insert duplicate key in object 'o'. "
                    "The duplicate key value is (1, secret). (2627) (SQLExecDirectW)"
                ),
                "Violation of PRIMARY KEY constraint 'p'. Cannot insert duplicate key in object 'o'. (2627)",
            ),
            (
                said(
                    "[SQL Server]String or binary data would be truncated in table 't', column 'c'. "
                    "Truncated value: 'secret'. (2628) (SQLExecDirectW)"
                ),
                "String or binary data would be truncated in table 't', column 'c'. (2628)",
            ),
            (
                said("[SQL Server]Arithmetic overflow error converting numeric\nto int. (8115) (SQLExecDirectW)"),
                "Arithmetic overflow error converting numeric to int. (8115)",
            ),
            (
                Exception("Driver Error: Syntax error; DDBC Error: [Microsoft][SQL Server]Incorrect syntax near 'x'."),
                "Incorrect syntax near 'x'.",
            ),
            (
                Exception("Failed: Sql Error: 515: Class 16: State 2: Cannot insert NULL. on host in  at line 1"),
                "Cannot insert NULL. (515)",
            ),
            (Exception(), "Exception"),
        ],
    )
    def test_an_error_is_one_line_without_rows(self, error: Exception, line: str) -> None:
        assert driver.explain(error) == line

    def test_the_servers_number_is_told_apart_from_numbers_in_its_text(self) -> None:
        error = said("[SQL Server]Transaction (Process ID 52) was deadlocked (lock). (1205) (SQLExecDirectW)", "40001")
        assert driver.number(error) == 1205
        assert driver.number(said("TCP Provider: Error code 0x2746 (SQLDriverConnect)")) is None


class TestProbe:
    """Reaching a server."""

    @drivers
    def test_a_server_that_is_down_is_told_by_its_address_without_the_password(self) -> None:
        port = free_port()
        here = Endpoint(System.MSSQL, "external", "SQL Server", "", "127.0.0.1", port, "loader", CANARY, "warehouse")
        with pytest.raises(SystemUnavailableError) as refusal:
            probe.mssql(here)
        assert str(refusal.value) == (
            f"mssql: cannot log in to SQL Server at 127.0.0.1:{port} as loader: Connection refused"
        )

    @drivers
    @pytest.mark.parametrize(
        ("answer", "advice"),
        [
            (f"[SQL Server]Login failed for user 'loader' with {CANARY}. (18456) (SQLDriverConnect)", "PASSWORD"),
            ('[SQL Server]Cannot open database "warehouse". (4060) (SQLDriverConnect)', "create the database"),
            (
                "SSL Provider: certificate verify failed: own (-1) (SQLDriverConnect)",
                "TRUST_SERVER_CERTIFICATE",
            ),
            (
                "SSL Provider: [SSL routines::wrong version number][peer did not return a certificate] (-1) "
                "(SQLDriverConnect)",
                "(-1); the server does not speak TDS 8",
            ),
        ],
    )
    def test_a_login_that_failed_comes_with_advice_and_never_with_the_password(
        self, monkeypatch: pytest.MonkeyPatch, answer: str, advice: str
    ) -> None:
        import pyodbc

        def refused(*_: object, **__: object) -> object:
            raise pyodbc.Error("28000", f"[28000] [Microsoft][ODBC Driver 18 for SQL Server]{answer}")

        monkeypatch.setattr(pyodbc, "connect", refused)
        monkeypatch.setattr(driver, "knock", lambda *_: None)
        with pytest.raises(SystemUnavailableError) as refusal:
            driver.connect(HERE, 1)
        assert advice in str(refusal.value)
        assert CANARY not in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_decimals_that_lie_askew_are_copied_to_where_the_bulk_copy_takes_them() -> None:
    numbers = pa.array([Decimal("1.5"), None, Decimal("-2.25")], pa.decimal128(18, 4))
    valid, data = numbers.buffers()
    askew = pa.allocate_buffer(data.size + 8)
    np.frombuffer(askew, np.uint8)[8:] = np.frombuffer(data, np.uint8)
    lying = pa.Array.from_buffers(numbers.type, 3, [valid, askew.slice(8)])
    assert lying.buffers()[1].address % 16 == 8
    (made,) = arrow.aligned(pa.record_batch([lying], names=["n"])).columns
    assert made.buffers()[1].address % 16 == 0
    assert made.equals(numbers)
