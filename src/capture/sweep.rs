//! The sweep after a backfill: canonical rows whose record the source has no more are deleted, by a
//! change in the log like any other, so that topics hear of it as well.
//!
//! It begins when the normalizer has read what was in the log at the end of the backfill: a record
//! that is not canonical yet could not be found. Then a page of canonical keys at a time is looked up
//! in the source. For those that are missing the table is locked against writers, looked at again and
//! the deletes are numbered: an insert of such a record that came before would be seen by then, and
//! one that comes after has a higher number. See docs/how-it-works.md.

use super::attach::within_timeout;
use super::key::{self, Key};
use super::{layout, pace};
use crate::error::{Error, Result};
use crate::log::append::{Appender, Statement};
use crate::log::change::{Op, Origin};
use crate::log::objects::Objects;
use crate::pg::relation::Table;
use crate::pg::{sql, xact};

/// Canonical rows looked up in one transaction.
const PAGE: i32 = 5000;

/// What a sweep cannot make up for, and what an admin can do.
const UNSWEPT: &str = "the topic may hold records that are gone, of which the mapping's when had made no \
    canonical rows: delete it first";

/// How far the sweep of a source is.
#[derive(Debug, Clone)]
pub struct Sweep {
    source: i32,
    /// The transactions that were over when the backfill was.
    began: String,
    /// Canonical tables that are left, and the source's key column for each.
    entities: Vec<(String, String)>,
    /// The last key of the first of them that was looked up.
    after: Option<String>,
}

impl Sweep {
    pub fn new(source: i32) -> Result<Sweep> {
        let entities = sql::rows(
            "SELECT pg_catalog.format('canonical.%I', entity), coalesce(mapping->>'key', 'sfid') \
             FROM manifold.mapping WHERE source_id = $1 AND active ORDER BY entity",
            &[source.into()],
            |row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default())),
        )?;
        let began = pace::snapshot()?.unwrap_or_default();
        Ok(Sweep { source, began, entities, after: None })
    }

    /// Whether the normalizer has still to read changes of the source from before the sweep.
    pub fn must_wait(&self) -> Result<bool> {
        pace::unread(self.source, &self.began)
    }

    /// Looks up the next page; false when all is done. Runs in a transaction of its own.
    pub fn step(&mut self, table: &Table, name: &str, objects: &Objects) -> Result<bool> {
        let Some((canonical, column)) = self.entities.first() else { return Ok(false) };
        let Some(key) = Key::find(table, column) else {
            // Its mapping does not fit any more; the normalizer says so.
            self.entities.remove(0);
            return Ok(true);
        };
        let keys = sql::rows(
            &format!(
                "SELECT c.sfid FROM {canonical} c JOIN manifold.source s ON s.org = c.org AND s.table_name = c.source_table \
                 WHERE s.source_id = $1 AND ($2 IS NULL OR c.sfid > $2) ORDER BY c.sfid LIMIT {PAGE}"
            ),
            &[self.source.into(), self.after.as_deref().into()],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )?;
        let last = keys.last().cloned();
        if !key.missing(table, name, keys.clone())?.is_empty() {
            let locked =
                within_timeout(|| sql::run(&format!("LOCK TABLE {name} IN SHARE MODE"), &[]))?;
            if let Err(failure) = locked {
                return Err(Error::Corrupt(failure.message));
            }
            self.delete(table, &key, key.missing(table, name, keys)?, objects)?;
        }
        match last {
            Some(last) => self.after = Some(last),
            None => {
                self.entities.remove(0);
                self.after = None;
            }
        }
        Ok(true)
    }

    fn delete(&self, table: &Table, key: &Key, keys: Vec<String>, objects: &Objects) -> Result<()> {
        // SAFETY: the table is open.
        let layout = unsafe { layout::of(table.0, self.source, objects) };
        let head = Statement {
            source: self.source,
            layout: layout.id,
            op: Op::Delete,
            origin: Origin::Keeper,
        };
        let mut appender = Appender::open(objects, head);
        for value in keys {
            // SAFETY: the table is open.
            let tuple = unsafe { key::row(table, &[(key, &value)]) };
            appender.reserve(tuple.size()).map_err(|reason| Error::Corrupt(reason.into()))?;
            appender.row(|out| tuple.write(out));
        }
        appender.finish();
        Ok(())
    }
}

/// Rows that were held back whole have no canonical row for the sweep to find. Those that were not met
/// again since the backfill was requested are looked for one by one.
pub fn look_for_held(source: i32, org: &str, table: &str, requested: &str) -> Result<()> {
    let found = sql::run(
        "INSERT INTO manifold.reread (source_id, key) \
         SELECT DISTINCT m.source_id, pg_catalog.jsonb_build_object( \
           CASE WHEN q.reason = 'missing_key' THEN 'id' ELSE coalesce(m.mapping->>'key', 'sfid') END, \
           CASE WHEN q.reason = 'missing_key' THEN pg_catalog.substr(q.record, 4) ELSE q.record END) \
         FROM manifold.mapping m JOIN manifold.quarantine q ON q.entity = m.entity \
         WHERE m.source_id = $1 AND m.active AND q.org = $2 AND q.source = $3 AND q.field = '*' \
           AND q.record !~ '^(event|sha256):' AND q.last_at < $4::timestamptz",
        &[source.into(), org.into(), table.into(), requested.into()],
    )?;
    if found > 0 {
        xact::defined();
    }
    Ok(())
}

/// Nor have rows that a mapping's `when` keeps out. Where changes were not captured, deletes of such rows
/// may be among them, which the topic will never have.
pub fn note_unswept(source: i32) -> Result<()> {
    sql::run(
        "INSERT INTO manifold.gap (source_id, consumer, reason) \
         SELECT b.source_id, 'publisher', $2 FROM manifold.backfill b \
         WHERE b.source_id = $1 AND b.repairs IS NOT NULL AND EXISTS (SELECT FROM manifold.mapping m \
           WHERE m.source_id = b.source_id AND m.active AND m.mapping ? 'when')",
        &[source.into(), UNSWEPT.into()],
    )?;
    Ok(())
}
