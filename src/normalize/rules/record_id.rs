//! `record_id`: ids of Salesforce.

use std::borrow::Cow;

use super::{Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "record_id",
    meaning: "An id of Salesforce with its 18 characters, from these or from the 15 that reports and \
              formula fields show, in the same letter case. The last three say which of the others are \
              capitals, and are checked.",
    arguments: &[],
    reasons: &["invalid_id"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["record_id"]"#,
            input: "001A0000006Vm9r",
            output: Yield::Text("001A0000006Vm9rIAC"),
        },
        Example {
            rules: r#"["record_id"]"#,
            input: "001A0000006Vm9rIAC",
            output: Yield::Text("001A0000006Vm9rIAC"),
        },
        Example {
            rules: r#"["record_id"]"#,
            input: "001a0000006vm9rIAC",
            output: Yield::Problem("invalid_id"),
        },
    ],
    build,
};

#[derive(Debug)]
struct RecordId;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(RecordId))
}

/// What follows the first 15 characters: one for each five, whose bits say which are capitals.
fn ending(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let digit = |five: &[u8]| {
        let bit = |(at, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << at;
        char::from(DIGITS[five.iter().enumerate().map(bit).sum::<usize>()])
    };
    id.as_bytes().chunks(5).map(digit).collect()
}

fn whole(text: &str) -> Option<String> {
    let (id, given) = text.split_at_checked(15)?;
    let ending = ending(id);
    let right = text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && (given.is_empty() || given.eq_ignore_ascii_case(&ending));
    right.then(|| format!("{id}{ending}"))
}

impl Rule for RecordId {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.text();
        match whole(text.trim()) {
            Some(id) => Ok(Cell::Text(Cow::Owned(id))),
            None => {
                let message = format!("{} is no id of Salesforce", quoted(&text));
                Err(Failure::new("invalid_id", message))
            }
        }
    }
}
