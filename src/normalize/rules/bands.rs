//! `bands`: numbers into classes.

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, number};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "bands",
    meaning: "The class of a number, by the lowest number of each class.",
    arguments: &[Argument {
        name: "bands",
        kind: "object",
        required: true,
        meaning: "Lowest number → the class, as text.",
    }],
    reasons: &["invalid_number", "out_of_range"],
    accepts: &[Kind::Number],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["number", {"bands": {"0": "cold", "50": "warm", "80": "hot"}}]"#,
            input: "79.9",
            output: Yield::Text("warm"),
        },
        Example {
            rules: r#"["number", {"bands": {"0": "cold"}}]"#,
            input: "-1",
            output: Yield::Problem("out_of_range"),
        },
        Example {
            rules: r#"["number", {"bands": {"0": "cold"}}]"#,
            input: "NaN",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build,
};

/// Lowest numbers as canonical decimals, ascending, each with its class.
#[derive(Debug)]
struct Bands(Vec<(String, String)>);

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let Some(Value::Object(members)) = &arguments.spec.argument else {
        arguments.wrong("", "\"bands\" needs an object: lowest number → class", errors);
        return None;
    };
    let mut bands = Vec::new();
    for (lowest, class) in members {
        match (decimal::parse(lowest.trim()), class) {
            (Some(lowest), Value::String(class)) => {
                bands.push((lowest.into_owned(), class.clone()));
            }
            _ => arguments.wrong(lowest, "a number is needed, and text for its class", errors),
        }
    }
    if members.is_empty() {
        arguments.wrong("", "there is no band", errors);
    }
    bands.sort_by(|(a, _), (b, _)| decimal::compare(a, b));
    (errors.len() == before).then(|| Box::new(Bands(bands)) as Box<dyn Rule>)
}

impl Rule for Bands {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        let below = |(lowest, _): &&(String, String)| decimal::compare(lowest, &number).is_le();
        match self.0.iter().rev().find(below) {
            Some((_, class)) => Ok(Cell::Text(class.as_str().into())),
            None => Err(Failure::new("out_of_range", format!("{number} is below all bands"))),
        }
    }
}
