-- What every emulated database has from the start: T-SQL's conversions and the functions that statements are said with.
-- Loaded by a superuser. An error that SQL Server would raise has SQLSTATE TS001 and the
-- text `number|message`.

DROP SCHEMA public;
CREATE SCHEMA tsql;
CREATE SCHEMA dbo;
CREATE SCHEMA sys;
CREATE SCHEMA "INFORMATION_SCHEMA";

CREATE FUNCTION tsql.fail(number int, message text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = number || '|' || message;
END $$;

-- ------------------------------------------------------------------ conversions
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
CREATE FUNCTION tsql.padded(value bytea, length int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT substring(value FROM 1 FOR length)
        || decode(repeat('00', greatest(0, length - octet_length(value))), 'hex') $$;

CREATE FUNCTION tsql.stored_binary(value bytea, size int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(value) > size THEN value ELSE tsql.padded(value, size) END $$;
CREATE FUNCTION tsql.too_deep(rounds int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM tsql.fail(530, format('The statement terminated. The maximum recursion %s has been exhausted before statement completion.', rounds));
END $$;

-- ------------------------------------------------------------------ strings
-- Code units of UTF-16: what nvarchar(n) counts.
CREATE FUNCTION tsql.units(value bpchar) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(value) = length(value::text) THEN octet_length(value)
           ELSE length(value::text) + length(regexp_replace(value::text, '[\u0001-\uFFFF]', '', 'g')) END $$;

-- What varchar(n) and nvarchar(n) keep of a text: whole characters, in so many bytes or units.
CREATE FUNCTION tsql.cut_bytes(value text, size int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE bytes bytea;
BEGIN
    IF octet_length(value) <= size THEN
        RETURN value;
    END IF;
    bytes := convert_to(value, 'UTF8');
    WHILE size > 0 AND get_byte(bytes, size) BETWEEN 128 AND 191 LOOP  -- the next character begins behind it
        size := size - 1;
    END LOOP;
    RETURN convert_from(substring(bytes FROM 1 FOR size), 'UTF8');
END $$;
CREATE FUNCTION tsql.cut_units(value text, size int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE extra int;
BEGIN
    IF octet_length(value) <= size THEN
        RETURN value;
    END IF;
    value := left(value, size);
    LOOP
        extra := tsql.units(value::bpchar) - size;
        EXIT WHEN extra <= 0;
        value := left(value, -((extra + 1) / 2));  -- a character takes two units at most
    END LOOP;
    RETURN value;
END $$;
-- The same for char(n) and nchar(n), filled up with blanks.
CREATE FUNCTION tsql.char_of(value text, size int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT cut || repeat(' ', size - octet_length(cut)) FROM tsql.cut_bytes(value, size) AS cut $$;
CREATE FUNCTION tsql.nchar_of(value text, size int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT cut || repeat(' ', size - tsql.units(cut::bpchar)) FROM tsql.cut_units(value, size) AS cut $$;
-- What a column keeps: where more than blanks would be lost, its domain is left to complain.
CREATE FUNCTION tsql.stored_char(value bpchar, size int) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(rtrim(value::text)) > size THEN value ELSE tsql.char_of(value::text, size)::bpchar END $$;
CREATE FUNCTION tsql.stored_nchar(value bpchar, size int) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN tsql.units(rtrim(value::text)::bpchar) > size THEN value ELSE tsql.nchar_of(value::text, size)::bpchar END $$;

CREATE FUNCTION tsql.utf16(value text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE made text; code int; character text;
BEGIN
    IF octet_length(value) = length(value) THEN  -- ASCII: every byte and a zero
        RETURN decode(regexp_replace(encode(convert_to(value, 'UTF8'), 'hex'), '(..)', '\100', 'g'), 'hex');
    END IF;
    made := '';
    FOREACH character IN ARRAY regexp_split_to_array(value, '') LOOP
        code := ascii(character);
        IF code < 65536 THEN
            made := made || lpad(to_hex((code & 255) * 256 + (code >> 8)), 4, '0');
        ELSE
            code := code - 65536;
            made := made || lpad(to_hex(((code >> 10) & 255) * 256 + (216 + (code >> 18))), 4, '0')
                || lpad(to_hex((code & 255) * 256 + (220 + ((code >> 8) & 3))), 4, '0');
        END IF;
    END LOOP;
    RETURN decode(made, 'hex');
END $$;

CREATE FUNCTION tsql.from_utf16(value bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE made text := ''; code int; low int; place int := 0;
BEGIN
    IF octet_length(value) % 2 = 1 THEN
        PERFORM tsql.fail(102, 'Incorrect syntax near ''conversion of an odd number of bytes to nvarchar''.');
    END IF;
    WHILE place < octet_length(value) LOOP
        code := get_byte(value, place) + 256 * get_byte(value, place + 1);
        IF code BETWEEN 55296 AND 56319 AND place + 3 < octet_length(value) THEN
            low := get_byte(value, place + 2) + 256 * get_byte(value, place + 3);
            code := 65536 + ((code - 55296) << 10) + (low - 56320);
            place := place + 2;
        END IF;
        made := made || chr(code);
        place := place + 2;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION tsql.natural(number int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF number < 0 THEN
        PERFORM tsql.fail(536, 'Invalid length parameter passed to the LEFT, RIGHT or REPLICATE function.');
    END IF;
    RETURN number;
END $$;
CREATE FUNCTION tsql.ascii_code(number int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF number NOT BETWEEN 1 AND 127 THEN
        PERFORM tsql.fail(102, format('Incorrect syntax near ''CHAR(%s)'': this endpoint does not execute it.', number));
    END IF;
    RETURN number;
END $$;
CREATE FUNCTION tsql.charindex(sought text, within text, start int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN sought = '' OR strpos(substr(within, greatest(start, 1)), sought) = 0 THEN 0
           ELSE strpos(substr(within, greatest(start, 1)), sought) + greatest(start, 1) - 1 END $$;
CREATE FUNCTION tsql.aggregated(value text, size int, wide boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF (CASE WHEN wide THEN tsql.units(value::bpchar) ELSE octet_length(value) END) > size THEN
        PERFORM tsql.fail(9829, 'STRING_AGG aggregation result exceeded the limit of 8000 bytes. Use LOB types to avoid result truncation.');
    END IF;
    RETURN value;
END $$;

-- LIKE with [ranges], as a regular expression.
CREATE FUNCTION tsql.like_regex(pattern text, escape text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE made text := '^'; place int := 1; character text; closing int; inside text;
BEGIN
    WHILE place <= length(pattern) LOOP
        character := substr(pattern, place, 1);
        IF escape <> '' AND character = escape THEN
            place := place + 1;
            made := made || regexp_replace(substr(pattern, place, 1), '([^[:alnum:]])', '\\\1');
        ELSIF character = '%' THEN
            made := made || '.*';
        ELSIF character = '_' THEN
            made := made || '.';
        ELSIF character = '[' AND strpos(substr(pattern, place + 2), ']') > 0 THEN
            closing := strpos(substr(pattern, place + 2), ']') + place + 1;
            inside := substr(pattern, place + 1, closing - place - 1);
            made := made || '[' || CASE WHEN left(inside, 1) = '^' THEN '^' ELSE '' END
                || regexp_replace(ltrim(inside, '^'), '([\\\[\]^])', '\\\1', 'g') || ']';
            place := closing;
        ELSE
            made := made || regexp_replace(character, '([^[:alnum:]])', '\\\1');
        END IF;
        place := place + 1;
    END LOOP;
    RETURN '(?s)' || made || '$';
END $$;

CREATE FUNCTION tsql.patindex(pattern text, within text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE inner_ text := regexp_replace(tsql.like_regex(regexp_replace(pattern, '^%+|%+$', '', 'g'), ''), '^\(\?s\)\^|[$]$', '', 'g');
BEGIN
    RETURN regexp_instr(within, '(?s)' || CASE WHEN pattern LIKE '\%%' THEN '' ELSE '^' END || '(?:' || inner_ || ')'
        || CASE WHEN pattern LIKE '%\%' THEN '' ELSE '$' END);
END $$;

CREATE FUNCTION tsql.quotename(name bpchar, mark bpchar) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE opening text; closing text;
BEGIN
    CASE coalesce(mark, '[')
        WHEN '[', ']' THEN opening := '['; closing := ']';
        WHEN '"' THEN opening := '"'; closing := '"';
        WHEN '''' THEN opening := ''''; closing := '''';
        ELSE RETURN NULL;
    END CASE;
    RETURN opening || replace(name::text, closing, closing || closing) || closing;
END $$;

CREATE FUNCTION tsql.name_parts(name text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE parts text[] := '{}'; part text := ''; place int := 1; character text; closing text := '';
BEGIN
    WHILE place <= length(name) LOOP
        character := substr(name, place, 1);
        IF closing <> '' THEN
            IF character = closing AND substr(name, place + 1, 1) = closing THEN
                part := part || character;
                place := place + 1;
            ELSIF character = closing THEN
                closing := '';
            ELSE
                part := part || character;
            END IF;
        ELSIF character = '[' THEN
            closing := ']';
        ELSIF character = '"' THEN
            closing := '"';
        ELSIF character = '.' THEN
            parts := parts || part;
            part := '';
        ELSE
            part := part || character;
        END IF;
        place := place + 1;
    END LOOP;
    RETURN parts || part;
END $$;
CREATE FUNCTION tsql.parsename(name bpchar, part int) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CAST(p[cardinality(p) + 1 - part] AS bpchar) FROM (SELECT tsql.name_parts(name::text) AS p) AS q $$;

-- ------------------------------------------------------------------ the clock
CREATE FUNCTION tsql.sysutcdatetime() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT statement_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION tsql.getdate() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT tsql.datetime_of(statement_timestamp() AT TIME ZONE 'UTC') $$;

CREATE FUNCTION tsql.date_add(value timestamp, many int, step interval, kind text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE made timestamp;
BEGIN
    IF abs(extract(epoch FROM step) * many) < 320000000000 THEN  -- ten thousand years
        made := value + many * step;
    END IF;
    IF made IS NULL OR made >= (CASE kind WHEN 'smalldatetime' THEN timestamp '2079-06-07' ELSE timestamp '10000-01-01' END)
        OR made < (CASE kind WHEN 'datetime' THEN timestamp '1753-01-01' WHEN 'smalldatetime' THEN timestamp '1900-01-01' ELSE timestamp '0001-01-01' END) THEN
        PERFORM tsql.fail(517, format('Adding a value to a ''%s'' column caused an overflow.', kind));
    END IF;
    RETURN made;
END $$;
CREATE FUNCTION tsql.date_parts(number numeric) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF number NOT BETWEEN -2147483648 AND 2147483647 THEN
        PERFORM tsql.fail(535, 'The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.');
    END IF;
    RETURN number;
END $$;

-- ------------------------------------------------------------------ JSON
CREATE FUNCTION tsql.is_json(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN value ~ '^\s*[\[{]' AND pg_input_is_valid(value, 'json') THEN 1 ELSE 0 END $$;
CREATE FUNCTION tsql.json_value(value text, path text) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE found json; step text; steps text[];
BEGIN
    IF path !~ '^(lax )?\$(\.[[:alpha:]_][[:alnum:]_]*|\."[^"]+"|\[\d+\])*$' THEN
        PERFORM tsql.fail(102, format('Incorrect syntax near ''JSON path %s'': this endpoint does not execute it.', path));
    END IF;
    IF tsql.is_json(value) = 0 THEN
        PERFORM tsql.fail(13609, 'JSON text is not properly formatted.');
    END IF;
    SELECT array_agg(coalesce(m[1], m[2], m[3]) ORDER BY n) INTO steps
        FROM regexp_matches(path, '\."([^"]+)"|\.([[:alnum:]_]+)|\[(\d+)\]', 'g') WITH ORDINALITY AS r(m, n);
    found := value::json #> coalesce(steps, '{}');
    IF json_typeof(found) IN ('object', 'array') THEN
        RETURN NULL;
    END IF;
    RETURN (value::json #>> coalesce(steps, '{}'));
END $$;

-- ------------------------------------------------------------------ objects
CREATE TABLE tsql.settings (name text PRIMARY KEY, value text NOT NULL);

-- `kind:name` and `IX:mark:name` are how objects are named here.
CREATE FUNCTION tsql.shown(name text) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CAST(regexp_replace(name, '^(PK|UQ|CK|FK):|^IX:[0-9a-f]{8}:', '') AS bpchar) $$;
CREATE FUNCTION tsql.database() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('tsql.database', true), current_database()) $$;

CREATE FUNCTION tsql.namespace_of(schema text) RETURNS oid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN schema = 'pg_temp' THEN pg_my_temp_schema()
           ELSE (SELECT oid FROM pg_namespace WHERE nspname = coalesce(nullif(schema, ''), 'dbo')) END $$;
CREATE FUNCTION tsql.relation(schema text, name text) RETURNS oid LANGUAGE sql STABLE AS $$
    SELECT oid FROM pg_class WHERE relname = name AND relnamespace = tsql.namespace_of(schema) AND relkind IN ('r', 'v') $$;

CREATE FUNCTION tsql.object_id(name text, kind text) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE parts text[]; own text; schema text; found oid; relkind "char";
BEGIN
    parts := tsql.name_parts(name);
    own := parts[cardinality(parts)];
    schema := coalesce(nullif(parts[cardinality(parts) - 1], ''), 'dbo');
    IF cardinality(parts) = 3 AND parts[1] NOT IN (tsql.database(), '', 'tempdb') THEN
        RETURN NULL;
    END IF;
    IF own LIKE '#%' THEN
        schema := 'pg_temp';
    ELSIF lower(schema) IN ('sys', 'information_schema') THEN
        schema := CASE lower(schema) WHEN 'sys' THEN 'sys' ELSE 'INFORMATION_SCHEMA' END;
        own := CASE schema WHEN 'sys' THEN lower(own) ELSE upper(own) END;
    END IF;
    SELECT c.oid, c.relkind INTO found, relkind FROM pg_class AS c WHERE c.oid = tsql.relation(schema, own);
    IF found IS NULL THEN
        SELECT oid INTO found FROM pg_constraint
            WHERE tsql.shown(conname) = own AND connamespace = tsql.namespace_of(schema) AND contype IN ('p', 'u', 'c', 'f')
            AND (kind IS NULL OR upper(btrim(kind)) = CASE contype WHEN 'p' THEN 'PK' WHEN 'u' THEN 'UQ' WHEN 'c' THEN 'C' ELSE 'F' END);
        RETURN found;
    END IF;
    IF kind IS NOT NULL AND upper(btrim(kind)) <> (CASE relkind WHEN 'r' THEN 'U' ELSE 'V' END) THEN
        RETURN NULL;
    END IF;
    RETURN found;
END $$;
CREATE FUNCTION tsql.schema_id(name text) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT oid::int FROM pg_namespace WHERE nspname = name $$;
CREATE FUNCTION tsql.schema_name(id int) RETURNS bpchar LANGUAGE sql STABLE AS $$
    SELECT CAST(nspname AS bpchar) FROM pg_namespace WHERE oid = id::oid $$;
CREATE FUNCTION tsql.object_name(id int) RETURNS bpchar LANGUAGE sql STABLE AS $$
    SELECT CAST(relname AS bpchar) FROM pg_class WHERE oid = id::oid $$;
CREATE FUNCTION tsql.object_schema_name(id int) RETURNS bpchar LANGUAGE sql STABLE AS $$
    SELECT CAST(nspname AS bpchar) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE pg_class.oid = id::oid $$;
CREATE FUNCTION tsql.last_identity() RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    RETURN lastval();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN NULL;
END $$;
CREATE FUNCTION tsql.identity_sequence(schema text, name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.attrelid = tsql.relation(schema, name) AND a.attidentity <> '' $$;
CREATE FUNCTION tsql.ident_current(name text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE parts text[] := tsql.name_parts(name); found numeric; sequence text;
BEGIN
    sequence := tsql.identity_sequence(coalesce(nullif(parts[cardinality(parts) - 1], ''), 'dbo'), parts[cardinality(parts)]);
    IF sequence IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE 'SELECT last_value FROM ' || sequence INTO found;
    RETURN found;
END $$;
-- Rows came with values of their own: the next one follows the furthest of them.
CREATE FUNCTION tsql.reseed(schema text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE attname text; furthest bigint; falls boolean; sequence text := tsql.identity_sequence(schema, name);
BEGIN
    SELECT a.attname INTO attname FROM pg_attribute AS a WHERE attrelid = tsql.relation(schema, name) AND attidentity <> '';
    SELECT seqincrement < 0 INTO falls FROM pg_sequence WHERE seqrelid = sequence::regclass;
    EXECUTE format('SELECT %s(%I) FROM %s', CASE WHEN falls THEN 'min' ELSE 'max' END, attname, tsql.relation(schema, name)::regclass) INTO furthest;
    IF furthest IS NOT NULL THEN
        EXECUTE format('SELECT setval(%L, %s) FROM %s WHERE last_value %s %s OR (NOT is_called AND last_value = %2$s)',
                       sequence, furthest, sequence, CASE WHEN falls THEN '>' ELSE '<' END, furthest);
    END IF;
END $$;
-- A column of a new table goes on with the identity of another table's.
CREATE FUNCTION tsql.inherit_identity(schema text, name text, attribute text, from_schema text, from_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE source pg_sequence; target text := tsql.relation(schema, name)::regclass;
BEGIN
    SELECT * INTO source FROM pg_sequence WHERE seqrelid = tsql.identity_sequence(from_schema, from_name)::regclass;
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', target, attribute);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED ALWAYS AS IDENTITY (START WITH %s INCREMENT BY %s MINVALUE %s)',
                   target, attribute, source.seqstart, source.seqincrement, source.seqmin);
    PERFORM tsql.reseed(schema, name);
END $$;

CREATE FUNCTION tsql.new_index(schema text, name text, index text, kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid
               WHERE indrelid = tsql.relation(schema, name) AND tsql.shown(i.relname) = index) THEN
        PERFORM tsql.fail(1913, format('The operation failed because an index or statistics with name ''%s'' already exists on table ''%s.%s''.', index, schema, name));
    END IF;
    IF kind = 'clustered' AND EXISTS (SELECT FROM pg_index WHERE indrelid = tsql.relation(schema, name)
                                      AND obj_description(indexrelid, 'pg_class') = 'clustered') THEN
        PERFORM tsql.fail(1902, format('Cannot create more than one clustered index on table ''%s.%s''.', schema, name));
    END IF;
END $$;
CREATE FUNCTION tsql.drop_index(schema text, name text, index text, if_exists boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    SELECT indexrelid::regclass::text INTO found FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid
        WHERE indrelid = tsql.relation(schema, name) AND i.relname LIKE 'IX:%' AND tsql.shown(i.relname) = index;
    IF found IS NOT NULL THEN
        EXECUTE 'DROP INDEX ' || found;
    ELSIF NOT if_exists THEN
        PERFORM tsql.fail(3701, format('Cannot drop the index ''%s.%s'', because it does not exist or you do not have permission.', name, index));
    END IF;
END $$;
CREATE FUNCTION tsql.drop_constraint(schema text, name text, given text, if_exists boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found text; relation regclass := tsql.relation(schema, name)::regclass;
BEGIN
    SELECT conname INTO found FROM pg_constraint
        WHERE conrelid = relation AND contype IN ('p', 'u', 'c', 'f') AND tsql.shown(conname) = given;
    IF found IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', relation, found);
        RETURN;
    END IF;
    SELECT attname INTO found FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = relation AND col_description(attrelid, attnum) = given;
    IF found IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', relation, found);
        EXECUTE format('COMMENT ON COLUMN %s.%I IS NULL', relation, found);
    ELSIF NOT if_exists THEN
        PERFORM tsql.fail(3728, format('''%s'' is not a constraint.', given));
    END IF;
END $$;
CREATE FUNCTION tsql.no_default(schema text, name text, attribute text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tsql.relation(schema, name) AND attname = attribute AND atthasdef) THEN
        PERFORM tsql.fail(1781, 'Column already has a DEFAULT bound to it.');
    END IF;
END $$;
-- A column that a default, an index or a constraint needs is not dropped.
CREATE FUNCTION tsql.droppable(schema text, name text, attribute text, if_exists boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE relation oid := tsql.relation(schema, name); number int; holder text;
BEGIN
    SELECT attnum INTO number FROM pg_attribute WHERE attrelid = relation AND attname = attribute AND NOT attisdropped;
    IF number IS NULL AND NOT if_exists THEN
        PERFORM tsql.fail(4924, format('ALTER TABLE DROP COLUMN failed because column ''%s'' does not exist in table ''%s''.', attribute, name));
    END IF;
    SELECT coalesce(
        (SELECT col_description(relation, number) FROM pg_attrdef WHERE adrelid = relation AND adnum = number),
        (SELECT tsql.shown(conname) FROM pg_constraint WHERE conrelid = relation AND contype IN ('p', 'u', 'c', 'f') AND number = ANY (conkey) LIMIT 1),
        (SELECT tsql.shown(i.relname) FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid WHERE indrelid = relation AND number = ANY (indkey) LIMIT 1)
    ) INTO holder;
    IF holder IS NOT NULL THEN
        PERFORM tsql.fail(5074, format('The object ''%s'' is dependent on column ''%s''.', holder, attribute));
    END IF;
END $$;

CREATE FUNCTION tsql.rename(object text, new_name text, kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE parts text[] := tsql.name_parts(object); many int := cardinality(parts); schema text; name text; found text; relkind "char";
BEGIN
    IF octet_length(new_name) > 63 THEN
        PERFORM tsql.fail(103, format('The identifier that starts with ''%s'' is too long. Maximum length here is 63 bytes.', new_name));
    END IF;
    IF upper(coalesce(kind, 'OBJECT')) IN ('COLUMN', 'INDEX') THEN
        schema := coalesce(nullif(parts[many - 2], ''), 'dbo');
        name := parts[many - 1];
    ELSE
        schema := coalesce(nullif(parts[many - 1], ''), 'dbo');
        name := parts[many];
    END IF;
    IF upper(kind) = 'COLUMN' AND tsql.relation(schema, name) IS NOT NULL AND EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = tsql.relation(schema, name) AND attname = parts[many] AND NOT attisdropped) THEN
        EXECUTE format('ALTER TABLE %I.%I RENAME COLUMN %I TO %I', schema, name, parts[many], new_name);
    ELSIF upper(kind) = 'INDEX' THEN
        SELECT i.relname INTO found FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid
            WHERE indrelid = tsql.relation(schema, name) AND tsql.shown(i.relname) = parts[many];
        IF found IS NULL THEN
            PERFORM tsql.fail(15225, format('No item by the name of ''%s'' could be found in the current database, given that @itemtype was input as ''(null)''.', object));
        END IF;
        EXECUTE format('ALTER INDEX %I.%I RENAME TO %I', schema, found, left(found, length(found) - length(parts[many])) || new_name);
    ELSIF upper(coalesce(kind, 'OBJECT')) = 'OBJECT' AND tsql.relation(schema, name) IS NOT NULL THEN
        IF tsql.relation(schema, new_name) IS NOT NULL THEN
            PERFORM tsql.fail(15335, format('Error: The new name ''%s'' is already in use as a OBJECT name and would cause a duplicate that is not permitted.', new_name));
        END IF;
        EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', schema, name, new_name);
    ELSE
        PERFORM tsql.fail(15225, format('No item by the name of ''%s'' could be found in the current database, given that @itemtype was input as ''%s''.', object, coalesce(kind, '(null)')));
    END IF;
END $$;
