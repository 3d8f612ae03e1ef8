-- What admins see of the quarantine.

CREATE VIEW manifold.problem AS
  SELECT q.org, q.source, q.entity, q.record, q.field, q.path, q.value, q.input, q.rule, q.reason, q.message, q.event_id,
         q.image, q.since, q.last_at, q.times
  FROM manifold.quarantine q
  WHERE NOT EXISTS (
    SELECT FROM manifold.dismissal d
    WHERE (d.org, d.source, d.entity, d.record, d.field, d.digest)
        = (q.org, q.source, q.entity, q.record, q.field, q.digest));
COMMENT ON VIEW manifold.problem IS
  'Field values that could not be used (the field is null in the canonical row) and, with field *, rows held back whole; without those that were dismissed';

CREATE VIEW manifold.problem_count AS
  SELECT org, source, entity, field, reason,
         coalesce(q.kept, 0) AS kept, coalesce(q.dismissed, 0) AS dismissed, coalesce(t.dropped, 0) AS dropped,
         coalesce(t.bytes, 0) AS bytes
  FROM (
    SELECT q.org, q.source, q.entity, q.field, q.reason,
           count(*) FILTER (WHERE d.digest IS NULL) AS kept, count(d.digest) AS dismissed
    FROM manifold.quarantine q
    LEFT JOIN manifold.dismissal d USING (org, source, entity, record, field, digest)
    GROUP BY q.org, q.source, q.entity, q.field, q.reason
  ) q
  FULL JOIN (SELECT * FROM manifold.problem_tally WHERE kept > 0 OR dropped > 0) t
    USING (org, source, entity, field, reason)
  ORDER BY 1, 2, 3, 4, 5;
COMMENT ON VIEW manifold.problem_count IS
  'How many problems of each kind there are: shown, dismissed, and only counted; and the bytes of the row images that are kept of them';

CREATE VIEW manifold.problem_summary AS
  SELECT l.org, l.source, l.entity, l.field, l.reason, l.value, l.message, l.records, l.times,
         l.first_seen, l.last_seen, l.examples,
         manifold.remedy(l.org, l.source, l.entity, l.field, l.path, l.reason, l.value, l.input) AS suggestion
  FROM (
    SELECT p.org, p.source, p.entity, p.field, p.path, p.reason, p.value, p.input, min(p.message) AS message,
           count(*) AS records, sum(p.times) AS times, min(p.since) AS first_seen, max(p.last_at) AS last_seen,
           (array_agg(p.record ORDER BY p.since, p.record))[1:3] AS examples
    FROM manifold.problem p
    -- Of rows that are held whole there is no value, but what the database or Kafka says of them.
    GROUP BY p.org, p.source, p.entity, p.field, p.path, p.reason, p.value, p.input, CASE WHEN p.field = '*' THEN p.message END
    ORDER BY count(*) DESC, 1, 2, 3, 4, 5, 6
  ) l;
COMMENT ON VIEW manifold.problem_summary IS
  'manifold.problem, a line for each value that could not be used however many records have it, with what to do about it; the most frequent first';

GRANT SELECT ON manifold.problem_summary, manifold.problem, manifold.problem_count TO manifold_reader;
