"""The matrix is exactly the 200 canonical cases and 50 explained exclusions, and filters select from it or refuse."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from matrix_defs.cases import CASES, CASES_BY_ID, EXCLUSIONS, Case, ExclusionKind, Filters, select, select_excluded
from matrix_defs.errors import UsageError
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import SINKS, SOURCES, System

SNAPSHOT = Path(__file__).with_name("case_ids.txt")
DRIVERS = (
    "adbc_driver_manager", "adbc_driver_postgresql", "chdb", "clickhouse_connect", "confluent_kafka", "dagster",
    "google", "httpx", "psycopg", "pyodbc", "starlette",
)  # fmt: skip


def ids(cases: tuple[Case, ...]) -> list[str]:
    return [case.case_id for case in cases]


def test_there_are_200_cases_and_50_exclusions_and_together_they_are_all_combinations() -> None:
    combinations = {(source, sink, strategy) for source in SOURCES for sink in SINKS for strategy in STRATEGIES}
    everything = [*CASES, *(exclusion.case for exclusion in EXCLUSIONS)]
    assert (len(CASES), len(EXCLUSIONS)) == (200, 50)
    assert {(case.source, case.sink, case.strategy_name) for case in everything} == combinations
    assert len(everything) == len(combinations)


def test_every_strategy_has_as_many_cases_as_the_canonical_matrix_says() -> None:
    assert Counter(case.strategy_name for case in CASES) == {
        "full_refresh": 25,
        "incremental_append": 25,
        "incremental_merge": 25,
        "replace": 25,
        "partition_replace": 20,
        "snapshot_diff": 25,
        "scd2": 20,
        "backfill": 20,
        "xmin": 5,
        "cdc": 10,
    }


def test_strategies_that_not_every_pair_has_belong_to_the_right_pairs() -> None:
    pairs = {name: {(c.source, c.sink) for c in CASES if c.strategy_name == name} for name in STRATEGIES}
    databases = [sink for sink in SINKS if sink is not System.KAFKA]
    for name in ("partition_replace", "scd2", "backfill"):
        assert pairs[name] == {(source, sink) for source in SOURCES for sink in databases}
    assert pairs["xmin"] == {(System.POSTGRES, sink) for sink in SINKS}
    assert pairs["cdc"] == {(source, sink) for source in (System.POSTGRES, System.MSSQL) for sink in SINKS}


def test_cases_are_ordered_by_source_then_sink_then_strategy() -> None:
    order = [(SOURCES.index(c.source), SINKS.index(c.sink), list(STRATEGIES).index(c.strategy_name)) for c in CASES]
    assert order == sorted(order)
    assert [case.case_id for case in CASES] == list(CASES_BY_ID)


def test_the_200_case_ids_are_those_of_the_snapshot() -> None:
    assert ids(CASES) == SNAPSHOT.read_text().splitlines()


def test_a_case_id_names_source_sink_and_strategy() -> None:
    case = Case(System.POSTGRES, System.MSSQL, "incremental_merge")
    assert case.case_id == "postgres_to_mssql__incremental_merge"
    assert case.strategy is STRATEGIES["incremental_merge"]
    assert CASES_BY_ID[case.case_id] == case


def test_every_exclusion_says_in_one_sentence_why() -> None:
    for exclusion in EXCLUSIONS:
        assert isinstance(exclusion.kind, ExclusionKind)
        assert exclusion.reason.endswith(".")
        assert exclusion.reason[0].isupper()
        assert len(exclusion.reason.split()) >= 6
        assert "\n" not in exclusion.reason
    kinds = Counter((exclusion.case.strategy_name, exclusion.kind) for exclusion in EXCLUSIONS)
    assert kinds == {
        ("partition_replace", ExclusionKind.NEVER): 5,
        ("scd2", ExclusionKind.NEVER): 5,
        ("backfill", ExclusionKind.NEVER): 5,
        ("xmin", ExclusionKind.NEVER): 20,
        ("cdc", ExclusionKind.NEVER): 10,
        ("cdc", ExclusionKind.NOT_YET): 5,
    }


@pytest.mark.parametrize("everything", ["", "*", " ", ",", " * ", "postgres,*"])
def test_an_empty_filter_or_a_star_selects_everything(everything: str) -> None:
    assert select(Filters(source=everything)) == CASES
    assert select_excluded(Filters(source=everything)) == EXCLUSIONS


def test_a_comma_list_selects_each_of_its_names_in_canonical_order() -> None:
    selected = select(Filters(source=" kafka , postgres", sink="clickhouse", strategy="cdc,full_refresh"))
    assert ids(selected) == [
        "postgres_to_clickhouse__full_refresh",
        "postgres_to_clickhouse__cdc",
        "kafka_to_clickhouse__full_refresh",
    ]
    excluded = select_excluded(Filters(source="kafka,postgres", sink="clickhouse", strategy="cdc,full_refresh"))
    assert [exclusion.case.case_id for exclusion in excluded] == ["kafka_to_clickhouse__cdc"]


def test_a_case_id_selects_that_case_and_combines_with_other_filters() -> None:
    wanted = "rest_to_kafka__replace,postgres_to_mssql__xmin"
    assert ids(select(Filters(case_id=wanted))) == ["postgres_to_mssql__xmin", "rest_to_kafka__replace"]
    assert ids(select(Filters(case_id=wanted, source="rest"))) == ["rest_to_kafka__replace"]


@pytest.mark.parametrize(
    ("filters", "valid"),
    [
        (Filters(source="oracle"), SOURCES),
        (Filters(source="postgres,bigquery"), SOURCES),
        (Filters(source="*,oracle"), SOURCES),
        (Filters(sink="rest"), SINKS),
        (Filters(sink="Postgres"), SINKS),
        (Filters(strategy="merge"), STRATEGIES),
    ],
)
def test_an_unknown_name_is_refused_with_the_valid_ones(filters: Filters, valid: tuple[str, ...]) -> None:
    for selecting in (select, select_excluded):
        with pytest.raises(UsageError) as refused:
            selecting(filters)
        assert f"valid: {', '.join(valid)}" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_an_unknown_case_id_is_refused_with_the_ids_that_come_near_and_where_all_are_listed() -> None:
    with pytest.raises(UsageError, match="unknown case_id 'postgres_to_mssql__xmim'") as refused:
        select(Filters(case_id="postgres_to_mssql__xmim"))
    assert "postgres_to_mssql__xmin" in str(refused.value)
    assert "matrix list" in str(refused.value)


def test_filters_that_exclude_each_other_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"no case matches sink=kafka, strategy=scd2.*excludes"):
        select(Filters(sink="kafka", strategy="scd2"))
    assert len(select_excluded(Filters(sink="kafka", strategy="scd2"))) == len(SOURCES)


def test_importing_the_cases_imports_no_driver_and_no_dagster() -> None:
    code = f"import sys, matrix_defs.cases; print(*sorted({set(DRIVERS)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
