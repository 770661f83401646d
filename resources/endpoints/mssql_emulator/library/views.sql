-- Views: T-SQL knows them by their text, and looks up what that reads by name at every use.
-- The text, and the names that it reads, are the view's comment. Before a table or view is dropped, renamed or changed,
-- the views that read it let go of it: they keep their columns alone, and whoever reads them next makes them anew.

CREATE FUNCTION tsql.view_text(view oid) RETURNS bpchar LANGUAGE sql STABLE AS $$
    SELECT CAST(obj_description(view, 'pg_class')::jsonb ->> 'text' AS bpchar) FROM pg_class WHERE oid = view AND relkind = 'v' $$;
CREATE FUNCTION tsql.view_reads(view oid) RETURNS TABLE (database text, schema text, name text) LANGUAGE sql STABLE AS $$
    SELECT reads ->> 0, reads ->> 1, reads ->> 2 FROM jsonb_array_elements(obj_description(view, 'pg_class')::jsonb -> 'reads') AS reads $$;

CREATE FUNCTION tsql.unbound(view text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tsql.fail(4413, format('Could not use view or function ''%s'' because of binding errors.', view));
    RETURN false;
END $$;
CREATE FUNCTION tsql.text_of_unbound(view oid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CAST(tsql.view_text(view) AS text) FROM pg_rewrite AS r JOIN pg_depend ON objid = r.oid AND classid = 'pg_rewrite'::regclass
    WHERE ev_class = view AND refclassid = 'pg_proc'::regclass AND refobjid = 'tsql.unbound(text)'::regprocedure LIMIT 1 $$;

CREATE FUNCTION tsql.let_go(relation oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE reader oid; columns text;
BEGIN
    FOR reader IN
        WITH RECURSIVE uses AS (
            SELECT ev_class AS reader, refobjid AS read FROM pg_depend JOIN pg_rewrite AS r ON r.oid = objid
            WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class),
        readers AS (
            SELECT uses.reader FROM uses WHERE read = relation
            UNION SELECT uses.reader FROM readers JOIN uses ON read = readers.reader)
        SELECT readers.reader FROM readers
    LOOP
        SELECT string_agg(format('CAST(NULL AS %s)%s AS %I', format_type(atttypid, atttypmod),
                                 CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation END, attname), ', ' ORDER BY attnum)
            INTO columns FROM pg_attribute JOIN pg_type AS t ON t.oid = atttypid WHERE attrelid = reader AND attnum > 0;
        EXECUTE format('CREATE OR REPLACE VIEW %s AS SELECT %s WHERE tsql.unbound(%L)', reader::regclass, columns,
                       (SELECT nspname || '.' || relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE c.oid = reader));
    END LOOP;
END $$;
CREATE FUNCTION tsql.drop_view(schema text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found oid;
BEGIN
    SELECT oid INTO found FROM pg_class WHERE oid = tsql.relation(schema, name) AND relkind = 'v';
    IF found IS NOT NULL THEN
        PERFORM tsql.let_go(found);
        EXECUTE format('DROP VIEW %I.%I', schema, name);
    END IF;
END $$;
