//! `boolean`: words that mean true and false.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key,
    null_if::BLANK_WORDS, quoted,
};
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
    standard(&normal_key(text)).ok_or_else(|| unmapped(text))
}

fn standard(key: &str) -> Option<bool> {
    match key {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// What ticks a box beside the standard words: a sign, or a word in a language of Europe or Japanese.
const TICKS: [&str; 21] = [
    "x",
    "✓",
    "✔",
    "☑",
    "✅",
    "ja",
    "j",
    "oui",
    "o",
    "si",
    "sí",
    "sì",
    "s",
    "sim",
    "wahr",
    "vrai",
    "vero",
    "verdadero",
    "verdadeiro",
    "waar",
    "はい",
];
const NO_TICKS: [&str; 19] = [
    "-",
    "–",
    "☐",
    "✗",
    "✘",
    "❌",
    "×",
    "nein",
    "non",
    "nee",
    "nei",
    "nej",
    "não",
    "nao",
    "falsch",
    "faux",
    "falso",
    "onwaar",
    "いいえ",
];

/// Whether a word ticks a box, the box's own name included: surveys write that, too. One that means that
/// there is none leaves it empty.
pub fn tick(text: &str, key: &str, name: &str) -> Result<bool, Failure> {
    if let Some(ticked) = standard(key) {
        Ok(ticked)
    } else if TICKS.contains(&key) || key == normal_key(name) {
        Ok(true)
    } else if NO_TICKS.contains(&key) || BLANK_WORDS.contains(&key) {
        Ok(false)
    } else {
        let message = format!("{} neither ticks a box nor leaves it empty", quoted(text));
        Err(Failure::new("unmapped_value", message))
    }
}

/// Words are a table of values: a missing one is mended by an entry.
fn unmapped(text: &str) -> Failure {
    let message = format!("{} is neither a word for true nor for false", quoted(text));
    Failure::new("unmapped_value", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks() {
        for (text, ticked) in [
            ("X", Some(true)),
            ("Sì", Some(true)),
            ("verdadero", Some(true)),
            ("Verdadeiro", Some(true)),
            ("waar", Some(true)),
            ("Solar", Some(true)),
            ("Nei", Some(false)),
            ("nej", Some(false)),
            ("onwaar", Some(false)),
            ("✗", Some(false)),
            ("✘", Some(false)),
            ("❌", Some(false)),
            ("×", Some(false)),
            ("N/A", Some(false)),
            ("none", Some(false)),
            ("soon", None),
        ] {
            assert_eq!(tick(text, &normal_key(text), "solar").ok(), ticked, "{text}");
        }
    }
}
