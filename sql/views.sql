-- Functions of the workers, and the views that admins look at.

-- Consumers exist from the moment the extension does: from here on they read.
INSERT INTO manifold.position_log_0 (consumer, lane, seen)
SELECT consumer, 0, pg_current_snapshot() FROM unnest(ARRAY['normalizer', 'publisher']) AS consumer;

CREATE FUNCTION manifold.log_needed(log_table regclass, publisher boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  lane record;
  needed boolean;
BEGIN
  FOR lane IN
    SELECT p.consumer, p.lane, p.seen, p.upto, p.last_seq,
           -- Changes of orgs with a lane of their own are not the main lane's to read.
           CASE WHEN p.lane <> 0 THEN ARRAY(
             SELECT s.source_id FROM manifold.source s LEFT JOIN manifold.org o USING (org)
             WHERE coalesce(o.org_id, -1) = p.lane)
           END AS only
    FROM manifold.position p
    WHERE p.seen IS NOT NULL AND (publisher OR p.consumer <> 'publisher')
  LOOP
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM %s WHERE xid >= $1::text::xid8
         AND NOT pg_visible_in_snapshot(xid, $2)
         AND ($3 IS NULL OR NOT (pg_visible_in_snapshot(xid, $3) AND seq <= $4))
         AND ($5 IS NULL OR source_id = ANY ($5)))', log_table)
    INTO needed
    USING pg_snapshot_xmin(lane.seen), lane.seen, lane.upto, lane.last_seq, lane.only;
    IF needed THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;
COMMENT ON FUNCTION manifold.log_needed(regclass, boolean) IS
  'Whether a consumer has still to read something in this table of the log; publisher: whether the publisher counts';

CREATE FUNCTION manifold.empty_position_log(old regclass, new regclass) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', old);
  EXCEPTION WHEN lock_not_available THEN
    RETURN false;
  END;
  EXECUTE format(
    'INSERT INTO %1$s (id, consumer, lane, seen, upto, last_seq, request, file, progress, total)
     SELECT DISTINCT ON (o.consumer, o.lane) o.id, o.consumer, o.lane, o.seen, o.upto, o.last_seq, o.request, o.file, o.progress, o.total
     FROM %2$s o
     WHERE NOT EXISTS (SELECT FROM %1$s n WHERE n.consumer = o.consumer AND n.lane = o.lane AND n.id > o.id)
     ORDER BY o.consumer, o.lane, o.id DESC', new, old);
  EXECUTE format('TRUNCATE %s', old);
  RETURN true;
END $$;
COMMENT ON FUNCTION manifold.empty_position_log(regclass, regclass) IS
  'Carries the newest positions over to the other table and empties this one, if its lock is free';

CREATE FUNCTION manifold.lag(OUT consumer text, OUT source_id integer, OUT changes bigint, OUT bytes bigint, OUT oldest timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH position AS (
    SELECT p.consumer, p.lane, p.seen, p.upto, p.last_seq FROM manifold.position p WHERE p.seen IS NOT NULL
  ), low AS (
    SELECT min(pg_snapshot_xmin(seen)::text::bigint)::text::xid8 AS xid FROM position
  ), waiting AS (
    SELECT c.xid, c.seq, c.source_id, greatest(c.rows, 1) AS rows, octet_length(c.images) AS bytes, c.at
    FROM low, manifold.change c WHERE c.xid >= low.xid
  )
  SELECT p.consumer, w.source_id, sum(w.rows)::bigint, sum(w.bytes)::bigint, min(w.at)
  FROM waiting w
  JOIN manifold.source s USING (source_id)
  LEFT JOIN manifold.org o USING (org)
  JOIN position p ON p.lane = CASE
    WHEN EXISTS (SELECT FROM position own WHERE own.consumer = p.consumer AND own.lane = coalesce(o.org_id, -1)) THEN coalesce(o.org_id, -1)
    ELSE 0 END
  WHERE NOT pg_visible_in_snapshot(w.xid, p.seen)
    AND (p.upto IS NULL OR NOT (pg_visible_in_snapshot(w.xid, p.upto) AND w.seq <= p.last_seq))
    AND (p.consumer <> 'normalizer' OR s.org IS NOT NULL)
  GROUP BY p.consumer, w.source_id
$$;
COMMENT ON FUNCTION manifold.lag() IS
  'What each consumer has still to read of each source: changes, bytes of row images, and when the oldest was written';

CREATE VIEW manifold.status AS
  WITH consumer AS (
    SELECT 'normalizer' AS consumer, s.* FROM manifold.source s WHERE s.org IS NOT NULL
    UNION ALL
    SELECT 'publisher', s.* FROM manifold.source s
    UNION ALL
    SELECT k.consumer, s.* FROM manifold.consumer k
    JOIN manifold.source s ON k.org IS NULL OR k.org = coalesce(s.org, 'canonical')
  ), row AS (
    SELECT c.org, c.schema_name, c.table_name, c.consumer, o.org_id,
           p.since IS NOT NULL AS paused, manifold.capture_trouble(c.source_id) AS trouble, g.gap,
           coalesce(l.changes, 0) AS changes, coalesce(l.bytes, 0) AS bytes, l.oldest,
           e.severity, e.message, e.hint, e.at, e.cleared_at
    FROM consumer c
    LEFT JOIN manifold.org o USING (org)
    LEFT JOIN manifold.pause p ON p.org = c.org AND p.consumer = c.consumer
    LEFT JOIN LATERAL (
      SELECT format('gap since %s: %s; SELECT manifold.resync(%L, %L)', min(g.at), string_agg(DISTINCT g.reason, '; '),
               coalesce(c.org, 'canonical'), c.table_name) AS gap
      FROM manifold.gap g WHERE g.source_id = c.source_id AND (g.consumer IS NULL OR g.consumer = c.consumer)
      HAVING count(*) > 0
    ) g ON true
    LEFT JOIN manifold.lag() l ON l.consumer = c.consumer AND l.source_id = c.source_id
    LEFT JOIN LATERAL (
      -- The org's own error says more than one that concerns all.
      SELECT * FROM manifold.consumer_error e
      WHERE e.consumer = c.consumer AND e.lane IN (0, coalesce(o.org_id, -1))
      ORDER BY e.cleared_at IS NULL DESC, e.lane <> 0 DESC LIMIT 1
    ) e ON true
  )
  SELECT coalesce(org, 'canonical') AS org, table_name::text AS source, consumer,
         CASE WHEN paused THEN 'paused'
              WHEN severity IS NOT NULL AND cleared_at IS NULL THEN severity
              WHEN gap IS NOT NULL OR trouble IS NOT NULL THEN 'warn'
              ELSE 'ok' END AS state,
         changes AS lag_changes, bytes AS lag_bytes,
         coalesce(round(extract(epoch FROM clock_timestamp() - oldest) * 1000), 0)::double precision AS lag_ms,
         message AS last_error, at AS last_error_at,
         CASE WHEN trouble IS NOT NULL THEN trouble
              WHEN gap IS NOT NULL THEN gap
              WHEN severity IS NOT NULL AND cleared_at IS NULL THEN hint
              WHEN consumer = 'publisher' AND coalesce(current_setting('manifold.kafka_brokers', true), '') = ''
                THEN 'idle: manifold.kafka_brokers is not set'
         END AS detail
  FROM row
  UNION ALL
  SELECT coalesce(s.org, 'canonical'), s.table_name::text, 'backfill',
         CASE WHEN e.severity IS NOT NULL AND e.cleared_at IS NULL THEN e.severity ELSE 'ok' END,
         0, 0, 0, e.message, e.at,
         CASE WHEN b.finished_at IS NOT NULL THEN 'finished at ' || b.finished_at
              WHEN p.total > 0 AND p.progress >= p.total AND b.sweep THEN 'all rows are read; deleting what is no longer there'
              WHEN p.total > 0 THEN round(100.0 * p.progress / p.total) || ' %: block ' || p.progress || ' of ' || p.total
              ELSE 'waiting to begin' END
  FROM manifold.backfill b
  JOIN manifold.source s USING (source_id)
  LEFT JOIN manifold.position p ON p.consumer = 'backfill' AND p.lane = s.source_id AND p.request = b.requested_at AND b.finished_at IS NULL
  LEFT JOIN manifold.consumer_error e ON e.consumer = 'backfill' AND e.lane = s.source_id
  ORDER BY 1, 2, 3;
COMMENT ON VIEW manifold.status IS
  'Per org, source and consumer: state (ok, warn, error, paused), what is waiting, the last error; backfill shows its progress in detail';

GRANT SELECT ON manifold.status TO manifold_reader;
