//! Applying a batch to its canonical table: set-based, in the transaction that moves the position.

use pgrx::prelude::*;

use super::batch::{Batch, Entry, Fate};
use super::bisect::{self, Fault};
use super::entity::Entity;
use super::quarantine;
use crate::error::{Error, Result};
use crate::pg::rows::Rows;
use crate::pg::sql;
use crate::pg::subtransaction::{self, Failure};

/// Where the rows of one mapping go.
#[derive(Debug, Clone)]
pub struct Target {
    pub org: String,
    /// The source's table.
    pub source: String,
    pub entity: Entity,
    /// Of the mapping.
    version: i32,
    statements: Statements,
}

#[derive(Debug, Clone)]
struct Statements {
    /// The table's name.
    table: String,
    upsert: String,
    delete: String,
    truncate: String,
}

impl Target {
    pub fn new(org: String, source: String, entity: Entity, version: i32) -> Result<Target> {
        check_owner(&entity.name)?;
        let statements = Statements::of(&entity)?;
        Ok(Target { org, source, entity, version, statements })
    }

    /// Applies a batch. Rows that the database refuses are set aside, the rest lands.
    ///
    /// # Errors
    /// What no row is to blame for; nothing is applied then.
    pub fn apply(&self, batch: &Batch) -> Result<(), Failure> {
        if batch.truncated {
            attempt(|| {
                sql::run(
                    &self.statements.truncate,
                    &[self.org.as_str().into(), self.source.as_str().into()],
                )?;
                quarantine::forget_source(self)
            })?;
        }
        let refused = bisect::bisect(0..batch.entries().len(), |range| {
            let entries = &batch.entries()[range];
            attempt(|| self.write(entries)).map_err(|failure| {
                if blames_data(failure.code) { Fault::Data(failure) } else { Fault::Fatal(failure) }
            })
        })?;
        attempt(|| quarantine::note(self, batch.entries(), &refused))
    }

    fn write(&self, entries: &[Entry]) -> Result<()> {
        let gone: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.fate == Fate::Delete)
            .map(|entry| entry.record.as_str())
            .collect();
        if !gone.is_empty() {
            sql::run(
                &self.statements.delete,
                &[self.org.as_str().into(), gone.into(), self.source.as_str().into()],
            )?;
        }
        if !entries.iter().any(|entry| matches!(entry.fate, Fate::Upsert { .. })) {
            return Ok(());
        }
        let Some(table) = sql::one::<pg_sys::Oid>(
            "SELECT $1::pg_catalog.regclass::pg_catalog.oid",
            &[self.statements.table.as_str().into()],
        )?
        else {
            return Ok(());
        };
        let names = self.entity.fields.iter().map(|field| field.name.as_str());
        let names: Vec<&str> = ["sfid", "event_id", "extras"].into_iter().chain(names).collect();
        let mut rows = Rows::of(table, &names);
        for entry in entries {
            let Fate::Upsert { fields, extras } = &entry.fate else { continue };
            let event = entry.event.to_string();
            let own = [Some(entry.record.as_str()), Some(event.as_str()), extras.as_deref()];
            rows.add(own.into_iter().chain(fields.iter()));
        }
        let arguments: [pgrx::datum::DatumWithOid; 4] = [
            self.org.as_str().into(),
            self.source.as_str().into(),
            self.version.into(),
            rows.array(),
        ];
        sql::run(&self.statements.upsert, &arguments)?;
        Ok(())
    }
}

impl Statements {
    fn of(entity: &Entity) -> Result<Statements> {
        let table = sql::qualified("canonical", &entity.name)?;
        let columns = entity.fields.iter().map(|field| sql::identifier(&field.name));
        let columns = columns.collect::<Result<Vec<String>>>()?;
        let prefixed = |prefix: &str| -> String {
            columns.iter().map(|column| format!("{prefix}{column}, ")).collect()
        };
        let set: String =
            columns.iter().map(|column| format!("{column} = excluded.{column}, ")).collect();
        let upsert = format!(
            "INSERT INTO {table} AS t (org, sfid, {list}extras, source_table, mapping_version, event_id, normalized_at) \
             SELECT $1, u.sfid, {values}u.extras, $2, $3, u.event_id, pg_catalog.clock_timestamp() \
             FROM unnest($4) AS u \
             ON CONFLICT (org, sfid) DO UPDATE SET {set}extras = excluded.extras, \
               source_table = excluded.source_table, mapping_version = excluded.mapping_version, \
               event_id = excluded.event_id, \
               normalized_at = excluded.normalized_at \
             WHERE ({old}t.extras, t.source_table) IS DISTINCT FROM ({new}excluded.extras, excluded.source_table)",
            list = prefixed(""),
            values = prefixed("u."),
            old = prefixed("t."),
            new = prefixed("excluded."),
        );
        Ok(Statements {
            upsert,
            delete: format!(
                "DELETE FROM {table} WHERE org = $1 AND sfid = ANY ($2) AND source_table = $3"
            ),
            truncate: format!("DELETE FROM {table} WHERE org = $1 AND source_table = $2"),
            table,
        })
    }
}

/// Writing to a table runs its triggers, and the normalizer is a superuser: the table has to be one
/// that only superusers can put triggers on.
fn check_owner(entity: &str) -> Result<()> {
    let owner = sql::one::<String>(
        "SELECT r.rolname::text FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
         WHERE n.nspname = 'canonical' AND c.relname = $1 AND NOT r.rolsuper",
        &[entity.into()],
    )?;
    match owner {
        None => Ok(()),
        Some(owner) => Err(Error::Denied {
            message: format!(
                "table canonical.{entity} belongs to \"{owner}\", who is no superuser"
            ),
            hint: format!(
                "ALTER TABLE canonical.{entity} OWNER TO a superuser, after a look at its triggers."
            ),
        }),
    }
}

/// As [`subtransaction::attempt`], for work with errors of its own.
fn attempt(work: impl FnOnce() -> Result<()>) -> Result<(), Failure> {
    subtransaction::attempt(|| {
        if let Err(error) = work() {
            pg_sys::panic::ErrorReport::from(error).report(PgLogLevel::ERROR);
        }
    })
}

/// Whether an error is about the values of a row: data exceptions (class 22), integrity violations
/// (23, 44), a program limit that a row exceeds (54), what a trigger or check raises (P0).
pub fn blames_data(code: PgSqlErrorCode) -> bool {
    // SQLSTATEs are packed six bits a character, the first lowest (MAKE_SQLSTATE).
    let code = code as i32;
    let character = |at: i32| char::from(((code >> (6 * at)) & 0x3f) as u8 + b'0');
    matches!((character(0), character(1)), ('2', '2' | '3') | ('4', '4') | ('5', '4') | ('P', '0'))
}
