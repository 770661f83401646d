"""The documents that are generated: a guide for each pair, and the specification of the strategies.

Here lives what goes into them; how they look is in `templates`. It may import `matrix_defs`, the registries of
`resources` and jinja2.
"""

import ast
import inspect
import sys
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from matrix_defs.cases import CASES, Case, Filters, select, select_excluded
from matrix_defs.contract import CONTRACT_SPEC, guide_name
from matrix_defs.contract_plans import planned_loads, planned_target
from matrix_defs.ports import ReadMode, Step
from matrix_defs.run_modes import RunMode, extras, profiles
from matrix_defs.story import Stage, target_key
from matrix_defs.strategies import STRATEGIES
from matrix_defs.strategies.base import Strategy
from matrix_defs.systems import FACTS, SINKS, SOURCES, System
from matrix_defs.table import LogicalType, TableSpec
from matrix_defs.workload import build_workload
from resources.endpoints.embedded import SERVICES
from resources.planners import DIALECTS, SQL_DIALECTS, TYPES
from resources.risks import SINK_RISKS, SOURCE_RISKS
from resources.types_table import losses

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # Markdown, made of this project's own words
    keep_trailing_newline=True,
)
_SHOWN_COLUMNS = ("order_id", "item_code", "business_date", "updated_at", "status")
"""What the table of the examples has: the key, the day, the cursor and one more."""

_TRAITS: dict[str, str] = {
    "keeps_hash": "Rows carry `row_hash`.",
    "keeps_history": "Rows are versions with `valid_from` and `valid_to`.",
    "partitioned": "The target is partitioned by day.",
    "moves_leave_copies": "The day is part of the target's key.",
    "chunked": "Loads are chunks of one day, recorded in a ledger.",
    "appends": "The target has no key.",
    "rereads": "Rows may be read and rewritten again without having changed.",
    "replay_rewrites": "A replay writes the same rows again, under a new load_id.",
}
"""What each flag of a strategy means to its users, where it is set."""


def write_docs(folder: Path, check: bool = False) -> list[str]:
    """Write the generated documents below `folder` and return the paths in it of those that were not up to date.

    With `check` nothing is written. Raises OSError where a file cannot be read or written.
    """
    stale = []
    for name, text in documents().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return stale


def documents() -> dict[str, str]:
    """Return every generated document by its path: the same text for the same definitions."""
    guides = {f"source-sink/{guide_name(source, sink)}": _guide(source, sink) for source in SOURCES for sink in SINKS}
    return {"load-strategies.md": _load_strategies(), **guides}


# ---------------------------------------------------------------------- the specification of the strategies


def _load_strategies() -> str:
    specified = [_specified(strategy) for strategy in STRATEGIES.values()]
    return _TEMPLATES.get_template("load-strategies.md.j2").render(strategies=specified)


def _specified(strategy: Strategy) -> dict[str, Any]:
    title = inspect.getdoc(sys.modules[strategy.expect.__module__]) or ""
    return {
        **_reading(strategy),
        "title": title.splitlines()[0],
        "promise": strategy.promise,
        "meaning": inspect.getdoc(strategy.expect),
        "steps": [{"name": step, "doc": _member_docs(Step)[step.name]} for step in strategy.steps],
        "cases": sum(case.strategy_name == strategy.name for case in CASES),
        "traits": " ".join(text for flag, text in _TRAITS.items() if getattr(strategy, flag)),
    }


def _reading(strategy: Strategy) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "reads": strategy.reads,
        "reads_doc": _member_docs(ReadMode)[strategy.reads.name],
        "step_names": [f"`{step}`" for step in strategy.steps],
    }


@cache
def _member_docs(words: type[StrEnum]) -> dict[str, str]:
    """Return the text below each member of an enum in its source: Python keeps no docstrings of members."""
    (definition,) = ast.parse(inspect.getsource(words)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        ast.unparse(member.targets[0]): inspect.cleandoc(ast.literal_eval(text.value))
        for member, text in pairwise(definition.body)
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr)
    }


# ---------------------------------------------------------------------- the guides of the pairs


def _guide(source: System, sink: System) -> str:
    filters = Filters(source=source, sink=sink)
    cases, pair = select(filters), (source, sink)
    return _TEMPLATES.get_template("guide.md.j2").render(
        source=FACTS[source],
        sink=FACTS[sink],
        cases=[_shown(case) for case in cases],
        excluded=select_excluded(filters),
        profiles={mode: [f"`{profile}`" for profile in profiles(cases[0], mode)] for mode in RunMode},
        extras=extras(cases[0]),
        local=all(system in SERVICES for system in pair),
        types=[{"name": kind, "source": TYPES[source][kind], "sink": TYPES[sink][kind]} for kind in LogicalType],
        losses=dict.fromkeys(loss for system in pair for loss in losses(FACTS[system].label, TYPES[system])),
        risks=[*SOURCE_RISKS[source], *SINK_RISKS[sink]],
        language="sql" if sink in SQL_DIALECTS else "json",
    )


def _shown(case: Case) -> dict[str, Any]:
    """What a guide tells of one case."""
    dialect = DIALECTS[case.sink]
    return {
        **_reading(case.strategy),
        "promise": case.strategy.promise,
        "steps": [{"name": step, "doc": _in_one_line(getattr(dialect, step))} for step in case.strategy.steps],
        "statements": "\n".join(_terminated(case, text) for text in _example(case)),
    }


def _in_one_line(method: object) -> str:
    return " ".join((inspect.getdoc(method) or "").split())


def _example(case: Case) -> list[str]:
    """Return the plan of the first load that sees the changes."""
    workload = build_workload(CONTRACT_SPEC)
    columns = tuple(column for column in workload.table.columns if column.name in _SHOWN_COLUMNS)
    table = TableSpec(workload.table.name, columns, workload.table.key, workload.table.cursor, workload.table.partition)
    target = planned_target(case, table, target_key(case.strategy, workload))
    load = next(load for stage, load in planned_loads(case, workload) if stage is Stage.CHANGES)
    return DIALECTS[case.sink].plan(target, load, case.strategy.steps)


def _terminated(case: Case, statement: str) -> str:
    """Return the statement as it would be typed: SQL ends in a semicolon."""
    text = statement.rstrip()
    return text if case.sink not in SQL_DIALECTS or text.endswith(";") else f"{text};"
