"""The pytest gate: one test per case of the matrix, run by `pytest -m integration_matrix`.

Which cases, in which run mode, with how many rows and where artifacts go is said by the environment variables that the
`matrix` command reads too.
"""

import pytest

from matrix_defs.cases import CASES, Case
from matrix_defs.definitions import Session
from matrix_defs.result import Verdict


@pytest.mark.integration_matrix
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case_id)
def test_the_case_keeps_its_promises(case: Case, session: Session) -> None:
    result = session.certify(case)
    if result.verdict is Verdict.NOT_RUN:
        pytest.skip(result.reason)
    assert result.verdict is Verdict.PASSED, result.reason
