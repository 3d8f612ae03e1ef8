//! How numbers are written: what stands before the fraction, and between groups of digits.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::normalize::MappingError;
use crate::normalize::decimal::{self, Sign};

/// The characters of a notation.
#[derive(Debug, Clone, Copy)]
pub struct Notation {
    pub decimal: char,
    pub group: Option<char>,
}

impl Default for Notation {
    fn default() -> Notation {
        Notation { decimal: '.', group: None }
    }
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

impl Notation {
    /// The members `decimal` and `group`.
    pub fn read(
        members: &Map<String, Value>,
        path: &str,
        errors: &mut Vec<MappingError>,
    ) -> Notation {
        let mut wrong = |name: &str, message: String| {
            errors.push(MappingError::new(format!("{path}.{name}"), message));
        };
        let mut separator = |name: &str| {
            let character = match members.get(name)? {
                Value::String(text) => single(text),
                _ => None,
            };
            let usable = character.filter(|c| !c.is_alphanumeric() && !matches!(c, '+' | '-'));
            if usable.is_none() {
                wrong(name, "a single character that is no digit is needed".into());
            }
            usable
        };
        let decimal = separator("decimal");
        let group = separator("group");
        let decimal = decimal.unwrap_or(if group == Some('.') { ',' } else { '.' });
        if group == Some(decimal) {
            wrong("group", format!("\"{decimal}\" separates both fraction and groups"));
        }
        Notation { decimal, group }
    }

    fn is_group(&self, character: char) -> bool {
        match self.group {
            Some(' ') => matches!(character, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'),
            Some('\'') => matches!(character, '\'' | '\u{2019}'),
            group => group == Some(character),
        }
    }

    /// How many bytes at the front of a text, which begins with a digit, are a number.
    pub fn length(&self, text: &str) -> usize {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let first = digits(text);
        let (mut length, mut at) = (first, first);
        let mut groups = vec![first];
        while let Some(separator) = text[at..].chars().next().filter(|&c| self.is_group(c)) {
            let start = at + separator.len_utf8();
            groups.push(digits(&text[start..]));
            at = start + groups[groups.len() - 1];
            match self.are_groups(&groups) {
                true => length = at,
                // In India, groups of two come first.
                false if at - start == 2 => {}
                false => break,
            }
        }
        let fraction = text[length..].strip_prefix(self.decimal).map_or(0, digits);
        if fraction > 0 { length + self.decimal.len_utf8() + fraction } else { length }
    }

    /// Whether the digits between separators are so many as a number has.
    fn are_groups(&self, lengths: &[usize]) -> bool {
        match lengths {
            [] | [_] => true,
            [1..=3, rest @ ..] if rest.iter().all(|length| *length == 3) => true,
            [1..=2, pairs @ .., 3] => {
                self.group == Some(',') && pairs.iter().all(|length| *length == 2)
            }
            _ => false,
        }
    }

    /// The canonical decimal of a number.
    pub fn read_number(&self, text: &str) -> Option<String> {
        let (sign, rest) = decimal::split_sign(without_dash(text.trim()));
        let (whole, fraction) = match rest.split_once(self.decimal) {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (rest, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let joined = match whole.contains(|character| self.is_group(character)) {
            false => Cow::Borrowed(whole),
            true => {
                let groups = whole.split(|character| self.is_group(character));
                let lengths: Vec<_> = groups.clone().map(str::len).collect();
                Cow::Owned(Some(groups.collect()).filter(|_| self.are_groups(&lengths))?)
            }
        };
        if !digits(&joined) || !digits(fraction) || joined.is_empty() && fraction.is_empty() {
            return None;
        }
        Some(decimal::canonical(sign == Sign::Minus, &joined, fraction))
    }
}

/// A number without the dash that stands for no cents: "1.234,-" and "500.–".
fn without_dash(text: &str) -> &str {
    let rest = text.trim_end_matches(['-', '–', '—']);
    rest.strip_suffix(['.', ',']).filter(|_| rest.len() < text.len()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn french(text: &str) -> Option<String> {
        Notation { decimal: ',', group: Some(' ') }.read_number(text)
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
        let swiss = Notation { decimal: '.', group: Some('\'') };
        assert_eq!(swiss.read_number("1’234.50").as_deref(), Some("1234.5"));
    }

    #[test]
    fn groups_of_two() {
        let indian = Notation { decimal: '.', group: Some(',') };
        for (text, number) in [
            ("12,34,567", Some("1234567")),
            ("1,23,456.50", Some("123456.5")),
            ("1,23,45,678", Some("12345678")),
            ("12,345", Some("12345")),
            ("123,45,678", None),
            ("12,34", None),
            ("12,34,56", None),
            ("1,234,56,789", None),
            ("1,23,456,789", None),
            ("1,,234", None),
        ] {
            assert_eq!(indian.read_number(text).as_deref(), number, "{text}");
        }
        assert_eq!(french("1 23 456"), None);
        for (text, length) in [
            ("12,34,567 to", 9),
            ("12,34 to", 2),
            ("1,234,56", 5),
            ("1,234,567.5.", 11),
            ("5, 10", 1),
        ] {
            assert_eq!(indian.length(text), length, "{text}");
        }
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
