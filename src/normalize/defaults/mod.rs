//! Defaults: what the package, an org's class and the org say of all mappings, below the mapping
//! itself. Merged into the *effective* mapping before it is compiled; pure.
//!
//! ```json
//! {"phone_region": "FR", "time_zone": "Europe/Paris", "blank": ["n/a", "-"],
//!  "rules": {"number": {"decimal": ",", "group": " "}, "date": "%d/%m/%Y"},
//!  "fields": {"status": {"rules": [{"map": {"Nouveau": "new"}}]}}}
//! ```
//!
//! - `blank`: texts that count as NULL, where the mapping does not say itself which do.
//! - `rules`: the argument of a rule wherever a chain names it without one.
//! - `fields`: parts of fields, as in a mapping, but a field may lack its source. A later layer
//!   replaces part by part: the source (however it is given), the rules, each other member. `null`
//!   takes a field away.
//!
//! A layer that gives rules alone does not map a field; one that gives a source does.

mod arguments;
mod check;
mod merge;
#[cfg(test)]
mod test;

use serde_json::Value;

pub use self::check::check;
pub use self::merge::merge;
use super::entity::Entity;
use super::mapping::{Mapping, RuleSpec};
use super::plan::Plan;
use super::{MappingError, Org, compile, derivation, meaning};
use crate::row::layout::Layout;

/// Whose word a part of a mapping is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The chain in the entity's definition.
    Entity,
    Package,
    Class(String),
    Org,
    Mapping,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Level::Entity => f.write_str("entity"),
            Level::Package => f.write_str("package"),
            Level::Class(class) => write!(f, "class {class}"),
            Level::Org => f.write_str("org"),
            Level::Mapping => f.write_str("mapping"),
        }
    }
}

/// A document with the level that it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub level: Level,
    pub json: Value,
}

/// A part of the effective mapping, and whose word it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The canonical field; `*` for what concerns all.
    pub field: String,
    /// `source`, `rules`, or another member's name.
    pub part: String,
    pub value: Value,
    pub level: Level,
}

/// What layers come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// A mapping as `compile` takes it.
    pub json: Value,
    /// By field, in the order of the entity.
    pub parts: Vec<Part>,
}

impl Effective {
    /// Whether the field's source is the mapping's own word.
    pub fn is_own(&self, field: &str) -> bool {
        let mut sources = self.parts.iter().filter(|part| part.field == field);
        sources.any(|part| part.part == "source" && part.level == Level::Mapping)
    }
}

/// Compiles an effective mapping. What the mapping itself names has to be there; what comes from
/// defaults may be missing in this table, and is NULL then.
pub fn compile(
    effective: &Effective,
    entity: &Entity,
    layout: &Layout,
    org: &Org,
) -> Result<Plan, Vec<MappingError>> {
    let mut errors = match compile::compile_json(&effective.json, entity, layout, org) {
        Ok(plan) => return Ok(plan),
        Err(errors) => errors,
    };
    let lenient = Mapping::from_json(&effective.json)
        .and_then(|mapping| compile::compile_lenient(&mapping, entity, layout, org));
    let foreign = |error: &MappingError| error.field().is_some_and(|f| !effective.is_own(f));
    match lenient {
        Ok(plan) if errors.iter().all(foreign) => Ok(plan),
        Ok(_) => {
            errors.retain(|error| !foreign(error));
            Err(errors)
        }
        Err(still) => {
            errors.retain(|error| !foreign(error) || still.contains(error));
            Err(errors)
        }
    }
}

/// Whether two effective mappings come to the same plan.
pub fn same_plan(a: &Value, b: &Value, entity: &Entity) -> bool {
    super::diff::diff(a, b, entity).is_empty()
}

/// Whether a member of a field says where its value comes from.
pub fn is_source(name: &str) -> bool {
    derivation::SOURCES.contains(&name) || name == derivation::SQL
}

/// The last word of some layers on a setting of the org.
pub fn setting<'a>(layers: &'a [Layer], name: &str) -> Option<(&'a str, &'a Level)> {
    let found = layers.iter().rev().find_map(|layer| Some((layer.json.get(name)?, &layer.level)));
    found.and_then(|(value, level)| Some((value.as_str()?, level)))
}

/// A chain as a mapping writes it.
pub fn chain_json(rules: &[RuleSpec]) -> Value {
    Value::Array(meaning::chain_json(rules))
}
