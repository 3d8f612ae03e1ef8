//! The sweep after a backfill: canonical rows whose record the source has no more are deleted, by a
//! change in the log like any other, so that topics hear of it as well.
//!
//! It begins when the normalizer has read what was in the log at the end of the backfill: a record
//! that is not canonical yet could not be found. Then a page of canonical keys at a time is looked up
//! in the source. For those that are missing the table is locked against writers, looked at again and
//! the deletes are numbered: an insert of such a record that came before would be seen by then, and
//! one that comes after has a higher number. See docs/how-it-works.md.

use std::ffi::CString;

use pgrx::pg_sys;

use super::attach::within_timeout;
use super::layout;
use super::statement::Tuple;
use crate::error::{Error, Result};
use crate::log::append::{Appender, Statement};
use crate::log::change::{Op, Origin};
use crate::log::objects::Objects;
use crate::pg::identity::AsUser;
use crate::pg::relation::Table;
use crate::pg::{compat, sql};

/// Canonical rows looked up in one transaction.
const PAGE: i32 = 5000;

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
        let began = sql::one("SELECT pg_catalog.pg_current_snapshot()::text", &[])?;
        Ok(Sweep { source, began: began.unwrap_or_default(), entities, after: None })
    }

    /// Whether the normalizer has still to read changes of the source from before the sweep.
    pub fn must_wait(&self) -> Result<bool> {
        let waiting = sql::one::<bool>(
            "SELECT true FROM manifold.source s JOIN manifold.org o USING (org) \
             CROSS JOIN LATERAL (SELECT p.seen, p.upto, p.last_seq FROM manifold.position p \
               WHERE p.consumer = 'normalizer' AND p.seen IS NOT NULL AND p.lane IN (0, o.org_id) \
               ORDER BY p.lane <> 0 DESC LIMIT 1) p \
             JOIN manifold.change c ON c.source_id = s.source_id \
               AND c.xid >= pg_catalog.pg_snapshot_xmin(p.seen)::text::xid8 \
             WHERE s.source_id = $1 AND pg_catalog.pg_visible_in_snapshot(c.xid, $2::pg_snapshot) \
               AND NOT pg_catalog.pg_visible_in_snapshot(c.xid, p.seen) \
               AND (p.upto IS NULL OR NOT (pg_catalog.pg_visible_in_snapshot(c.xid, p.upto) AND c.seq <= p.last_seq)) \
             LIMIT 1",
            &[self.source.into(), self.began.as_str().into()],
        )?;
        Ok(waiting.is_some())
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
            origin: Origin::Worker,
        };
        let mut appender = Appender::open(objects, head);
        for value in keys {
            // SAFETY: the table is open.
            let tuple = unsafe { key.row(table, &value) };
            appender.reserve(tuple.size()).map_err(|reason| Error::Corrupt(reason.into()))?;
            appender.row(|out| tuple.write(out));
        }
        appender.finish();
        Ok(())
    }
}

/// The column of a table that the canonical key comes from.
struct Key {
    /// Zero-based.
    at: usize,
    /// Quoted.
    name: String,
    base: pg_sys::Oid,
    typmod: i32,
}

impl Key {
    fn find(table: &Table, name: &str) -> Option<Key> {
        // SAFETY: the table is open, so its tuple descriptor is valid.
        unsafe {
            let layout = layout::describe((*table.0).rd_att);
            let (at, column) = layout.column(name)?;
            let mut typmod = compat::attribute((*table.0).rd_att, at).atttypmod;
            let base = pg_sys::getBaseTypeAndTypmod(column.type_oid.into(), &mut typmod);
            Some(Key { at, name: sql::identifier(name).ok()?, base, typmod })
        }
    }

    /// Those of some keys that the table does not have, with a fresh snapshot.
    fn missing(&self, table: &Table, name: &str, keys: Vec<String>) -> Result<Vec<String>> {
        // The cast of a type that is not the server's own may run its owner's code.
        let own_type = self.base.to_u32() < pg_sys::FirstNormalObjectId;
        let _owner = (!own_type).then(|| AsUser::owner_of(table));
        let key = &self.name;
        // The parameter brings no collation of its own, so that whichever the column has will do.
        sql::fresh_rows(
            &format!(
                "SELECT wanted.sfid FROM pg_catalog.unnest($1) AS wanted(sfid) \
                 WHERE NOT EXISTS (SELECT FROM {name} t WHERE t.{key}::text = wanted.sfid)"
            ),
            &[keys.into()],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )
    }

    /// A row of the table in which all but the key is null.
    ///
    /// # Safety
    /// The table is open.
    unsafe fn row<'a>(&self, table: &Table, value: &str) -> Tuple<'a> {
        let text = CString::new(value).unwrap_or_default();
        // SAFETY: the input function of the type below all domains, so no constraint runs; the tuple
        // lasts as long as the transaction.
        unsafe {
            let tupdesc = (*table.0).rd_att;
            let natts = (*tupdesc).natts as usize;
            let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(self.base, &mut function, &mut parameter);
            let datum = pg_sys::OidInputFunctionCall(
                function,
                text.as_ptr().cast_mut(),
                parameter,
                self.typmod,
            );
            let mut values = vec![pg_sys::Datum::null(); natts];
            let mut nulls = vec![true; natts];
            (values[self.at], nulls[self.at]) = (datum, false);
            Tuple::from_minimal(pg_sys::heap_form_minimal_tuple(
                tupdesc,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            ))
        }
    }
}
