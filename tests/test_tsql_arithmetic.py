"""Sums and products group as T-SQL groups them: `~`, then `* / %`, then a sign and `+ - & ^ |`, from the left."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tsql_local import Client, client

from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine

GROUPED = [
    ("1 + 5 % 3", 3),
    ("7 - 5 % 3", 5),
    ("10 % 3 * 2", 2),
    ("17 % 7 / 2", 1),
    ("10 % 4 + 10 % 3", 3),
    ("6 & 3 + 1", 3),
    ("3 | 4 - 1", 6),
    ("-100 / -100 * 10", 0),  # a sign is of the sums' level
    ("~5 & 3", 2),
    ("~CAST(5 AS TINYINT)", 250),
    ("CASE WHEN 7 % 4 + 1 = 4 AND 1 | 4 + 1 > 5 THEN 1 ELSE 0 END", 1),
]


@pytest.mark.parametrize(("said", "value"), GROUPED, ids=[said for said, _ in GROUPED])
def test_operators_take_the_operands_that_they_take_in_t_sql(tsql: Client, said: str, value: int) -> None:
    assert tsql.value(f"SELECT {said}") == value


def test_remainders_group_alike_in_set_and_update(tsql: Client, schema: str) -> None:
    assert tsql.value("DECLARE @i INT = 7; SET @i = @i % 4 * 10; SELECT @i") == 30
    tsql.run(f"CREATE TABLE {schema}.x (n INT); INSERT INTO {schema}.x VALUES (7); UPDATE {schema}.x SET n = n + n % 3")
    assert tsql.value(f"SELECT n FROM {schema}.x WHERE n - n % 3 = 6") == 8


@pytest.mark.parametrize(("operator", "value"), [("+", 900), ("-", -898), ("*", 1), ("&", 1)])
def test_a_chain_of_operators_may_be_long(tsql: Client, operator: str, value: int) -> None:
    assert tsql.value(f"SELECT {operator.join(['1'] * 900)}") == value


def test_a_hash_may_be_of_a_wide_row(tsql: Client) -> None:
    row = "+'|'+".join(["ISNULL(CAST(n AS VARCHAR(10)), '')"] * 300)
    shown = "|".join(["7"] * 300).encode()
    found = tsql.value(f"SELECT HASHBYTES('SHA2_256', {row}) FROM (VALUES (7)) AS t (n)")
    assert found == hashlib.sha256(shown).digest()


class Reader:
    """T-SQL's rules for whole numbers, in Python."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    def _takes(self, *symbols: str) -> str:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in symbols else ""

    def sum(self) -> int:
        value = self.product()
        while symbol := self._takes("+", "-", "&", "|", "^"):
            other = self.product()
            value = _within({"+": value + other, "-": value - other, "&": value & other, "|": value | other,
                             "^": value ^ other}[symbol])  # fmt: skip
        return value

    def product(self) -> int:
        value = self.operand()
        while symbol := self._takes("*", "/", "%"):
            other = self.operand()
            if symbol == "*":
                value = _within(value * other)
                continue
            assume(other != 0)
            quotient = abs(value) // abs(other) * (1 if (value < 0) == (other < 0) else -1)
            value = quotient if symbol == "/" else value - quotient * other
        return value

    def operand(self) -> int:
        if self._takes("-"):
            return _within(-self.product())
        if self._takes("~"):
            return ~self.operand()
        if self._takes("("):
            value = self.sum()
            self._takes(")")
            return value
        return int(self._tokens.pop())


def _within(value: int) -> int:
    assume(-(2**31) < value < 2**31)
    return value


def expressions() -> st.SearchStrategy[list[str]]:
    numbers = st.integers(0, 40).map(lambda number: [str(number)])

    def more(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
        chain = st.lists(st.tuples(st.sampled_from("+-*/%&|^"), inner), min_size=1, max_size=4)
        return st.one_of(
            st.tuples(inner, chain).map(lambda c: [*c[0], *(token for op, rest in c[1] for token in (op, *rest))]),
            inner.map(lambda tokens: ["(", *tokens, ")"]),
            inner.map(lambda tokens: ["-", *tokens]),
            inner.map(lambda tokens: ["~", *tokens]),
        )

    return st.recursive(numbers, more, max_leaves=12)


@pytest.fixture(scope="module")
def one_session(mssql_engine: PostgresEngine) -> Iterator[Client]:
    found = client(mssql_engine)
    try:
        yield found
    finally:
        found.session.close()


@settings(max_examples=200, deadline=None)
@given(tokens=expressions())
def test_any_expression_of_whole_numbers_has_the_value_of_t_sql(one_session: Client, tokens: list[str]) -> None:
    value = Reader(tokens).sum()
    assert one_session.value(f"SELECT {' '.join(tokens)}") == value
