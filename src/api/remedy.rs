//! What to do about problems: suggestions, and giving single values a meaning.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::mapping::{self, report};
use super::{administer, required};
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::entity::Entity;
use crate::normalize::remedy::{self, Line};
use crate::normalize::{meaning, quarantine};
use crate::pg::identity::AsUser;
use crate::pg::sql;

/// Gives a value of a field a meaning, as a new version of the mapping; returns the version.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn map_value(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    field: Option<&str>,
    value: Option<&str>,
    meaning: default!(Option<&str>, "NULL"),
) -> Result<i32, ErrorReport> {
    let _owner = administer()?;
    let org = required(org, "org")?;
    let source = required(source, "source")?;
    let entity = required(entity, "entity")?;
    let field = required(field, "field")?;
    let value = required(value, "value")?;
    let Mapped { mut mapping, rules } =
        Mapped::find(org, source, entity, field)?.ok_or_else(|| {
            Error::unknown(
                "mapping",
                format!("{org}.{source} to {entity}"),
                "SELECT manifold.set_mapping(…) makes one; values are added to it then.",
            )
        })?;
    let Some(members) = mapping.get_mut("fields").and_then(Value::as_object_mut) else {
        return Err(Error::Corrupt("a mapping without fields".into()).into());
    };
    let rules = meaning::add(&rules, value, meaning)
        .map_err(|error| report(&format!("the meaning for \"{value}\""), &[error]))?;
    match members.get_mut(field) {
        Some(Value::Object(mapped)) => {
            mapped.insert("rules".into(), rules.into());
        }
        Some(column @ Value::String(_)) => {
            *column = json!({"column": column.clone(), "rules": rules});
        }
        // By a default alone: the mapping has the last word on its rules.
        _ => {
            members.insert(field.into(), json!({"rules": rules}));
        }
    }
    mapping::set_mapping(Some(org), Some(source), Some(entity), Some(JsonB(mapping)))
}

/// What to do about a kind of problem; null where there is nothing to say.
#[pg_extern(stable, cost = 1000)]
#[search_path(pg_catalog, pg_temp)]
fn remedy(
    org: &str,
    source: &str,
    entity: &str,
    field: &str,
    reason: &str,
    value: Option<&str>,
    message: &str,
) -> Result<Option<String>, ErrorReport> {
    let chain = if field == "*" || entity == quarantine::KAFKA {
        Vec::new()
    } else {
        // Whoever may see the problem may see what to do about it.
        let _owner = AsUser::superuser();
        Mapped::find(org, source, entity, field)?.map(|mapped| mapped.rules).unwrap_or_default()
    };
    Ok(remedy::suggest(&Line { org, source, entity, field, reason, value, message }, &chain))
}

/// A mapping in force, and the rules that a field has by it.
struct Mapped {
    mapping: Value,
    rules: Vec<Value>,
}

impl Mapped {
    fn find(org: &str, source: &str, entity: &str, field: &str) -> Result<Option<Mapped>> {
        let found = sql::rows(
            "SELECT m.mapping::text FROM manifold.mapping m JOIN manifold.source s USING (source_id) \
             WHERE s.org = $1 AND s.table_name = $2 AND m.entity = $3 AND m.active",
            &[org.into(), source.into(), entity.into()],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )?;
        let Some(text) = found.into_iter().next() else { return Ok(None) };
        let mapping: Value = serde_json::from_str(&text)
            .map_err(|error| Error::Corrupt(format!("stored JSON: {error}")))?;
        let definition = catalog::entity(entity)?;
        let entity = Entity::from_json(entity, &definition)
            .map_err(|errors| report("the definition of the entity", &errors))?;
        let Some((_, known)) = entity.field(field) else {
            return Err(Error::unknown(
                "field",
                field,
                format!("\\d canonical.{} shows the fields.", entity.name),
            ));
        };
        // With what the defaults say of it.
        let effective = catalog::org(org)?.effective(&entity, source, &mapping).json;
        let own = effective.get("fields").and_then(|fields| fields.get(field)?.get("rules"));
        let rules = match own.and_then(Value::as_array) {
            Some(rules) => rules.clone(),
            None => meaning::chain_json(&known.rules),
        };
        Ok(Some(Mapped { mapping, rules }))
    }
}
