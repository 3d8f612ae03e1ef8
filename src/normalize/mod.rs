//! Normalization as pure logic: a [`mapping`] (JSON) says how one source feeds one [`entity`]; it
//! is [`compile`]d against the source's layout into a [`plan::Plan`], which turns the slots of a row
//! into the text of the canonical fields, the extras and the problems.
//!
//! ```text
//! mapping JSON ─► mapping::Mapping ─┐
//! entity JSON ──► entity::Entity ───┼─► compile::compile ─► Plan::run(slots) ─► outcome::Outcome
//! row::layout::Layout ──────────────┘
//! ```
//!
//! Beside it: how fast rows may go ([`throttle`]) and how the rows that break a batch are found
//! ([`bisect`]). Nothing here knows the server, the log or a broker.

pub mod apply;
pub mod batch;
pub mod bisect;
pub mod cell;
mod chain;
mod check;
mod comparison;
pub mod compile;
pub mod condition;
mod convert;
mod decimal;
pub mod defaults;
pub mod derivation;
mod derive;
pub mod diff;
pub mod digest;
pub mod entity;
pub mod feed;
pub mod field_type;
pub mod filter;
mod json;
pub mod mapping;
pub mod meaning;
pub mod nearest;
pub mod outcome;
pub mod plan;
pub mod preview;
pub mod quarantine;
pub mod remedy;
pub mod rules;
mod scope;
mod source;
pub mod suggest;
pub mod template;
pub mod throttle;
mod turns;

#[cfg(test)]
mod compile_test;
#[cfg(test)]
mod fixture_test;
#[cfg(test)]
mod orgs_test;
#[cfg(test)]
mod reference_test;
#[cfg(test)]
mod run_test;

/// What rules know of the org whose rows they see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    pub name: String,
    /// ISO 3166-1 alpha-2 code of the region that phone numbers without a country code belong to.
    pub phone_region: Option<String>,
    /// IANA name of the zone that local dates and times are in.
    pub time_zone: String,
}

impl Default for Org {
    fn default() -> Org {
        Org { name: String::new(), phone_region: None, time_zone: "UTC".into() }
    }
}

/// One thing that is wrong in a mapping or in an entity's definition, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// Members and indexes from the top of the JSON, e.g. `fields.status.rules[1].map`.
    pub path: String,
    pub message: String,
    /// What to do about it, where there is more to say.
    pub hint: Option<String>,
}

impl MappingError {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> MappingError {
        MappingError { path: path.into(), message: message.into(), hint: None }
    }

    /// The canonical field that it is about, if it is about one.
    pub fn field(&self) -> Option<&str> {
        self.path.strip_prefix("fields.")?.split(['.', '[']).next()
    }

    pub fn hint(mut self, hint: impl Into<String>) -> MappingError {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for MappingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

impl std::error::Error for MappingError {}
