"""What a run asks of Python's collector. It may import everything."""

import subprocess
import sys

RUN = """if True:
    import gc
    import assets.certify as certify
    before = len(gc.get_objects())
    list(certify.certify_all([], certify.RunSettings(certify.RunMode.MOCK_CONTRACT), None, "run"))
    print(before > 100_000, len(gc.get_objects()) < before // 10, gc.isenabled())
    frozen = gc.get_freeze_count()
    list(certify.certify_all([], certify.RunSettings(certify.RunMode.MOCK_CONTRACT), None, "run"))
    print(gc.get_freeze_count() == frozen)
"""


def test_the_collector_looks_at_what_a_run_makes_and_not_at_what_was_imported_before_it() -> None:
    told = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "True", "True", "True"]
