//! `number`: decimals in local notation.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal::{self, Sign};

pub const DEFINITION: Definition = Definition {
    name: "number",
    meaning: "The exact decimal that the text shows. Groups are of three digits, all or none of \
              them separated. Numbers stay what they are.",
    arguments: &[
        Argument {
            name: "decimal",
            kind: "text",
            required: false,
            meaning: "The character before the fraction; a point where absent.",
        },
        Argument {
            name: "group",
            kind: "text",
            required: false,
            meaning: "The character between groups of three digits; none where absent. A space also \
                      stands for no-break, narrow no-break and thin spaces, an apostrophe also for \
                      the typographic one.",
        },
    ],
    reasons: &["invalid_number"],
    accepts: &[Kind::Text, Kind::Number],
    examples: &[
        Example {
            rules: r#"[{"number": {"decimal": ",", "group": " "}}]"#,
            input: "1\u{202f}234\u{a0}567,89",
            output: Yield::Text("1234567.89"),
        },
        Example {
            rules: r#"[{"number": {"group": ","}}]"#,
            input: "12,34",
            output: Yield::Problem("invalid_number"),
        },
        Example { rules: r#"["number"]"#, input: " -007.50 ", output: Yield::Text("-7.5") },
        Example {
            rules: r#"["number"]"#,
            input: "about 10",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build,
};

#[derive(Debug)]
struct Number {
    decimal: char,
    group: Option<char>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Number { decimal: '.', group: None };
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["decimal", "group"], errors)?;
        let mut separator = |name: &str| {
            let character = match members.get(name)? {
                Value::String(text) => single(text),
                _ => None,
            };
            let usable = character.filter(|c| !c.is_alphanumeric() && !matches!(c, '+' | '-'));
            if usable.is_none() {
                arguments.wrong(name, "a single character that is no digit is needed", errors);
            }
            usable
        };
        rule.decimal = separator("decimal").unwrap_or('.');
        rule.group = separator("group");
        if rule.group == Some(rule.decimal) {
            let message = format!("\"{}\" separates both fraction and groups", rule.decimal);
            arguments.wrong("group", message, errors);
        }
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

impl Number {
    fn is_group(&self, character: char) -> bool {
        match self.group {
            Some(' ') => matches!(character, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'),
            Some('\'') => matches!(character, '\'' | '\u{2019}'),
            group => group == Some(character),
        }
    }

    fn read(&self, text: &str) -> Option<String> {
        let (sign, rest) = decimal::split_sign(text.trim());
        let (whole, fraction) = match rest.split_once(self.decimal) {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (rest, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let mut joined = String::with_capacity(whole.len());
        for (index, group) in whole.split(|character| self.is_group(character)).enumerate() {
            let first = index == 0;
            joined.push_str(group);
            if !digits(group) || (!first && group.len() != 3) {
                return None;
            }
        }
        let first = whole.find(|character| self.is_group(character));
        if first.is_some_and(|length| !(1..=3).contains(&length))
            || !digits(fraction)
            || joined.is_empty() && fraction.is_empty()
        {
            return None;
        }
        Some(decimal::canonical(sign == Sign::Minus, &joined, fraction))
    }
}

impl Rule for Number {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Text(text) => match self.read(&text) {
                Some(number) => Ok(Cell::Number(Cow::Owned(number))),
                None => Err(invalid(&text)),
            },
            cell => Ok(cell),
        }
    }
}

fn invalid(text: &str) -> Failure {
    Failure::new("invalid_number", format!("{} is not a number", quoted(text)))
}

/// The canonical decimal of a number, or of text in plain notation.
pub fn of_cell(cell: Cell<'_>) -> Result<Cow<'_, str>, Failure> {
    match cell {
        Cell::Number(number) => Ok(number),
        Cell::Integer(_) => Ok(cell.into_text()),
        cell => {
            let text = cell.into_text();
            match decimal::parse(text.trim()) {
                Some(number) => Ok(Cow::Owned(number.into_owned())),
                None => Err(invalid(&text)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn french(text: &str) -> Option<String> {
        Number { decimal: ',', group: Some(' ') }.read(text)
    }

    #[test]
    fn groups() {
        assert_eq!(french("12 000").as_deref(), Some("12000"));
        assert_eq!(french("250000").as_deref(), Some("250000"));
        assert_eq!(french("3,5").as_deref(), Some("3.5"));
        assert_eq!(french("- 5"), None);
        for text in ["1 23", "1234 567", "1 234567", " ,", "1  234", "1 234,", "1,2 345", "1 234 "]
        {
            assert_eq!(french(text).is_some(), text == "1 234 ", "{text}");
        }
        let swiss = Number { decimal: '.', group: Some('\'') };
        assert_eq!(swiss.read("1’234.50").as_deref(), Some("1234.5"));
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(value in 0u64..10_000_000_000_000, cents in 0u8..100) {
            let plain = value.to_string();
            let mut grouped = String::new();
            for (index, digit) in plain.chars().enumerate() {
                if index > 0 && (plain.len() - index) % 3 == 0 {
                    grouped.push(' ');
                }
                grouped.push(digit);
            }
            let expected = decimal::parse(&format!("{plain}.{cents:02}")).unwrap().into_owned();
            prop_assert_eq!(french(&format!("{plain},{cents:02}")), Some(expected.clone()));
            prop_assert_eq!(french(&format!("{grouped},{cents:02}")), Some(expected));
        }
    }
}
