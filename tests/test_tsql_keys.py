"""When keys look for duplicates, and what refers to them."""

from tsql_local import Client


def test_an_update_may_pass_values_of_a_key_from_row_to_row(tsql: Client, schema: str) -> None:
    t = f"{schema}.t"
    tsql.run(f"CREATE TABLE {t} (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE)")
    tsql.run(f"INSERT INTO {t} VALUES (1, 'a'), (2, 'b'), (3, NULL)")
    tsql.run(f"UPDATE {t} SET id = id + 1, code = CASE code WHEN 'a' THEN 'b' WHEN 'b' THEN 'a' END")
    assert tsql.rows(f"SELECT * FROM {t} ORDER BY id") == [(2, "b"), (3, "a"), (4, None)]
    assert sorted(tsql.rows(f"UPDATE {t} SET id = 6 - id OUTPUT deleted.id, inserted.id")) == [(2, 4), (3, 3), (4, 2)]
    tsql.refuses(2627, f"UPDATE {t} SET id = 5 WHERE id < 4")
    tsql.refuses(2627, f"INSERT INTO {t} VALUES (8, 'x'), (8, 'y')")
    assert tsql.value(f"SELECT COUNT(*) FROM {t}") == 3


def test_a_foreign_key_may_refer_to_keys_that_are_there_and_leaves_them_as_they_were(tsql: Client, schema: str) -> None:
    t, child = f"{schema}.t", f"{schema}.child"
    tsql.run(f"CREATE TABLE {t} (id INT CONSTRAINT pk_t PRIMARY KEY NONCLUSTERED, code INT CONSTRAINT uq_t UNIQUE)")
    tsql.run(f"INSERT INTO {t} VALUES (1, NULL), (2, 20)")
    shape = f"SELECT name, type_desc, is_primary_key FROM sys.indexes WHERE object_id = OBJECT_ID('{t}') ORDER BY name"
    before = tsql.rows(shape)
    tsql.run(f"CREATE TABLE {child} (id INT PRIMARY KEY, t INT REFERENCES {t} (id), up INT REFERENCES {child} (id))")
    tsql.run(f"ALTER TABLE {child} ADD CONSTRAINT fk_code FOREIGN KEY (t) REFERENCES {t} (code)")
    assert tsql.rows(shape) == before
    tsql.refuses(547, f"INSERT INTO {child} VALUES (1, 1, NULL)")
    tsql.refuses(2627, f"INSERT INTO {t} VALUES (3, NULL)")


def test_grouping_by_a_key_lets_no_other_column_be_selected(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, n INT)")
    tsql.refuses(8120, f"SELECT id, n FROM {schema}.t GROUP BY id")
