"""`case_inventory`: all 250 combinations as one table, cases and exclusions alike.

Here lives the picture of the matrix as it is defined; verdicts are in `case_result` and `matrix_report`.
It may import Dagster and `matrix_defs`.
"""

import dagster as dg

from matrix_defs.cases import CASES, EXCLUSIONS, Case
from matrix_defs.run_modes import RunMode, extras, profiles


@dg.asset
def case_inventory() -> dg.MaterializeResult[None]:
    """The 200 cases with what they need, and the 50 excluded combinations with the reason."""
    cases = [_record(case, "case", ", ".join(profiles(case, RunMode.MOCK_LOCAL))) for case in CASES]
    excluded = [_record(e.case, f"excluded: {e.kind}", e.reason) for e in EXCLUSIONS]
    return dg.MaterializeResult(
        metadata={
            "cases": len(cases),
            "excluded": len(excluded),
            "combinations": len(cases) + len(excluded),
            "inventory": dg.MetadataValue.table(cases + excluded),
        }
    )


def _record(case: Case, status: str, note: str) -> dg.TableRecord:
    """One line of the table; `note` is what a case needs or why a combination is none."""
    return dg.TableRecord(
        {
            "source": str(case.source),
            "sink": str(case.sink),
            "strategy": case.strategy_name,
            "status": status,
            "extras": ", ".join(extras(case)),
            "note": note,
        }
    )
