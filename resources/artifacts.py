"""Where the evidence of cases is kept: one JSON file per case and run mode, differing rows as Parquet beside it.

Here lives storage alone; what an artifact says is decided in `matrix_defs.result`; its schema: docs/result.schema.json.
It may import `matrix_defs`, Dagster, pyarrow and universal_pathlib (so a folder may be `gs://bucket/prefix` as well).
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from dagster import ConfigurableResource
from pydantic import Field
from upath import UPath

from matrix_defs.cases import CASES_BY_ID
from matrix_defs.compare import Diff
from matrix_defs.errors import UsageError
from matrix_defs.result import CaseResult
from matrix_defs.run_modes import RunMode


class ArtifactStore(ConfigurableResource["ArtifactStore"]):
    """Keeps the latest result of every case as `<folder>/<run_mode>/<case_id>.json`; a file is whole or not there."""

    folder: str = Field("artifacts", description="A folder or a URL such as gs://bucket/prefix.")

    @property
    def absolute(self) -> str:
        """The folder as any other process would have to name it."""
        return str(UPath(self.folder).absolute())

    def check_writable(self) -> None:
        """Return if artifacts can be written. Raises UsageError saying where and why not."""
        try:
            root = UPath(self.absolute)
            root.mkdir(parents=True, exist_ok=True)
            probe = root / f".probe.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except (OSError, ImportError, ValueError) as error:
            raise UsageError(
                f"artifacts: cannot write to {self.folder!r} ({' '.join(str(error).split())}); "
                "name another folder with --artifacts or MATRIX_ARTIFACT_DIR"
            ) from error

    def write(self, result: CaseResult) -> str:
        """Replace the artifact of the result's case and return where it is; rows of an older failure are removed."""
        path, rows = self._path(result.run_mode, result.case.case_id), self.rows_path(result)
        path.parent.mkdir(parents=True, exist_ok=True)
        differing = [_labelled(stage, diff) for stage, diff in result.diffs.items() if diff]
        if differing:
            table = pa.concat_tables(differing, promote_options="permissive")
            _replace(rows, lambda file: pq.write_table(table, file))
        text = orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
        _replace(path, lambda file: file.write(text))
        if not differing:
            rows.unlink(missing_ok=True)
        return str(path)

    def rows_path(self, result: CaseResult) -> UPath:
        """Where the differing rows of a failed case are, with `_stage` and `_difference` before their own columns."""
        return self._path(result.run_mode, result.case.case_id).with_suffix(".parquet")

    def read(self, run_mode: RunMode) -> Mapping[str, dict[str, Any]]:
        """Return the artifacts of a run mode by case_id, in canonical order; cases without one are absent.

        Raises UsageError where a file is damaged.
        """
        paths = {case_id: self._path(run_mode, case_id) for case_id in CASES_BY_ID}
        return {case_id: _record(path) for case_id, path in paths.items() if path.exists()}

    def read_rows(self, run_mode: RunMode, case_id: str) -> pa.Table | None:
        """Return the differing rows of a case; None where the artifact has none."""
        path = self._path(run_mode, case_id).with_suffix(".parquet")
        return pq.read_table(pa.BufferReader(path.read_bytes())) if path.exists() else None

    def latest_run_mode(self) -> RunMode | None:
        """Return the run mode whose artifacts were written last; None where there are none."""
        folders = {mode: UPath(self.absolute) / mode.value for mode in RunMode}
        times = {mode: [path.stat().st_mtime for path in folder.glob("*.json")] for mode, folder in folders.items()}
        return max((mode for mode in times if times[mode]), key=lambda mode: max(times[mode]), default=None)

    def place(self, name: str) -> str:
        """Return where a file beside the run modes' folders is."""
        return str(UPath(self.absolute) / name)

    def write_text(self, name: str, text: str) -> str:
        """Replace a file beside the run modes' folders, such as the report, and return where it is."""
        path = UPath(self.place(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, lambda file: file.write(text.encode()))
        return str(path)

    def _path(self, run_mode: RunMode, case_id: str) -> UPath:
        return UPath(self.absolute) / run_mode.value / f"{case_id}.json"


def _labelled(stage: str, diff: Diff) -> pa.Table:
    """All rows of a difference in one table, each with the stage and what is wrong with it."""
    parts = []
    for name in ("missing", "unexpected", "changed_expected", "changed_actual"):
        rows: pa.Table = getattr(diff, name)
        labels = {"_stage": stage, "_difference": name}
        columns = {label: pa.repeat(text, rows.num_rows) for label, text in labels.items()}
        parts.append(pa.table({**columns, **dict(zip(rows.column_names, rows.columns, strict=True))}))
    return pa.concat_tables(parts, promote_options="permissive")


def _record(path: UPath) -> dict[str, Any]:
    try:
        record: dict[str, Any] = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UsageError(f"artifacts: {str(path)!r} is damaged ({error}); remove it, or run its case again") from None
    return record


def _replace(path: UPath, write: Callable[[BinaryIO], object]) -> None:
    """Write the file beside its place, then move it there: a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
