-- Text as a value of another type, as T-SQL reads it: CAST, CONVERT, their TRY forms, and what a column is given.
-- Text that SQL Server may read and these functions do not is refused with error 102, also by the TRY forms: NULL would
-- say that it cannot be read.

CREATE FUNCTION tsql.unread(value text, kind text) RETURNS void LANGUAGE sql IMMUTABLE AS $$
    SELECT tsql.fail(102, format('Incorrect syntax near ''conversion of the text "%s" to %s'': this endpoint does not execute it.', left(value, 40), kind)) $$;

CREATE FUNCTION tsql.whole(value text, kind text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE said text := btrim(value, E' \t\r\n'); found numeric; bits int;
BEGIN
    IF said = '' THEN
        RETURN 0;
    ELSIF said IN ('+', '-') THEN
        PERFORM tsql.unread(value, kind);
    ELSIF said !~ '^[+-]?\d+$' THEN
        IF kind = 'bigint' THEN
            PERFORM tsql.fail(8114, 'Error converting data type varchar to bigint.');
        END IF;
        PERFORM tsql.fail(245, format('Conversion failed when converting the varchar value ''%s'' to data type %s.', value, kind));
    END IF;
    found := said::numeric;
    CASE kind
        WHEN 'tinyint' THEN
            IF found NOT BETWEEN 0 AND 255 THEN
                PERFORM tsql.fail(244, format('The conversion of the varchar value ''%s'' overflowed an INT1 column. Use a larger integer column.', value));
            END IF;
        WHEN 'smallint' THEN
            IF found NOT BETWEEN -32768 AND 32767 THEN
                PERFORM tsql.fail(244, format('The conversion of the varchar value ''%s'' overflowed an INT2 column. Use a larger integer column.', value));
            END IF;
        WHEN 'int' THEN
            IF found NOT BETWEEN -2147483648 AND 2147483647 THEN
                PERFORM tsql.fail(248, format('The conversion of the varchar value ''%s'' overflowed an int column.', value));
            END IF;
        ELSE
            IF found NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
                PERFORM tsql.fail(8115, 'Arithmetic overflow error converting expression to data type bigint.');
            END IF;
    END CASE;
    RETURN found;
END $$;

CREATE FUNCTION tsql.decimal_of(value text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF value !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$' THEN
        PERFORM tsql.fail(8114, 'Error converting data type varchar to numeric.');
    END IF;
    RETURN value::numeric;
END $$;

CREATE FUNCTION tsql.money_of(value text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE said text := regexp_replace(btrim(value), ',', '', 'g'); found numeric;
BEGIN
    IF said = '' THEN
        RETURN 0;
    ELSIF said !~ '^[+-]?[$£€¥]?[+-]?(\d+\.?\d*|\.\d+)$' THEN
        PERFORM tsql.fail(235, 'Cannot convert a char value to money. The char value has incorrect syntax.');
    END IF;
    found := round(regexp_replace(said, '[$£€¥]', '')::numeric, 4);
    IF found NOT BETWEEN -922337203685477.5808 AND 922337203685477.5807 THEN
        PERFORM tsql.fail(8115, 'Arithmetic overflow error converting expression to data type money.');
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION tsql.float_of(value text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF value ~ '^\s*$' THEN
        RETURN 0;
    ELSIF value !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$' THEN
        PERFORM tsql.fail(8114, 'Error converting data type varchar to float.');
    END IF;
    RETURN value::float8;
END $$;

CREATE FUNCTION tsql.guid_of(value text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE found text := substring(value FROM '^\{?([[:xdigit:]]{8}-(?:[[:xdigit:]]{4}-){3}[[:xdigit:]]{12})');
BEGIN
    IF found IS NULL OR (value LIKE '{%' AND substr(value, 38, 1) <> '}') THEN
        PERFORM tsql.fail(8169, 'Conversion failed when converting from a character string to uniqueidentifier.');
    END IF;
    RETURN found::uuid;
END $$;

-- ------------------------------------------------------------------ dates and times
CREATE FUNCTION tsql.no_moment(kind text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF kind = 'smalldatetime' THEN
        PERFORM tsql.fail(295, 'Conversion failed when converting character string to smalldatetime data type.');
    END IF;
    PERFORM tsql.fail(241, 'Conversion failed when converting date and/or time from character string.');
END $$;
CREATE FUNCTION tsql.is_day(year int, month int, day int) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT year BETWEEN 1 AND 9999 AND day BETWEEN 1 AND CASE
        WHEN month IN (1, 3, 5, 7, 8, 10, 12) THEN 31 WHEN month IN (4, 6, 9, 11) THEN 30
        WHEN month = 2 THEN 28 + CAST(year % 4 = 0 AND (year % 100 <> 0 OR year % 400 = 0) AS int) ELSE 0 END $$;
-- Text as PostgreSQL reads it, a whole moment. `style` is CONVERT's, 0 without one; the order of numbers is then that
-- of SET DATEFORMAT, which DateStyle keeps.
CREATE FUNCTION tsql.time_text(value text, style int, kind text) RETURNS text LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    said text := btrim(value, E' \t\r\n');
    clock CONSTANT text := '(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:\s*[AaPp][Mm])?(?:\s*(?:[+-]\d{1,2}:\d{2}|[Zz]))?)';
    months CONSTANT text[] := '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec,january,february,march,april,june,july,august,september,october,november,december,am,pm,t,z}';
    sequence text := CASE WHEN style IN (1, 10, 101, 110) THEN 'MDY' WHEN style IN (3, 4, 5, 103, 104, 105) THEN 'DMY'
                     WHEN style IN (2, 11, 102, 111) THEN 'YMD' WHEN style IN (0, 100) THEN split_part(current_setting('datestyle'), ', ', 2)
                     ELSE '' END;
    m text[];
BEGIN
    IF said = '' THEN
        RETURN '1900-01-01 00:00:00';
    ELSIF said !~ '\d' OR EXISTS (SELECT FROM regexp_matches(lower(said), '[[:alpha:]]+', 'g') AS r(w) WHERE w[1] <> ALL (months)) THEN
        PERFORM tsql.no_moment(kind);
    END IF;
    m := regexp_match(said, '^(\d{4})(\d{2})(\d{2})(?:\s+' || clock || ')?$');
    IF m IS NULL AND style NOT IN (1, 2, 3, 4, 5, 10, 11, 101, 103, 104, 105, 110) THEN
        m := regexp_match(said, '^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt\s]\s*' || clock || ')?$');
        IF m IS NOT NULL AND sequence = 'DMY' AND kind IN ('datetime', 'smalldatetime') AND said !~ '[Tt]' THEN
            m := NULL;  -- there it means year, day, month
        END IF;
    END IF;
    IF m IS NULL AND sequence <> '' THEN
        m := regexp_match(said, '^(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})(?:\s+' || clock || ')?$');
        m := CASE
            WHEN sequence IN ('YMD', 'MDY') AND style IN (0, 2, 11, 100, 102, 111) AND m[1] ~ '^\d{4}$' AND length(m[4]) < 3 THEN ARRAY[m[1], m[3], m[4], m[5]]
            WHEN sequence = 'MDY' AND m[4] ~ '^\d{4}$' AND length(m[1]) < 3 THEN ARRAY[m[4], m[1], m[3], m[5]]
            WHEN sequence = 'DMY' AND m[4] ~ '^\d{4}$' AND length(m[1]) < 3 THEN ARRAY[m[4], m[3], m[1], m[5]]
        END;
    END IF;
    IF m IS NULL AND style IN (0, 100) THEN
        m := regexp_match(said, '^([[:alpha:]]{3,})\s+(\d{1,2}),?\s+(\d{4})(?:\s+' || clock || ')?$');
        IF m IS NOT NULL THEN
            m := ARRAY[m[3], ((array_position(months, left(lower(m[1]), 3)))::text), m[2], m[4]];
        END IF;
    END IF;
    IF m IS NULL AND said ~ '^\d{4}$' AND style = 0 THEN
        m := ARRAY[said, '1', '1', NULL];
    END IF;
    IF m IS NULL AND said ~ ('^' || clock || '$') THEN
        m := ARRAY['1900', '1', '1', said];
    END IF;
    IF m IS NULL THEN
        PERFORM tsql.unread(value, kind);
    END IF;
    IF NOT tsql.is_day(m[1]::int, m[2]::int, m[3]::int) OR m[4] !~ '^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d|[^:\d]|$)' THEN
        IF kind IN ('datetime', 'smalldatetime') THEN
            PERFORM tsql.fail(242, format('The conversion of a varchar data type to a %s data type resulted in an out-of-range value.', kind));
        END IF;
        PERFORM tsql.no_moment(kind);
    ELSIF kind IN ('datetime', 'smalldatetime') AND m[4] ~ '\.\d{4}|[+-]' THEN  -- they take no finer fraction, and no offset
        PERFORM tsql.no_moment(kind);
    END IF;
    RETURN m[1] || '-' || lpad(m[2], 2, '0') || '-' || lpad(m[3], 2, '0') || ' ' || coalesce(m[4], '00:00:00');
END $$;

-- ------------------------------------------------------------------ XML
-- Elements are taken away from the inside, until no mark is left of a text that is well formed.
CREATE FUNCTION tsql.is_xml(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name CONSTANT text := '[[:alpha:]_:][[:alnum:]_.:-]*';
    attributes CONSTANT text := '(?:\s+' || name || '\s*=\s*(?:"[^"<]*"|''[^''<]*''))*\s*';
    rest text := value;
    before text;
BEGIN
    IF value !~ '[<&]' THEN
        RETURN true;
    END IF;
    rest := regexp_replace(rest, '<!\[CDATA\[.*?\]\]>', '', 'g');
    rest := regexp_replace(rest, '<!--.*?-->', '', 'g');
    rest := regexp_replace(rest, '<\?.*?\?>', '', 'g');
    IF rest ~ '&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[[:xdigit:]]+);)' THEN
        RETURN false;
    END IF;
    rest := regexp_replace(rest, '<' || name || attributes || '/>', '', 'g');
    LOOP
        before := rest;
        rest := regexp_replace(rest, '<(' || name || ')' || attributes || '>[^<]*</\1\s*>', '', 'g');
        EXIT WHEN rest = before;
    END LOOP;
    RETURN strpos(rest, '<') = 0;
END $$;
CREATE FUNCTION tsql.xml_of(value text) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF NOT tsql.is_xml(value) THEN
        PERFORM tsql.fail(9400, 'XML parsing: the text is not well formed.');
    END IF;
    RETURN CAST(value AS bpchar);
END $$;

CREATE FUNCTION tsql.is_numeric(value text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF value ~ '^\s*$' OR value ~ '[^-+$£€¥.,0-9eEdD\s]' THEN
        RETURN 0;
    ELSIF value ~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$' OR value ~ '^\s*[+-]?[$£€¥]?\d[\d,]*(\.\d*)?\s*$' THEN
        RETURN 1;
    END IF;
    PERFORM tsql.fail(102, format('Incorrect syntax near ''ISNUMERIC of "%s"'': this endpoint does not execute it.', left(value, 40)));
END $$;

-- ------------------------------------------------------------------ TRY_CAST and TRY_CONVERT
CREATE FUNCTION tsql.readable(value text, kind text, first int, last int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE moment timestamptz;
BEGIN
    CASE kind
        WHEN 'bit' THEN PERFORM tsql.bit_of(value);
        WHEN 'tinyint', 'smallint', 'int', 'bigint' THEN PERFORM tsql.whole(value, kind);
        WHEN 'decimal' THEN RETURN abs(round(tsql.decimal_of(value), last)) < power(10::numeric, first - last);
        WHEN 'money' THEN PERFORM tsql.money_of(value);
        WHEN 'float' THEN PERFORM tsql.float_of(value);
        WHEN 'real' THEN PERFORM CAST(tsql.float_of(value) AS real);
        WHEN 'uniqueidentifier' THEN PERFORM tsql.guid_of(value);
        WHEN 'xml' THEN RETURN tsql.is_xml(value);
        ELSE
            moment := CAST(tsql.time_text(value, first, kind) AS timestamptz);
            RETURN moment >= CASE kind WHEN 'datetime' THEN timestamptz '1753-01-01' WHEN 'smalldatetime' THEN timestamptz '1900-01-01' ELSE timestamptz '0001-01-01' END
                AND moment < CASE kind WHEN 'smalldatetime' THEN timestamptz '2079-06-07' ELSE timestamptz '10000-01-01' END;
    END CASE;
    RETURN value IS NOT NULL;
EXCEPTION
    WHEN SQLSTATE 'TS001' THEN
        IF SQLERRM LIKE '102|%' THEN
            RAISE;
        END IF;
        RETURN false;
    WHEN data_exception THEN
        RETURN false;
END $$;

-- ------------------------------------------------------------------ strings become what a column holds
CREATE FUNCTION tsql.int2_from(bpchar) RETURNS int2 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CAST(tsql.whole($1::text, 'smallint') AS int2) $$;
CREATE FUNCTION tsql.int4_from(bpchar) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CAST(tsql.whole($1::text, 'int') AS int4) $$;
CREATE FUNCTION tsql.int8_from(bpchar) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tsql.whole($1::text, 'bigint') $$;
CREATE FUNCTION tsql.numeric_from(bpchar) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tsql.decimal_of($1::text) $$;
CREATE FUNCTION tsql.float8_from(bpchar) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tsql.float_of($1::text) $$;
CREATE FUNCTION tsql.float4_from(bpchar) RETURNS float4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CAST(tsql.float_of($1::text) AS float4) $$;
CREATE FUNCTION tsql.date_from(bpchar) RETURNS date LANGUAGE sql STABLE STRICT AS $$ SELECT CAST(tsql.time_text($1::text, 0, 'date') AS date) $$;
CREATE FUNCTION tsql.time_from(bpchar) RETURNS time LANGUAGE sql STABLE STRICT AS $$ SELECT CAST(tsql.time_text($1::text, 0, 'time') AS time) $$;
CREATE FUNCTION tsql.timestamp_from(bpchar) RETURNS timestamp LANGUAGE sql STABLE STRICT AS $$ SELECT CAST(tsql.time_text($1::text, 0, 'datetime2') AS timestamp) $$;
CREATE FUNCTION tsql.timestamptz_from(bpchar) RETURNS timestamptz LANGUAGE sql STABLE STRICT AS $$ SELECT CAST(tsql.time_text($1::text, 0, 'datetimeoffset') AS timestamptz) $$;
CREATE FUNCTION tsql.uuid_from(bpchar) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tsql.guid_of($1::text) $$;
DO $$
DECLARE target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['int2', 'int4', 'int8', 'numeric', 'float8', 'float4', 'date', 'time', 'timestamp', 'timestamptz', 'uuid'] LOOP
        EXECUTE format('CREATE CAST (bpchar AS %1$s) WITH FUNCTION tsql.%1$s_from(bpchar) AS ASSIGNMENT', target);
    END LOOP;
END $$;
