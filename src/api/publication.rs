//! What of a source is published.

use std::collections::BTreeMap;
use std::rc::Rc;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use serde_json::json;

use super::mapping::{columns_of, report};
use super::{administer, required, source};
use crate::capture::{layout, tree};
use crate::catalog::{self, Source};
use crate::error::Result;
use crate::pg::{identity, sql, xact};
use crate::publish::naming;
use crate::publish::plans::{no_salt, usual_key};
use crate::publish::publication::Publication;
use crate::row::layout::Layout;
use crate::settings;

/// Says what of a source is published: key columns, columns that are left out, masked, hashed or
/// cut. `canonical` as the org means an entity's canonical table. Checked against the table's
/// columns: an error names everything that is wrong, and where.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn set_publication(
    org: Option<&str>,
    source: Option<&str>,
    options: Option<JsonB>,
) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let source = source::one(required(org, "org")?, required(source, "source")?)?;
    let options = required(options, "options")?;
    let columns = columns_of(&source.schema, &source.table)?;
    let former = catalog::layouts_of(source.id)?;
    let former: Vec<&Layout> = former.iter().map(|(_, layout)| &**layout).collect();
    let publication = Publication::checked(&options.0, &columns, &former, &usual_key(&source))
        .map_err(|errors| report("the publication", &errors))?;
    if publication.hashes() && settings::publication::hash_salt().is_empty() {
        return Err(no_salt().into());
    }
    if publication == Publication::default() {
        sql::run("DELETE FROM manifold.publication WHERE source_id = $1", &[source.id.into()])?;
    } else {
        sql::run(
            "INSERT INTO manifold.publication (source_id, options) VALUES ($1, $2) \
             ON CONFLICT (source_id) DO UPDATE SET options = excluded.options, \
               set_at = now(), set_by = session_user",
            &[source.id.into(), options.into()],
        )?;
        sql::run(
            "DELETE FROM manifold.publication_table WHERE source_id = $1",
            &[source.id.into()],
        )?;
        bind(&source, &publication, true)?;
    }
    xact::defined();
    Ok(())
}

/// A source is captured afresh: its tables may be others than those that its options were set for.
pub(super) fn bind_anew(source: &Source) -> Result<()> {
    let options = sql::one::<JsonB>(
        "SELECT options FROM manifold.publication WHERE source_id = $1",
        &[source.id.into()],
    )?;
    match options.and_then(|options| Publication::from_json(&options.0).ok()) {
        Some(publication) => bind(source, &publication, false),
        None => Ok(()),
    }
}

/// Notes which columns the options mean in each table of a source that is not known yet, in those that
/// it had before as well, of which rows may wait. `partly`: also where a table has not all of them.
fn bind(source: &Source, publication: &Publication, partly: bool) -> Result<()> {
    let names = publication.names();
    let now = tree::members(&source.schema, &source.table)?;
    let now = now.iter().map(|member| (member.oid, Rc::new(layout::of_table(member.oid))));
    let mut tables: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
    // The newest first: a name means the column that had it last.
    for (table, layout) in now.chain(catalog::layouts_of(source.id)?) {
        let numbers = tables.entry(table.to_u32()).or_default();
        for name in &names {
            if let Some((position, _)) = layout.column(name) {
                numbers.entry(name).or_insert(position + 1);
            }
        }
    }
    for (table, numbers) in tables {
        if partly || numbers.len() == names.len() {
            sql::run(
                "INSERT INTO manifold.publication_table (source_id, relation, columns) \
                 VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &[source.id.into(), pg_sys::Oid::from(table).into(), JsonB(json!(numbers)).into()],
            )?;
        }
    }
    Ok(())
}

/// Refuses to capture sources whose topic would be another's too.
pub(super) fn refuse_collisions(chosen: &[Source]) -> Result<()> {
    let naming = settings::publication::naming(&identity::database(), settings::options_file)?;
    let mut all = catalog::captured_sources()?;
    all.retain(|source| chosen.iter().all(|chosen| chosen.id != source.id));
    all.extend_from_slice(chosen);
    let names: Vec<String> = chosen.iter().map(naming::name).collect();
    let found = naming
        .collisions(&all)
        .into_iter()
        .find(|collision| names.contains(&collision.first) || names.contains(&collision.second));
    match found {
        Some(collision) => Err(naming::refusal(&collision.to_string())),
        None => Ok(()),
    }
}
