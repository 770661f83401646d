"""What the SQL dialects say: every step of every dialect as literal text, side by side in sql_by_step.sql."""

import re
from pathlib import Path

import pytest
import sqlglot
from dialect_steps import INSTANT, TABLE, plan_of, rendered
from sqlglot import exp

from matrix_defs.ports import LoadTarget, Partitions, Step
from matrix_defs.systems import System
from matrix_defs.table import LogicalType
from resources.bigquery.dialect import BigQueryDialect
from resources.mssql.dialect import MssqlDialect
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


@pytest.mark.parametrize("text", HARD_TEXTS)
@pytest.mark.parametrize("dialect", [MSSQL, BIGQUERY], ids=["mssql", "bigquery"])
def test_a_text_literal_reads_back_as_the_text(dialect: MssqlDialect | BigQueryDialect, text: str) -> None:
    literal = sqlglot.parse_one(f"SELECT {dialect.literal(text)}", read=dialect.sqlglot).selects[0]
    assert literal.name == text


@pytest.mark.parametrize("name", ["plain", "a]b", "a`b", 'a"b', "two words"])
@pytest.mark.parametrize("dialect", [MSSQL, BIGQUERY], ids=["mssql", "bigquery"])
def test_a_quoted_name_stays_one_name(dialect: MssqlDialect | BigQueryDialect, name: str) -> None:
    column = sqlglot.parse_one(f"SELECT {dialect.quote(name)} FROM x", read=dialect.sqlglot).selects[0]
    assert isinstance(column, exp.Column)
    assert dialect.quote(name)[1:-1].replace("]]", "]").replace("\\`", "`") == name


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

    def test_dropping_a_namespace_touches_the_tables_of_that_schema_only(self) -> None:
        tables, schema = (statement.text for statement in MSSQL.drop_namespace("m_x"))
        assert "WHERE s.name = N'm_x')" in tables
        assert schema == "DROP SCHEMA IF EXISTS [m_x]"

    def test_only_the_dynamic_drop_of_tables_is_let_through_unparsed(self) -> None:
        planner = SqlPlanner(MSSQL)
        assert planner.flaw(MSSQL.drop_namespace("m_x")[0].text) == ""
        assert planner.flaw("DECLARE @drop NVARCHAR(MAX) = N'DROP DATABASE x'; EXEC sys.sp_executesql @drop")


class TestBigQuery:
    """GoogleSQL."""

    def test_steps_and_position_are_one_script_in_one_transaction(self) -> None:
        plan = plan_of(Step.DELETE_STAGED_KEYS)
        (script,) = (text for text in BIGQUERY.plan(plan.target, plan.load, plan.steps) if "TRANSACTION" in text)
        assert script.startswith("BEGIN TRANSACTION;\n")
        assert script.endswith("COMMIT TRANSACTION;\n")
        assert "DELETE FROM `s`.`t`" in script
        assert "INSERT INTO `s`.`_matrix_state`" in script

    def test_staging_expires_a_day_after_the_load(self) -> None:
        plan = plan_of(Step.DELETE_ABSENT_KEYS)
        for statement in (*BIGQUERY.create_staging(plan), *BIGQUERY.create_keys(plan)):
            assert statement.text.endswith(
                " OPTIONS (expiration_timestamp = TIMESTAMP '2026-03-02 12:30:00.000001+00:00')"
            )

    def test_a_row_outside_the_partitions_breaks_the_script_off(self) -> None:
        plan = plan_of(Step.REPLACE_PARTITIONS)
        assert isinstance(plan.load.scope, Partitions)
        assert "ERROR(CONCAT(" in BIGQUERY.replace_partitions(plan)[0].text

    def test_only_a_target_of_partitions_is_partitioned(self) -> None:
        assert "PARTITION BY" not in BIGQUERY.create_target(TARGET)[0].text
        partitioned = BIGQUERY.create_target(LoadTarget("s", TABLE, partitioned=True))[0].text
        assert partitioned.endswith(" PARTITION BY `day`")
