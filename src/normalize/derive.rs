//! From a derivation to what makes the value of a row.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::cell::{Cell, Kind};
use super::chain::{self, Steps};
use super::compile::Compiler;
use super::condition::Names;
use super::derivation::{Derivation, Source};
use super::entity::Field;
use super::field_type::FieldType;
use super::mapping::RuleSpec;
use super::rules::normal_key;
use super::source::{Derived, Input, Piece};
use super::template::Part;
use super::{MappingError, decimal, meaning};
use crate::row::json;

impl Compiler<'_> {
    /// A field's derivation: its rules are the field's own where the mapping gives none, and its
    /// value has to fit the field. Errors are added to the compiler's.
    pub(super) fn derive_field(&mut self, field: &Field, made: &Derivation) -> Derived {
        let (input, kind) = self.input(made, Some(field.kind));
        let path = format!("{}.rules", made.path);
        let (steps, kind) = match &made.rules {
            Some(rules) => {
                let (steps, kind) = self.steps(rules, kind, &path, made);
                chain::check_target(kind, field.kind, &path, &mut self.errors);
                (steps, kind)
            }
            None => self.default_steps(field, kind, made),
        };
        self.derived(made, input, steps, kind, Some(field.kind))
    }

    /// A derivation within another one, with the kind of what it yields.
    fn derive(&mut self, made: &Derivation) -> (Derived, Option<Kind>) {
        let (input, kind) = self.input(made, None);
        let rules = made.rules.as_deref().unwrap_or_default();
        let (steps, kind) = self.steps(rules, kind, &format!("{}.rules", made.path), made);
        (self.derived(made, input, steps, kind, None), kind)
    }

    fn derived(
        &mut self,
        made: &Derivation,
        input: Input,
        steps: Steps,
        kind: Option<Kind>,
        target: Option<FieldType>,
    ) -> Derived {
        let when = made.when.as_ref().map(|when| when.compile(self));
        let default = made.default.as_ref().map(|json| {
            let (cell, given) = constant_cell(json, target);
            let path = format!("{}.default", made.path);
            match (kind, target) {
                (_, Some(target)) => {
                    chain::check_target(Some(given), target, &path, &mut self.errors);
                    if let Err(failed) = chain::finish(cell.clone(), target, &mut String::new()) {
                        self.errors.push(MappingError::new(path, failed.failure.message));
                    }
                    cell
                }
                (Some(kind), None) if kind == given => cell,
                (Some(Kind::Text), None) => Cell::Text(cell.into_text()),
                (Some(kind), None) => {
                    let message = format!("the value is {}, but the default is not", kind.name());
                    self.errors.push(MappingError::new(path, message));
                    cell
                }
                (None, None) => cell,
            }
        });
        Derived { path: made.path.clone(), when, input, steps, default }
    }

    fn steps(
        &mut self,
        rules: &[RuleSpec],
        kind: Option<Kind>,
        path: &str,
        made: &Derivation,
    ) -> (Steps, Option<Kind>) {
        let rules = self.with_meanings(rules, made);
        let compiled = Steps::compile(&rules, kind, path, &self.scope, &mut self.errors);
        self.scope.none.take();
        compiled
    }

    /// The rules, with the meanings that the mapping gives single values. Those that mean that there is
    /// none are left to the chain.
    fn with_meanings<'r>(
        &mut self,
        rules: &'r [RuleSpec],
        made: &Derivation,
    ) -> Cow<'r, [RuleSpec]> {
        let mut rules = Cow::Borrowed(rules);
        for (value, meaning) in &made.meanings {
            let Some(meaning) = meaning else {
                self.scope.none.borrow_mut().push(value.clone());
                continue;
            };
            match meaning::add(&rules, value, meaning) {
                Ok(more) => rules = Cow::Owned(more),
                Err(error) => self.errors.push(MappingError {
                    path: format!("{}.{}.{value}", made.path, meaning::MEMBER),
                    ..error
                }),
            }
        }
        rules
    }

    /// The field's own chain.
    fn default_steps(
        &mut self,
        field: &Field,
        kind: Option<Kind>,
        made: &Derivation,
    ) -> (Steps, Option<Kind>) {
        // A value that fits the field as it is needs no rules that were made for text.
        let as_is = kind == Some(field.kind.kind()) && kind != Some(Kind::Text);
        let mut errors = Vec::new();
        let rules = self.with_meanings(&field.rules, made);
        let compiled = Steps::compile(&rules, kind, "", &self.scope, &mut errors);
        self.scope.none.take();
        chain::check_target(compiled.1, field.kind, "", &mut errors);
        if errors.is_empty() {
            return compiled;
        }
        if as_is {
            return (Steps::default(), kind);
        }
        let hint = "Give the field \"rules\" of its own, or map another column.";
        self.errors.extend(errors.into_iter().map(|error| {
            let message = format!("by the field's default rules: {}", error.message);
            MappingError::new(&made.source_path, message).hint(hint)
        }));
        (Steps::default(), None)
    }

    /// The source, and the kind of its values where it is known.
    fn input(&mut self, made: &Derivation, target: Option<FieldType>) -> (Input, Option<Kind>) {
        let path = made.source_path.as_str();
        match &made.source {
            Source::Column(name) => match self.column(name, path) {
                Some((at, kind)) => (Input::Column(at), Some(kind)),
                None => (Input::Nothing, None),
            },
            Source::Field(name) => match self.field(name, path) {
                Some((at, kind)) => (Input::Field(at, kind), Some(kind)),
                None => (Input::Nothing, None),
            },
            Source::Constant(json) => {
                let (cell, kind) = constant_cell(json, target);
                (Input::Constant(cell), Some(kind))
            }
            Source::FirstOf(parts) => self.first_of(parts),
            Source::Template(parts) => (self.template(parts, path), Some(Kind::Text)),
            Source::List(parts) => {
                let sources = parts.iter().map(|part| self.derive(part).0).collect();
                (Input::List(sources), Some(Kind::List))
            }
            Source::Checkboxes { boxes, ticked } => {
                let boxes = self.checkboxes(boxes, path);
                let ticked = ticked.as_ref();
                let ticked =
                    ticked.map(|words| words.iter().map(|word| normal_key(word)).collect());
                let none = made.meanings.iter().filter(|(_, meaning)| meaning.is_none());
                let none = none.map(|(word, _)| normal_key(word)).collect();
                (Input::Checkboxes { boxes, ticked, none }, Some(Kind::List))
            }
            Source::Object(members) => {
                let member = |(name, part): &(String, Derivation)| {
                    let mut text = String::new();
                    json::string(&mut text, name);
                    text.push(':');
                    (text, self.derive(part).0)
                };
                (Input::Object(members.iter().map(member).collect()), Some(Kind::Json))
            }
            Source::Moment { date, time, zone } => {
                let input = self.moment(date, time, zone.as_deref(), path);
                (input, Some(Kind::Timestamp))
            }
            Source::Sql(sql) => {
                self.expressions.push(sql.clone());
                (Input::Sql(self.expressions.len() - 1), Some(Kind::Text))
            }
        }
    }

    fn first_of(&mut self, parts: &[Derivation]) -> (Input, Option<Kind>) {
        let mut sources = Vec::new();
        let mut kinds = Vec::new();
        for part in parts {
            let (source, kind) = self.derive(part);
            sources.push(source);
            kinds.extend(kind);
        }
        let first = kinds.first().copied();
        let as_text = kinds.iter().any(|kind| Some(*kind) != first);
        (Input::FirstOf { sources, as_text }, if as_text { Some(Kind::Text) } else { first })
    }

    fn template(&mut self, parts: &[Part], path: &str) -> Input {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.clone())),
                Part::Column(name) => {
                    pieces.extend(self.column(name, path).map(|(at, _)| Piece::Column(at)));
                }
                Part::Field(name) => {
                    pieces.extend(self.field(name, path).map(|(at, _)| Piece::Field(at)));
                }
            }
        }
        Input::Template(pieces)
    }

    fn checkboxes(&mut self, boxes: &[(String, String)], path: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (column, name) in boxes {
            let path = format!("{path}.{column}");
            match self.column(column, &path) {
                Some((at, Kind::Boolean | Kind::Text | Kind::Number)) => {
                    found.push((at, name.clone()));
                }
                Some((_, kind)) => {
                    let message = format!("{} is no checkbox", kind.name());
                    self.errors.push(MappingError::new(path, message));
                }
                None => {}
            }
        }
        found
    }

    fn moment(
        &mut self,
        date: &Derivation,
        time: &Derivation,
        zone: Option<&str>,
        path: &str,
    ) -> Input {
        let (date, date_kind) = self.derive(date);
        let (time, time_kind) = self.derive(time);
        let usable = [
            ("date", date_kind, [Kind::Date, Kind::Timestamp, Kind::Text]),
            ("time", time_kind, [Kind::Time, Kind::Timestamp, Kind::Text]),
        ];
        for (name, kind, takes) in usable {
            if let Some(kind) = kind.filter(|kind| !takes.contains(kind)) {
                let message = format!("{} is no {name}", kind.name());
                self.errors.push(MappingError::new(format!("{path}.{name}"), message));
            }
        }
        let zone = self.scope.zone(zone, &format!("{path}.zone"), &mut self.errors);
        let (date, time) = (Box::new(date), Box::new(time));
        Input::Moment { date, time, zone: zone.unwrap_or(TimeZone::UTC) }
    }
}

/// The cell of a JSON constant. A list stays one where the field, if there is one, takes lists.
pub fn constant_cell(json: &Json, target: Option<FieldType>) -> (Cell<'static>, Kind) {
    let text = |text: String| Cow::Owned(text);
    match json {
        Json::String(value) => (Cell::Text(text(value.clone())), Kind::Text),
        Json::Bool(value) => (Cell::Boolean(*value), Kind::Boolean),
        Json::Number(number) => {
            let number = decimal::from_json(number).unwrap_or_else(|| number.to_string());
            (Cell::Number(text(number)), Kind::Number)
        }
        Json::Array(items) if target == Some(FieldType::TextArray) => {
            let item = |item: &Json| match item {
                Json::String(item) => text(item.clone()),
                other => text(other.to_string()),
            };
            (Cell::List(items.iter().map(item).collect()), Kind::List)
        }
        Json::Null => (Cell::Null, Kind::Text),
        Json::Array(_) | Json::Object(_) => (Cell::Json(text(json.to_string())), Kind::Json),
    }
}
