-- Where T-SQL's objects live, and values of one type that become another. An error that SQL Server would raise has
-- SQLSTATE TS001 and the text `number|message`.

DROP SCHEMA public;
CREATE SCHEMA tsql;
CREATE SCHEMA dbo;
CREATE SCHEMA sys;
CREATE SCHEMA "INFORMATION_SCHEMA";

CREATE FUNCTION tsql.fail(number int, message text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = number || '|' || message;
END $$;

-- bpchar gives up its trailing blanks when it becomes text; here it keeps them.
UPDATE pg_cast SET castfunc = 0, castmethod = 'b' WHERE castsource = 'bpchar'::regtype AND casttarget = 'text'::regtype;

-- A number that becomes a whole one is cut, not rounded.
DO $$
DECLARE source text; target text; made oid;
BEGIN
    FOREACH source IN ARRAY ARRAY['numeric', 'float8', 'float4'] LOOP
        FOREACH target IN ARRAY ARRAY['int2', 'int4', 'int8'] LOOP
            EXECUTE format('CREATE FUNCTION tsql.%1$s_of(%2$s) RETURNS %1$s LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS '
                           '$f$ SELECT pg_catalog.%1$s(trunc(%3$s)) $f$', target, source,
                           CASE source WHEN 'float4' THEN '$1::float8' ELSE '$1' END);
            made := format('tsql.%s_of(%s)', target, source)::regprocedure;
            UPDATE pg_cast SET castfunc = made WHERE castsource = source::regtype AND casttarget = target::regtype;
        END LOOP;
    END LOOP;
END $$;

-- A moment to be read in so many digits of a second. PostgreSQL reads microseconds: digits behind them are cut where they
-- would be rounded a second time, or a day would end too early; and it would read 24:00, a 60th second and words of its own.
CREATE FUNCTION tsql.moment_text(value text, digits int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF value ~* '(^|[ T])24:|:60([^0-9]|$)|now|today|tomorrow|yesterday|epoch|allballs|infinity' THEN
        PERFORM tsql.fail(241, 'Conversion failed when converting date and/or time from character string.');
    END IF;
    IF digits < 6 THEN
        RETURN regexp_replace(value, '(\.\d{6})\d+', '\1');
    END IF;
    RETURN CASE digits WHEN 7 THEN regexp_replace(value, '(:59:59\.999999)\d+', '\1') ELSE value END;
END $$;
-- A time of day in so many digits of a second: what is rounded up from the day's last one is midnight.
CREATE FUNCTION tsql.clock(value time, digits int) RETURNS time LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN rounded = '24:00' THEN '00:00' ELSE rounded END FROM pg_catalog."time"(value, digits) AS rounded $$;

-- A value that the planner does not look through: it would fold the conversion of a constant that a CASE guards.
CREATE FUNCTION tsql.opaque(value text) RETURNS text LANGUAGE plpgsql VOLATILE STRICT AS $$ BEGIN RETURN value; END $$;

CREATE FUNCTION tsql.float_text(value float8) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE said text; parts text[];
BEGIN  -- six digits, and an exponent of three
    PERFORM set_config('extra_float_digits', '-9', true);
    said := value::text;
    PERFORM set_config('extra_float_digits', '1', true);
    parts := regexp_match(said, '^(.*)e([+-])(\d+)$');
    IF parts IS NULL THEN
        RETURN said;
    END IF;
    RETURN parts[1] || 'e' || parts[2] || lpad(parts[3], 3, '0');
END $$;
CREATE FUNCTION tsql.float_bpchar(value float8) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CAST(tsql.float_text(value) AS bpchar) $$;
CREATE CAST (float8 AS bpchar) WITH FUNCTION tsql.float_bpchar(float8) AS ASSIGNMENT;
CREATE FUNCTION tsql.uuid_bpchar(value uuid) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CAST(upper(value::text) AS bpchar) $$;
CREATE CAST (uuid AS bpchar) WITH FUNCTION tsql.uuid_bpchar(uuid) AS ASSIGNMENT;

CREATE FUNCTION tsql.tiny(number int) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF number NOT BETWEEN 0 AND 255 THEN
        PERFORM tsql.fail(8115, 'Arithmetic overflow error converting expression to data type tinyint.');
    END IF;
    RETURN number;
END $$;
CREATE FUNCTION tsql.whole_power(number numeric, kind text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE high numeric := CASE kind WHEN 'bigint' THEN 9223372036854775807 ELSE 2147483647 END;
BEGIN
    IF trunc(number) NOT BETWEEN -high - 1 AND high THEN
        PERFORM tsql.fail(232, format('Arithmetic overflow error for type %s, value = %s.', kind, round(number, 6)));
    END IF;
    RETURN number;
END $$;

-- What uniqueidentifiers are compared by: the last group first, the first three from their last byte.
CREATE FUNCTION tsql.guid_key(value uuid) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(b FROM 11) || substring(b FROM 9 FOR 2) || substring(b FROM 8 FOR 1) || substring(b FROM 7 FOR 1)
        || substring(b FROM 6 FOR 1) || substring(b FROM 5 FOR 1) || substring(b FROM 4 FOR 1) || substring(b FROM 3 FOR 1)
        || substring(b FROM 2 FOR 1) || substring(b FROM 1 FOR 1) FROM (SELECT uuid_send(value)) AS q (b) $$;

CREATE FUNCTION tsql.bit_of(value text) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    CASE lower(btrim(value))
        WHEN 'true' THEN RETURN 1;
        WHEN 'false' THEN RETURN 0;
        ELSE
            IF value !~ '^\s*[+-]?\d*\s*$' THEN
                PERFORM tsql.fail(245, format('Conversion failed when converting the varchar value ''%s'' to data type bit.', value));
            END IF;
            RETURN CASE WHEN value ~ '[1-9]' THEN 1 ELSE 0 END;
    END CASE;
END $$;

CREATE FUNCTION tsql.datetime_of(value timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT date_trunc('second', value)
        + (round(round(extract(microseconds FROM value - date_trunc('minute', value)) % 1000000 * 3 / 10000) * 10 / 3)
           * interval '1 millisecond') $$;
CREATE FUNCTION tsql.smalldatetime_of(value timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT date_trunc('minute', value + interval '30.001 seconds') $$;
CREATE FUNCTION tsql.legacy_text(value timestamp) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT to_char(value, 'Mon') || ' ' || lpad(to_char(value, 'FMDD'), 2) || ' ' || to_char(value, 'YYYY') || ' '
        || lpad(to_char(value, 'FMHH12:MIAM'), 7) $$;

CREATE FUNCTION tsql.fitting(value text, length int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF length(value) > length THEN
        PERFORM tsql.fail(8115, 'Arithmetic overflow error converting expression to data type varchar.');
    END IF;
    RETURN value;
END $$;
CREATE FUNCTION tsql.starred(value text, length int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN length(value) > length THEN '*' ELSE value END $$;
CREATE FUNCTION tsql.padded(value bytea, length int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(value FROM 1 FOR length)
        || decode(repeat('00', greatest(0, length - octet_length(value))), 'hex') $$;

CREATE FUNCTION tsql.stored_binary(value bytea, size int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(value) > size THEN value ELSE tsql.padded(value, size) END $$;
CREATE FUNCTION tsql.too_deep(rounds int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM tsql.fail(530, format('The statement terminated. The maximum recursion %s has been exhausted before statement completion.', rounds));
END $$;
