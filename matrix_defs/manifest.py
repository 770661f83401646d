"""The manifest of a case: everything that defines it, as plain JSON.

Here lives what is told; its published form is docs/manifest.schema.json. No credential can be in it: it is made from
definitions alone. It may import `cases`, `ports`, `run_modes` and `systems`.
"""

from typing import Any

from matrix_defs.cases import Case
from matrix_defs.ports import key_list
from matrix_defs.run_modes import RunMode, extras, profiles
from matrix_defs.systems import FACTS, System, source_kind


def manifest(case: Case) -> dict[str, Any]:
    """Return the manifest of a case, valid against docs/manifest.schema.json."""
    strategy, kind = case.strategy, source_kind(case.source)
    return {
        "case_id": case.case_id,
        "source": {**_system(case.source), "kind": str(kind)},
        "sink": _system(case.sink),
        "strategy": {
            "name": strategy.name,
            "promise": strategy.promise,
            "reads": str(strategy.reads),
            "key_list": str(key_list(strategy.reads, kind)),
            "steps": [str(step) for step in strategy.steps],
        },
        "options": {
            "keeps_hash": strategy.keeps_hash,
            "keeps_history": strategy.keeps_history,
            "partitioned": strategy.partitioned,
            "chunked": strategy.chunked,
            "appends": strategy.appends,
            "day_in_key": strategy.moves_leave_copies,
        },
        "profiles": {str(mode): [str(profile) for profile in profiles(case, mode)] for mode in RunMode},
        "extras": list(extras(case)),
    }


def _system(system: System) -> dict[str, Any]:
    return {"system": str(system), "label": FACTS[system].label}
