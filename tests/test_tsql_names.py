"""Names of columns and tables that PostgreSQL has and T-SQL does not."""

import pytest
from tsql_local import Client


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    """A table of two rows."""
    tsql.run(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT); INSERT INTO {schema}.t VALUES (1, 10), (2, 20)")
    return f"{schema}.t"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT COUNT(t) FROM {t}",
        "SELECT id FROM {t} WHERE t IS NOT NULL",
        "SELECT t.count FROM {t}",
        "SELECT id FROM {t} WHERE tableoid > 0",
        "SELECT id FROM {t} ORDER BY ctid",
        "UPDATE {t} SET v = 1 WHERE ctid IS NOT NULL",
        "DELETE {t} WHERE xmin = xmin",
        "DELETE {t} OUTPUT deleted.ctid",
        "SELECT v + 1 AS k, COUNT(*) FROM {t} GROUP BY k",
        "SELECT v AS k FROM {t} WHERE k = 1",
        "SELECT id FROM {t} UNION SELECT v FROM {t} ORDER BY v",
    ],
)
def test_a_name_of_no_column_is_refused_whatever_postgresql_takes_it_for(tsql: Client, t: str, statement: str) -> None:
    tsql.refuses(207, statement.format(t=t))
    assert tsql.rows(f"SELECT v FROM {t} ORDER BY id") == [(10,), (20,)]


def test_names_are_found_in_every_query_around(tsql: Client, t: str) -> None:
    assert tsql.rows(
        f"SELECT v AS k FROM {t} AS a WHERE EXISTS (SELECT 1 FROM (VALUES (2)) AS b (x) WHERE x = a.id AND x = id) "
        "ORDER BY k, a.id"
    ) == [(20,)]
    assert tsql.rows(f"SELECT id AS k FROM {t} UNION ALL SELECT v FROM {t} ORDER BY k") == [(1,), (2,), (10,), (20,)]


@pytest.mark.parametrize("name", ["tsql.settings", "pg_catalog.pg_class", "pg_toast.x"])
def test_what_lies_behind_the_endpoint_is_no_object(tsql: Client, name: str) -> None:
    tsql.refuses(208, f"SELECT * FROM {name}")
    tsql.refuses(208, f"DROP TABLE {name}")
