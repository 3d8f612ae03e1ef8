-- Functions of the workers, and the views that admins look at.

-- Consumers exist from the moment the extension does: from here on they read.
INSERT INTO manifold.position_log_0 (consumer, lane, seen)
SELECT consumer, 0, pg_current_snapshot() FROM unnest(ARRAY['normalizer', 'publisher']) AS consumer;

CREATE FUNCTION manifold.source_lane(source_id integer) RETURNS integer
LANGUAGE sql IMMUTABLE RETURN -1 - source_id;
COMMENT ON FUNCTION manifold.source_lane(integer) IS
  'The lane of a single source, where it has one: its topic waits, and those of its org''s other sources do not';

CREATE FUNCTION manifold.log_oldest(log_table regclass, lane integer, seen pg_snapshot, upto pg_snapshot, last_seq bigint)
RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Changes of those that left a lane are not for it to read, but pass it by.
  sources integer[] := CASE WHEN lane <> 0 THEN ARRAY(
    SELECT s.source_id FROM manifold.source s LEFT JOIN manifold.org o USING (org)
    WHERE lane IN (coalesce(o.org_id, -1), manifold.source_lane(s.source_id))) END;
  oldest timestamptz;
BEGIN
  EXECUTE format(
    'SELECT at FROM %s WHERE xid >= $1 AND NOT pg_visible_in_snapshot(xid, $2)
       AND ($3 IS NULL OR NOT (pg_visible_in_snapshot(xid, $3) AND seq <= $4))
       AND ($5 IS NULL OR source_id = ANY ($5))
     ORDER BY xid, seq LIMIT 1', log_table)
  INTO oldest
  USING pg_snapshot_xmin(seen), seen, upto, last_seq, sources;
  RETURN oldest;
END $$;
COMMENT ON FUNCTION manifold.log_oldest(regclass, integer, pg_snapshot, pg_snapshot, bigint) IS
  'When the oldest change in a table of the log was captured that a lane at this position has still to take; null where there is none';

CREATE FUNCTION manifold.keeps_batches(consumer text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT consumer = 'publisher'
    AND coalesce(current_setting('manifold.provide_transaction_metadata', true), 'off') = 'on'
$$;
COMMENT ON FUNCTION manifold.keeps_batches(text) IS
  'Whether a consumer needs a batch in the log until it has taken the last of it: a publisher that tells of transactions counts their changes there';

CREATE FUNCTION manifold.log_needed(log_table regclass, publisher boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p record;
BEGIN
  -- The one that is behind most is the likeliest to need it.
  FOR p IN
    SELECT * FROM manifold.position
    WHERE seen IS NOT NULL AND (publisher OR consumer <> 'publisher')
    ORDER BY pg_snapshot_xmin(seen)
  LOOP
    IF manifold.log_oldest(log_table, p.lane, p.seen,
         CASE WHEN NOT manifold.keeps_batches(p.consumer) THEN p.upto END, p.last_seq) IS NOT NULL THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;
COMMENT ON FUNCTION manifold.log_needed(regclass, boolean) IS
  'Whether a consumer has still to read something in this table of the log; publisher: whether the publisher counts';

CREATE FUNCTION manifold.log_size() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(sum(pg_total_relation_size(t)), 0)::bigint
  FROM unnest(ARRAY['manifold.change_0', 'manifold.change_1', 'manifold.change_2']::regclass[]) AS t
  WHERE pg_relation_size(t) > 0
$$;
COMMENT ON FUNCTION manifold.log_size() IS 'Bytes of the log on disk';

CREATE FUNCTION manifold.log_holders(OUT log_table regclass, OUT consumer text, OUT lane integer, OUT oldest timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT * FROM (
    SELECT t, p.consumer, p.lane, manifold.log_oldest(t, p.lane, p.seen,
      CASE WHEN NOT manifold.keeps_batches(p.consumer) THEN p.upto END, p.last_seq) AS oldest
    FROM unnest(ARRAY['manifold.change_0', 'manifold.change_1', 'manifold.change_2']::regclass[]) AS t, manifold.position p
    WHERE pg_relation_size(t) > 0 AND p.seen IS NOT NULL
      AND (p.consumer <> 'publisher' OR current_setting('manifold.kafka_brokers', true) <> ''
           OR manifold.log_size() <= pg_size_bytes(current_setting('manifold.max_log_size', true)))
    OFFSET 0
  ) h WHERE h.oldest IS NOT NULL
$$;
COMMENT ON FUNCTION manifold.log_holders() IS
  'Who keeps each table of the log from being emptied (lanes as in manifold.position), and when the oldest change was captured that they have still to take';

CREATE FUNCTION manifold.empty_position_log(old regclass, new regclass) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', old);
  EXCEPTION WHEN lock_not_available THEN
    RETURN false;
  END;
  EXECUTE format(
    'INSERT INTO %1$s (id, consumer, lane, seen, upto, last_seq, request, file, progress, total, claim)
     SELECT DISTINCT ON (o.consumer, o.lane) o.id, o.consumer, o.lane, o.seen, o.upto, o.last_seq, o.request, o.file, o.progress, o.total, o.claim
     FROM %2$s o
     WHERE NOT EXISTS (SELECT FROM %1$s n WHERE n.consumer = o.consumer AND n.lane = o.lane AND n.id > o.id)
     ORDER BY o.consumer, o.lane, o.id DESC', new, old);
  EXECUTE format('TRUNCATE %s', old);
  RETURN true;
END $$;
COMMENT ON FUNCTION manifold.empty_position_log(regclass, regclass) IS
  'Carries the newest positions over to the other table and empties this one, if its lock is free';

CREATE FUNCTION manifold.lag(OUT consumer text, OUT source_id integer, OUT changes bigint, OUT bytes bigint, OUT oldest timestamptz, OUT lane integer)
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
  SELECT p.consumer, w.source_id, sum(w.rows)::bigint, sum(w.bytes)::bigint, min(w.at), p.lane
  FROM waiting w
  JOIN manifold.source s USING (source_id)
  LEFT JOIN manifold.org o USING (org)
  JOIN position p ON p.lane = CASE
    WHEN EXISTS (SELECT FROM position own WHERE own.consumer = p.consumer AND own.lane = manifold.source_lane(s.source_id)) THEN manifold.source_lane(s.source_id)
    WHEN EXISTS (SELECT FROM position own WHERE own.consumer = p.consumer AND own.lane = coalesce(o.org_id, -1)) THEN coalesce(o.org_id, -1)
    ELSE 0 END
  WHERE NOT pg_visible_in_snapshot(w.xid, p.seen)
    AND (p.upto IS NULL OR NOT (pg_visible_in_snapshot(w.xid, p.upto) AND w.seq <= p.last_seq))
    AND (p.consumer <> 'normalizer' OR s.org IS NOT NULL)
  GROUP BY p.consumer, p.lane, w.source_id
$$;
COMMENT ON FUNCTION manifold.lag() IS
  'What each consumer has still to read of each source: changes, bytes of row images, when the oldest was written, and the lane that reads it';

CREATE VIEW manifold.log_status AS
  SELECT t.log_table::text AS log_table,
         CASE WHEN t.number = manifold.log_table() THEN 'current'
              WHEN pg_relation_size(t.log_table) = 0 THEN 'empty'
              ELSE 'resting' END AS state,
         pg_total_relation_size(t.log_table) AS bytes,
         h.oldest AS oldest_needed, h.held_by
  FROM unnest(ARRAY['manifold.change_0', 'manifold.change_1', 'manifold.change_2']::regclass[])
    WITH ORDINALITY AS x (log_table, ordinality),
    LATERAL (SELECT x.log_table, x.ordinality - 1 AS number) t
  LEFT JOIN (
    SELECT h.log_table, min(h.oldest) AS oldest,
           string_agg(h.consumer || CASE h.lane WHEN 0 THEN '' WHEN -1 THEN ' of canonical'
                        ELSE ' of ' || coalesce(o.org, coalesce(s.org, 'canonical') || '.' || s.table_name) END,
                      ', ' ORDER BY h.oldest) AS held_by
    FROM manifold.log_holders() h LEFT JOIN manifold.org o ON o.org_id = h.lane
    LEFT JOIN manifold.source s ON manifold.source_lane(s.source_id) = h.lane
    GROUP BY h.log_table
  ) h USING (log_table);
COMMENT ON VIEW manifold.log_status IS
  'The three tables of the change log: which is written to, how large they are, and who keeps them from being emptied';

CREATE VIEW manifold.status AS
  WITH log AS (
    SELECT manifold.log_size() AS size, pg_size_bytes(current_setting('manifold.max_log_size', true)) AS most,
           coalesce(current_setting('manifold.kafka_brokers', true), '') = '' AS idle
  ), too_large AS (
    SELECT format('the log has %s, more than manifold.max_log_size', pg_size_pretty(log.size)) AS warning
    FROM log WHERE log.size > log.most
  ), holder AS (
    -- Those that hold what is at rest; what is written to now is nobody's fault yet.
    SELECT DISTINCT h.consumer, h.lane, t.warning
    FROM too_large t, LATERAL (SELECT * FROM manifold.log_holders() WHERE t.warning IS NOT NULL OFFSET 0) h
    WHERE h.log_table <> ('manifold.change_' || manifold.log_table())::regclass
  ), consumer AS (
    SELECT 'normalizer' AS consumer, s.* FROM manifold.source s WHERE s.org IS NOT NULL
    UNION ALL
    SELECT 'publisher', s.* FROM manifold.source s
    UNION ALL
    SELECT k.consumer, s.* FROM manifold.consumer k
    JOIN manifold.source s ON k.org IS NULL OR k.org = coalesce(s.org, 'canonical')
  ), row AS (
    SELECT coalesce(c.org, 'canonical') AS org, c.table_name, c.consumer,
           p.since IS NOT NULL AS paused, manifold.capture_trouble(c.source_id) AS trouble,
           g.gap, g.since AS gap_since, c.consumer = 'publisher' AND log.idle AS idle,
           coalesce(l.changes, 0) AS changes, coalesce(l.bytes, 0) AS bytes, l.oldest,
           e.message, e.at, CASE WHEN e.cleared_at IS NULL THEN e.severity END AS severity, e.hint,
           h.warning || ', and is kept for this consumer: ' || CASE
             WHEN p.since IS NOT NULL THEN format('SELECT manifold.resume(%L, %L)', c.org, c.consumer)
             WHEN e.cleared_at IS NULL AND e.severity = 'error' THEN 'see the error'
             WHEN c.consumer IN ('normalizer', 'publisher') THEN 'it is behind'
             ELSE format('take its changes, or SELECT manifold.drop_consumer(%L)', c.consumer) END AS holds
    FROM log, consumer c
    LEFT JOIN manifold.org o USING (org)
    LEFT JOIN manifold.pause p ON p.org = c.org AND p.consumer = c.consumer
    LEFT JOIN LATERAL (
      SELECT min(g.at) AS since, format('gap since %s: %s; SELECT manifold.resync(%L, %L)', min(g.at),
               string_agg(DISTINCT g.reason, '; '), coalesce(c.org, 'canonical'), c.table_name) AS gap
      FROM manifold.gap g WHERE g.source_id = c.source_id AND (g.consumer IS NULL OR g.consumer = c.consumer)
      HAVING count(*) > 0
    ) g ON true
    LEFT JOIN manifold.lag() l ON l.consumer = c.consumer AND l.source_id = c.source_id
    LEFT JOIN LATERAL (
      -- The source's own error says more than one that concerns its org, and that more than one of all.
      SELECT * FROM manifold.consumer_error e
      WHERE e.consumer = c.consumer AND e.lane IN (0, coalesce(o.org_id, -1), manifold.source_lane(c.source_id))
      ORDER BY e.cleared_at IS NULL DESC, e.lane = 0, e.lane >= -1 LIMIT 1
    ) e ON true
    LEFT JOIN holder h ON h.consumer = l.consumer AND h.lane = l.lane
  )
  SELECT org, table_name::text AS source, consumer,
         CASE WHEN severity = 'error' AND NOT paused THEN 'error'
              WHEN holds IS NOT NULL THEN 'warn'
              WHEN paused THEN 'paused'
              WHEN severity IS NOT NULL THEN severity
              WHEN gap IS NOT NULL AND NOT idle OR trouble IS NOT NULL THEN 'warn'
              ELSE 'ok' END AS state,
         changes AS lag_changes, bytes AS lag_bytes,
         coalesce(round(extract(epoch FROM clock_timestamp() - oldest) * 1000), 0)::double precision AS lag_ms,
         message AS last_error, at AS last_error_at,
         CASE WHEN holds IS NOT NULL THEN concat_ws('; ', holds, CASE WHEN severity IS NOT NULL THEN hint END)
              WHEN trouble IS NOT NULL THEN trouble
              WHEN gap IS NOT NULL AND NOT idle THEN gap
              WHEN severity IS NOT NULL THEN hint
              WHEN idle THEN 'idle: manifold.kafka_brokers is not set'
                || coalesce('; not all changes since ' || gap_since || ' are kept for it', '')
         END AS detail
  FROM row
  UNION ALL
  SELECT coalesce(s.org, 'canonical'), s.table_name::text, 'backfill',
         CASE WHEN e.severity IS NOT NULL AND e.cleared_at IS NULL THEN e.severity ELSE 'ok' END,
         0, 0, 0, e.message, e.at,
         CASE WHEN b.finished_at IS NOT NULL THEN 'finished at ' || b.finished_at
              WHEN p.total > 0 AND p.progress >= p.total AND b.sweep THEN 'all rows are read; when the normalizer has read them too, what is no longer there is deleted'
              WHEN p.total > 0 THEN round(100.0 * p.progress / p.total) || ' %: block ' || p.progress || ' of ' || p.total
              ELSE 'waiting to begin' END
  FROM manifold.backfill b
  JOIN manifold.source s USING (source_id)
  LEFT JOIN manifold.position p ON p.consumer = 'backfill' AND p.lane = s.source_id AND p.request = b.requested_at AND b.finished_at IS NULL
  LEFT JOIN manifold.consumer_error e ON e.consumer = 'backfill' AND e.lane = s.source_id
  UNION ALL
  SELECT coalesce(s.org, 'canonical'), s.table_name::text, 'retry',
         CASE WHEN e.severity IS NOT NULL AND e.cleared_at IS NULL THEN e.severity ELSE 'ok' END,
         r.records, 0,
         round(extract(epoch FROM clock_timestamp() - r.since) * 1000)::double precision, e.message, e.at,
         CASE WHEN e.cleared_at IS NULL THEN e.hint END
  FROM (SELECT source_id, count(*) AS records, min(requested_at) AS since FROM manifold.reread GROUP BY source_id) r
  JOIN manifold.source s USING (source_id)
  LEFT JOIN manifold.consumer_error e ON e.consumer = 'retry' AND e.lane = s.source_id
  UNION ALL
  SELECT NULL, NULL, 'keeper', coalesce(e.severity, 'warn'), 0, 0, 0, e.message, e.at,
         coalesce(e.hint, t.warning || coalesce(', and is held by ' ||
           (SELECT string_agg(DISTINCT l.held_by, '; ') FROM manifold.log_status l WHERE l.state = 'resting'), '')
           || ': see manifold.log_status')
  FROM (SELECT) one
  LEFT JOIN manifold.consumer_error e ON e.consumer = 'keeper' AND e.cleared_at IS NULL
  LEFT JOIN too_large t ON true
  WHERE e.consumer IS NOT NULL OR t.warning IS NOT NULL
  ORDER BY 1, 2, 3;
COMMENT ON VIEW manifold.status IS
  'Per org, source and consumer: state (ok, warn, error, paused), what is waiting, the last error; backfill shows its progress in detail, retry the records that are still to be read again';

GRANT SELECT ON manifold.status, manifold.log_status TO manifold_reader;
