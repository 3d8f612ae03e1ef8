//! `lower` and `upper`.

use std::borrow::Cow;

use super::{Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const LOWER: Definition = Definition {
    name: "lower",
    meaning: "All letters in lower case.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[Example {
        rules: r#"["lower"]"#,
        input: "ANNA@Example.COM",
        output: Yield::Text("anna@example.com"),
    }],
    build: |arguments, errors| build(LetterCase::Lower, arguments, errors),
};

pub const UPPER: Definition = Definition {
    name: "upper",
    meaning: "All letters in upper case.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[Example { rules: r#"["upper"]"#, input: "eur", output: Yield::Text("EUR") }],
    build: |arguments, errors| build(LetterCase::Upper, arguments, errors),
};

#[derive(Debug, Clone, Copy)]
enum LetterCase {
    Lower,
    Upper,
}

fn build(
    rule: LetterCase,
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(rule))
}

impl Rule for LetterCase {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let done = match self {
            LetterCase::Lower => !text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()),
            LetterCase::Upper => !text.bytes().any(|b| b.is_ascii_lowercase() || !b.is_ascii()),
        };
        Ok(Cell::Text(match self {
            _ if done => text,
            LetterCase::Lower => Cow::Owned(text.to_lowercase()),
            LetterCase::Upper => Cow::Owned(text.to_uppercase()),
        }))
    }
}
