"""Where a run's memory comes from, and what Python's collector looks at in it. It may import everything."""

import platform
import subprocess
import sys

import pytest

RUN = """if True:
    import gc
    from assets.verdicts import Verdicts
    from matrix_defs.run_modes import RunSettings
    before = len(gc.get_objects())
    list(Verdicts().of([], RunSettings(), None))
    print(before > 100_000, len(gc.get_objects()) < before // 10, gc.isenabled())
    frozen = gc.get_freeze_count()
    list(Verdicts().of([], RunSettings(), None))
    print(gc.get_freeze_count() == frozen)
"""
KEPT = """if True:
    import weakref
    from resources import memory
    memory.keep_little()
    memory.set_aside()
    class Kept: pass
    kept = Kept()
    kept.itself, seen = kept, weakref.ref(kept)
    del kept
    print(seen() is not None)
    memory.give_back()
    print(seen() is None)
    import pyarrow as pa
    import pyarrow.compute as pc
    held = pc.add(pa.array(range(100_000)), 1)
    print(pa.system_memory_pool().bytes_allocated() >= held.nbytes)
"""


def test_the_collector_looks_at_what_a_run_makes_and_not_at_what_was_imported_before_it() -> None:
    told = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "True", "True", "True"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep little")
def test_what_only_a_cycle_holds_is_freed_after_a_case_and_arrow_allocates_from_the_c_library() -> None:
    told = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "True", "True"]
