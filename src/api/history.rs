//! What became of mappings, going back, comparing and copying them.

use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::mapping::Place;
use super::{administer, define, required};
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::MappingError;
use crate::normalize::defaults::{Level, merge};
use crate::normalize::diff::{self, Difference};
use crate::pg::datum::Jsonb;
use crate::pg::{identity, sql, xact};

/// The versions of a mapping, the newest first, with what each changed.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mapping_history(
    org: Option<&str>,
    source: Option<&str>,
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(version, Option<i32>),
            name!(active, Option<bool>),
            name!(created_at, Option<TimestampWithTimeZone>),
            name!(created_by, Option<String>),
            name!(note, Option<String>),
            name!(changes, Option<Vec<String>>),
            name!(mapping, Option<JsonB>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let mut before: Option<Value> = None;
    let mut versions = sql::rows(
        "SELECT version, active, created_at, created_by::text, note, mapping::text FROM manifold.mapping \
         WHERE source_id = $1 AND entity = $2 ORDER BY version",
        &[place.source.into(), place.entity.name.as_str().into()],
        |row| {
            let json = catalog::json(row.get(6)?)?;
            let changes = before.as_ref().map(|before| {
                diff::diff(before, &json, &place.entity).iter().map(diff::words).collect()
            });
            before = Some(json.clone());
            Ok((
                row.get::<i32>(1)?,
                row.get::<bool>(2)?,
                row.get::<TimestampWithTimeZone>(3)?,
                row.get::<String>(4)?,
                row.get::<String>(5)?,
                changes,
                Some(JsonB(json)),
            ))
        },
    )?;
    versions.reverse();
    Ok(TableIterator::new(versions))
}

/// Puts an earlier version of a mapping in force again, as a new version, whose number it returns.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn restore_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    version: Option<i32>,
) -> Result<i32, ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let version = required(version, "version")?;
    let entity = Some(required(entity, "entity")?);
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let mapping = place.numbered(version)?;
    let new = place.put(&mapping, Some(&format!("restores version {version}")), superuser)?;
    xact::defined();
    Ok(new)
}

type Differing =
    (Option<String>, Option<String>, Option<String>, Option<String>, Option<Jsonb>, Option<Jsonb>);

fn line(place: &Place, difference: Difference) -> Differing {
    let json = |value: Option<Value>| value.map(|value| Jsonb(value.to_string()));
    (
        Some(place.table.clone()),
        Some(place.entity.name.clone()),
        Some(difference.field),
        Some(difference.part),
        json(difference.a),
        json(difference.b),
    )
}

/// What differs between the mappings of two orgs, with all their defaults.
#[pg_extern(name = "mapping_diff")]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mapping_diff_of_orgs(
    a: Option<&str>,
    b: Option<&str>,
    source: default!(Option<&str>, "NULL"),
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(source, Option<String>),
            name!(entity, Option<String>),
            name!(field, Option<String>),
            name!(part, Option<String>),
            name!(a, Option<Jsonb>),
            name!(b, Option<Jsonb>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let (a, b) = (catalog::org(required(a, "a")?)?, catalog::org(required(b, "b")?)?);
    let mut pairs = mappings_of(&a, source)?;
    for other in mappings_of(&b, source)? {
        if !pairs.contains(&other) {
            pairs.push(other);
        }
    }
    pairs.retain(|(_, known)| entity.is_none_or(|entity| entity == known));
    let mut lines = Vec::new();
    for (table, entity) in pairs {
        let side = |org: &catalog::Org| -> Result<(Place, Value)> {
            let place = Place::find(&org.name, &table, Some(&entity))?;
            let json = match place.active()? {
                Some(json) => place.effective(&json).json,
                None => Value::Null,
            };
            Ok((place, json))
        };
        let ((place, one), (_, other)) = (side(&a)?, side(&b)?);
        lines.extend(diff::diff(&one, &other, &place.entity).into_iter().map(|d| line(&place, d)));
    }
    Ok(TableIterator::new(lines))
}

/// What differs between two versions of a mapping.
#[pg_extern(name = "mapping_diff")]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mapping_diff_of_versions(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    a: Option<i32>,
    b: Option<i32>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(source, Option<String>),
            name!(entity, Option<String>),
            name!(field, Option<String>),
            name!(part, Option<String>),
            name!(a, Option<Jsonb>),
            name!(b, Option<Jsonb>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let entity = Some(required(entity, "entity")?);
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let (a, b) = (place.numbered(required(a, "a")?)?, place.numbered(required(b, "b")?)?);
    let lines: Vec<_> =
        diff::diff(&a, &b, &place.entity).into_iter().map(|d| line(&place, d)).collect();
    Ok(TableIterator::new(lines))
}

/// The tables of an org and the entities that they feed.
fn mappings_of(org: &catalog::Org, table: Option<&str>) -> Result<Vec<(String, String)>> {
    sql::rows(
        "SELECT s.table_name::text, m.entity FROM manifold.mapping m JOIN manifold.source s USING (source_id) \
         WHERE s.org = $1 AND m.active AND ($2 IS NULL OR s.table_name = $2::name) ORDER BY 1, 2",
        &[org.name.as_str().into(), table.into()],
        |row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default())),
    )
}

/// Gives an org the mappings of another, of all its tables or of one: what the other's tables have and
/// its own lack is left out, and reported.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn copy_mapping(
    from: Option<&str>,
    to: Option<&str>,
    source: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(source, Option<String>),
            name!(entity, Option<String>),
            name!(version, Option<i32>),
            name!(fields, Option<i32>),
            name!(left_out, Option<Vec<String>>),
            name!(reasons, Option<Vec<String>>),
        ),
    >,
    ErrorReport,
> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let (from, to) = (catalog::org(required(from, "from")?)?, catalog::org(required(to, "to")?)?);
    let found = mappings_of(&from, source)?;
    if found.is_empty() {
        let of = source.map(|table| format!(" for table \"{table}\"")).unwrap_or_default();
        return Err(Error::state(
            format!("org \"{}\" has no mapping{of}", from.name),
            "SELECT * FROM manifold.mapping lists the mappings.",
        )
        .into());
    }
    let mut lines = Vec::new();
    for (table, entity) in found {
        lines.push(copy(&from, &to, &table, &entity, superuser)?);
    }
    xact::defined();
    Ok(TableIterator::new(lines))
}

type Copied = (
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<i32>,
    Option<Vec<String>>,
    Option<Vec<String>>,
);

fn copy(
    from: &catalog::Org,
    to: &catalog::Org,
    table: &str,
    entity: &str,
    superuser: bool,
) -> Result<Copied> {
    let line = |version: Option<i32>, fields: usize, errors: Vec<MappingError>| {
        let mut left_out: Vec<String> =
            errors.iter().filter_map(|error| error.field().map(str::to_string)).collect();
        left_out.dedup();
        let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Ok((
            Some(table.to_string()),
            Some(entity.to_string()),
            version,
            Some(fields as i32),
            (!left_out.is_empty()).then_some(left_out),
            (!reasons.is_empty()).then_some(reasons),
        ))
    };
    let there = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2",
        &[to.schema.as_str().into(), table.into()],
    )?;
    if there.is_none() {
        let message = format!("org \"{}\" has no table {}.{table}", to.name, to.schema);
        return line(None, 0, vec![MappingError::new("", message)]);
    }
    let origin = Place::find(&from.name, table, Some(entity))?;
    let place = Place::find(&to.name, table, Some(entity))?;
    let json = origin.active_or_error()?;
    // What both orgs understand without saying is not said in the copy either.
    let shared = place.org.layers(entity, table);
    let mut layers = origin.org.layers(entity, table);
    layers.retain(|layer| layer.level == Level::Org || !shared.contains(layer));
    for layer in &mut layers {
        if let Some(members) = layer.json.as_object_mut() {
            members.remove("phone_region");
            members.remove("time_zone");
        }
    }
    let mut json = merge(&layers, &json, &origin.entity).json;
    let mut left_out = Vec::new();
    // Without one field, others that depend on it may not fit any more.
    while let Err(errors) = place.check(&json)? {
        let fields = json.get_mut("fields").and_then(Value::as_object_mut);
        let wrong: Vec<MappingError> =
            errors.iter().filter(|error| error.field().is_some()).cloned().collect();
        let Some(fields) = fields.filter(|_| !wrong.is_empty()) else {
            left_out.extend(errors);
            return line(None, 0, left_out);
        };
        let before = fields.len();
        fields.retain(|name, _| wrong.iter().all(|error| error.field() != Some(name)));
        let stuck = fields.len() == before || fields.is_empty();
        left_out.extend(wrong);
        if stuck {
            return line(None, 0, left_out);
        }
    }
    let fields = json.get("fields").and_then(Value::as_object).map_or(0, |fields| fields.len());
    let version = place.put(&json, Some(&format!("copied from {}", from.name)), superuser)?;
    line(Some(version), fields, left_out)
}
