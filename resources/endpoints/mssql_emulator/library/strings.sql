-- Functions of strings, and of the JSON in them.

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
CREATE FUNCTION tsql.stuff(value text, start int, many int, new text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN start BETWEEN 1 AND length(value) AND many >= 0 THEN overlay(value PLACING coalesce(new, '') FROM start FOR many) END $$;
CREATE FUNCTION tsql.aggregated(value text, size int, wide boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF (CASE WHEN wide THEN tsql.units(value::bpchar) ELSE octet_length(value) END) > size THEN
        PERFORM tsql.fail(9829, 'STRING_AGG aggregation result exceeded the limit of 8000 bytes. Use LOB types to avoid result truncation.');
    END IF;
    RETURN value;
END $$;

-- LIKE with [ranges], as a regular expression; `padded`: trailing blanks of what is compared may be too many.
CREATE FUNCTION tsql.like_regex(pattern text, escape text, padded boolean DEFAULT false) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
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
                || regexp_replace(regexp_replace(inside, '^\^', ''), '([\\\[\]^])', '\\\1', 'g') || ']';
            place := closing;
        ELSE
            made := made || regexp_replace(character, '([^[:alnum:]])', '\\\1');
        END IF;
        place := place + 1;
    END LOOP;
    RETURN '(?s)' || made || CASE WHEN padded THEN ' *$' ELSE '$' END;
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
