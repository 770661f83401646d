"""T-SQL turned into what PostgreSQL executes, statement by statement.

`batch` reads the text, `query`, `dml` and `ddl` say it in PostgreSQL's words; whatever they do not know is refused.
"""
