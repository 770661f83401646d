"""Whatever text arrives, it is read or refused: the reader of batches raises nothing but errors of SQL Server."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.batch import read_batch
from resources.endpoints.mssql_emulator.tsql.program import Block

WORDS = (
    *(
        "SELECT",
        "FROM",
        "WHERE",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "MERGE",
        "USING",
        "WHEN",
        "MATCHED",
    ),
    *(
        "THEN",
        "NOT",
        "AND",
        "OR",
        "IN",
        "EXISTS",
        "BETWEEN",
        "LIKE",
        "IS",
        "NULL",
        "CASE",
        "END",
        "ELSE",
        "BEGIN",
        "TRY",
    ),
    *(
        "CATCH",
        "IF",
        "WHILE",
        "DECLARE",
        "EXEC",
        "sp_executesql",
        "CREATE",
        "TABLE",
        "ALTER",
        "ADD",
        "DROP",
        "COLUMN",
        "AS",
    ),
    *(
        "WITH",
        "OVER",
        "PARTITION",
        "BY",
        "ORDER",
        "GROUP",
        "TOP",
        "OUTPUT",
        "inserted",
        "JOIN",
        "LEFT",
        "ON",
        "UNION",
        "ALL",
    ),
    *("CAST", "CONVERT", "TRY_CAST", "STRING_AGG", "WITHIN", "HASHBYTES", "DATEADD", "CHANGETABLE", "CHANGES", "APPLY"),
    *(
        "IDENTITY",
        "PRIMARY",
        "KEY",
        "DEFAULT",
        "CONSTRAINT",
        "TRAN",
        "COMMIT",
        "ROLLBACK",
        "THROW",
        "RAISERROR",
        "PRINT",
    ),
    *("INT", "NVARCHAR", "DATETIME2", "MAX", "t", "[a b]", '"q"', "#t", "@p", "@@ROWCOUNT", "$action", "N'x'", "'x'"),
    *(
        "0xFF",
        "1",
        "1.5",
        "1e3",
        "(",
        ")",
        "(",
        ")",
        ",",
        ".",
        ";",
        "*",
        "=",
        "+=",
        "<>",
        "-",
        "%",
        "::",
        "{",
        "}",
        "''",
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SqlError):
        assert isinstance(read_batch(text), Block)
