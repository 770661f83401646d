"""The registry of the ten load strategies: one file each, one line here.

Here lives the list alone, in canonical order. It may import the strategy files.
"""

from matrix_defs.strategies import (
    backfill,
    cdc,
    full_refresh,
    incremental_append,
    incremental_merge,
    partition_replace,
    replace,
    scd2,
    snapshot_diff,
    xmin,
)
from matrix_defs.strategies.base import Strategy

STRATEGIES: dict[str, Strategy] = {
    module.STRATEGY.name: module.STRATEGY
    for module in (
        full_refresh,
        incremental_append,
        incremental_merge,
        replace,
        partition_replace,
        snapshot_diff,
        scd2,
        backfill,
        xmin,
        cdc,
    )
}
"""The ten strategies by name, in canonical order."""
