//! The rule library: a registry, and one file a rule.
//!
//! A rule takes a value and yields a value or a [`Failure`]. It never sees NULL or blank text: such
//! values leave the chain as NULL before it. Kinds are checked when a mapping is compiled.

mod affix;
mod arithmetic;
mod bands;
pub mod boolean;
pub mod characters;
pub mod country;
mod currency;
pub mod date;
mod email;
mod eras;
mod html;
mod json_text;
mod letter_case;
mod list;
mod map;
mod months;
mod name_part;
mod names;
pub mod null_if;
pub mod number;
mod pattern;
mod phone;
mod range;
mod record_id;
mod span;
mod squeeze;
mod tags;
pub mod time;
pub mod timestamp;
mod truth;
mod url;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::MappingError;
use super::cell::{Cell, Kind};
use super::mapping::{self, RuleSpec};
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

/// What a mapping gives a rule, and where it stands.
pub struct Arguments<'a> {
    pub spec: &'a RuleSpec,
    /// Path of the rule, e.g. `fields.status.rules[1]`.
    pub path: &'a str,
    /// What the rule gets, where that is known.
    pub input: Option<Kind>,
    pub scope: &'a Scope<'a>,
}

impl<'a> Arguments<'a> {
    /// The path of the rule's argument.
    pub fn argument_path(&self) -> String {
        format!("{}.{}", self.path, self.spec.name)
    }

    /// For rules that take no argument.
    pub fn none(&self, errors: &mut Vec<MappingError>) -> Option<()> {
        self.options(&[], errors);
        if self.spec.argument.is_none() {
            return Some(());
        }
        let message = format!("\"{}\" takes no argument", self.spec.name);
        let hint = format!("Write \"{}\" as a mere name.", self.spec.name);
        errors.push(MappingError::new(self.argument_path(), message).hint(hint));
        None
    }

    /// Refuses every option but these.
    pub fn options(&self, known: &[&str], errors: &mut Vec<MappingError>) {
        mapping::refuse_unknown(&self.spec.options, known, self.path, errors);
    }

    /// The argument as an object with no members but these.
    pub fn object(
        &self,
        known: &[&str],
        errors: &mut Vec<MappingError>,
    ) -> Option<&'a Map<String, Value>> {
        match &self.spec.argument {
            Some(Value::Object(members)) => {
                mapping::refuse_unknown(members, known, &self.argument_path(), errors);
                Some(members)
            }
            _ => {
                let message = format!("\"{}\" needs an object", self.spec.name);
                let hint = format!("Its members: {}.", known.join(", "));
                errors.push(MappingError::new(self.argument_path(), message).hint(hint));
                None
            }
        }
    }

    /// The argument as text.
    pub fn text(&self, errors: &mut Vec<MappingError>) -> Option<String> {
        match &self.spec.argument {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.wrong("", format!("\"{}\" needs text", self.spec.name), errors);
                None
            }
        }
    }

    /// A member that is true or false; false where it is absent.
    pub fn flag(
        &self,
        members: &Map<String, Value>,
        name: &str,
        errors: &mut Vec<MappingError>,
    ) -> bool {
        match members.get(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.wrong(name, "true or false is needed", errors);
                false
            }
        }
    }

    /// Adds an error at the argument, or at a member of it.
    pub fn wrong(&self, member: &str, message: impl Into<String>, errors: &mut Vec<MappingError>) {
        let dot = if member.is_empty() { "" } else { "." };
        errors.push(MappingError::new(format!("{}{dot}{member}", self.argument_path()), message));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Org;
    use crate::normalize::chain::{self, Steps};
    use crate::normalize::field_type::FieldType;
    use proptest::prelude::*;

    #[test]
    fn every_example_is_true() {
        for rule in ALL {
            assert!(!rule.examples.is_empty(), "{} has no example", rule.name);
            for example in rule.examples {
                let json: Value = serde_json::from_str(example.rules).unwrap();
                let mut errors = Vec::new();
                let specs = mapping::read_rules(&json, "", &mut errors).unwrap_or_default();
                let org = Org::default();
                let scope = Scope::new(&org, &[]);
                let (steps, _) = Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors);
                assert_eq!(errors, [], "{}", example.rules);
                let found = steps.run(Cell::Text(example.input.into()), &Row::of(&[]), || None);
                let found = found.map(|cell| cell.text().into_owned());
                let expected = match &example.output {
                    Yield::Text(text) => Ok(*text),
                    Yield::Null => Ok(""),
                    Yield::Problem(reason) => {
                        assert!(rule.reasons.contains(reason), "{} lacks {reason}", rule.name);
                        Err(*reason)
                    }
                };
                let found = found.as_deref().map_err(|failed| failed.failure.reason);
                assert_eq!(found, expected, "{} of {:?}", example.rules, example.input);
            }
        }
    }

    #[test]
    fn every_rule_takes_a_reason_for_its_problems() {
        let org = Org::default();
        let scope = Scope::new(&org, &[]);
        for rule in ALL {
            for example in rule.examples {
                let json: Value = serde_json::from_str(example.rules).unwrap();
                let with_problem = |rule: &Value| {
                    let mut members = match rule {
                        Value::String(name) => Map::from_iter([(name.clone(), Value::Null)]),
                        rule => rule.as_object().unwrap().clone(),
                    };
                    members.insert("problem".into(), "out_of_range".into());
                    Value::Object(members)
                };
                let rules = json.as_array().unwrap().iter().map(with_problem).collect();
                let mut errors = Vec::new();
                let specs = mapping::read_rules(&rules, "", &mut errors).unwrap_or_default();
                let (steps, _) = Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors);
                assert_eq!(errors, [], "{rules}");
                let input = Cell::Text(example.input.into());
                let found = steps.run(input, &Row::of(&[]), || None);
                if let Yield::Problem(_) = example.output {
                    let reason = found.unwrap_err().failure.reason;
                    assert_eq!(reason, "out_of_range", "{rules}");
                }
            }
        }
    }

    #[test]
    fn every_reason_has_an_example_and_names_differ() {
        for (index, rule) in ALL.iter().enumerate() {
            for reason in rule.reasons {
                let shown = rule.examples.iter().any(|e| e.output == Yield::Problem(reason));
                assert!(shown, "{}: {reason}", rule.name);
            }
            assert!(ALL[..index].iter().all(|other| other.name != rule.name));
        }
    }

    /// Texts of all sorts, and such as rules look for.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ \\t\u{a0}]{0,2}[+(]?[0-9. ,:/()x;-]{0,20}",
            "(https?:|<p>|&amp;|&#0;|@|\\{\"a\":|[a-zé. ]|\u{0}){0,12}",
            "[0-9]{1,4}[-/. ](Jan|März|avr\\.|[0-9]{1,2})[-/. ][0-9]{2,4}",
            prop::sample::select(
                ALL.iter()
                    .flat_map(|r| r.examples)
                    .map(|e| e.input.to_string())
                    .collect::<Vec<_>>()
            ),
        ]
    }

    /// Every chain of the examples, with the kind of what it yields.
    fn chains() -> Vec<(Steps, Option<Kind>)> {
        let org = Org { phone_region: Some("FR".into()), ..Org::default() };
        let scope = Scope::new(&org, &[]);
        let mut errors = Vec::new();
        ALL.iter()
            .flat_map(|rule| rule.examples)
            .map(|example| {
                let json: Value = serde_json::from_str(example.rules).unwrap();
                let specs = mapping::read_rules(&json, "", &mut errors).unwrap();
                Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// No text breaks a rule; what comes out is of the kind that the rule promised, can become
        /// every type that takes it, or fails with a reason that is known, and is text that the
        /// server takes.
        #[test]
        fn no_text_breaks_a_rule(text in any_text()) {
            for (steps, kind) in &chains() {
                let Ok(cell) = steps.run(Cell::Text(text.replace('\0', "").into()), &Row::of(&[]), || None) else {
                    continue;
                };
                let kind = kind.unwrap();
                prop_assert!(matches!(
                    (&cell, kind),
                    (Cell::Null, _)
                        | (Cell::Text(_), Kind::Text)
                        | (Cell::Boolean(_), Kind::Boolean)
                        | (Cell::Number(_) | Cell::Integer(_), Kind::Number)
                        | (Cell::Date(_), Kind::Date)
                        | (Cell::Time(_), Kind::Time)
                        | (Cell::Timestamp(_), Kind::Timestamp)
                        | (Cell::Json(_), Kind::Json)
                        | (Cell::List(_), Kind::List)
                ), "{:?} of {:?}", cell, steps);
                for target in FieldType::ALL.iter().filter(|target| target.accepts(kind).is_ok()) {
                    let mut out = String::new();
                    match chain::finish(cell.clone(), *target, &mut out) {
                        Ok(_) => prop_assert!(!out.contains('\0'), "{:?} of {:?}", out, steps),
                        Err(failed) => {
                            let known = reasons().any(|reason| reason == failed.failure.reason);
                            prop_assert!(known, "{}", failed.failure.reason);
                        }
                    }
                }
            }
        }
    }

    /// The section of docs/reference.md on a rule.
    fn documented(rule: &Definition) -> String {
        let code = |items: &[&str]| {
            items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
        };
        let takes: Vec<_> = rule.accepts.iter().map(|kind| kind.name()).collect();
        let mut text = format!("**`{}`** — {}", rule.name, rule.meaning);
        text += &format!(" *{} → {}*", takes.join(", "), rule.yields);
        if !rule.reasons.is_empty() {
            text += &format!(" ({})", code(rule.reasons));
        }
        text += "\n";
        for argument in rule.arguments {
            let needed = if argument.required { ", required" } else { "" };
            text += &format!(
                "- `{}` ({}{needed}): {}\n",
                argument.name, argument.kind, argument.meaning
            );
        }
        text += "\n```\n";
        for example in rule.examples {
            let output = match example.output {
                Yield::Text(text) => text,
                Yield::Null => "NULL",
                Yield::Problem(reason) => reason,
            };
            text += &format!("{}   {:?} → {output}\n", example.rules, example.input);
        }
        text + "```\n"
    }

    #[test]
    fn the_reference_has_every_rule() {
        let reference = include_str!("../../../docs/reference.md");
        let all: Vec<_> = ALL.iter().map(|rule| documented(rule)).collect();
        let missing = all.iter().filter(|text| !reference.contains(text.as_str())).count();
        assert_eq!(missing, 0, "docs/reference.md should say:\n\n{}", all.join("\n"));
    }
}
