//! What to do about problems: suggestions, and giving single values a meaning.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::mapping::{Place, report};
use super::{administer, required};
use crate::error::{Error, Result};
use crate::normalize::remedy::{self, Line};
use crate::normalize::{meaning, quarantine};
use crate::pg::identity::{self, AsUser};
use crate::pg::xact;

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
    let superuser = identity::is_superuser();
    let _owner = administer()?;
    let org = required(org, "org")?;
    let source = required(source, "source")?;
    let entity = required(entity, "entity")?;
    let field = required(field, "field")?;
    let value = required(value, "value")?;
    let Mapped { place, mut mapping, rules } = Mapped::find(org, source, entity, field)?;
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
    let note = match meaning {
        Some(meaning) => format!("{field}: \"{value}\" means {meaning}"),
        None => format!("{field}: \"{value}\" means that there is none"),
    };
    let version = place.put(&mapping, Some(&note), superuser)?;
    xact::defined();
    Ok(version)
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
        Mapped::find(org, source, entity, field).map(|mapped| mapped.rules).unwrap_or_default()
    };
    Ok(remedy::suggest(&Line { org, source, entity, field, reason, value, message }, &chain))
}

/// A mapping in force, and the rules that a field has by it and all defaults.
struct Mapped {
    place: Place,
    mapping: Value,
    rules: Vec<Value>,
}

impl Mapped {
    fn find(org: &str, source: &str, entity: &str, field: &str) -> Result<Mapped> {
        let place = Place::find(org, source, Some(entity))?;
        let mapping = place.active_or_error()?;
        let Some((_, known)) = place.entity.field(field) else {
            return Err(Error::unknown(
                "field",
                field,
                format!("\\d canonical.{entity} shows the fields."),
            ));
        };
        let effective = place.effective(&mapping).json;
        let given = effective.get("fields").and_then(|fields| fields.get(field)?.get("rules"));
        let rules = match given.and_then(Value::as_array) {
            Some(rules) => rules.clone(),
            None => meaning::chain_json(&known.rules),
        };
        Ok(Mapped { place, mapping, rules })
    }
}
