//! Promoting a field: what was in extras becomes a column, while the sync runs.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use super::mapping::{Place, columns_of, entity_of};
use super::{define, entity, required};
use crate::capture::attach;
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::defaults::is_source;
use crate::normalize::entity::Entity;
use crate::normalize::suggest::{columns_in, same_name};
use crate::pg::{identity, sql, xact};

/// Adds a field to an entity, with a column in its table and its view, and maps it in the orgs that
/// have it: `columns` says from what in each org (org → column or field of a mapping, or table → such), or which
/// name to look for in all of them; without, the field's own name is looked for. Their rows are then read again.
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
    let _owner = define()?;
    let name = required(entity, "entity")?;
    let field = required(field, "field")?;
    let kind = required(field_type, "field_type")?;
    let definition = with_field(name, field, kind, rules, comment)?;
    let grown = entity_of(name, &definition)?;
    let wanted = wanted(field, columns)?;
    let places = places(&grown, &wanted)?;
    if let Wanted::Each(orgs) = &wanted {
        check_is_mapped(orgs, &places, name)?;
    }
    sql::run(
        "UPDATE manifold.entity SET definition = $2 WHERE entity = $1",
        &[name.into(), JsonB(definition).into()],
    )?;
    // The lock on the table last, so that it is held shortly: who reads or writes it waits.
    let mut lines = Vec::new();
    for Promoted { place, fragment, columns, fits } in places {
        let mut version = None;
        if fits {
            let mut mapping = place.active_or_error()?;
            if let Some(fields) = mapping.get_mut("fields").and_then(Value::as_object_mut) {
                fields.insert(field.into(), fragment);
            }
            version = Some(place.put(&mapping, Some(&format!("promotes {field}")), superuser)?);
        }
        lines.push((Some(place.org.name), Some(place.table), Some(columns), version));
    }
    add_column(&grown, field)?;
    xact::defined();
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
    let mut definition = catalog::entity(entity)?;
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
    /// Org → fragment of a mapping, or table → fragment.
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

/// A mapping that is to get the field.
struct Promoted {
    place: Place,
    fragment: Value,
    /// Those of the fragment.
    columns: Vec<String>,
    /// False for a table that lacks them where only its org is named, and another of its tables has them.
    fits: bool,
}

/// Of each table, if the fragments are given by table: then none of them says where a value comes from.
fn by_table(wanted: &Value) -> Option<&Map<String, Value>> {
    wanted.as_object().filter(|members| !members.keys().any(|name| is_source(name)))
}

/// Refuses orgs and tables that do not feed the entity.
fn check_is_mapped(orgs: &Map<String, Value>, places: &[Promoted], entity: &str) -> Result<()> {
    for (org, wanted) in orgs {
        let fed: Vec<&str> = places
            .iter()
            .filter(|promoted| promoted.place.org.name == *org)
            .map(|promoted| promoted.place.table.as_str())
            .collect();
        let tables = by_table(wanted).into_iter().flat_map(Map::keys);
        let missing = tables.into_iter().find(|table| !fed.contains(&table.as_str()));
        if missing.is_none() && !fed.is_empty() {
            continue;
        }
        catalog::org(org)?;
        let whose = match missing {
            Some(table) => format!("table \"{table}\" of org \"{org}\""),
            None => format!("org \"{org}\""),
        };
        return Err(Error::state(
            format!("{whose} has no mapping to \"{entity}\""),
            "Set one first; a field is promoted for the tables that are mapped.",
        ));
    }
    Ok(())
}

/// The mappings that get the field.
fn places(entity: &Entity, wanted: &Wanted) -> Result<Vec<Promoted>> {
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
    let mut places: Vec<Promoted> = Vec::new();
    for (org, table) in mapped {
        let place =
            Place { entity: entity.clone(), ..Place::find(&org, &table, Some(&entity.name))? };
        let there = live_columns(&place)?;
        let (fragment, named) = match wanted {
            Wanted::Each(orgs) => {
                let wanted = orgs.get(&org);
                let tables = wanted.and_then(by_table);
                match tables {
                    Some(tables) => (tables.get(&table).cloned(), true),
                    None => (wanted.cloned(), false),
                }
            }
            Wanted::Named(name) => {
                let found = there.iter().find(|column| same_name(column, name));
                (found.map(|column| json!(column)), false)
            }
        };
        if let Some(fragment) = fragment {
            let columns = columns_in(&fragment);
            let fits = named || columns.iter().all(|column| there.contains(column));
            places.push(Promoted { place, fragment, columns, fits });
        }
    }
    // Where no table of an org has them, checking the mapping says so.
    let orgs: Vec<(String, bool)> =
        places.iter().map(|promoted| (promoted.place.org.name.clone(), promoted.fits)).collect();
    for promoted in &mut places {
        promoted.fits |= !orgs.contains(&(promoted.place.org.name.clone(), true));
    }
    Ok(places)
}

/// The columns of a table; none where it is gone.
fn live_columns(place: &Place) -> Result<Vec<String>> {
    let there = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2",
        &[place.org.schema.as_str().into(), place.table.as_str().into()],
    )?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let layout = columns_of(&place.org.schema, &place.table)?;
    Ok(layout.live().map(|(_, column)| column.name.clone()).collect())
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
