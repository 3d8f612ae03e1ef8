-- What Heroku Connect makes once per connection, in a schema of its own. Placeholders: the schema's
-- name, quoted as an identifier and as a string.

CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;

CREATE OR REPLACE FUNCTION public.get_xmlbinary() RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
    xmlbin varchar;
BEGIN
    SELECT setting INTO xmlbin FROM pg_settings WHERE name = 'xmlbinary';
    RETURN xmlbin;
END
$$;

CREATE SCHEMA @schema@;

CREATE TABLE @schema@._hcmeta (
    id serial PRIMARY KEY,
    hcver integer,
    org_id varchar(50),
    details text
);
INSERT INTO @schema@._hcmeta (hcver, org_id, details) VALUES (12, '00D000000000001AAA', '{}');

CREATE TABLE @schema@._sf_event_log (
    id serial PRIMARY KEY,
    table_name varchar(128),
    action varchar(7),
    synced_at timestamptz DEFAULT now(),
    sf_timestamp timestamptz,
    sfid varchar(20),
    record text,
    processed boolean
);
CREATE INDEX ON @schema@._sf_event_log (table_name, synced_at);
CREATE INDEX ON @schema@._sf_event_log (sfid);

CREATE TABLE @schema@._trigger_log (
    id serial PRIMARY KEY,
    txid bigint,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    processed_at timestamptz,
    processed_tx bigint,
    state varchar(8),
    action varchar(7),
    table_name varchar(128),
    record_id integer,
    sfid varchar(18),
    old text,
    "values" text,
    sf_result integer,
    sf_message text
);
CREATE INDEX ON @schema@._trigger_log (created_at);
CREATE INDEX ON @schema@._trigger_log (state, id);
CREATE INDEX ON @schema@._trigger_log (state, table_name) WHERE state IN ('NEW', 'PENDING');

CREATE TABLE @schema@._trigger_log_archive (
    id integer PRIMARY KEY,
    txid bigint,
    created_at timestamptz,
    updated_at timestamptz,
    processed_at timestamptz,
    processed_tx bigint,
    state varchar(8),
    action varchar(7),
    table_name varchar(128),
    record_id integer,
    sfid varchar(18),
    old text,
    "values" text,
    sf_result integer,
    sf_message text
);
CREATE INDEX ON @schema@._trigger_log_archive (created_at);
CREATE INDEX ON @schema@._trigger_log_archive (record_id);
CREATE INDEX ON @schema@._trigger_log_archive (state, table_name) WHERE state = 'FAILED';

CREATE FUNCTION @schema@.tlog_notify_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(@literal@ || '.hc_trigger_log', 'ping');
    RETURN NEW;
END
$$;
CREATE TRIGGER tlog_insert_trigger AFTER INSERT ON @schema@._trigger_log
    FOR EACH ROW EXECUTE FUNCTION @schema@.tlog_notify_trigger();

-- The two repair tools enqueue a row as if the application had just written it.
CREATE FUNCTION @schema@.hc_capture_insert_from_row(
    source_row hstore, table_name varchar, excluded_cols text[] DEFAULT ARRAY[]::text[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    log_id integer;
BEGIN
    INSERT INTO @schema@._trigger_log (action, table_name, txid, created_at, state, record_id, "values")
    VALUES ('INSERT', table_name, txid_current(), clock_timestamp(), 'NEW', (source_row -> 'id')::integer,
            (source_row - (excluded_cols || ARRAY['_hc_lastop', '_hc_err', 'sfid', 'createddate', 'systemmodstamp', 'isdeleted']))::text)
    RETURNING id INTO log_id;
    RETURN log_id;
END
$$;

CREATE FUNCTION @schema@.hc_capture_update_from_row(
    source_row hstore, table_name varchar, columns_to_include text[] DEFAULT ARRAY[]::text[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    log_id integer;
BEGIN
    INSERT INTO @schema@._trigger_log (action, table_name, txid, created_at, state, record_id, sfid, "values")
    VALUES ('UPDATE', table_name, txid_current(), clock_timestamp(), 'NEW', (source_row -> 'id')::integer,
            source_row -> 'sfid', slice(source_row, columns_to_include)::text)
    RETURNING id INTO log_id;
    RETURN log_id;
END
$$;
