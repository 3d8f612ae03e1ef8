//! Suggesting mappings.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::mapping::Place;
use super::{administer, required, sample};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::normalize::suggest::{self, Knowledge, Suggestion};
use crate::pg::datum::Jsonb;

/// Rows that are looked at.
const ROWS: usize = 400;

/// For every field of an entity the likeliest columns and rules of a table, with a confidence, the
/// reason and sample values; learns from the mappings of the other orgs.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn suggest_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(field, Option<String>),
            name!(rank, Option<i32>),
            name!(columns, Option<Vec<String>>),
            name!(confidence, Option<f64>),
            name!(mapping, Option<Jsonb>),
            name!(reason, Option<String>),
            name!(samples, Option<Vec<String>>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let found = suggestions(org, source, entity)?;
    Ok(TableIterator::new(found.into_iter().map(|suggestion| {
        (
            Some(suggestion.field),
            Some(suggestion.rank as i32),
            Some(suggestion.columns),
            Some(suggestion.confidence),
            Some(Jsonb(suggestion.mapping.to_string())),
            Some(suggestion.reason),
            Some(suggestion.samples),
        )
    })))
}

/// A mapping of the likeliest suggestions of at least some confidence, as `set_mapping` takes it.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn suggested_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: default!(Option<&str>, "NULL"),
    confidence: default!(Option<f64>, "0.5"),
) -> Result<JsonB, ErrorReport> {
    let _owner = administer()?;
    let least = required(confidence, "confidence")?;
    if !(0.0..=1.0).contains(&least) {
        return Err(Error::invalid(
            format!("argument confidence is {least}"),
            "Give a number from 0 to 1.",
        )
        .into());
    }
    let found = suggestions(org, source, entity)?;
    Ok(JsonB(suggest::mapping(&found, least)))
}

fn suggestions(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
) -> Result<Vec<Suggestion>> {
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let sample = sample::read(&place.org.schema, &place.table, ROWS)?;
    let knowledge = learn(&place)?;
    Ok(suggest::suggest(&place.entity, &sample, &place.org.rules(), &knowledge))
}

/// What the mappings of the other orgs to the same entity teach.
fn learn(place: &Place) -> Result<Knowledge> {
    let catalog = Catalog::load()?;
    let mut knowledge = Knowledge::default();
    for mapping in catalog.mappings.iter().filter(|m| m.entity == place.entity.name) {
        let org = catalog.sources.get(&mapping.source).and_then(|source| source.org.as_ref());
        if org.is_some_and(|org| *org != place.org.name) {
            knowledge.learn(&mapping.json);
        }
    }
    Ok(knowledge)
}
