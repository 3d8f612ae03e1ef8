//! The rule library: a registry, and one file a rule.
//!
//! A rule takes a value and yields a value or a [`Failure`]. It never sees NULL or blank text: such
//! values leave the chain as NULL before it. Kinds are checked when a mapping is compiled.

mod affix;
mod arguments;
mod arithmetic;
mod bands;
pub mod boolean;
pub mod characters;
pub mod country;
mod currency;
pub mod date;
mod email;
mod eras;
pub mod factors;
mod html;
mod json_text;
mod letter_case;
mod list;
mod map;
mod months;
mod name_part;
mod name_words;
mod names;
mod notation;
pub mod null_if;
pub mod number;
pub mod open_ends;
mod pattern;
mod phone;
mod range;
mod record_id;
mod span;
mod squeeze;
mod tags;
#[cfg(test)]
mod test;
pub mod time;
pub mod timestamp;
mod truth;
mod url;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

pub use self::arguments::Arguments;
use super::MappingError;
use super::cell::{Cell, Kind};
pub use super::scope::Scope;
use super::source::Row;

/// Why a value cannot be used. It becomes a problem of the field, never an error of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code, e.g. `invalid_date`.
    pub reason: &'static str,
    pub message: String,
    /// The text that the rule was given, whole; filled in by the chain that the rule stands in.
    pub input: Option<Box<str>>,
}

impl Failure {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Failure {
        Failure { reason, message: message.into(), input: None }
    }
}

/// A rule with its arguments, ready to run.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// What the rule yields.
    fn output(&self) -> Kind;

    /// Applies the rule to a value that is neither NULL nor blank.
    fn apply<'a>(&'a self, cell: Cell<'a>, row: &Row<'a>) -> Result<Cell<'a>, Failure>;
}

/// What the library knows of a rule; a line of `manifold.rules`.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    /// What the rule does, in one or two sentences.
    pub meaning: &'static str,
    pub arguments: &'static [Argument],
    /// The reasons that the rule may fail with.
    pub reasons: &'static [&'static str],
    /// The kinds that the rule takes.
    pub accepts: &'static [Kind],
    /// What it yields, as users read it.
    pub yields: &'static str,
    /// Each is run by a test.
    pub examples: &'static [Example],
    pub build: Build,
}

/// Checks the arguments and builds the rule. Errors are added to the given list; `None` comes with
/// at least one.
pub type Build = fn(&Arguments<'_>, &mut Vec<MappingError>) -> Option<Box<dyn Rule>>;

/// An argument of a rule.
#[derive(Debug)]
pub struct Argument {
    /// The member's name; the rule's own name where the argument is what that member holds.
    pub name: &'static str,
    /// As users read it: `text`, `object`, `number`, …
    pub kind: &'static str,
    pub required: bool,
    pub meaning: &'static str,
}

/// A chain, a text that goes in, and what comes out.
#[derive(Debug)]
pub struct Example {
    /// JSON, as a mapping has it under `rules`.
    pub rules: &'static str,
    pub input: &'static str,
    pub output: Yield,
}

/// What a chain makes of a value, as text.
#[derive(Debug, PartialEq, Eq)]
pub enum Yield {
    Text(&'static str),
    Null,
    /// A problem with this reason.
    Problem(&'static str),
}

/// Every rule, in the order of the catalogue.
pub const ALL: &[&Definition] = &[
    &squeeze::DEFINITION,
    &letter_case::LOWER,
    &letter_case::UPPER,
    &characters::PLAIN,
    &characters::MOJIBAKE,
    &null_if::DEFINITION,
    &map::DEFINITION,
    &pattern::EXTRACT,
    &pattern::REPLACE,
    &html::DEFINITION,
    &affix::PREFIX,
    &affix::SUFFIX,
    &affix::PAD,
    &affix::TRUNCATE,
    &name_part::DEFINITION,
    &record_id::DEFINITION,
    &email::DEFINITION,
    &phone::PHONE,
    &phone::PHONE_COUNTRY,
    &url::DEFINITION,
    &country::DEFINITION,
    &currency::DEFINITION,
    &boolean::DEFINITION,
    &truth::NOT,
    &truth::PRESENT,
    &number::DEFINITION,
    &span::DEFINITION,
    &range::DEFINITION,
    &bands::DEFINITION,
    &arithmetic::SCALE,
    &arithmetic::ROUND,
    &date::DEFINITION,
    &time::DEFINITION,
    &timestamp::DEFINITION,
    &tags::DEFINITION,
    &list::SPLIT,
    &list::EACH,
    &list::FIRST,
    &list::JOIN,
    &json_text::JSON,
    &json_text::MEMBER,
];

/// The rule of this name.
pub fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().copied().find(|rule| rule.name == name)
}

/// Every reason that a rule, or the conversion to a field's type, may fail with.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    let of_rules = ALL.iter().flat_map(|rule| rule.reasons.iter().copied());
    ["invalid_value", "too_long"].into_iter().chain(of_rules)
}

/// A table's key for any spelling: white space squeezed, in lower case.
pub fn normal_key(text: &str) -> String {
    squeeze::squeeze(text.into()).to_lowercase()
}

/// Compiled expressions take no more memory than this, whatever a mapping says.
const REGEX_BYTES: usize = 1 << 20;

/// A regular expression, or what is wrong with it.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".into(),
        // The library's message draws the place below the pattern; its last line says what it is.
        error => {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            format!("the regular expression is wrong: {}", last.trim_start_matches("error: "))
        }
    })
}

/// A text, or a list of texts that is not empty.
pub fn text_or_list(json: &Value) -> Option<Vec<String>> {
    match json {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() => {
            list.iter().map(|item| item.as_str().map(str::to_string)).collect()
        }
        _ => None,
    }
}

/// A value within a message: not too long for a line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", super::outcome::shorten(text, 60))
}
