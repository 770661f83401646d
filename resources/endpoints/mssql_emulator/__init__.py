"""A pocket SQL Server for tests: a TDS 7.4 endpoint that executes T-SQL on a database of the embedded PostgreSQL.

Here lives test equipment, and every result that used it says `emulator`; what SQL Server itself does with locks,
collations and races is not shown by it. It may import pyarrow, numpy, numba, psycopg, sqlglot and the standard
library.
"""
