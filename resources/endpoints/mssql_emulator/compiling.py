"""Functions over bytes, compiled by numba.

Here lives how; what they do lives in `places`, `copy_in` and `copy_out`. It may import numba.
"""

from collections.abc import Callable, Iterable
from typing import Any


def compiled(walk: Callable[..., Any], parts: Iterable[Callable[..., Any]]) -> Callable[..., Any]:
    """Return a function compiled, with those that it calls.

    All must be of one file: what was compiled is kept for the next process, until the file of the first has changed.
    """
    # It is imported when the first rows come, because that takes longer than the server takes to start.
    from numba import njit
    from numba.extending import register_jitable

    for part in parts:
        register_jitable(part)
    made: Callable[..., Any] = njit(nogil=True, cache=True)(walk)
    return made
