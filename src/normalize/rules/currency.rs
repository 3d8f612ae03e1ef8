//! `currency`: ISO 4217 codes.

use std::borrow::Cow;
use std::collections::HashMap;

use iso_currency::Currency as Known;
use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "currency",
    meaning: "A currency as ISO 4217 code, from that code in any letter case.",
    arguments: &[Argument {
        name: "aliases",
        kind: "object",
        required: false,
        meaning: "The org's own names and signs, each with its code (or null for none).",
    }],
    reasons: &["unknown_currency"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example { rules: r#"["currency"]"#, input: " eur ", output: Yield::Text("EUR") },
        Example {
            rules: r#"[{"currency": {"aliases": {"€": "EUR", "Swiss francs": "CHF"}}}]"#,
            input: "swiss francs",
            output: Yield::Text("CHF"),
        },
        Example {
            rules: r#"["currency"]"#,
            input: "Taler",
            output: Yield::Problem("unknown_currency"),
        },
    ],
    build,
};

#[derive(Debug)]
struct Currency {
    /// By normal key; `None` for names that mean no currency.
    aliases: HashMap<String, Option<Known>>,
}

fn find(code: &str) -> Option<Known> {
    Known::from_code(&code.trim().to_ascii_uppercase())
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Currency { aliases: HashMap::new() };
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["aliases"], errors)?;
        match members.get("aliases") {
            None => {}
            Some(Value::Object(aliases)) => {
                for (name, code) in aliases {
                    let code = match code {
                        Value::Null => Some(None),
                        code => code.as_str().and_then(find).map(Some),
                    };
                    match code {
                        Some(code) => drop(rule.aliases.insert(normal_key(name), code)),
                        None => arguments.wrong(
                            &format!("aliases.{name}"),
                            "the code of a currency is needed, or null",
                            errors,
                        ),
                    }
                }
            }
            Some(_) => arguments.wrong("aliases", "an object is needed: name → code", errors),
        }
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

impl Rule for Currency {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let alias = match self.aliases.is_empty() {
            true => None,
            false => self.aliases.get(&normal_key(&text)).copied(),
        };
        match alias.or_else(|| find(&text).map(Some)) {
            Some(Some(code)) => Ok(Cell::Text(Cow::Borrowed(code.code()))),
            Some(None) => Ok(Cell::Null),
            None => {
                let message = format!("{} is not a currency", quoted(&text));
                Err(Failure::new("unknown_currency", message))
            }
        }
    }
}
