//! `boolean`: words that mean true and false.

use std::collections::HashMap;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "boolean",
    meaning: "Words for true and false, in any letter case. Without an argument: true, t, yes, y, \
              on, 1 and false, f, no, n, off, 0. Booleans stay what they are.",
    arguments: &[
        Argument {
            name: "true",
            kind: "list of texts",
            required: false,
            meaning: "The words that mean true, instead of the standard ones.",
        },
        Argument {
            name: "false",
            kind: "list of texts",
            required: false,
            meaning: "The words that mean false, instead of the standard ones.",
        },
    ],
    reasons: &["unmapped_value"],
    accepts: &[Kind::Text, Kind::Number, Kind::Boolean],
    yields: "a boolean",
    examples: &[
        Example { rules: r#"["boolean"]"#, input: "Yes", output: Yield::Text("true") },
        Example {
            rules: r#"["boolean"]"#,
            input: "maybe",
            output: Yield::Problem("unmapped_value"),
        },
        Example {
            rules: r#"[{"boolean": {"true": ["opted in"], "false": ["opted out"]}}]"#,
            input: "Opted  OUT",
            output: Yield::Text("false"),
        },
        Example {
            rules: r#"[{"boolean": {"true": ["oui"], "false": ["non"]}}]"#,
            input: "peut-être",
            output: Yield::Problem("unmapped_value"),
        },
    ],
    build,
};

#[derive(Debug)]
enum Boolean {
    Standard,
    /// By normal key.
    Words(HashMap<String, bool>),
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    if arguments.spec.argument.is_none() {
        return (errors.len() == before).then(|| Box::new(Boolean::Standard) as Box<dyn Rule>);
    }
    let members = arguments.object(&["true", "false"], errors)?;
    let mut words = HashMap::new();
    for (name, meaning) in [("true", true), ("false", false)] {
        let list = match members.get(name) {
            None => continue,
            Some(Value::Array(list)) => list,
            Some(_) => {
                arguments.wrong(name, "a list of words is needed", errors);
                continue;
            }
        };
        for word in list {
            let word = match word {
                Value::String(word) if !word.trim().is_empty() => normal_key(word),
                _ => {
                    arguments.wrong(name, "a word is text and not blank", errors);
                    continue;
                }
            };
            if words.get(&word).is_some_and(|&other: &bool| other != meaning) {
                let message = format!("\"{word}\" is a word for true and for false");
                arguments.wrong(name, message, errors);
            }
            words.insert(word, meaning);
        }
    }
    if words.is_empty() && errors.len() == before {
        arguments.wrong("", "no words are given", errors);
    }
    (errors.len() == before).then(|| Box::new(Boolean::Words(words)) as Box<dyn Rule>)
}

impl Rule for Boolean {
    fn output(&self) -> Kind {
        Kind::Boolean
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        if let Cell::Boolean(_) = cell {
            return Ok(cell);
        }
        let text = cell.into_text();
        let meaning = match self {
            Boolean::Standard => standard_word(&text)?,
            Boolean::Words(words) => {
                *words.get(&normal_key(&text)).ok_or_else(|| unmapped(&text))?
            }
        };
        Ok(Cell::Boolean(meaning))
    }
}

/// The meaning of a standard word.
pub fn standard_word(text: &str) -> Result<bool, Failure> {
    match normal_key(text).as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(unmapped(text)),
    }
}

/// What ticks a box beside the standard words, in the languages that months are known in.
const TICKS: [&str; 17] = [
    "x", "✓", "✔", "☑", "✅", "ja", "j", "oui", "o", "si", "sí", "s", "sim", "wahr", "vrai",
    "vero", "はい",
];
const NO_TICKS: [&str; 12] =
    ["-", "–", "☐", "nein", "non", "nee", "não", "nao", "falsch", "faux", "falso", "いいえ"];

/// Whether a word ticks a box, the box's own name included: surveys write that, too.
pub fn tick(text: &str, name: &str) -> Result<bool, Failure> {
    let word = normal_key(text);
    match standard_word(text) {
        Ok(ticked) => Ok(ticked),
        Err(_) if TICKS.contains(&word.as_str()) || word == normal_key(name) => Ok(true),
        Err(_) if NO_TICKS.contains(&word.as_str()) => Ok(false),
        Err(failure) => Err(Failure {
            message: format!("{} neither ticks a box nor leaves it empty", quoted(text)),
            ..failure
        }),
    }
}

/// Words are a table of values: a missing one is mended by an entry.
fn unmapped(text: &str) -> Failure {
    let message = format!("{} is neither a word for true nor for false", quoted(text));
    Failure::new("unmapped_value", message)
}
