-- Change tracking on triggers: which rows changed, and in which version, as CHANGETABLE tells it.
--
-- A version is given at commit, one transaction after the other: a deferred trigger takes an advisory lock, numbers the
-- transaction, and the lock is released only when the commit is visible to all. So the versions that a reader's snapshot
-- holds have no gap that a later commit could fill, and a reader that takes its position from
-- CHANGE_TRACKING_CURRENT_VERSION() in the same snapshot misses nothing. The counter is a sequence read and set under that
-- lock, not a row: transactions under snapshot isolation would conflict on a row.

CREATE TABLE tsql.ct_commits (txid xid8 PRIMARY KEY, version bigint UNIQUE, committed_at timestamptz);
CREATE SEQUENCE tsql.ct_version MINVALUE 0 START 0;
CREATE TABLE tsql.ct_tables (relation oid PRIMARY KEY, since bigint NOT NULL);
CREATE TABLE tsql.ct_resets (relation oid NOT NULL, txid xid8 NOT NULL);

CREATE FUNCTION tsql.ct_number() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE next bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('change tracking', 0));
    SELECT last_value + 1 INTO next FROM tsql.ct_version;
    PERFORM setval('tsql.ct_version', next);
    UPDATE tsql.ct_commits SET version = next, committed_at = clock_timestamp() WHERE txid = NEW.txid;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER number AFTER INSERT ON tsql.ct_commits DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tsql.ct_number();

CREATE FUNCTION tsql.ct_note() RETURNS xid8 LANGUAGE sql AS $$
    INSERT INTO tsql.ct_commits (txid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
    SELECT pg_current_xact_id() $$;

-- The version up to which retention has removed changes. They are kept here, and hidden.
CREATE FUNCTION tsql.ct_expired() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(version), 0) FROM tsql.ct_commits
    WHERE EXISTS (SELECT FROM tsql.settings WHERE name = 'CHANGE_CLEANUP' AND value = 'true')
    AND committed_at < clock_timestamp() - (SELECT value::interval FROM tsql.settings WHERE name = 'CHANGE_RETENTION') $$;

CREATE FUNCTION tsql.change_tracking_current_version() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM tsql.settings WHERE name = 'CHANGE_TRACKING' AND value = 'ON')
           THEN (SELECT coalesce(max(version), 0) FROM tsql.ct_commits) END $$;

CREATE FUNCTION tsql.change_tracking_min_valid_version(id int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(since, tsql.ct_expired(),
                    (SELECT max(version) FROM tsql.ct_resets AS r JOIN tsql.ct_commits USING (txid) WHERE r.relation = t.relation))
    FROM tsql.ct_tables AS t WHERE relation = id::oid $$;

CREATE FUNCTION tsql.set_change_tracking(switch text, retention text, cleanup text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE before text := (SELECT value FROM tsql.settings WHERE name = 'CHANGE_TRACKING');
BEGIN
    IF switch = 'ON' AND before = 'ON' THEN
        PERFORM tsql.fail(5088, format('Change tracking is already enabled for database ''%s''.', tsql.database()));
    ELSIF switch = 'OFF' AND EXISTS (SELECT FROM tsql.ct_tables JOIN pg_class ON pg_class.oid = relation) THEN
        PERFORM tsql.fail(22115, format('Change tracking is enabled for one or more tables in database ''%s''. Disable change tracking on each table before disabling it for the database.', tsql.database()));
    END IF;
    INSERT INTO tsql.settings VALUES ('CHANGE_TRACKING', switch), ('CHANGE_RETENTION', retention), ('CHANGE_CLEANUP', cleanup)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value;
END $$;

CREATE FUNCTION tsql.enable_change_tracking(schema text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE relation oid := tsql.relation(schema, name); table_name text := relation::regclass; side text; keys text; typed text; shown text; compared text; clash text;
BEGIN
    IF tsql.change_tracking_current_version() IS NULL THEN
        PERFORM tsql.fail(5089, format('Change tracking is disabled for database ''%s''. Change tracking must be enabled on a database to modify change tracking settings.', tsql.database()));
    ELSIF EXISTS (SELECT FROM tsql.ct_tables AS t WHERE t.relation = tsql.relation(schema, name)) THEN
        PERFORM tsql.fail(4996, format('Change tracking is already enabled for table ''%s''.', name));
    END IF;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY place), string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY place),
           string_agg(format('n.%I', attname), ', ' ORDER BY place), string_agg(format('o.%1$I = n.%1$I', attname), ' AND ' ORDER BY place)
        INTO keys, typed, shown, compared
        FROM pg_index JOIN unnest(indkey::int2[]) WITH ORDINALITY AS k(number, place) ON true
        JOIN pg_attribute ON attrelid = indrelid AND attnum = number WHERE indrelid = relation AND indisprimary;
    IF keys IS NULL THEN
        PERFORM tsql.fail(4997, format('Cannot enable change tracking on table ''%s''. Change tracking requires a primary key on the table. Create a primary key on the table before enabling change tracking.', name));
    END IF;
    side := format('tsql.%I', 'ct_' || relation);
    EXECUTE format('CREATE TABLE %s (%s, ct_operation "char" NOT NULL, txid xid8 NOT NULL, ct_place bigint GENERATED ALWAYS AS IDENTITY)', side, typed);
    EXECUTE format('CREATE FUNCTION tsql.%1$I() RETURNS trigger LANGUAGE plpgsql AS $f$
        DECLARE noted xid8;
        BEGIN
            IF TG_OP = ''TRUNCATE'' THEN
                INSERT INTO tsql.ct_resets VALUES (TG_RELID, tsql.ct_note());
            ELSIF TG_OP = ''INSERT'' THEN
                IF EXISTS (SELECT FROM ct_new) THEN
                    noted := tsql.ct_note();
                    INSERT INTO %2$s (%3$s, ct_operation, txid) SELECT %3$s, ''I'', noted FROM ct_new;
                END IF;
            ELSIF TG_OP = ''DELETE'' THEN
                IF EXISTS (SELECT FROM ct_old) THEN
                    noted := tsql.ct_note();
                    INSERT INTO %2$s (%3$s, ct_operation, txid) SELECT %3$s, ''D'', noted FROM ct_old;
                END IF;
            ELSIF EXISTS (SELECT FROM ct_new) THEN  -- a key that changes is a delete and an insert
                noted := tsql.ct_note();
                INSERT INTO %2$s (%3$s, ct_operation, txid) SELECT %3$s, ''D'', noted FROM ct_old AS o WHERE NOT EXISTS (SELECT FROM ct_new AS n WHERE %4$s);
                INSERT INTO %2$s (%3$s, ct_operation, txid)
                    SELECT %3$s, CASE WHEN EXISTS (SELECT FROM ct_old AS o WHERE %4$s) THEN ''U'' ELSE ''I'' END, noted FROM ct_new AS n;
            END IF;
            RETURN NULL;
        END $f$', 'ct_note_' || relation, side, keys, compared);
    EXECUTE format('CREATE TRIGGER ct_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS ct_new FOR EACH STATEMENT EXECUTE FUNCTION tsql.%I()', table_name, 'ct_note_' || relation);
    EXECUTE format('CREATE TRIGGER ct_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS ct_old NEW TABLE AS ct_new FOR EACH STATEMENT EXECUTE FUNCTION tsql.%I()', table_name, 'ct_note_' || relation);
    EXECUTE format('CREATE TRIGGER ct_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS ct_old FOR EACH STATEMENT EXECUTE FUNCTION tsql.%I()', table_name, 'ct_note_' || relation);
    EXECUTE format('CREATE TRIGGER ct_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION tsql.%I()', table_name, 'ct_note_' || relation);
    -- Net changes: the last one of each key, an insert where the key was not there at the version asked for.
    EXECUTE format('CREATE FUNCTION tsql.%1$I(since bigint)
        RETURNS TABLE ("SYS_CHANGE_VERSION" bigint, "SYS_CHANGE_CREATION_VERSION" bigint, "SYS_CHANGE_OPERATION" bpchar,
                       "SYS_CHANGE_COLUMNS" bytea, "SYS_CHANGE_CONTEXT" bytea, %2$s) LANGUAGE sql STABLE AS $f$
        SELECT version, created,
               CAST(CASE WHEN ct_operation = ''D'' THEN ''D'' WHEN created > coalesce(since, -1) THEN ''I'' ELSE ''U'' END AS bpchar),
               NULL::bytea, NULL::bytea, %3$s
        FROM (SELECT DISTINCT ON (%5$s) s.*, version, max(version) FILTER (WHERE ct_operation = ''I'') OVER (PARTITION BY %5$s) AS created
              FROM %4$s AS s JOIN tsql.ct_commits USING (txid)
              WHERE version > tsql.ct_expired() ORDER BY %5$s, version DESC, ct_place DESC) AS n
        WHERE version > coalesce(since, -1) $f$', 'ct_changes_' || relation, typed, shown, side, keys);
    INSERT INTO tsql.ct_tables SELECT relation, last_value FROM tsql.ct_version;
END $$;

CREATE FUNCTION tsql.disable_change_tracking(schema text, name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE relation oid := tsql.relation(schema, name); trigger_name text;
BEGIN
    DELETE FROM tsql.ct_tables AS t WHERE t.relation = tsql.relation(schema, name);
    IF NOT FOUND THEN
        PERFORM tsql.fail(4998, format('Change tracking is not enabled on table ''%s''.', name));
    END IF;
    FOREACH trigger_name IN ARRAY ARRAY['ct_insert', 'ct_update', 'ct_delete', 'ct_truncate'] LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, relation::regclass);
    END LOOP;
    EXECUTE format('DROP FUNCTION tsql.%I(bigint)', 'ct_changes_' || relation);
    EXECUTE format('DROP FUNCTION tsql.%I()', 'ct_note_' || relation);
    EXECUTE format('DROP TABLE tsql.%I', 'ct_' || relation);
END $$;
