//! `span`: the ends of a range in words and figures.

use std::borrow::Cow;

use serde_json::Value;

use super::number::Notation;
use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted, text_or_list};
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;
use crate::normalize::{MappingError, decimal};

pub const DEFINITION: Definition = Definition {
    name: "span",
    meaning: "The lower or the upper end of a range in text, such as 5k-10k, between 10,000 and \
              20,000 EUR, up to 5000, 20k+. A single number is both ends; an open end is NULL.",
    arguments: &[
        Argument { name: "span", kind: "text", required: true, meaning: "min or max." },
        Argument { name: "decimal", kind: "text", required: false, meaning: "As for number." },
        Argument { name: "group", kind: "text", required: false, meaning: "As for number." },
        Argument {
            name: "units",
            kind: "object",
            required: false,
            meaning: "Letters behind a number → factor; {\"k\": 1000, \"m\": 1000000} where absent. \
                      Other words are passed over.",
        },
        Argument {
            name: "up_to",
            kind: "list of texts",
            required: false,
            meaning: "Words that make a single number the upper end; usual ones of English, German, \
                      French, Spanish, Italian, Portuguese and Dutch, and < and ≤, where absent.",
        },
        Argument {
            name: "from",
            kind: "list of texts",
            required: false,
            meaning: "Words that make it the lower end; usual ones, and >, ≥ and +, where absent.",
        },
    ],
    reasons: &["invalid_number"],
    accepts: &[Kind::Text, Kind::Number],
    yields: "a number",
    examples: &[
        Example { rules: r#"[{"span": "min"}]"#, input: "5k-10k", output: Yield::Text("5000") },
        Example {
            rules: r#"[{"span": "max", "group": " "}]"#,
            input: "between 10 000 and 20 000 EUR",
            output: Yield::Text("20000"),
        },
        Example { rules: r#"[{"span": "min"}]"#, input: "less than 5k", output: Yield::Null },
        Example {
            rules: r#"[{"span": "max"}]"#,
            input: "to be seen",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build,
};

const UP_TO: &[&str] = &[
    "<",
    "≤",
    "up to",
    "under",
    "below",
    "less than",
    "max",
    "maximum",
    "at most",
    "until",
    "bis",
    "bis zu",
    "unter",
    "weniger als",
    "höchstens",
    "maximal",
    "moins de",
    "jusqu'à",
    "jusqu’à",
    "au plus",
    "inférieur à",
    "hasta",
    "menos de",
    "fino a",
    "meno di",
    "até",
    "abaixo de",
    "tot",
    "minder dan",
    "onder",
    "以下",
    "未満",
];
const FROM: &[&str] = &[
    ">",
    "≥",
    "+",
    "over",
    "above",
    "more than",
    "from",
    "min",
    "minimum",
    "at least",
    "starting at",
    "ab",
    "über",
    "mehr als",
    "mindestens",
    "plus de",
    "à partir de",
    "au moins",
    "supérieur à",
    "desde",
    "más de",
    "oltre",
    "più di",
    "da",
    "mais de",
    "acima de",
    "a partir de",
    "vanaf",
    "meer dan",
    "以上",
];

#[derive(Debug)]
struct Span {
    lower: bool,
    notation: Notation,
    units: Vec<(String, String)>,
    up_to: Vec<String>,
    from: Vec<String>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["decimal", "group", "units", "up_to", "from"], errors);
    let options = &arguments.spec.options;
    let lower = match arguments.spec.argument.as_ref().and_then(Value::as_str) {
        Some("min") => true,
        Some("max") => false,
        _ => {
            arguments.wrong("", "the end is \"min\" or \"max\"", errors);
            false
        }
    };
    let notation = Notation::read(options, arguments.path, errors);
    let units = match options.get("units") {
        None => vec![("k".into(), "1000".into()), ("m".into(), "1000000".into())],
        Some(units) => super::number::units(units, arguments.path, errors),
    };
    let mut words = |option: &str, usual: &[&str]| match options.get(option) {
        None => usual.iter().map(ToString::to_string).collect(),
        Some(value) => match text_or_list(value) {
            Some(words) => words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>(),
            None => {
                let path = format!("{}.{option}", arguments.path);
                errors.push(MappingError::new(path, "a list of words is needed"));
                Vec::new()
            }
        },
    };
    let (up_to, from) = (words("up_to", UP_TO), words("from", FROM));
    let rule = Span { lower, notation, units, up_to, from };
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

/// A number in a text, with the factor of its unit where it has one.
struct Figure<'a> {
    number: String,
    factor: Option<&'a str>,
}

impl Span {
    /// The lower and the upper end.
    fn read(&self, text: &str) -> Option<(Option<String>, Option<String>)> {
        let text = text.to_lowercase();
        let (figures, words) = self.figures(&text)?;
        let value = |figure: &Figure<'_>, factor: Option<&str>| match factor {
            Some(factor) => decimal::multiply(&figure.number, factor),
            None => figure.number.clone(),
        };
        match figures.as_slice() {
            [one] => {
                let number = value(one, one.factor);
                let says = |list: &[String]| list.iter().any(|word| is_said(word, &words));
                Some(match (says(&self.up_to), says(&self.from)) {
                    (true, false) => (None, Some(number)),
                    (false, true) => (Some(number), None),
                    _ => (Some(number.clone()), Some(number)),
                })
            }
            [one, other] => {
                // In "5-10k" the unit goes for both.
                let low = value(one, one.factor.or(other.factor));
                let high = value(other, other.factor);
                decimal::compare(&low, &high).is_le().then_some((Some(low), Some(high)))
            }
            _ => None,
        }
    }

    /// The numbers of a text, and what is left of it without them.
    fn figures(&self, text: &str) -> Option<(Vec<Figure<'_>>, String)> {
        let mut figures = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            words.push_str(&rest[..start]);
            rest = &rest[start..];
            let length = self.notation.length(rest);
            let number = self.notation.read_number(&rest[..length])?;
            rest = &rest[length..];
            let unit = rest.trim_start();
            let letters = unit.find(|c: char| !c.is_alphabetic()).unwrap_or(unit.len());
            let word = &unit[..letters];
            // Scripts without spaces have no whole words: 万円以上.
            let factor = self.units.iter().find(|(name, _)| name == word).or_else(|| {
                let begins = |name: &str| is_unspaced(name) && word.starts_with(name);
                self.units.iter().find(|(name, _)| begins(name))
            });
            if let Some((name, _)) = factor {
                rest = &unit[name.len()..];
            }
            figures.push(Figure { number, factor: factor.map(|(_, factor)| factor.as_str()) });
            words.push(' ');
        }
        words.push_str(rest);
        Some((figures, words))
    }
}

/// Whether a word is of a script that puts no spaces between words, such as Chinese and Japanese.
fn is_unspaced(word: &str) -> bool {
    word.chars().all(|c| ('\u{2e80}'..='\u{9fff}').contains(&c))
}

/// Whether a text says a word: as a whole one, if it is one of letters.
fn is_said(word: &str, text: &str) -> bool {
    let letters = word.starts_with(char::is_alphabetic) && !is_unspaced(word);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphabetic());
        !letters || (alone(before) && alone(after))
    })
}

impl Rule for Span {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        if matches!(cell, Cell::Number(_) | Cell::Integer(_)) {
            return Ok(cell);
        }
        let text = cell.text();
        let Some((low, high)) = self.read(&text) else {
            let message = format!("{} is not a range of numbers", quoted(&text));
            return Err(Failure::new("invalid_number", message));
        };
        let end = if self.lower { low } else { high };
        Ok(end.map_or(Cell::Null, |number| Cell::Number(Cow::Owned(number))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(group: Option<char>) -> Span {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Span {
            lower: true,
            notation: Notation { decimal: if group == Some(',') { '.' } else { ',' }, group },
            units: vec![("k".into(), "1000".into())],
            up_to: words(UP_TO),
            from: words(FROM),
        }
    }

    #[test]
    fn ranges() {
        let of = |low: &str, high: &str| {
            let end = |text: &str| (!text.is_empty()).then(|| text.to_string());
            Some((end(low), end(high)))
        };
        for (text, group, expected) in [
            ("5k-10k", None, of("5000", "10000")),
            ("5-10k", None, of("5000", "10000")),
            ("5 – 10 k€", None, of("5000", "10000")),
            ("EUR 5.000 bis 10.000", Some('.'), of("5000", "10000")),
            ("1,5k to 2,5k", None, of("1500", "2500")),
            ("Plus de 20k", None, of("20000", "")),
            ("Moins de 5k", None, of("", "5000")),
            ("20k+", None, of("20000", "")),
            ("> $1,000,000", Some(','), of("1000000", "")),
            ("7500", None, of("7500", "7500")),
            ("from 5k up to 10k", None, of("5000", "10000")),
            ("10k-5k", None, None),
            ("1-2-3", None, None),
            ("à voir", None, None),
            ("", None, None),
        ] {
            assert_eq!(span(group).read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>(), figures in "[0-9 .,k€<>+-]{0,12}") {
            let _ = span(Some('.')).read(&text);
            if let Some((Some(low), Some(high))) = span(Some('.')).read(&figures) {
                prop_assert!(decimal::compare(&low, &high).is_le());
            }
        }
    }
}
