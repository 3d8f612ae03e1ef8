//! Starting and stopping capture.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, publication, required};
use crate::capture::{attach, backfill};
use crate::catalog::{self, CANONICAL_NAME, Source};
use crate::error::{Error, Result};
use crate::pg::{sql, xact};

/// Begins to capture an org's mapped tables (or one of them): attaches the triggers, and has the
/// rows that are there already read through the log, while the sync goes on. Calling it again
/// attaches what is missing and reads the rows afresh.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn start(org: Option<&str>, source: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let sources = chosen(required(org, "org")?, source)?;
    publication::refuse_collisions(&sources)?;
    for source in sources {
        // What was deleted while it was not captured is unknown.
        let sweep = has_canonical_rows(&source)?;
        capture_afresh(&source, sweep)?;
    }
    xact::defined();
    Ok(())
}

/// Captures tables of an org (or one of them) afresh through the log: attaches what is missing of
/// the triggers, has all rows read, and then deletes from the canonical tables what is no longer
/// there. Ends the gaps that are known by now.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn resync(org: Option<&str>, source: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let org = required(org, "org")?;
    let sources = if org == CANONICAL_NAME { canonical(source)? } else { chosen(org, source)? };
    publication::refuse_collisions(&sources)?;
    for source in sources {
        capture_afresh(&source, true)?;
    }
    xact::defined();
    Ok(())
}

fn capture_afresh(source: &Source, sweep: bool) -> Result<()> {
    if !table_exists(source)? {
        return Err(missing_table(&source.schema, &source.table));
    }
    // What was written while capture was not as it should be, nobody knows.
    sql::run(
        "INSERT INTO manifold.gap (source_id, reason) \
         SELECT $1, trouble FROM manifold.capture_trouble($1) trouble WHERE trouble IS NOT NULL",
        &[source.id.into()],
    )?;
    attach::attach(&source.schema, &source.table, source.id)?;
    publication::bind_anew(source)?;
    backfill::request(source.id, sweep)
}

/// Stops capturing an org's tables (or one of them): takes the triggers off. What is in the log is
/// still normalized and published.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn stop(org: Option<&str>, source: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    for source in chosen(required(org, "org")?, source)? {
        attach::detach(source.id)?;
        sql::run("DELETE FROM manifold.backfill WHERE source_id = $1", &[source.id.into()])?;
    }
    xact::defined();
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

/// The canonical tables, or one of them.
fn canonical(table: Option<&str>) -> Result<Vec<Source>> {
    let mut sources = catalog::canonical_sources()?;
    if let Some(table) = table {
        sources.retain(|source| source.table == table);
        if sources.is_empty() {
            return Err(Error::unknown(
                "source",
                table,
                "SELECT entity FROM manifold.entity lists the canonical tables.",
            ));
        }
    }
    Ok(sources)
}

/// An org's source by its table, or a canonical table by its entity.
pub(super) fn one(org: &str, table: &str) -> Result<Source> {
    let found =
        if org == CANONICAL_NAME { canonical(Some(table))? } else { chosen(org, Some(table))? };
    found.into_iter().next().ok_or_else(|| missing_table(org, table))
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
         WHERE n.nspname = $1 AND c.relname = $2",
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
