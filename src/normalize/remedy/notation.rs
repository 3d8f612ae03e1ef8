//! How dates, moments and numbers are written: what rule would read a text. Pure.

use serde_json::{Map, Value};

use crate::normalize::rules::factors;

/// The first of the years that two digits stand for in a date of birth: the usual ones are for what is to
/// come.
const BORN_FROM: i64 = 1925;

/// The first of the years that two digits stand for in a field, where the format has such and the usual
/// ones will not do.
pub fn two_digits(field: &str, format: &str) -> Option<i64> {
    let is_birth = ["birth", "born", "dob"].iter().any(|word| field.contains(word));
    (is_birth && format.contains("%y")).then_some(BORN_FROM)
}

/// The formats that a date may be written in, by its separators and numbers.
pub fn day_formats(value: &str) -> Vec<String> {
    orders(value).unwrap_or_default()
}

fn orders(value: &str) -> Option<Vec<String>> {
    let date = value.trim().split([' ', 'T']).next()?;
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "/.-".contains(*c))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let numbers: Vec<u32> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let ([first, _, last], [one, two, _]) = (parts.as_slice(), numbers.as_slice()) else {
        return None;
    };
    let year = if last.len() == 4 { "%Y" } else { "%y" };
    let orders = match (first.len(), *one > 12, *two > 12) {
        (4, _, true) => vec![["%Y", "%d", "%m"]],
        (4, _, false) => vec![["%Y", "%m", "%d"]],
        (_, false, true) => vec![["%m", "%d", year]],
        (_, false, false) if separator == '/' => vec![["%d", "%m", year], ["%m", "%d", year]],
        _ => vec![["%d", "%m", year]],
    };
    Some(orders.iter().map(|order| order.join(&separator.to_string())).collect())
}

/// Whether a time says which half of the day it is of: `am`, `P.M.`.
pub fn is_of_half_day(time: &str) -> bool {
    time.trim_end().trim_end_matches('.').ends_with(['m', 'M'])
}

/// The formats that a moment may be written in.
pub fn moment_formats(value: &str) -> Vec<String> {
    let days = day_formats(value);
    let Some((_, time)) = value.trim().split_once([' ', 'T']) else { return days };
    let time = match (time.matches(':').count(), is_of_half_day(time)) {
        (1, false) => "%H:%M",
        (1, true) => "%I:%M %p",
        (2, false) => "%H:%M:%S",
        (2, true) => "%I:%M:%S %p",
        _ => return Vec::new(),
    };
    let between = if value.contains('T') { "T" } else { " " };
    days.iter().map(|day| format!("{day}{between}{time}")).collect()
}

/// Signs beside numbers that multiply by nothing.
const SYMBOLS: &str = "%€$£¥₹₩₽₺₴₫฿";

/// How a number is written, where that is not the usual way, as members of the rule's argument: its signs,
/// and what stands beside it.
pub fn notation(value: &str) -> Option<Map<String, Value>> {
    let first = value.find(|c: char| c.is_ascii_digit())?;
    let last = value.rfind(|c: char| c.is_ascii_digit())?;
    let mut told = signs(&value[first..=last])?;
    let (before, behind) = (value[..first].trim(), value[last + 1..].trim());
    if before == "(" && behind == ")" {
        told.insert("parentheses".into(), true.into());
    } else {
        let before = before.trim_start_matches(['-', '+']);
        let words = before.split_whitespace().chain(behind.split_whitespace());
        let units = words.map(|word| Some((word.to_string(), unit(word)?.into())));
        let units: Map<String, Value> = units.collect::<Option<_>>()?;
        if !units.is_empty() {
            told.insert("units".into(), units.into());
        }
    }
    (!told.is_empty()).then_some(told)
}

/// As [`notation`], of a text with one or more numbers.
pub fn notation_within(text: &str) -> Option<Map<String, Value>> {
    let numbers = text
        .split(|c: char| !is_of_number(c))
        .map(|number| number.trim_matches(|c: char| !c.is_ascii_digit()));
    numbers.filter_map(signs).find(|signs| !signs.is_empty())
}

/// What a word beside a number multiplies it by, if it is one that does, or a currency.
fn unit(word: &str) -> Option<i64> {
    let bare = word.trim_end_matches('.');
    match factors::of(&bare.to_lowercase()) {
        Some(factor) => factor.parse().ok(),
        None => {
            let code = bare.trim_end_matches(|c| SYMBOLS.contains(c));
            (code.len() <= 3 && code.bytes().all(|b| b.is_ascii_uppercase())).then_some(1)
        }
    }
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || ".,' \u{a0}\u{202f}’".contains(c)
}

/// The signs of a number, where they are not the usual ones; `None` where the text is no number.
fn signs(number: &str) -> Option<Map<String, Value>> {
    if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.chars().all(is_of_number) {
        return None;
    }
    let decimal = number.rfind([',', '.']).and_then(|at| {
        let (whole, rest) = number.split_at(at);
        let sign = rest.chars().next()?;
        // Groups have three digits; a sign that comes twice separates groups.
        (rest.len() != 4 || whole.contains(|c: char| !c.is_ascii_digit() && c != sign))
            .then_some(sign)
            .filter(|sign| !whole.contains(*sign))
    });
    let group = number.chars().find(|c| !c.is_ascii_digit() && Some(*c) != decimal);
    let group = group.map(|c| if c.is_whitespace() { ' ' } else { c });
    let usual = decimal == Some('.') && group.is_none();
    let told = [("decimal", decimal), ("group", group)].into_iter().filter(|_| !usual);
    Some(told.filter_map(|(name, sign)| Some((name.into(), sign?.to_string().into()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_and_numbers_in_other_notations_are_recognized() {
        let format = |value| day_formats(value).join(" ");
        assert_eq!(format("31/12/1980"), "%d/%m/%Y");
        assert_eq!(format("12/31/80"), "%m/%d/%y");
        assert_eq!(format("03/04/1980"), "%d/%m/%Y %m/%d/%Y");
        assert_eq!(format("31.12.1980 10:00"), "%d.%m.%Y");
        assert_eq!(format("1980-31-12"), "%Y-%d-%m");
        assert_eq!(format("soon"), "");
        let moment = |value| moment_formats(value).join(" or ");
        assert_eq!(moment("31.12.1980 10:00"), "%d.%m.%Y %H:%M");
        assert_eq!(moment("7/17/2024 9:30 AM"), "%m/%d/%Y %I:%M %p");
        assert_eq!(moment("7/17/2024 9:30 a.m."), "%m/%d/%Y %I:%M %p");
        let found = |value| notation(value).map(Value::from).unwrap_or_default();
        assert_eq!(found("1.234,56"), json!({"decimal": ",", "group": "."}));
        assert_eq!(found("1\u{202f}234 567"), json!({"group": " "}));
        assert_eq!(found("1,234,567"), json!({"group": ","}));
        assert_eq!(found("-12,5"), json!({"decimal": ","}));
        assert_eq!(found("1,234.5"), json!({"decimal": ".", "group": ","}));
        assert_eq!(found("$5,000"), json!({"group": ",", "units": {"$": 1}}));
        assert_eq!(found("(5,000)"), json!({"group": ",", "parentheses": true}));
        assert_eq!(
            found("CHF 1,5 Mio."),
            json!({"decimal": ",", "units": {"CHF": 1, "Mio.": 1_000_000}})
        );
        for none in ["12.5", "a lot", "about 10", "5k-10k", "10 years", "12-13"] {
            assert_eq!(found(none), Value::Null, "{none}");
        }
        let within = |value| notation_within(value).map(Value::from).unwrap_or_default();
        assert_eq!(within("10.000 - 20.000 EUR"), json!({"group": "."}));
        assert_eq!(within("from 10 000 to 20 000"), json!({"group": " "}));
        assert_eq!(within("5k"), Value::Null);
    }
}
