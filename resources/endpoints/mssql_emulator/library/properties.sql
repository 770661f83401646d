-- Extended properties: what clients note about the database, its schemas, tables, views and columns.

CREATE TABLE tsql.properties (
    class smallint NOT NULL, major oid NOT NULL, minor int NOT NULL, name text NOT NULL, value text, PRIMARY KEY (class, major, minor, name));

CREATE FUNCTION tsql.set_property(action text, property text, given text, kinds text[], names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE path text := array_to_string(kinds, '.'); own smallint; owner oid := 0; place int := 0; shown text := array_to_string(names, '.');
BEGIN
    CASE
        WHEN path = '' THEN own := 0;
        WHEN path = 'SCHEMA' THEN own := 3; owner := tsql.schema_id(names[1]);
        WHEN path IN ('SCHEMA.TABLE', 'SCHEMA.VIEW', 'SCHEMA.TABLE.COLUMN', 'SCHEMA.VIEW.COLUMN') THEN
            own := 1;
            SELECT oid INTO owner FROM tsql.relations WHERE nspname = names[1] AND relname = names[2] AND relkind = CASE kinds[2] WHEN 'TABLE' THEN 'r' ELSE 'v' END;
            IF kinds[3] IS NOT NULL THEN
                place := (SELECT attnum FROM pg_attribute WHERE attrelid = owner AND attname = names[3] AND attnum > 0 AND NOT attisdropped);
            END IF;
        ELSE PERFORM tsql.fail(102, format('Incorrect syntax near ''extended property of %s'': this endpoint does not execute it.', path));
    END CASE;
    IF owner IS NULL OR place IS NULL THEN
        PERFORM tsql.fail(15135, format('Object is invalid. Extended properties are not permitted on ''%s'', or the object does not exist.', shown));
    END IF;
    IF action = 'add' THEN
        INSERT INTO tsql.properties VALUES (own, owner, place, property, given) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            PERFORM tsql.fail(15233, format('Property cannot be added. Property ''%s'' already exists for ''%s''.', property, shown));
        END IF;
        RETURN;
    ELSIF action = 'update' THEN
        UPDATE tsql.properties AS p SET value = given WHERE p.class = own AND p.major = owner AND p.minor = place AND p.name = property;
    ELSE
        DELETE FROM tsql.properties AS p WHERE p.class = own AND p.major = owner AND p.minor = place AND p.name = property;
    END IF;
    IF NOT FOUND THEN
        PERFORM tsql.fail(15217, format('Property cannot be updated or deleted. Property ''%s'' does not exist for ''%s''.', property, shown));
    END IF;
END $$;

-- What is noted of an object ends with it.
CREATE VIEW sys.extended_properties AS
    SELECT class, tsql.name(CASE class WHEN 0 THEN 'DATABASE' WHEN 1 THEN 'OBJECT_OR_COLUMN' ELSE 'SCHEMA' END) AS class_desc, major::int AS major_id, minor AS minor_id,
           tsql.name(p.name) AS name, CAST(value AS bpchar)::tsql."nvarchar(max)" AS value
    FROM tsql.properties AS p
    WHERE class = 0 OR (class = 3 AND major IN (SELECT oid FROM pg_namespace))
    OR (class = 1 AND major IN (SELECT oid FROM tsql.relations)
        AND (minor = 0 OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = major AND attnum = minor AND NOT attisdropped)));

-- fn_listextendedproperty: a level whose kind is given and whose name is not stands for all of that kind.
CREATE FUNCTION tsql.list_properties(property text, kind0 text, name0 text, kind1 text, name1 text, kind2 text, name2 text)
RETURNS TABLE (objtype tsql."nvarchar(128)", objname tsql."nvarchar(128)", name tsql."nvarchar(128)", value tsql."nvarchar(max)") LANGUAGE plpgsql STABLE AS $$
DECLARE path text := upper(concat_ws('.', kind0, kind1, kind2));
BEGIN
    IF path NOT IN ('', 'SCHEMA', 'SCHEMA.TABLE', 'SCHEMA.VIEW', 'SCHEMA.TABLE.COLUMN', 'SCHEMA.VIEW.COLUMN') THEN
        PERFORM tsql.fail(102, format('Incorrect syntax near ''extended property of %s'': this endpoint does not execute it.', path));
    END IF;
    RETURN QUERY
        SELECT tsql.name(upper(coalesce(kind2, kind1, kind0))), tsql.name(coalesce(a.attname, r.relname, n.nspname)), p.name, p.value
        FROM sys.extended_properties AS p
        LEFT JOIN tsql.relations AS r ON p.class = 1 AND r.oid = p.major_id::oid
        LEFT JOIN pg_attribute AS a ON p.class = 1 AND a.attrelid = r.oid AND a.attnum = p.minor_id AND p.minor_id > 0
        LEFT JOIN pg_namespace AS n ON n.oid = CASE p.class WHEN 1 THEN r.relnamespace WHEN 3 THEN p.major_id::oid END
        WHERE (property IS NULL OR p.name = property::bpchar) AND (name0 IS NULL OR n.nspname = name0) AND (name1 IS NULL OR r.relname = name1)
        AND (name2 IS NULL OR a.attname = name2) AND p.class = CASE WHEN kind1 IS NOT NULL THEN 1 WHEN kind0 IS NOT NULL THEN 3 ELSE 0 END
        AND (kind2 IS NOT NULL) = (a.attname IS NOT NULL) AND (kind1 IS NULL OR r.relkind = CASE upper(kind1) WHEN 'TABLE' THEN 'r' ELSE 'v' END);
END $$;
