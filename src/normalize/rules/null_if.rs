//! `null_if`: values that mean that there is none.

use std::collections::HashSet;

use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, text_or_list,
};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "null_if",
    meaning: "Values that mean that there is none become NULL, in any letter case and with white \
              space squeezed. Others stay what they are.",
    arguments: &[Argument {
        name: "null_if",
        kind: "text or list of texts",
        required: true,
        meaning: "These values.",
    }],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "what it takes",
    examples: &[
        Example {
            rules: r#"[{"null_if": ["n/a", "none", "-"]}]"#,
            input: " N/A",
            output: Yield::Null,
        },
        Example { rules: r#"[{"null_if": "0"}]"#, input: "10", output: Yield::Text("10") },
    ],
    build,
};

/// Normal keys of words that people write where there is nothing to write. "x" is one, too, where it does
/// not tick a box.
pub const BLANK_WORDS: [&str; 17] = [
    "n/a",
    "na",
    "n.a.",
    "n.a",
    "none",
    "null",
    "nil",
    "unknown",
    "-",
    "--",
    "?",
    "xxx",
    "tbd",
    "not provided",
    "not available",
    "keine",
    "inconnu",
];

#[derive(Debug)]
struct NullIf {
    /// Normal keys.
    values: HashSet<String>,
    output: Kind,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    let Some(values) = arguments.spec.argument.as_ref().and_then(text_or_list) else {
        arguments.wrong("", "\"null_if\" needs text, or a list of texts", errors);
        return None;
    };
    of(&values, arguments.input)
}

/// The rule for some values, if there are any; its input is of this kind.
pub fn of(values: &[String], kind: Option<Kind>) -> Option<Box<dyn Rule>> {
    let values: HashSet<String> = values.iter().map(|value| normal_key(value)).collect();
    let output = kind.unwrap_or(Kind::Text);
    (!values.is_empty()).then(|| Box::new(NullIf { values, output }) as Box<dyn Rule>)
}

impl Rule for NullIf {
    fn output(&self) -> Kind {
        self.output
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let none = self.values.contains(&normal_key(&cell.text()));
        Ok(if none { Cell::Null } else { cell })
    }
}
