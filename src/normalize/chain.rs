//! Chains: rules in their order, and at the end of a field's chain the conversion to its type.

use serde_json::Value;

use super::MappingError;
use super::cell::{Cell, Kind};
use super::convert;
use super::field_type::FieldType;
use super::mapping::RuleSpec;
use super::rules::{self, Arguments, Failure, Rule, Scope};
use super::source::Row;

/// How a problem names the conversion to the field's type.
const CONVERSION: &str = "type";

/// The option of every rule that says which reason its failures have.
const PROBLEM: &str = "problem";

/// A rule that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub rule: &'static str,
    pub failure: Failure,
    /// What stood in the source, where that is known.
    pub value: Option<String>,
    /// Which derivation's rule it is, where it is known.
    pub path: Option<Box<str>>,
}

/// A longer input is not kept: it would be no use in a table of values. Salesforce's picklist values
/// have this many characters at most.
const INPUT_CHARACTERS: usize = 255;

/// What a rule was given, if it is worth knowing.
pub fn input(cell: Cell<'_>) -> Option<Box<str>> {
    let text = cell.text();
    let whole = text.chars().nth(INPUT_CHARACTERS).is_none();
    (whole && !cell.is_blank()).then(|| text.into())
}

/// Compiled rules in their order.
#[derive(Debug, Default)]
pub struct Steps(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: &'static str,
    rule: Box<dyn Rule>,
    /// The reason of failures, where the mapping says so.
    reason: Option<&'static str>,
}

impl Steps {
    /// Builds the rules and checks that each takes what the one before it yields; also returns what
    /// the last one yields. `path` is that of the list of rules. Without an input only the rules
    /// themselves are checked.
    pub fn compile(
        specs: &[RuleSpec],
        input: Option<Kind>,
        path: &str,
        scope: &Scope<'_>,
        errors: &mut Vec<MappingError>,
    ) -> (Steps, Option<Kind>) {
        let mut steps = Vec::with_capacity(specs.len());
        // Values that mean that there is none never get to what may refuse them.
        let none = |kind: Option<Kind>| {
            let scalar = kind.is_none_or(|kind| Kind::SCALARS.contains(&kind));
            let rule = rules::null_if::of(&scope.none.borrow(), kind).filter(|_| scalar);
            rule.map(|rule| Step { name: rules::null_if::DEFINITION.name, rule, reason: None })
        };
        // Unknown after a rule that could not be built: what follows is then not checked.
        let mut kind = input;
        for (index, spec) in specs.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(definition) = rules::find(&spec.name) else {
                errors.push(MappingError::new(path, format!("there is no rule \"{}\"", spec.name)));
                kind = None;
                continue;
            };
            if let Some(kind) = kind.filter(|kind| !definition.accepts.contains(kind)) {
                errors.push(misfit(definition, kind, &path));
            }
            if !definition.reasons.is_empty() {
                steps.extend(none(kind));
            }
            let mut spec = spec.clone();
            let reason = spec.options.shift_remove(PROBLEM).and_then(|reason| {
                let known = reason_named(&reason);
                if known.is_none() {
                    errors.push(unknown_reason(&path));
                }
                known
            });
            let arguments = Arguments { spec: &spec, path: &path, input: kind, scope };
            let rule = (definition.build)(&arguments, errors);
            kind = rule.as_ref().map(|rule| rule.output());
            steps.extend(rule.map(|rule| Step { name: definition.name, rule, reason }));
        }
        steps.extend(none(kind));
        (Steps(steps), kind)
    }

    /// Runs the rules. Blank text is NULL at every step, and no rule sees it.
    ///
    /// `again` makes the value once more, to find out what a rule that failed was given: what it was
    /// given is used up, and failing is rare.
    ///
    /// # Errors
    /// The rule that failed, why, and on what.
    pub fn run<'a>(
        &'a self,
        cell: Cell<'a>,
        row: &Row<'a>,
        again: impl FnOnce() -> Option<Cell<'a>>,
    ) -> Result<Cell<'a>, Failed> {
        self.first(self.0.len(), cell, row).map_err(|(at, mut failed)| {
            if failed.failure.input.is_none() {
                let given = again().and_then(|cell| self.first(at, cell, row).ok());
                failed.failure.input = given.and_then(input);
            }
            failed
        })
    }

    /// Runs the first so many rules; the place of the one that failed.
    fn first<'a>(
        &'a self,
        steps: usize,
        mut cell: Cell<'a>,
        row: &Row<'a>,
    ) -> Result<Cell<'a>, (usize, Failed)> {
        for (at, step) in self.0[..steps].iter().enumerate() {
            if cell.is_blank() {
                return Ok(Cell::Null);
            }
            cell = step.rule.apply(cell, row).map_err(|mut failure| {
                failure.reason = step.reason.unwrap_or(failure.reason);
                (at, Failed { rule: step.name, failure, value: None, path: None })
            })?;
        }
        Ok(if cell.is_blank() { Cell::Null } else { cell })
    }
}

/// Whether a value of this kind can end in a field of this type; `path` is that of the rules.
pub fn check_target(
    kind: Option<Kind>,
    target: FieldType,
    path: &str,
    errors: &mut Vec<MappingError>,
) {
    if let Some(kind) = kind
        && let Err(hint) = target.accepts(kind)
    {
        let message = format!("{} does not fit a field of type {}", kind.name(), target.sql());
        errors.push(MappingError::new(path, message).hint(hint));
    }
}

/// Appends a value to `out`, as text that the server casts to the type without an error. `false` is
/// NULL.
///
/// # Errors
/// As the conversion of the field's type.
pub fn finish(cell: Cell<'_>, target: FieldType, out: &mut String) -> Result<bool, Failed> {
    if cell.is_blank() {
        return Ok(false);
    }
    convert::push(cell, target, out).map_err(|failure| Failed {
        rule: CONVERSION,
        failure,
        value: None,
        path: None,
    })?;
    Ok(true)
}

fn reason_named(name: &Value) -> Option<&'static str> {
    let name = name.as_str()?;
    rules::reasons().find(|reason| *reason == name)
}

fn unknown_reason(path: &str) -> MappingError {
    let known: Vec<_> = rules::reasons().collect();
    MappingError::new(format!("{path}.{PROBLEM}"), "a reason of problems is needed")
        .hint(format!("The reasons are {}.", known.join(", ")))
}

fn misfit(definition: &rules::Definition, kind: Kind, path: &str) -> MappingError {
    let takes: Vec<_> = definition.accepts.iter().map(|kind| kind.name()).collect();
    let message =
        format!("\"{}\" takes {}, but gets {}", definition.name, takes.join(", "), kind.name());
    let hint = match (definition.accepts, kind) {
        (accepts, Kind::Text) if accepts.contains(&Kind::Date) => {
            "Put \"number\", \"date\" or \"timestamp\" before it."
        }
        ([Kind::Number], Kind::Text) => "Put \"number\" before it.",
        ([Kind::List], Kind::Text) => "Put \"split\" or \"tags\" before it.",
        (_, Kind::Json) => "The rule \"member\" takes a value out of JSON.",
        (_, Kind::List) => "The rules \"first\", \"each\", \"join\" and \"tags\" take lists.",
        (accepts, _) if accepts.contains(&Kind::Text) => "Put \"squeeze\" before it to get text.",
        _ => "Change the rules or the column.",
    };
    MappingError::new(format!("{path}.{}", definition.name), message).hint(hint)
}
