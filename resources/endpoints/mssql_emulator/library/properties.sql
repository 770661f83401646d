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
