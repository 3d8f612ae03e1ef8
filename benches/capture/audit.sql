-- The audit trigger that one finds in most places: both rows as JSON, for each row.
CREATE TABLE audited.log (
    id         bigserial PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    table_name text NOT NULL,
    op         text NOT NULL,
    old        jsonb,
    new        jsonb
);
CREATE FUNCTION audited.audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audited.log (table_name, op, new) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(NEW));
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO audited.log (table_name, op, old, new)
        VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    ELSE
        INSERT INTO audited.log (table_name, op, old) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON audited.lead
    FOR EACH ROW EXECUTE FUNCTION audited.audit();
