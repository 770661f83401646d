-- Databases, schemas, tables, columns and indexes, by the names and numbers that T-SQL knows them by.

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
    IF kind LIKE 'clustered%' AND EXISTS (SELECT FROM pg_index WHERE indrelid = tsql.relation(schema, name)
                                          AND obj_description(indexrelid, 'pg_class') LIKE 'clustered%') THEN
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
-- Keys that a foreign key may refer to: not deferrable.
CREATE FUNCTION tsql.referable(schema text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE relation oid := tsql.relation(schema, name); key record;
BEGIN
    FOR key IN SELECT conname, conindid::regclass::text AS index, obj_description(conindid, 'pg_class') AS note,
                      regexp_replace(pg_get_constraintdef(oid), ' DEFERRABLE$', '') AS definition
               FROM pg_constraint WHERE conrelid = relation AND contype IN ('p', 'u') AND condeferrable LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', relation::regclass, key.conname, key.definition);
        EXECUTE format('COMMENT ON INDEX %s IS %L', key.index, key.note);
    END LOOP;
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
        PERFORM tsql.let_go(tsql.relation(schema, name));
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
        PERFORM tsql.let_go(tsql.relation(schema, name));
        EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', schema, name, new_name);
    ELSE
        PERFORM tsql.fail(15225, format('No item by the name of ''%s'' could be found in the current database, given that @itemtype was input as ''%s''.', object, coalesce(kind, '(null)')));
    END IF;
END $$;
