//! What to do about problems: suggestions, and giving single values a meaning.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::mapping::Place;
use super::{define, required};
use crate::error::{Error, Result};
use crate::normalize::mapping::RuleSpec;
use crate::normalize::remedy::{self, Line, Part};
use crate::normalize::{meaning, quarantine};
use crate::pg::identity::{self, AsUser};
use crate::pg::xact;

/// Gives a value of a field a meaning, as a new version of the mapping; returns the version. `path`
/// says in which part of the field; without, in all whose rules may look it up.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn map_value(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    field: Option<&str>,
    value: Option<&str>,
    meaning: default!(Option<&str>, "NULL"),
    path: default!(Option<&str>, "NULL"),
) -> Result<i32, ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let org = required(org, "org")?;
    let source = required(source, "source")?;
    let entity = required(entity, "entity")?;
    let field = required(field, "field")?;
    let value = required(value, "value")?;
    let mapped = Mapped::find(org, source, entity, field)?;
    let mapping = mapped.with_meaning(value, meaning, path)?;
    let note = match meaning {
        Some(meaning) => format!("{field}: \"{value}\" means {meaning}"),
        None => format!("{field}: \"{value}\" means that there is none"),
    };
    let version = mapped.place.put(&mapping, Some(&note), superuser)?;
    xact::defined();
    Ok(version)
}

/// What to do about a kind of problem; null where there is nothing to say.
#[pg_extern(stable, cost = 1000)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments)]
fn remedy(
    org: &str,
    source: &str,
    entity: &str,
    field: &str,
    path: &str,
    reason: &str,
    value: Option<&str>,
    input: Option<&str>,
) -> Result<Option<String>, ErrorReport> {
    let part = if field == "*" || entity == quarantine::KAFKA {
        Part::default()
    } else {
        // Whoever may see the problem may see what to do about it.
        let _owner = AsUser::superuser();
        let mapped = Mapped::find(org, source, entity, field);
        mapped.ok().and_then(|mapped| mapped.part(path)).unwrap_or_default()
    };
    Ok(remedy::suggest(&Line { org, source, entity, field, path, reason, value, input }, &part))
}

/// A mapping in force, and a field of it.
struct Mapped<'a> {
    place: Place,
    field: &'a str,
    mapping: Value,
    /// The field with all defaults; null where nothing maps it.
    effective: Value,
}

impl<'a> Mapped<'a> {
    fn find(org: &str, source: &str, entity: &str, field: &'a str) -> Result<Mapped<'a>> {
        let place = Place::find(org, source, Some(entity))?;
        let mapping = place.active_or_error()?;
        if place.entity.field(field).is_none() {
            return Err(Error::unknown(
                "field",
                field,
                format!("\\d canonical.{entity} shows the fields."),
            ));
        }
        let mut effective = place.effective(&mapping).json;
        let effective = effective.get_mut("fields").and_then(|fields| fields.get_mut(field));
        let effective = effective.map(Value::take).unwrap_or_default();
        Ok(Mapped { place, field, mapping, effective })
    }

    /// The field's own rules where the mapping gives none.
    fn own_rules(&self) -> &[RuleSpec] {
        self.place.entity.field(self.field).map_or(&[], |(_, field)| &field.rules)
    }

    /// The rules of each part of the field, with its path.
    fn chains(&self) -> Vec<(String, Vec<Value>)> {
        let own = |path: &str| if path.is_empty() { self.own_rules() } else { &[] };
        let parts = meaning::parts(&self.effective).into_iter();
        parts.map(|(path, part)| (path.clone(), meaning::chain(part, own(&path)))).collect()
    }

    /// Whether the mapping itself has a part: its meanings are at its field, even where a default says
    /// the rest of it.
    fn owns(&self, path: &str) -> bool {
        let given = self.mapping.get("fields").and_then(|fields| fields.get(self.field));
        let mut paths = given.into_iter().flat_map(meaning::parts);
        path.is_empty() || paths.any(|(known, _)| known == path)
    }

    fn part(&self, path: &str) -> Option<Part> {
        let chains = self.chains();
        let with_rules = chains.iter().filter(|(_, chain)| !chain.is_empty()).count();
        let chain = chains.into_iter().find(|(known, _)| known == path)?.1;
        Some(Part { chain, own: self.owns(path), one_of_several: with_rules > 1 })
    }

    /// The mapping in which a value has a meaning.
    fn with_meaning(
        &self,
        value: &str,
        meaning: Option<&str>,
        path: Option<&str>,
    ) -> Result<Value> {
        let chains = self.chains();
        let known: Vec<&str> = chains.iter().map(|(path, _)| path.as_str()).collect();
        if let Some(path) = path.filter(|path| !known.contains(path)) {
            let known: Vec<String> = known.iter().map(|path| format!("'{path}'")).collect();
            let hint = format!("The parts of the field are {}.", known.join(", "));
            return Err(Error::unknown("part", path, hint));
        }
        let concerned = |(known, chain): &&(String, Vec<Value>)| match (path, meaning) {
            (Some(path), _) => path == known,
            (None, Some(_)) => meaning::table(chain).is_some(),
            (None, None) => known.is_empty() || !chain.is_empty(),
        };
        let mut paths: Vec<&str> =
            chains.iter().filter(concerned).map(|(path, _)| path.as_str()).collect();
        if paths.is_empty() {
            // Checking the mapping says what is missing.
            paths.push("");
        }
        let mut mapping = self.mapping.clone();
        let fields = mapping.get_mut("fields").and_then(Value::as_object_mut);
        let field = fields
            .ok_or_else(|| Error::Corrupt("a mapping without fields".into()))?
            // By a default alone: the mapping has the last word on its meanings.
            .entry(self.field)
            .or_insert_with(|| json!({}));
        for path in paths {
            let part = meaning::part_mut(field, path).ok_or_else(|| {
                Error::invalid(
                    format!(
                        "what the field is made of in {path} is said by a default, not by the mapping"
                    ),
                    format!(
                        "Add the value to the \"{}\" there with manifold.set_default, or give the field its source in the mapping.",
                        meaning::MEMBER
                    ),
                )
            })?;
            meaning::give(part, value, meaning);
        }
        Ok(mapping)
    }
}
