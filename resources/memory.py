"""Memory that a finished case leaves behind, given back to the system.

Here lives the asking alone: Arrow's pool and the C library keep freed pages for the next case, which needs others.
It may import pyarrow and the standard library.
"""

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Return freed pages to the system; where the C library has no way to, Arrow's alone."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)
