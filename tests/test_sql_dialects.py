"""What the SQL dialects say: every step of every dialect as literal text, side by side in sql_by_step.sql."""

import re
from pathlib import Path

import pytest
import sqlglot
from dialect_steps import INSTANT, TABLE, plan_of, rendered
from sqlglot import exp

from matrix_defs.errors import UsageError
from matrix_defs.ports import LoadTarget, Partitions, Step
from matrix_defs.systems import System
from matrix_defs.table import LogicalType
from resources.bigquery.dialect import BigQueryDialect
from resources.bigquery.resource import BigQueryResource
from resources.kafka.resource import KafkaResource
from resources.mssql.dialect import MssqlDialect
from resources.mssql.resource import MssqlResource
from resources.mssql.types import SHORT_TEXT
from resources.plan_check import SqlPlanner
from resources.planners import SQL_DIALECTS, TYPES

MSSQL, BIGQUERY = MssqlDialect(), BigQueryDialect()
TARGET = LoadTarget("s", TABLE)
HARD_TEXTS = ("it's", "''", "back\\slash", "\\", "\\'", "line\nend\r", "tab\t", "ünï 東京 👍", ']`"', "%s {x} ?")


def expected() -> dict[tuple[str, str], str]:
    """The statements of sql_by_step.sql by step and system."""
    text = (Path(__file__).parent / "sql_by_step.sql").read_text(encoding="utf-8")
    sections = re.split(r"^-- # (\w+)$", text, flags=re.MULTILINE)[1:]
    found = {}
    for step, section in zip(sections[::2], sections[1::2], strict=True):
        parts = re.split(r"^-- (\w+)$", section, flags=re.MULTILINE)[1:]
        found |= {(step, system): said.strip() for system, said in zip(parts[::2], parts[1::2], strict=True)}
    return found


@pytest.mark.parametrize(("step", "system"), [(step, system) for step in Step for system in SQL_DIALECTS])
def test_a_dialect_says_a_step_in_exactly_these_words(step: Step, system: System) -> None:
    assert rendered()[step, system] == expected()[step, system]


def test_the_words_are_those_of_all_steps_and_dialects_and_no_others() -> None:
    assert expected().keys() == rendered().keys()


@pytest.mark.parametrize("system", SQL_DIALECTS)
def test_every_statement_parses_in_its_own_dialect(system: System) -> None:
    planner = SqlPlanner(SQL_DIALECTS[system])
    for step in Step:
        plan = plan_of(step)
        for statement in planner.frame(plan.target) + planner.plan(plan.target, plan.load, plan.steps):
            assert planner.flaw(statement) == ""


@pytest.mark.parametrize("system", SQL_DIALECTS)
def test_a_types_table_names_every_logical_type_in_order(system: System) -> None:
    assert list(TYPES[system]) == list(LogicalType)


def test_a_system_declares_the_losses_of_its_types_table() -> None:
    assert KafkaResource.losses == ("Kafka float64: NaN and the infinities become NULL: JSON has no such numbers",)
    assert MssqlResource.losses == BigQueryResource.losses == ()


@pytest.mark.parametrize("text", HARD_TEXTS)
@pytest.mark.parametrize("dialect", [MSSQL, BIGQUERY], ids=["mssql", "bigquery"])
def test_a_text_literal_reads_back_as_the_text(dialect: MssqlDialect | BigQueryDialect, text: str) -> None:
    literal = sqlglot.parse_one(f"SELECT {dialect.literal(text)}", read=dialect.sqlglot).selects[0]
    assert literal.name == text


@pytest.mark.parametrize("name", ["plain", "a]b", "a`b", 'a"b', "two words"])
def test_a_quoted_name_stays_one_name(name: str) -> None:
    for dialect in (MSSQL, BIGQUERY) if "`" not in name else (MSSQL,):
        column = sqlglot.parse_one(f"SELECT {dialect.quote(name)} FROM x", read=dialect.sqlglot).selects[0]
        assert isinstance(column, exp.Column)
        assert dialect.quote(name)[1:-1].replace("]]", "]") == name


def test_an_instant_keeps_its_microseconds_and_its_zone_in_every_dialect() -> None:
    said = {system: dialect.literal(INSTANT) for system, dialect in SQL_DIALECTS.items()}
    assert all("12:30:00.000001" in text for text in said.values())
    assert all("+00:00" in text or "UTC" in text for text in said.values())


class TestMssql:
    """T-SQL."""

    def test_no_step_is_a_merge(self) -> None:
        assert not [text for (_, system), text in rendered().items() if system == System.MSSQL and "MERGE" in text]

    def test_any_error_ends_the_transaction_of_steps_and_position(self) -> None:
        plan = plan_of(Step.SWAP_IN)
        texts = MSSQL.plan(plan.target, plan.load, plan.steps)
        begin, commit = texts.index("BEGIN TRANSACTION"), texts.index("COMMIT TRANSACTION")
        assert texts[begin - 1] == "SET XACT_ABORT ON"
        inside = texts[begin:commit]
        assert [text for text in inside if "_matrix_state" in text and text.startswith("INSERT")]
        assert "TRUNCATE TABLE [s].[t]" in inside

    def test_keys_that_differ_by_trailing_blanks_are_told_apart(self) -> None:
        assert "DATALENGTH(o.[code]) = DATALENGTH(t.[code])" in MSSQL.holds("x", ["code"])

    def test_a_text_key_is_short_enough_for_an_index_and_other_text_is_not_cut(self) -> None:
        create, index = (statement.text for statement in MSSQL.create_target(TARGET))
        assert f"[code] {SHORT_TEXT} NOT NULL" in create
        assert index == "CREATE CLUSTERED INDEX [t__key] ON [s].[t] ([id], [code])"
        assert "[position] NVARCHAR(MAX)" in MSSQL.create_state(TARGET)[0].text

    def test_a_primary_key_tells_texts_apart_that_differ_by_trailing_blanks(self) -> None:
        create = MSSQL.create_keyed("s", TABLE)
        assert "[code__length] AS DATALENGTH([code]) PERSISTED NOT NULL" in create
        assert create.endswith("PRIMARY KEY ([id], [code], [code__length]))")
        assert SqlPlanner(MSSQL).flaw(create) == ""

    def test_dropping_a_namespace_touches_what_bears_its_name_only(self) -> None:
        tables, scheme, function, schema = (statement.text for statement in MSSQL.drop_namespace("m_x"))
        assert "WHERE s.name = N'm_x')" in tables
        assert scheme.endswith("WHERE name = N'm_x') DROP PARTITION SCHEME [m_x]")
        assert function.endswith("WHERE name = N'm_x') DROP PARTITION FUNCTION [m_x]")
        assert schema == "DROP SCHEMA IF EXISTS [m_x]"

    def test_a_days_old_rows_are_switched_out_and_its_staged_ones_in_between_boundaries_of_its_own(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        texts = [statement.text for statement in (*MSSQL.staging(plan), *MSSQL.replace_partitions(plan))]
        place = "PARTITION $PARTITION.[s](CAST('2026-03-01' AS DATE))"
        out = texts.index(f"ALTER TABLE [s].[t] SWITCH {place} TO [s].[t__old] {place}")
        assert texts[out + 1] == f"ALTER TABLE [s].[t__staged] SWITCH {place} TO [s].[t] {place}"
        splits = [number for number, text in enumerate(texts) if "SPLIT RANGE" in text]
        staging = next(number for number, text in enumerate(texts) if text.startswith("CREATE TABLE [s].[t__staged]"))
        assert len(splits) == 2
        assert max(splits) < staging < out

    def test_tables_that_change_partitions_are_made_alike_on_one_scheme(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        said = (*MSSQL.create_target(plan.target), *MSSQL.create_staging(plan), *MSSQL.replace_partitions(plan))
        made = [statement.text for statement in said if statement.text.startswith("CREATE TABLE")]
        made = [re.sub(r" DEFAULT (N'load-1'|CAST\([^)]*\)\))", "", text) for text in made]
        assert len(made) == 3
        assert len({text.partition(" (")[2] for text in made}) == 1
        assert made[0].endswith(" ON [s] ([day])")

    def test_without_partitions_a_day_is_deleted_and_inserted(self) -> None:
        dialect = MssqlDialect(partition_switch=False)
        texts = [statement.text for statement in dialect.replace_partitions(plan_of(Step.REPLACE_PARTITIONS))]
        assert [text.split()[0] for text in texts] == ["SELECT", "DELETE", "DELETE", "INSERT"]
        said = [s.text for s in (*dialect.create_target(TARGET), *dialect.drop_namespace("m_x"))]
        assert "PARTITION" not in "".join(said)

    def test_only_the_dynamic_drop_of_tables_is_let_through_unparsed(self) -> None:
        planner = SqlPlanner(MSSQL)
        assert planner.flaw(MSSQL.drop_namespace("m_x")[0].text) == ""
        assert planner.flaw("DECLARE @drop NVARCHAR(MAX) = N'DROP DATABASE x'; EXEC sys.sp_executesql @drop")


class TestBigQuery:
    """GoogleSQL."""

    def test_steps_and_position_are_one_script_in_one_transaction(self) -> None:
        plan = plan_of(Step.DELETE_STAGED_KEYS)
        (script,) = (text for text in BIGQUERY.plan(plan.target, plan.load, plan.steps) if "TRANSACTION" in text)
        declared, begun, *inside, committed, told = script.splitlines()
        assert declared == "DECLARE rows_inserted, rows_replaced, rows_deleted INT64 DEFAULT 0;"
        assert (begun, committed) == ("BEGIN TRANSACTION;", "COMMIT TRANSACTION;")
        assert told == "SELECT rows_inserted, rows_replaced, rows_deleted;"
        assert all(line.startswith(("SET", "DELETE", "INSERT")) for line in inside)
        assert "DELETE FROM `s`.`t`" in script
        assert "INSERT INTO `s`.`_matrix_state`" in script

    def test_staging_expires_a_day_after_it_was_made_by_the_clock_of_the_service(self) -> None:
        plan = plan_of(Step.DELETE_ABSENT_KEYS)
        for statement in (*BIGQUERY.create_staging(plan), *BIGQUERY.create_keys(plan)):
            assert statement.text.endswith(
                " OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 24 HOUR))"
            )

    @pytest.mark.parametrize("name", ["a`b", "a\\b"])
    def test_a_name_that_bigquery_cannot_have_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="no name there may"):
            BIGQUERY.quote(name)

    def test_partitions_are_copied_where_they_have_names_and_the_position_follows_in_its_own_transaction(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        texts = BIGQUERY.plan(plan.target, plan.load, plan.steps)
        (copy,) = (number for number, text in enumerate(texts) if text.startswith("bq cp"))
        assert texts[copy] == "bq cp -f s.t__staged$20260301 s.t$20260301"
        assert texts[copy + 1].startswith("BEGIN TRANSACTION;\nDELETE FROM `s`.`_matrix_state`")
        assert "TRANSACTION" not in texts[copy - 1]
        assert "INSERT INTO `s`.`t` " not in "".join(texts)

    def test_without_names_for_partitions_they_are_deleted_and_inserted_in_one_transaction(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        texts = BigQueryDialect(partition_decorators=False).plan(plan.target, plan.load, plan.steps)
        (script,) = (text for text in texts if "TRANSACTION" in text)
        assert not [text for text in texts if text.startswith("bq cp")]
        assert script.index("DELETE FROM `s`.`t` ") < script.index("INSERT INTO `s`.`t` ") < script.index("COMMIT")

    def test_a_row_outside_the_partitions_breaks_the_script_off(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        assert isinstance(plan.load.scope, Partitions)
        assert "ERROR(CONCAT(" in BIGQUERY.replace_partitions(plan)[0].text

    def test_every_target_is_partitioned_by_day_and_staging_where_partitions_are_copied_from_it(self) -> None:
        assert BIGQUERY.create_target(TARGET)[0].text.endswith(" PARTITION BY `day`")
        staged = {step: BIGQUERY.create_staging(plan_of(step))[0].text for step in Step}
        assert [step for step, text in staged.items() if "PARTITION BY `day`" in text] == [Step.REPLACE_PARTITIONS]
