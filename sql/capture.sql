-- SECURITY INVOKER would do: the function touches the log below the level where rights are checked.
CREATE FUNCTION manifold.capture() RETURNS trigger
  LANGUAGE c AS 'MODULE_PATHNAME', 'manifold_capture';

CREATE FUNCTION manifold.capture_trouble(source_id integer) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source record;
  captured record;
  top oid;
  tables oid[];
  found integer;
  resync text;
BEGIN
  SELECT coalesce(s.org, 'canonical') AS org, s.table_name, format('%I.%I', s.schema_name, s.table_name) AS name
  INTO STRICT source FROM manifold.source s WHERE s.source_id = $1;
  SELECT c.tables, c.triggers INTO captured FROM manifold.capture c WHERE c.source_id = $1;
  resync := format('SELECT manifold.resync(%L, %L)', source.org, source.table_name);
  top := to_regclass(source.name);
  IF top IS NULL THEN
    RETURN format('table %s is gone; when it is mapped again: %s', source.name, resync);
  END IF;
  WITH RECURSIVE tree AS (
    SELECT top AS oid UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
  )
  SELECT array_agg(oid) INTO tables FROM tree;
  SELECT count(*) INTO found FROM pg_trigger t
  WHERE t.tgrelid = ANY (tables) AND t.tgfoid = 'manifold.capture()'::regprocedure AND t.tgenabled IN ('A', 'R');
  IF captured IS NULL AND found = 0 THEN
    RETURN format('not captured: SELECT manifold.start(%L, %L)', source.org, source.table_name);
  ELSIF captured IS NULL THEN
    -- The triggers come with the table, what they wrote does not.
    RETURN format('restored from a dump: what was on its way then is not known; %s', resync);
  ELSIF captured.tables[1] <> top THEN
    RETURN format('table %s is another one now, and is not captured: %s', source.name, resync);
  ELSIF NOT (tables @> captured.tables AND tables <@ captured.tables)
    OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = top)
      AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = top AND t.tgname = 'manifold_before') THEN
    RETURN format('it is another tree of partitions or children now: %s', resync);
  ELSIF EXISTS (SELECT FROM pg_class c WHERE c.oid = ANY (tables) AND c.relpersistence = 'u') THEN
    RETURN format('it is unlogged, and a crash would empty it unseen: ALTER TABLE … SET LOGGED, then %s', resync);
  ELSIF found < captured.triggers THEN
    RETURN format('capture triggers are missing or disabled, so changes may be, too: %s', resync);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION manifold.capture_trouble(integer) IS
  'What is wrong with the capture of a source, and what to do about it; null where it is as manifold.start left it';
