//! The sweep after a backfill: canonical rows whose record the source has no more are deleted, by a
//! change in the log like any other, so that topics hear of it as well.
//!
//! A page of canonical keys is looked up in the source. For those that are missing the table is
//! locked against writers, looked at again and the deletes are numbered: an insert of such a record
//! that came before would be seen by then, and one that comes after has a higher number. See
//! docs/how-it-works.md.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::attach::within_timeout;
use super::layout;
use super::statement::Tuple;
use crate::error::{Error, Result};
use crate::log::append::{Appender, Log, Sink, Statement};
use crate::log::change::{Op, Origin};
use crate::log::objects::Objects;
use crate::pg::identity::AsUser;
use crate::pg::relation::Table;
use crate::pg::sql;

/// Canonical rows looked up in one transaction.
const PAGE: i32 = 5000;

/// How far the sweep of a source is.
#[derive(Debug, Clone)]
pub struct Sweep {
    source: i32,
    /// Canonical tables that are left, and the source's key column for each.
    entities: Vec<(String, String)>,
    /// The last key of the first of them that was looked up.
    after: Option<String>,
}

impl Sweep {
    pub fn new(source: i32) -> Result<Sweep> {
        let entities = sql::rows(
            "SELECT pg_catalog.format('canonical.%I', entity), \
                    pg_catalog.quote_ident(coalesce(mapping->>'key', 'sfid')) \
             FROM manifold.mapping WHERE source_id = $1 AND active ORDER BY entity",
            &[source.into()],
            |row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default())),
        )?;
        Ok(Sweep { source, entities, after: None })
    }

    /// Looks up the next page; false when all is done. Runs in a transaction of its own.
    pub fn step(&mut self, table: &Table, name: &str, objects: &Objects) -> Result<bool> {
        let Some((canonical, key)) = self.entities.first() else { return Ok(false) };
        let keys = sql::rows(
            &format!(
                "SELECT c.sfid FROM {canonical} c JOIN manifold.source s ON s.org = c.org AND s.table_name = c.source_table \
                 WHERE s.source_id = $1 AND ($2 IS NULL OR c.sfid > $2) ORDER BY c.sfid LIMIT {PAGE}"
            ),
            &[self.source.into(), self.after.as_deref().into()],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )?;
        let last = keys.last().cloned();
        let missing = missing(table, name, key, keys)?;
        if !missing.is_empty() {
            self.delete(table, name, key, missing, objects)?;
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

    fn delete(
        &self,
        table: &Table,
        name: &str,
        key: &str,
        keys: Vec<String>,
        objects: &Objects,
    ) -> Result<()> {
        let locked = within_timeout(|| sql::run(&format!("LOCK TABLE {name} IN SHARE MODE"), &[]))?;
        if let Err(failure) = locked {
            return Err(Error::Corrupt(failure.message));
        }
        let missing = missing(table, name, key, keys)?;
        // SAFETY: the table is open.
        let layout = unsafe { layout::of(table.0, self.source, objects) };
        let statement = Statement {
            source: self.source,
            layout: layout.id,
            op: Op::Delete,
            origin: Origin::Worker,
        };
        let query = format!(
            "SELECT pg_catalog.jsonb_populate_record(NULL::{name}, pg_catalog.jsonb_build_object($2, k)) \
             FROM pg_catalog.unnest($1) AS k"
        );
        let column = sql::one::<String>("SELECT (pg_catalog.parse_ident($1))[1]", &[key.into()])?;
        let _owner = AsUser::owner_of(table);
        Spi::connect_mut(|client| {
            let mut sink = Sink::Log(Log::open(objects));
            let mut appender = Appender::new(statement, &mut sink);
            let arguments = [missing.into(), column.into()];
            let mut rows = client.update(&query, None, &arguments)?;
            while rows.next().is_some() {
                let Some(datum) = rows.get_datum_by_ordinal(1)? else { continue };
                // SAFETY: a composite value of the table's row type, in the query's memory.
                unsafe {
                    let header = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
                    let tuple = Tuple::from_composite(header.cast());
                    appender.reserve(tuple.size()).map_err(|e| Error::Corrupt(e.into()))?;
                    appender.row(|out| tuple.write(out));
                }
            }
            appender.finish();
            Ok(())
        })
    }
}

/// The keys that the table does not have. As its owner, with a fresh snapshot.
fn missing(table: &Table, name: &str, key: &str, keys: Vec<String>) -> Result<Vec<String>> {
    let _owner = AsUser::owner_of(table);
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
