-- The clock, and arithmetic of dates.

CREATE FUNCTION tsql.sysutcdatetime() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT statement_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION tsql.getdate() RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT tsql.datetime_of(statement_timestamp() AT TIME ZONE 'UTC') $$;

CREATE FUNCTION tsql.added(made timestamp, kind text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF made IS NULL OR made >= (CASE kind WHEN 'smalldatetime' THEN timestamp '2079-06-07' ELSE timestamp '10000-01-01' END)
        OR made < (CASE kind WHEN 'datetime' THEN timestamp '1753-01-01' WHEN 'smalldatetime' THEN timestamp '1900-01-01' ELSE timestamp '0001-01-01' END) THEN
        PERFORM tsql.fail(517, format('Adding a value to a ''%s'' column caused an overflow.', kind));
    END IF;
    RETURN made;
END $$;
CREATE FUNCTION tsql.date_add(value timestamp, many int, step interval, kind text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE made timestamp;
BEGIN
    IF abs(extract(epoch FROM step) * many) < 320000000000 THEN  -- ten thousand years
        made := value + many * step;
    END IF;
    RETURN tsql.added(made, kind);
END $$;
CREATE FUNCTION tsql.add_days(value timestamp, many float8, kind text) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT tsql.added(CASE WHEN abs(many) < 4000000 THEN value + many * interval '1 day' END, kind) $$;
CREATE FUNCTION tsql.date_from_parts(year int, month int, day int) RETURNS date LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF NOT tsql.is_day(year, month, day) THEN
        PERFORM tsql.fail(289, 'Cannot construct data type date, some of the arguments have values which are not valid.');
    END IF;
    RETURN make_date(year, month, day);
END $$;
CREATE FUNCTION tsql.date_parts(number numeric) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF number NOT BETWEEN -2147483648 AND 2147483647 THEN
        PERFORM tsql.fail(535, 'The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.');
    END IF;
    RETURN number;
END $$;
