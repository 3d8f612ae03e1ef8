-- What admins see of the quarantine.

CREATE VIEW manifold.problem AS
  SELECT q.org, q.source, q.entity, q.record, q.field, q.value, q.rule, q.reason, q.message, q.event_id,
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
         coalesce(q.kept, 0) AS kept, coalesce(q.dismissed, 0) AS dismissed, coalesce(t.dropped, 0) AS dropped
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
  'How many problems of each kind there are: shown, dismissed, and only counted';

GRANT SELECT ON manifold.problem, manifold.problem_count TO manifold_reader;
