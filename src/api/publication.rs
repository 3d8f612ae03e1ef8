//! What of a source is published.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::mapping::{columns_of, report};
use super::{administer, required, source};
use crate::catalog::{self, Source};
use crate::error::Result;
use crate::pg::{identity, sql, xact};
use crate::publish::naming;
use crate::publish::plans::{no_salt, usual_key};
use crate::publish::publication::Publication;
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
    let publication = Publication::checked(&options.0, &columns, &usual_key(&source))
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
    }
    xact::defined();
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
