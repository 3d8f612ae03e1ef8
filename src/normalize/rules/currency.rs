//! `currency`: ISO 4217 codes.

use iso_currency::Currency as Known;

use super::names::{self, Aliases, Standard};
use super::{Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "currency",
    meaning: "A currency as ISO 4217 code, from that code in any letter case.",
    arguments: &[names::ALIASES],
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

const STANDARD: Standard =
    Standard { what: "currency", unknown: "unknown_currency", fold: normal_key, find };

#[derive(Debug)]
struct Currency(Aliases);

fn find(key: &str) -> Option<&'static str> {
    Known::from_code(&key.to_ascii_uppercase()).map(|known| known.code())
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let aliases = match arguments.spec.argument {
        None => Aliases::new(),
        Some(_) => {
            let members = arguments.object(&[names::ALIASES.name], errors)?;
            STANDARD.aliases(members, arguments, errors)
        }
    };
    (errors.len() == before).then(|| Box::new(Currency(aliases)) as Box<dyn Rule>)
}

impl Rule for Currency {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        // Most values are codes as they are: no key is made for them.
        let code = match self.0.is_empty().then(|| find(text.trim())).flatten() {
            Some(code) => Some(Some(code)),
            None => {
                let key = normal_key(&text);
                self.0.get(&key).copied().or_else(|| find(&key).map(Some))
            }
        };
        match code {
            Some(code) => Ok(names::cell(code)),
            None => {
                let message = format!("{} is not a currency", quoted(&text));
                Err(Failure::new(STANDARD.unknown, message))
            }
        }
    }
}
