//! The pace of a backfill: it does not run away from the normalizer.
//!
//! What a backfill reads stands in the log before the changes that come after it, and a lane is read in
//! order. If a million rows were appended at once, a fresh change of the same org would become canonical
//! after all of them. So a step waits until the normalizer has read what was in the log before the last
//! few steps: a fresh change never has more than these before it. A normalizer that is paused for the
//! org, or in trouble, makes nobody wait.

use std::collections::VecDeque;

use crate::error::Result;
use crate::pg::sql;

/// Steps that may be on their way to the normalizer.
const AHEAD: usize = 3;

/// What one backfill has appended of late.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// What was committed before each of the last steps, as snapshots.
    began: VecDeque<String>,
}

impl Pace {
    /// Whether the next step of a source's backfill has to wait; if not, it counts as begun. Runs in
    /// the step's transaction, before it appends anything.
    pub fn must_wait(&mut self, source: i32) -> Result<bool> {
        if let Some(oldest) = self.began.front().filter(|_| self.began.len() >= AHEAD)
            && is_at_work(source)?
            && unread(source, oldest)?
        {
            return Ok(true);
        }
        if self.began.len() >= AHEAD {
            self.began.pop_front();
        }
        self.began.extend(snapshot()?);
        Ok(false)
    }
}

/// What has been committed by now.
pub fn snapshot() -> Result<Option<String>> {
    sql::one("SELECT pg_catalog.pg_current_snapshot()::text", &[])
}

/// Whether the normalizer takes the org's changes, or soon will.
fn is_at_work(source: i32) -> Result<bool> {
    let stands = sql::one::<bool>(
        "SELECT true FROM manifold.source s JOIN manifold.org o USING (org) WHERE s.source_id = $1 AND ( \
           EXISTS (SELECT FROM manifold.pause p WHERE p.org = o.org AND p.consumer = 'normalizer') \
           OR EXISTS (SELECT FROM manifold.consumer_error e WHERE e.consumer = 'normalizer' \
             AND e.lane IN (0, o.org_id) AND e.severity = 'error' AND e.cleared_at IS NULL))",
        &[source.into()],
    )?;
    Ok(stands.is_none())
}

/// Whether the normalizer has still to read changes of a source that a snapshot sees.
pub fn unread(source: i32, snapshot: &str) -> Result<bool> {
    // What its position does not see is beyond its end, or was running then: two looks at the index,
    // however long a transaction stays open.
    let waiting = sql::one::<bool>(
        "WITH at AS MATERIALIZED ( \
           SELECT s.source_id, p.seen, p.upto, p.last_seq FROM manifold.source s JOIN manifold.org o USING (org) \
           CROSS JOIN LATERAL (SELECT p.seen, p.upto, p.last_seq FROM manifold.position p \
             WHERE p.consumer = 'normalizer' AND p.seen IS NOT NULL AND p.lane IN (0, o.org_id) \
             ORDER BY p.lane <> 0 DESC LIMIT 1) p \
           WHERE s.source_id = $1) \
         SELECT true FROM at WHERE EXISTS ( \
           SELECT FROM manifold.change c WHERE c.source_id = at.source_id \
             AND c.xid >= pg_catalog.pg_snapshot_xmax(at.seen) \
             AND pg_catalog.pg_visible_in_snapshot(c.xid, $2::pg_snapshot) \
             AND (at.upto IS NULL OR NOT (pg_catalog.pg_visible_in_snapshot(c.xid, at.upto) AND c.seq <= at.last_seq))) \
         OR EXISTS ( \
           SELECT FROM pg_catalog.pg_snapshot_xip(at.seen) AS running(xid) JOIN manifold.change c ON c.xid = running.xid \
           WHERE c.source_id = at.source_id AND pg_catalog.pg_visible_in_snapshot(c.xid, $2::pg_snapshot) \
             AND (at.upto IS NULL OR NOT (pg_catalog.pg_visible_in_snapshot(c.xid, at.upto) AND c.seq <= at.last_seq)))",
        &[source.into(), snapshot.into()],
    )?;
    Ok(waiting.is_some())
}
