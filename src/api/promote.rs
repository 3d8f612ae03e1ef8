//! Promoting a field: what was in extras becomes a column, while the sync runs.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use super::mapping::{Place, columns_of, entity_of};
use super::{administer, entity, required};
use crate::capture::attach;
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::entity::Entity;
use crate::normalize::suggest::same_name;
use crate::pg::{identity, sql, xact};

/// Adds a field to an entity, with a column in its table and its view, and maps it in the orgs that
/// have it: `columns` says from what in each org (org → column or field of a mapping), or which name to look for in
/// all of them; without, the field's own name is looked for. Their rows are then read again.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn promote_field(
    entity: Option<&str>,
    field: Option<&str>,
    field_type: Option<&str>,
    columns: default!(Option<JsonB>, "NULL"),
    rules: default!(Option<JsonB>, "NULL"),
    comment: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(org, Option<String>),
            name!(source, Option<String>),
            name!(columns, Option<Vec<String>>),
            name!(version, Option<i32>),
        ),
    >,
    ErrorReport,
> {
    let superuser = identity::is_superuser();
    let _owner = administer()?;
    let name = required(entity, "entity")?;
    let field = required(field, "field")?;
    let kind = required(field_type, "field_type")?;
    let definition = with_field(name, field, kind, rules, comment)?;
    let grown = entity_of(name, &definition)?;
    let wanted = wanted(field, columns)?;
    let mut places = places(&grown, &wanted)?;
    if let Wanted::Each(orgs) = &wanted {
        for org in orgs.keys() {
            if !places.iter().any(|(place, ..)| place.org.name == *org) {
                catalog::org(org)?;
                return Err(Error::state(
                    format!("org \"{org}\" has no mapping to \"{name}\""),
                    "Set one first; a field is promoted for the orgs that are mapped.",
                )
                .into());
            }
        }
    }
    sql::run(
        "UPDATE manifold.entity SET definition = $2 WHERE entity = $1",
        &[name.into(), JsonB(definition).into()],
    )?;
    // The lock on the table last, so that it is held shortly: who reads or writes it waits.
    for (place, fragment, _) in &mut places {
        let mut mapping = place.active_or_error()?;
        if let Some(fields) = mapping.get_mut("fields").and_then(Value::as_object_mut) {
            fields.insert(field.into(), fragment.clone());
        }
        let version = place.put(&mapping, Some(&format!("promotes {field}")), superuser)?;
        *fragment = json!(version);
    }
    add_column(&grown, field)?;
    xact::defined();
    let lines: Vec<_> = places
        .into_iter()
        .map(|(place, version, columns)| {
            let version = version.as_i64().and_then(|version| i32::try_from(version).ok());
            (Some(place.org.name), Some(place.table), Some(columns), version)
        })
        .collect();
    Ok(TableIterator::new(lines))
}

/// The entity's definition with one more field.
fn with_field(
    entity: &str,
    field: &str,
    kind: &str,
    rules: Option<JsonB>,
    comment: Option<&str>,
) -> Result<Value> {
    // Held until the transaction ends, so that two that promote come one after the other.
    let text = sql::run_one::<String>(
        "SELECT definition::text FROM manifold.entity WHERE entity = $1 FOR UPDATE",
        &[entity.into()],
    )?;
    let mut definition = match text {
        Some(text) => catalog::json(Some(text))?,
        // Says that there is none.
        None => catalog::entity(entity)?,
    };
    if entity_of(entity, &definition)?.field(field).is_some() {
        return Err(Error::Exists {
            what: "field",
            name: field.into(),
            hint: format!("\\d+ canonical.{entity} shows the fields."),
        });
    }
    let mut members = Map::new();
    members.insert("name".into(), field.into());
    members.insert("type".into(), kind.into());
    members.extend(rules.map(|JsonB(rules)| ("rules".to_string(), rules)));
    members.extend(comment.map(|comment| ("comment".to_string(), comment.into())));
    if let Some(fields) = definition.get_mut("fields").and_then(Value::as_array_mut) {
        fields.push(Value::Object(members));
    }
    Ok(definition)
}

/// Where the field is to come from.
enum Wanted {
    /// Org → fragment of a mapping.
    Each(Map<String, Value>),
    /// A column's name, with or without namespace and suffix.
    Named(String),
}

fn wanted(field: &str, columns: Option<JsonB>) -> Result<Wanted> {
    match columns.map(|JsonB(json)| json) {
        None => Ok(Wanted::Named(field.into())),
        Some(Value::String(name)) => Ok(Wanted::Named(name)),
        Some(Value::Object(orgs)) => Ok(Wanted::Each(orgs)),
        Some(_) => Err(Error::invalid(
            "argument columns is neither an object nor text",
            "Give '{\"acme\": \"solar__c\"}', or the name to look for in all orgs: '\"solar__c\"'.",
        )),
    }
}

/// The mappings that get the field, with the fragment and its columns.
fn places(entity: &Entity, wanted: &Wanted) -> Result<Vec<(Place, Value, Vec<String>)>> {
    let mapped = sql::rows(
        "SELECT s.org, s.table_name::text FROM manifold.mapping m JOIN manifold.source s USING (source_id) \
         WHERE m.active AND m.entity = $1 ORDER BY 1, 2",
        &[entity.name.as_str().into()],
        |row| {
            Ok((
                row.get::<String>(1)?.unwrap_or_default(),
                row.get::<String>(2)?.unwrap_or_default(),
            ))
        },
    )?;
    let mut places = Vec::new();
    for (org, table) in mapped {
        let place =
            Place { entity: entity.clone(), ..Place::find(&org, &table, Some(&entity.name))? };
        let fragment = match wanted {
            Wanted::Each(orgs) => orgs.get(&org).cloned(),
            Wanted::Named(name) => {
                let there = sql::one::<bool>(
                    "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relname = $2",
                    &[place.org.schema.as_str().into(), table.as_str().into()],
                )?;
                if there.is_none() {
                    continue;
                }
                let layout = columns_of(&place.org.schema, &table)?;
                let found = layout.live().map(|(_, column)| &column.name);
                found.into_iter().find(|column| same_name(column, name)).map(|c| json!(c))
            }
        };
        if let Some(fragment) = fragment {
            let columns = crate::normalize::suggest::columns_in(&fragment);
            places.push((place, fragment, columns));
        }
    }
    Ok(places)
}

fn add_column(entity: &Entity, field: &str) -> Result<()> {
    let Some((_, field)) = entity.field(field) else { return Ok(()) };
    let table = sql::qualified("canonical", &entity.name)?;
    let view = sql::qualified("qc", &entity.name)?;
    let column = sql::identifier(&field.name)?;
    let statements = format!(
        "ALTER TABLE {table} ADD COLUMN {column} {}; CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table}",
        field.kind.sql()
    );
    attach::run_locked(&[table.as_str()], "ACCESS EXCLUSIVE", &statements)?;
    if let Some(text) = &field.comment {
        entity::comment(&format!("COLUMN {table}.{column}"), text)?;
        entity::comment(&format!("COLUMN {view}.{column}"), text)?;
    }
    Ok(())
}
