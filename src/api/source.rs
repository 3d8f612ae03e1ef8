//! Starting and stopping capture.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, required};
use crate::capture::attach;
use crate::catalog::{self, Source};
use crate::error::{Error, Result};
use crate::pg::{sql, xact};

/// Begins to capture an org's mapped tables (or one of them): attaches the triggers, and has the
/// rows that are there already read through the log, while the sync goes on. Calling it again
/// attaches what is missing and reads the rows afresh.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn start(org: Option<&str>, source: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    for source in chosen(required(org, "org")?, source)? {
        if !table_exists(&source)? {
            return Err(missing_table(&source.schema, &source.table).into());
        }
        check_shape(&source)?;
        attach::attach(&source.schema, &source.table, source.id)?;
        note_start(&source)?;
        request_backfill(source.id)?;
    }
    xact::defined();
    Ok(())
}

/// Stops capturing an org's tables (or one of them): takes the triggers off. What is in the log is
/// still normalized and published.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn stop(org: Option<&str>, source: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    for source in chosen(required(org, "org")?, source)? {
        if table_exists(&source)? {
            attach::detach(&source.schema, &source.table)?;
        }
        sql::run("DELETE FROM manifold.capture WHERE source_id = $1", &[source.id.into()])?;
        sql::run("DELETE FROM manifold.backfill WHERE source_id = $1", &[source.id.into()])?;
    }
    xact::defined();
    Ok(())
}

/// Only a plain table: writes through a parent fire no statement trigger of its partitions and
/// children, and a parent has no rows of its own to read.
fn check_shape(source: &Source) -> Result<()> {
    let plain = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' AND NOT c.relispartition \
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))",
        &[source.schema.as_str().into(), source.table.as_str().into()],
    )?;
    match plain {
        Some(_) => Ok(()),
        None => Err(Error::state(
            format!(
                "table \"{}.{}\" is partitioned, a partition, or part of an inheritance tree",
                source.schema, source.table
            ),
            "Only plain tables can be captured; Heroku Connect makes no others.",
        )),
    }
}

/// Notes that a source is captured from now on. What was deleted while it was not is unknown: the
/// canonical rows that are there from an earlier time may include such records.
fn note_start(source: &Source) -> Result<()> {
    let captured = sql::one::<bool>(
        "SELECT gap IS NULL FROM manifold.capture WHERE source_id = $1",
        &[source.id.into()],
    )?;
    let gap = match captured {
        Some(true) => None,
        Some(false) => Some("rows deleted during the gap are not known"),
        None => has_canonical_rows(source)?
            .then_some("rows deleted while the table was not captured are not known"),
    };
    sql::run(
        "INSERT INTO manifold.capture (source_id, gap, gap_at) \
         VALUES ($1, $2, CASE WHEN $2 IS NOT NULL THEN now() END) \
         ON CONFLICT (source_id) DO UPDATE SET started_at = now(), gap = excluded.gap, gap_at = excluded.gap_at",
        &[source.id.into(), gap.into()],
    )?;
    Ok(())
}

fn has_canonical_rows(source: &Source) -> Result<bool> {
    let tables = sql::rows(
        "SELECT pg_catalog.format('%I.%I', 'canonical', entity) FROM manifold.mapping \
         WHERE source_id = $1 AND active",
        &[source.id.into()],
        |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
    )?;
    for table in tables {
        let found = sql::one::<bool>(
            &format!("SELECT true FROM {table} WHERE org = $1 AND source_table = $2 LIMIT 1"),
            &[source.org.as_deref().into(), source.table.as_str().into()],
        )?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has all rows of a source read into the log, from its start.
pub(super) fn request_backfill(source: i32) -> Result<()> {
    sql::run(
        "INSERT INTO manifold.backfill (source_id) VALUES ($1) \
         ON CONFLICT (source_id) DO UPDATE SET requested_at = clock_timestamp(), finished_at = NULL",
        &[source.into()],
    )?;
    Ok(())
}

fn chosen(org: &str, table: Option<&str>) -> Result<Vec<Source>> {
    catalog::org(org)?;
    let mut sources = catalog::sources_of(org)?;
    if let Some(table) = table {
        sources.retain(|source| source.table == table);
        if sources.is_empty() {
            return Err(Error::unknown(
                "source",
                table,
                format!(
                    "Org \"{org}\" has no mapping for it yet: SELECT manifold.set_mapping('{org}', '{table}', …)"
                ),
            ));
        }
    }
    if sources.is_empty() {
        return Err(Error::state(
            format!("org \"{org}\" has no mapping yet"),
            format!(
                "Say first what feeds what: SELECT manifold.set_mapping('{org}', 'lead', entity => 'lead', mapping => …)"
            ),
        ));
    }
    Ok(sources)
}

pub(super) fn table_exists(source: &Source) -> Result<bool> {
    let found = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
        &[source.schema.as_str().into(), source.table.as_str().into()],
    )?;
    Ok(found.is_some())
}

pub(super) fn missing_table(schema: &str, table: &str) -> Error {
    Error::unknown(
        "table",
        format!("{schema}.{table}"),
        "Map the object in Heroku Connect first, and name its table in lower case as it is in the database.",
    )
}
