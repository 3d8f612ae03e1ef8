//! `range`: bounds of a number.

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, number};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "range",
    meaning: "The number has to lie within the bounds, which belong to the range.",
    arguments: &[
        Argument {
            name: "min",
            kind: "number",
            required: false,
            meaning: "The lower bound; none where absent.",
        },
        Argument {
            name: "max",
            kind: "number",
            required: false,
            meaning: "The upper bound; none where absent.",
        },
    ],
    reasons: &["out_of_range"],
    accepts: &[Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"["number", {"range": {"min": 0, "max": 100}}]"#,
            input: "87.5",
            output: Yield::Text("87.5"),
        },
        Example {
            rules: r#"["number", {"range": {"min": 0, "max": 100}}]"#,
            input: "120",
            output: Yield::Problem("out_of_range"),
        },
    ],
    build,
};

/// Bounds are canonical decimals.
#[derive(Debug)]
struct Range {
    min: Option<String>,
    max: Option<String>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let members = arguments.object(&["min", "max"], errors)?;
    let mut bound = |name: &str| {
        let bound = match members.get(name)? {
            Value::Number(number) => decimal::from_json(number),
            Value::String(text) => decimal::parse(text).map(Into::into),
            _ => None,
        };
        if bound.is_none() {
            arguments.wrong(name, "a number is needed", errors);
        }
        bound
    };
    let rule = Range { min: bound("min"), max: bound("max") };
    match (&rule.min, &rule.max) {
        (None, None) if errors.len() == before => {
            arguments.wrong("", "neither \"min\" nor \"max\" is given", errors);
        }
        (Some(min), Some(max)) if decimal::compare(min, max).is_gt() => {
            arguments.wrong("", format!("no number is between {min} and {max}"), errors);
        }
        _ => {}
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

impl Rule for Range {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        let out_of_range = |what: &str, bound: &str| {
            Err(Failure::new("out_of_range", format!("{number} is {what} {bound}")))
        };
        match (&self.min, &self.max) {
            (Some(min), _) if decimal::compare(&number, min).is_lt() => out_of_range("below", min),
            (_, Some(max)) if decimal::compare(&number, max).is_gt() => out_of_range("above", max),
            _ => Ok(Cell::Number(number)),
        }
    }
}
