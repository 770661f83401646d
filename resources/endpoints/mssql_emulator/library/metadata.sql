-- Functions that tell about types, columns, databases and the server.

CREATE FUNCTION tsql.type_name(id int) RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT name FROM sys.types WHERE user_type_id = id $$;
CREATE FUNCTION tsql.type_id(name bpchar) RETURNS int LANGUAGE sql STABLE AS $$ SELECT user_type_id FROM sys.types WHERE sys.types.name = $1 $$;
CREATE FUNCTION tsql.col_name(object int, number int) RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT name FROM sys.columns WHERE object_id = object AND column_id = number $$;
CREATE FUNCTION tsql.col_length(object text, attribute text) RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT max_length FROM sys.columns WHERE object_id = tsql.object_id(object, NULL) AND name = attribute::bpchar $$;
CREATE FUNCTION tsql.object_property(id int, property text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE lower(property)
        WHEN 'istable', 'isusertable' THEN RETURN (SELECT CASE type WHEN 'U' THEN 1 ELSE 0 END FROM sys.objects WHERE object_id = id);
        WHEN 'isview' THEN RETURN (SELECT CASE type WHEN 'V' THEN 1 ELSE 0 END FROM sys.objects WHERE object_id = id);
        WHEN 'tablehasprimarykey' THEN RETURN (SELECT count(*) FROM pg_index WHERE indrelid = id::oid AND indisprimary);
        WHEN 'tablehasidentity' THEN RETURN (SELECT count(*) FROM pg_attribute WHERE attrelid = id::oid AND attidentity <> '');
        WHEN 'cnstisclustkey' THEN
            RETURN (SELECT CASE obj_description(conindid, 'pg_class') WHEN 'clustered' THEN 1 ELSE 0 END FROM pg_constraint WHERE oid = id::oid);
        WHEN 'ismsshipped' THEN RETURN 0;
        ELSE PERFORM tsql.fail(102, format('Incorrect syntax near ''OBJECTPROPERTY(%s)'': this endpoint does not execute it.', property));
    END CASE;
    RETURN NULL;
END $$;
CREATE FUNCTION tsql.object_definition(id int) RETURNS bpchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM sys.objects WHERE object_id = id AND type IN ('C ', 'D ')) THEN
        PERFORM tsql.fail(102, 'Incorrect syntax near ''OBJECT_DEFINITION'': this endpoint knows those of views alone.');
    END IF;
    RETURN tsql.view_text(id::oid);
END $$;
CREATE FUNCTION tsql.column_property(id int, attribute text, property text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE lower(property)
        WHEN 'isidentity' THEN RETURN (SELECT is_identity FROM sys.columns WHERE object_id = id AND name = attribute::bpchar);
        WHEN 'allowsnull' THEN RETURN (SELECT is_nullable FROM sys.columns WHERE object_id = id AND name = attribute::bpchar);
        WHEN 'columnid' THEN RETURN (SELECT column_id FROM sys.columns WHERE object_id = id AND name = attribute::bpchar);
        WHEN 'iscomputed' THEN RETURN (SELECT is_computed FROM sys.columns WHERE object_id = id AND name = attribute::bpchar);
        ELSE PERFORM tsql.fail(102, format('Incorrect syntax near ''COLUMNPROPERTY(%s)'': this endpoint does not execute it.', property));
    END CASE;
    RETURN NULL;
END $$;
CREATE FUNCTION tsql.server_property(property text) RETURNS bpchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE lower(property)
        WHEN 'productversion' THEN RETURN '16.0.1000.6';
        WHEN 'productlevel' THEN RETURN 'RTM';
        WHEN 'productmajorversion' THEN RETURN '16';
        WHEN 'edition' THEN RETURN 'Emulator on PostgreSQL';
        WHEN 'engineedition' THEN RETURN '3';
        WHEN 'collation' THEN RETURN 'Latin1_General_100_BIN2_UTF8';
        WHEN 'servername', 'machinename' THEN RETURN 'emulator';
        WHEN 'instancename' THEN RETURN NULL;
        WHEN 'isclustered', 'isfulltextinstalled', 'ishadrenabled' THEN RETURN '0';
        ELSE PERFORM tsql.fail(102, format('Incorrect syntax near ''SERVERPROPERTY(%s)'': this endpoint does not execute it.', property));
    END CASE;
    RETURN NULL;
END $$;
CREATE FUNCTION tsql.database_property(name bpchar, property text) RETURNS bpchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE lower(property)
        WHEN 'collation' THEN RETURN 'Latin1_General_100_BIN2_UTF8';
        WHEN 'status' THEN RETURN 'ONLINE';
        WHEN 'updateability' THEN RETURN 'READ_WRITE';
        WHEN 'recovery' THEN RETURN 'SIMPLE';
        WHEN 'useraccess' THEN RETURN 'MULTI_USER';
        ELSE PERFORM tsql.fail(102, format('Incorrect syntax near ''DATABASEPROPERTYEX(%s)'': this endpoint does not execute it.', property));
    END CASE;
    RETURN NULL;
END $$;

-- What sys.dm_exec_describe_first_result_set tells: a row for each column of a result, of which the session knows name, type and nullability.
CREATE FUNCTION tsql.described(columns jsonb) RETURNS TABLE (
    is_hidden tsql.bit, column_ordinal int, name tsql."nvarchar(128)", is_nullable tsql.bit, system_type_id int, system_type_name tsql."nvarchar(128)",
    max_length smallint, "precision" smallint, scale smallint, collation_name tsql."nvarchar(128)", user_type_id int, error_number int, error_message tsql."nvarchar(max)")
LANGUAGE sql STABLE AS $$
    SELECT tsql.yes(false), place::int, tsql.name(item ->> 0), tsql.yes((item ->> 2)::boolean), m.id::int, tsql.name(item ->> 1),
           m.max_length, m.precision, m.scale, m.collation_name, NULL::int, NULL::int, NULL::bpchar
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(item, place) CROSS JOIN LATERAL tsql.measures(item ->> 1) AS m ORDER BY place $$;
