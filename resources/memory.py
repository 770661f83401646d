"""Memory of a run: where it comes from, how little of what cases freed is kept, and where more is looked for.

Here lives the asking alone: Arrow's pool and the C library keep freed pages for the next case, which needs others, and
Python's collector looks through all that a process has ever imported.
It may import pyarrow and the standard library.
"""

import ctypes
import gc

import pyarrow as pa

_C = ctypes.CDLL(None)
_M_ARENA_MAX = -8  # of glibc's malloc.h
NEW_OBJECTS = 20_000
"""How many may be made before the collector looks at them: a table's messages, not 700 of them."""


def keep_little() -> None:
    """Let all threads share two of the C library's arenas: drivers have dozens, and each would keep pages of its own.

    Arrow allocates there too: a pool of its own is one more place that keeps pages, some 50 MiB at the peak of a run.
    Where the C library is not glibc, nothing is changed.
    """
    if hasattr(_C, "mallopt"):
        pa.set_memory_pool(pa.system_memory_pool())
        _C.mallopt(_M_ARENA_MAX, 2)


def set_aside() -> None:
    """Let Python's collector never again look at what exists by now: the objects of a thousand modules.

    A read of Kafka makes an object per message, and so many of them let the collector look at everything.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def give_back() -> None:
    """Free what only cycles of a driver still hold, and return freed pages to the system.

    Where the C library is not glibc, the pages returned are Arrow's alone.
    """
    gc.collect()
    pa.default_memory_pool().release_unused()
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)
