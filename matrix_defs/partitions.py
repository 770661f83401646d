"""The partitions of `case_result`: one per case.

Here lives the partitions definition and how cases become ranges of it; the asset itself lives in `assets.case_result`.
It may import Dagster and `cases`.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from matrix_defs.cases import CASES, CASES_BY_ID, Case

CASE_PARTITIONS = dg.StaticPartitionsDefinition([case.case_id for case in CASES])
"""200 keys in canonical order, so that the cases of one source, or of one pair, are neighbours."""


def ranges(cases: Iterable[Case]) -> list[list[Case]]:
    """Return the cases as the fewest runs of neighbours, in canonical order: one Dagster run can carry each."""
    subset = CASE_PARTITIONS.subset_with_partition_keys([case.case_id for case in cases])
    found = subset.get_partition_key_ranges(CASE_PARTITIONS)
    return [[CASES_BY_ID[key] for key in CASE_PARTITIONS.get_partition_keys_in_range(keys)] for keys in found]


def range_tags(neighbours: Sequence[Case]) -> dict[str, str]:
    """Return the tags by which one run carries these neighbouring cases."""
    return {
        "dagster/asset_partition_range_start": neighbours[0].case_id,
        "dagster/asset_partition_range_end": neighbours[-1].case_id,
    }
