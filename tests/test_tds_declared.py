"""Types and parameters as T-SQL writes them, between text and values."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from test_tds_rows import VALUES

from resources.endpoints.mssql_emulator.declared import bind, parse_declarations, parse_type, type_text
from resources.endpoints.mssql_emulator.engine import Kind, Parameter, SqlError, SqlType

INT = SqlType(Kind.INT)


@pytest.mark.parametrize("sql", VALUES, ids=str)
def test_a_type_is_read_back_from_its_text(sql):
    assert parse_type(type_text(sql)) == sql


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("INTEGER", INT),
        ("[sys].[nvarchar](max)", SqlType(Kind.NVARCHAR)),
        ("numeric ( 10 , 2 )", SqlType(Kind.DECIMAL, precision=10, scale=2)),
        ("decimal", SqlType(Kind.DECIMAL, precision=18)),
        ("float(24)", SqlType(Kind.REAL)),
        ("double precision", SqlType(Kind.FLOAT)),
        ("datetime2", SqlType(Kind.DATETIME2, scale=7)),
        ("sysname", SqlType(Kind.NVARCHAR, 128)),
        ("ntext", SqlType(Kind.NVARCHAR)),
        ("varchar", SqlType(Kind.VARCHAR, 1)),
        ("dbo.orders_type", None),
        ("sql_variant", None),
    ],
)
def test_synonyms_and_defaults_are_those_of_t_sql(text, sql):
    assert parse_type(text) == sql


@pytest.mark.parametrize(
    ("text", "number"),
    [("decimal(39, 0)", 2750), ("decimal(5, 6)", 1002), ("time(8)", 1002), ("nvarchar(4001)", 131), ("char(0)", 131)],
)
def test_a_type_that_cannot_be_is_an_error(text, number):
    with pytest.raises(SqlError) as refused:
        parse_type(text)
    assert refused.value.number == number


def test_declarations_are_split_at_the_commas_between_them():
    text = "@P1 decimal(18, 4),@id AS bigint OUTPUT , @t dbo.type readonly,@d datetime2(6) out"
    assert parse_declarations(text) == [
        ("@P1", SqlType(Kind.DECIMAL, precision=18, scale=4), False),
        ("@id", SqlType(Kind.BIGINT), True),
        ("@t", None, False),
        ("@d", SqlType(Kind.DATETIME2, scale=6), True),
    ]
    assert parse_declarations("  ") == []


@pytest.mark.parametrize("text", ["P1 int", "@P1", "@P1 int,"])
def test_what_is_no_declaration_is_error_102(text):
    with pytest.raises(SqlError) as refused:
        parse_declarations(text)
    assert refused.value.number == 102


def test_a_value_is_converted_to_its_declared_type():
    declared = parse_declarations("@a decimal(10, 2), @b bigint, @c date")
    given = [
        Parameter("", SqlType(Kind.DECIMAL, precision=5, scale=1), Decimal("1.5")),
        Parameter("", INT, 7),
        Parameter("", SqlType(Kind.NVARCHAR, 1), None),
    ]
    bound = bind(declared, given)
    assert [(parameter.name, parameter.value, parameter.type) for parameter in bound] == [
        ("@a", Decimal("1.50"), declared[0][1]),
        ("@b", 7, declared[1][1]),
        ("@c", None, declared[2][1]),
    ]


def test_a_value_that_does_not_fit_its_declared_type_is_error_8114():
    with pytest.raises(SqlError, match="Error converting data type int to tinyint"):
        bind(parse_declarations("@a tinyint"), [Parameter("", INT, 256)])


def test_an_instant_whose_offset_is_gone_is_no_value_of_a_type_without_one():
    instant = Parameter("", SqlType(Kind.DATETIMEOFFSET, scale=6), datetime(2026, 1, 1, 22, 30, tzinfo=UTC))
    for sql in (SqlType(Kind.DATE), SqlType(Kind.DATETIME2, scale=3), SqlType(Kind.NVARCHAR, 40)):
        with pytest.raises(SqlError, match="offsets are not kept") as caught:
            bind([("@a", sql, False)], [instant])
        assert caught.value.number == 8114
    [bound] = bind([("@a", SqlType(Kind.DATETIMEOFFSET, scale=3), False)], [instant])
    assert bound.value == instant.value


def test_values_are_bound_by_name_in_any_order_and_an_unknown_name_is_error_8145():
    declared = parse_declarations("@a int, @b int")
    bound = bind(declared, [Parameter("@B", INT, 2), Parameter("@a", INT, 1)])
    assert [(parameter.name, parameter.value) for parameter in bound] == [("@a", 1), ("@b", 2)]
    with pytest.raises(SqlError, match="@c is not a parameter"):
        bind(declared, [Parameter("@a", INT, 1), Parameter("@c", INT, 2)])
