-- What Heroku Connect makes per mapped table. Placeholders: schema and table as quoted identifiers,
-- name as a part of one, columns without id.

CREATE TABLE @schema@.@table@ (
    id serial PRIMARY KEY,
    @columns@
);
CREATE UNIQUE INDEX "hcu_idx_@name@_sfid" ON @schema@.@table@ (sfid);
CREATE INDEX "hc_idx_@name@_systemmodstamp" ON @schema@.@table@ (systemmodstamp);

-- get_xmlbinary and hstore are called without their schema, as in the original.
CREATE FUNCTION @schema@."hc_@name@_status"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (get_xmlbinary() = 'base64') THEN
        -- An application writes.
        NEW._hc_lastop = 'PENDING';
        NEW._hc_err = NULL;
        RETURN NEW;
    END IF;
    -- Heroku Connect writes, and may itself be setting the status.
    IF (TG_OP = 'UPDATE' AND NEW._hc_lastop IS NOT NULL AND NEW._hc_lastop IS DISTINCT FROM OLD._hc_lastop) THEN
        RETURN NEW;
    END IF;
    NEW._hc_lastop = 'SYNCED';
    NEW._hc_err = NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER "hc_@name@_status_trigger" BEFORE INSERT OR UPDATE ON @schema@.@table@
    FOR EACH ROW EXECUTE FUNCTION @schema@."hc_@name@_status"();

CREATE FUNCTION @schema@."hc_@name@_logger"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    trigger_row @schema@._trigger_log;
    excluded_cols text[] = ARRAY['_hc_lastop', '_hc_err'];
    changed hstore;
BEGIN
    trigger_row = ROW();
    trigger_row.id = nextval('@schema@._trigger_log_id_seq');
    trigger_row.action = TG_OP::text;
    trigger_row.table_name = TG_TABLE_NAME::text;
    trigger_row.txid = txid_current();
    trigger_row.created_at = clock_timestamp();
    trigger_row.state = 'NEW';
    IF (TG_OP = 'DELETE') THEN
        trigger_row.record_id = OLD.id;
        trigger_row.sfid = OLD.sfid;
        trigger_row.old = hstore(OLD.*) - excluded_cols;
        IF (OLD.sfid IS NULL) THEN
            trigger_row.state = 'IGNORE';
        END IF;
    ELSIF (TG_OP = 'INSERT') THEN
        trigger_row.record_id = NEW.id;
        trigger_row.sfid = NEW.sfid;
        trigger_row.values = hstore(NEW.*) - excluded_cols;
    ELSE
        trigger_row.record_id = NEW.id;
        trigger_row.sfid = NEW.sfid;
        trigger_row.old = hstore(OLD.*) - excluded_cols;
        changed = (hstore(NEW.*) - hstore(OLD.*)) - excluded_cols;
        trigger_row.values = changed;
        IF (changed = ''::hstore) THEN
            trigger_row.state = 'IGNORE';
        END IF;
    END IF;
    INSERT INTO @schema@._trigger_log VALUES (trigger_row.*);
    RETURN NULL;
END
$$;
CREATE TRIGGER "hc_@name@_logtrigger" AFTER INSERT OR UPDATE OR DELETE ON @schema@.@table@
    FOR EACH ROW WHEN (public.get_xmlbinary()::text = 'base64'::text)
    EXECUTE FUNCTION @schema@."hc_@name@_logger"();
