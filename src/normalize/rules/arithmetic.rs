//! `scale` and `round`: exact arithmetic with decimals.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, number};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;

pub const SCALE: Definition = Definition {
    name: "scale",
    meaning: "Multiplies a number exactly, as for amounts in thousands or percentages.",
    arguments: &[Argument {
        name: "scale",
        kind: "number",
        required: true,
        meaning: "The factor; as text where it has more digits than JSON's numbers keep.",
    }],
    reasons: &[],
    accepts: &[Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"["number", {"scale": 1000}]"#,
            input: "12.5",
            output: Yield::Text("12500"),
        },
        Example {
            rules: r#"["number", {"scale": 0.01}]"#,
            input: "7",
            output: Yield::Text("0.07"),
        },
    ],
    build: build_scale,
};

pub const ROUND: Definition = Definition {
    name: "round",
    meaning: "Rounds a number, halves away from zero.",
    arguments: &[Argument {
        name: "round",
        kind: "number",
        required: false,
        meaning: "How many digits after the point are kept; none where absent.",
    }],
    reasons: &[],
    accepts: &[Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"["number", {"round": 2}]"#,
            input: "2.345",
            output: Yield::Text("2.35"),
        },
        Example { rules: r#"["number", "round"]"#, input: "-2.5", output: Yield::Text("-3") },
    ],
    build: build_round,
};

#[derive(Debug)]
struct Scale(String);

#[derive(Debug)]
struct Round(usize);

/// A number that a mapping gives, as canonical decimal.
pub fn given(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => decimal::from_json(number),
        Value::String(text) => decimal::parse(text.trim()).map(Cow::into_owned),
        _ => None,
    }
}

fn build_scale(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    let factor = arguments.spec.argument.as_ref().and_then(given);
    if factor.is_none() {
        arguments.wrong("", "a number is needed", errors);
    }
    Some(Box::new(Scale(factor?)))
}

fn build_round(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    let digits = match &arguments.spec.argument {
        None => Some(0),
        Some(digits) => digits.as_u64().filter(|digits| *digits <= 100),
    };
    if digits.is_none() {
        arguments.wrong("", "a number of digits is needed, 0 to 100", errors);
    }
    Some(Box::new(Round(usize::try_from(digits?).ok()?)))
}

impl Rule for Scale {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        Ok(Cell::Number(Cow::Owned(decimal::multiply(&number, &self.0))))
    }
}

impl Rule for Round {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        Ok(Cell::Number(match decimal::round(&number, self.0) {
            Some(rounded) => Cow::Owned(rounded),
            None => number,
        }))
    }
}
