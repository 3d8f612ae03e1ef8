//! Defaults of mappings at three levels, and what comes of them.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::mapping::{Place, Plans, entity_of, refuse_sql, report};
use super::{administer, define, is_name, org, required};
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::defaults;
use crate::normalize::entity::Entity;
use crate::pg::datum::Jsonb;
use crate::pg::{identity, sql, xact};

/// Sets defaults (null takes them away) of all orgs (`package`), of a class of orgs, or of an org, for all
/// mappings or those to an entity or of a table; the orgs whose rows come to something else by it,
/// and are read again.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn set_default(
    level: Option<&str>,
    name: Option<&str>,
    defaults: Option<JsonB>,
    entity: default!(Option<&str>, "NULL"),
    source: default!(Option<&str>, "NULL"),
) -> Result<Vec<String>, ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let level = required(level, "level")?;
    let name = match (level, name) {
        ("package", None) => "",
        ("package", Some(_)) => {
            return Err(Error::invalid(
                "the defaults of the package have no name",
                "Give null: SELECT manifold.set_default('package', NULL, …)",
            )
            .into());
        }
        ("class", name) => {
            let class = required(name, "name")?;
            if !is_name(class) {
                return Err(Error::invalid(
                    format!("\"{class}\" is no name for a class"),
                    "Use up to 63 lower-case letters, digits, _ and -, beginning with a letter or digit.",
                )
                .into());
            }
            class
        }
        ("org", name) => {
            let name = required(name, "name")?;
            catalog::org(name)?;
            name
        }
        (level, _) => {
            return Err(
                Error::unknown("level", level, "The levels are package, class and org.").into()
            );
        }
    };
    let known = match entity {
        Some(entity) => Some(entity_of(entity, &catalog::entity(entity)?)?),
        None => None,
    };
    if let Some(defaults) = &defaults {
        check(&defaults.0, known.as_ref())?;
        if source.is_some() {
            check_is_no_setting(&defaults.0)?;
        }
    }
    // Where no mapping comes of it yet, a superuser's mapping may: what he does not see, he does not set.
    if let Some(after) = &defaults {
        let before = stored(level, name, entity, source)?;
        refuse_sql(before.as_ref(), &after.0, superuser)?;
    }
    let plans = Plans::now()?;
    store(level, name, entity, source, defaults)?;
    let orgs = plans.renormalize_changed(superuser)?;
    xact::defined();
    Ok(orgs)
}

/// Refuses a document of defaults that cannot be meant.
pub(super) fn check(json: &Value, entity: Option<&Entity>) -> Result<()> {
    defaults::check(json, entity).map_err(|errors| report("argument defaults", &errors))?;
    org::check_region(json.get("phone_region").and_then(Value::as_str))?;
    org::check_time_zone(json.get("time_zone").and_then(Value::as_str))
}

fn check_is_no_setting(json: &Value) -> Result<()> {
    match ["phone_region", "time_zone"].into_iter().find(|name| json.get(name).is_some()) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(
            format!("{name} concerns all tables"),
            "Set it without naming a source.",
        )),
    }
}

/// A document as it is now.
fn stored(
    level: &str,
    name: &str,
    entity: Option<&str>,
    source: Option<&str>,
) -> Result<Option<Value>> {
    let text = sql::one::<String>(
        "SELECT defaults::text FROM manifold.mapping_default WHERE level = $1 AND name = $2 \
         AND entity IS NOT DISTINCT FROM $3 AND source IS NOT DISTINCT FROM $4::name",
        &[level.into(), name.into(), entity.into(), source.into()],
    )?;
    text.map(|text| catalog::json(Some(text))).transpose()
}

/// Stores a document, or takes it away; an empty one is none.
pub(super) fn store(
    level: &str,
    name: &str,
    entity: Option<&str>,
    source: Option<&str>,
    defaults: Option<JsonB>,
) -> Result<()> {
    sql::run(
        "DELETE FROM manifold.mapping_default WHERE level = $1 AND name = $2 \
         AND entity IS NOT DISTINCT FROM $3 AND source IS NOT DISTINCT FROM $4::name",
        &[level.into(), name.into(), entity.into(), source.into()],
    )?;
    let given = defaults.filter(|JsonB(json)| json.as_object().is_some_and(|o| !o.is_empty()));
    if let Some(defaults) = given {
        sql::run(
            "INSERT INTO manifold.mapping_default (level, name, entity, source, defaults) \
             VALUES ($1, $2, $3, $4, $5)",
            &[level.into(), name.into(), entity.into(), source.into(), defaults.into()],
        )?;
    }
    Ok(())
}

/// The mapping in force with all defaults, part by part, with the level that each comes from.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn explain_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(field, Option<String>),
            name!(part, Option<String>),
            name!(value, Option<Jsonb>),
            name!(level, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let json = place.active_or_error()?;
    let parts = place.effective(&json).parts;
    Ok(TableIterator::new(parts.into_iter().map(|part| {
        (
            Some(part.field),
            Some(part.part),
            Some(Jsonb(part.value.to_string())),
            Some(part.level.to_string()),
        )
    })))
}

/// The mapping in force with all defaults merged into it, as `set_mapping` takes it.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn effective_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    let _owner = administer()?;
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let json = place.active_or_error()?;
    Ok(JsonB(place.effective(&json).json))
}
