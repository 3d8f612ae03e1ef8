//! `present` and `not`.

use super::{Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const PRESENT: Definition = Definition {
    name: "present",
    meaning: "True for every value; where there is none, the field stays NULL, or becomes its \
              \"default\".",
    arguments: &[],
    reasons: &[],
    accepts: Kind::ALL,
    yields: "a boolean",
    examples: &[
        Example { rules: r#"["present"]"#, input: "2024-12-17", output: Yield::Text("true") },
        Example { rules: r#"["present"]"#, input: " ", output: Yield::Null },
    ],
    build: |arguments, errors| build(Truth::Present, arguments, errors),
};

pub const NOT: Definition = Definition {
    name: "not",
    meaning: "True becomes false and false true, as for a consent that is held as an opt-out.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Boolean],
    yields: "a boolean",
    examples: &[Example {
        rules: r#"["boolean", "not"]"#,
        input: "yes",
        output: Yield::Text("false"),
    }],
    build: |arguments, errors| build(Truth::Not, arguments, errors),
};

#[derive(Debug, Clone, Copy)]
enum Truth {
    Present,
    Not,
}

fn build(
    rule: Truth,
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(rule))
}

impl Rule for Truth {
    fn output(&self) -> Kind {
        Kind::Boolean
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        Ok(match (self, cell) {
            (Truth::Not, Cell::Boolean(value)) => Cell::Boolean(!value),
            (Truth::Not, cell) => cell,
            (Truth::Present, _) => Cell::Boolean(true),
        })
    }
}
