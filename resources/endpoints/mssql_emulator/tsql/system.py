"""Functions of the clock, of names and properties of objects, and of what the session knows.

Here live their entries in the table of `functions`; what they ask lives in `library.sql` and `catalog_views.sql`. It
may import `functions`, `scope` and `types`.
"""

from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.functions import Call, function, simple
from resources.endpoints.mssql_emulator.tsql.scope import Piece, text

simple("SYSUTCDATETIME", "SYSDATETIME", least=0, sql="tsql.sysutcdatetime()", type_=types.DATETIME2)
function("SYSDATETIMEOFFSET", least=0)(lambda _: Piece("statement_timestamp()", types.DATETIMEOFFSET, utc=True))
simple("GETDATE", "GETUTCDATE", least=0, sql="tsql.getdate()", type_=types.DATETIME)
simple("NEWID", least=0, sql="gen_random_uuid()", type_=types.UNIQUEIDENTIFIER)
simple("PI", least=0, sql="pi()", type_=types.FLOAT)
simple("SQRT", least=1, sql="sqrt(CAST({0} AS double precision))", type_=types.FLOAT)
simple("EXP", least=1, sql="exp(CAST({0} AS double precision))", type_=types.FLOAT)
simple("LOG10", least=1, sql="log(CAST({0} AS double precision))", type_=types.FLOAT)
simple("SQUARE", least=1, sql="power(CAST({0} AS double precision), 2)", type_=types.FLOAT)
simple("OBJECT_ID", least=1, most=2, sql="tsql.object_id({0}, {1})", type_=types.INT)
simple("OBJECT_NAME", least=1, sql="tsql.object_name({0})", type_=types.SYSNAME)
simple("OBJECT_DEFINITION", least=1, sql="tsql.object_definition({0})", type_=types.NVARCHAR_MAX)
simple("OBJECT_SCHEMA_NAME", least=1, sql="tsql.object_schema_name({0})", type_=types.SYSNAME)
simple("TYPE_NAME", least=1, sql="tsql.type_name({0})", type_=types.SYSNAME)
simple("TYPE_ID", least=1, sql="tsql.type_id({0})", type_=types.INT)
simple("OBJECTPROPERTY", "OBJECTPROPERTYEX", least=2, sql="tsql.object_property({0}, {1})", type_=types.INT)
simple("COLUMNPROPERTY", least=3, sql="tsql.column_property({0}, {1}, {2})", type_=types.INT)
simple("COL_LENGTH", least=2, sql="tsql.col_length({0}, {1})", type_=types.SMALLINT)
simple("COL_NAME", least=2, sql="tsql.col_name({0}, {1})", type_=types.SYSNAME)
simple("SERVERPROPERTY", least=1, sql="tsql.server_property({0})", type_=SqlType(Kind.NVARCHAR, 256))
simple("DATABASEPROPERTYEX", least=2, sql="tsql.database_property({0}, {1})", type_=SqlType(Kind.NVARCHAR, 256))
simple("SCOPE_IDENTITY", least=0, sql="tsql.last_identity()", type_=SqlType(Kind.DECIMAL, precision=38))
simple("IDENT_CURRENT", least=1, sql="tsql.ident_current({0})", type_=SqlType(Kind.DECIMAL, precision=38))
simple("HAS_DBACCESS", least=1, sql="CASE WHEN tsql.db_id({0}) IS NOT NULL THEN 1 END", type_=types.INT)
simple("DB_ID", least=0, most=1, sql="tsql.db_id({0})", type_=types.SMALLINT)
simple("CHANGE_TRACKING_CURRENT_VERSION", least=0, sql="tsql.change_tracking_current_version()", type_=types.BIGINT)
simple(
    "CHANGE_TRACKING_MIN_VALID_VERSION",
    least=1,
    sql="tsql.change_tracking_min_valid_version({0})",
    type_=types.BIGINT,
)


def session(name: str, type_: SqlType) -> None:
    """Enter a function whose value the session knows."""
    function(name, least=0)(lambda call: call.says.placeholder(name.lower(), type_))


session("ERROR_NUMBER", types.INT)
session("ERROR_MESSAGE", SqlType(Kind.NVARCHAR, 4000))
session("ERROR_SEVERITY", types.INT)
session("ERROR_STATE", types.INT)
session("ERROR_LINE", types.INT)
session("ERROR_PROCEDURE", types.SYSNAME)
session("XACT_STATE", types.SMALLINT)
for _login in ("SUSER_SNAME", "SUSER_NAME", "ORIGINAL_LOGIN"):
    session(_login, types.SYSNAME)


@function("USER_NAME", "CURRENT_USER", least=0)
def _user_name(_: Call) -> Piece:
    return Piece("CAST('dbo' AS bpchar)", types.SYSNAME)


@function("SCHEMA_NAME", least=0, most=1)
def _schema_name(call: Call) -> Piece:
    said = f"tsql.schema_name({call.arg(0).sql})" if call.nodes else "CAST('dbo' AS bpchar)"
    return Piece(said, types.SYSNAME)


@function("SCHEMA_ID", least=0, most=1)
def _schema_id(call: Call) -> Piece:
    return Piece(f"tsql.schema_id({call.arg(0).sql if call.nodes else text('dbo')})", types.INT)


@function("DB_NAME", least=0, most=1)
def _db_name(call: Call) -> Piece:
    if call.nodes:
        return Piece(f"tsql.db_name({call.arg(0).sql})", types.SYSNAME)
    return Piece(f"CAST({text(call.says.catalog.database)} AS bpchar)", types.SYSNAME)
