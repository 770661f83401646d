"""Memory that cases have freed: how little of it is kept, and how the rest is given back to the system.

Here lives the asking alone: Arrow's pool and the C library keep freed pages for the next case, which needs others.
It may import pyarrow and the standard library.
"""

import ctypes

import pyarrow as pa

_C = ctypes.CDLL(None)
_M_ARENA_MAX = -8  # of glibc's malloc.h


def keep_little() -> None:
    """Let all threads share two of the C library's arenas: drivers have dozens, and each would keep pages of its own.

    Where the C library is not glibc, nothing is changed.
    """
    if hasattr(_C, "mallopt"):
        _C.mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Return freed pages to the system; where the C library is not glibc, Arrow's alone."""
    pa.default_memory_pool().release_unused()
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)
