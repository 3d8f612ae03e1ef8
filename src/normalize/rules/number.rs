//! `number`: decimals in local notation.

use std::borrow::Cow;

use serde_json::Value;

use super::notation::Notation;
use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, arithmetic, quoted,
    text_or_list,
};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal::{self, Sign};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "number",
    meaning: "The exact decimal that the text shows. Groups are of three digits, all or none of \
              them separated; between commas also of two before the last three, as in India. A \
              dash for no cents is passed over: 1.234,-. Numbers stay what they are.",
    arguments: &[
        Argument {
            name: "decimal",
            kind: "text",
            required: false,
            meaning: "The character before the fraction; where absent a point, or a comma if points \
                      separate groups.",
        },
        Argument {
            name: "group",
            kind: "text",
            required: false,
            meaning: "The character between groups of three digits; none where absent. A space also \
                      stands for no-break, narrow no-break and thin spaces, an apostrophe also for \
                      the typographic one.",
        },
        Argument {
            name: "units",
            kind: "list of texts or object",
            required: false,
            meaning: "What may stand before or behind the number, in any letter case: texts that \
                      are passed over, or text → factor, e.g. {\"€\": 1, \"k\": 1000, \"%\": 0.01}. \
                      Behind letters there may be a point: Mio., Rs.",
        },
        Argument {
            name: "parentheses",
            kind: "true or false",
            required: false,
            meaning: "Whether a number in parentheses is negative.",
        },
    ],
    reasons: &["invalid_number"],
    accepts: &[Kind::Text, Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"[{"number": {"decimal": ",", "group": " "}}]"#,
            input: "1\u{202f}234\u{a0}567,89",
            output: Yield::Text("1234567.89"),
        },
        Example {
            rules: r#"[{"number": {"group": "."}}]"#,
            input: "1.234,5",
            output: Yield::Text("1234.5"),
        },
        Example {
            rules: r#"[{"number": {"group": ","}}]"#,
            input: "12,34",
            output: Yield::Problem("invalid_number"),
        },
        Example {
            rules: r#"[{"number": {"group": ",", "units": {"$": 1, "k": 1000}, "parentheses": true}}]"#,
            input: "($1,234.5 K)",
            output: Yield::Text("-1234500"),
        },
        Example {
            rules: r#"[{"number": {"decimal": ",", "units": {"Mio": 1000000, "€": 1}}}]"#,
            input: "1,2 Mio. €",
            output: Yield::Text("1200000"),
        },
        Example {
            rules: r#"[{"number": {"group": ",", "units": ["₹"]}}]"#,
            input: "₹12,34,567",
            output: Yield::Text("1234567"),
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

#[derive(Debug, Default)]
struct Number {
    notation: Notation,
    /// In lower case, the longest first, each with its factor.
    units: Vec<(String, String)>,
    parentheses: bool,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Number::default();
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["decimal", "group", "units", "parentheses"], errors)?;
        let path = arguments.argument_path();
        rule.notation = Notation::read(members, &path, errors);
        if let Some(given) = members.get("units") {
            rule.units = units(given, &path, errors);
        }
        rule.parentheses = arguments.flag(members, "parentheses", errors);
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

/// Units as a mapping gives them, in lower case, the longest first, each with its factor.
/// A point behind letters, as that of an abbreviation, is left out.
pub fn units(json: &Value, path: &str, errors: &mut Vec<MappingError>) -> Vec<(String, String)> {
    let found: Option<Vec<_>> = match json {
        Value::Object(members) => members
            .iter()
            .map(|(unit, factor)| Some((unit.clone(), arithmetic::given(factor)?)))
            .collect(),
        json => text_or_list(json)
            .map(|units| units.into_iter().map(|unit| (unit, "1".into())).collect()),
    };
    let Some(units) = found else {
        let message = "a list of units, or an object unit → factor, is needed";
        errors.push(MappingError::new(format!("{path}.units"), message));
        return Vec::new();
    };
    let lower = |(unit, factor): (String, String)| {
        let unit = unit.trim().to_lowercase();
        let bare = unit.strip_suffix('.').filter(|unit| unit.ends_with(char::is_alphabetic));
        (bare.map_or_else(|| unit.clone(), str::to_string), factor)
    };
    let mut units: Vec<_> =
        units.into_iter().map(lower).filter(|(unit, _)| !unit.is_empty()).collect();
    units.sort_by_key(|(unit, _)| std::cmp::Reverse(unit.len()));
    units
}

impl Number {
    fn read(&self, text: &str) -> Option<String> {
        if self.units.is_empty() && !self.parentheses {
            return self.notation.read_number(text);
        }
        let text = text.trim();
        let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let negative = self.parentheses && inner.is_some();
        let lower = inner.filter(|_| negative).unwrap_or(text).to_lowercase();
        let (sign, mut rest) = decimal::split_sign(lower.trim());
        let signed = negative || sign != Sign::None;
        let mut factors = Vec::new();
        let mut left: Vec<&(String, String)> = self.units.iter().collect();
        // Each unit is taken off once, the longest first: "$$5" is no number.
        while let Some((at, stripped)) =
            left.iter().enumerate().find_map(|(at, (unit, _))| Some((at, without(rest, unit)?)))
        {
            rest = stripped.trim();
            factors.push(&left.remove(at).1);
        }
        if signed && decimal::split_sign(rest).0 != Sign::None || negative && sign != Sign::None {
            return None;
        }
        let number = self.notation.read_number(rest)?;
        let number = match (sign == Sign::Minus) != negative {
            true => decimal::multiply(&number, "-1"),
            false => number,
        };
        Some(factors.iter().fold(number, |number, factor| decimal::multiply(&number, factor)))
    }
}

/// A text without a unit at its end or its front, and without the point behind letters there.
fn without<'t>(text: &'t str, unit: &str) -> Option<&'t str> {
    if !unit.ends_with(char::is_alphabetic) {
        return text.strip_suffix(unit).or_else(|| text.strip_prefix(unit));
    }
    let end = text.strip_suffix('.').unwrap_or(text).strip_suffix(unit);
    end.or_else(|| text.strip_prefix(unit).map(|rest| rest.strip_prefix('.').unwrap_or(rest)))
}

impl Rule for Number {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
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

    #[test]
    fn units_and_signs() {
        let units =
            [("mio", "1000000"), ("k€", "1000"), ("m", "1000000"), ("€", "1"), ("%", "0.01")];
        let units = units.map(|(unit, factor)| (unit.to_string(), factor.to_string())).to_vec();
        let notation = Notation { decimal: ',', group: Some('.') };
        let rule = Number { notation, units, parentheses: true };
        for (text, number) in [
            ("1.234,5 €", Some("1234.5")),
            ("€ 12", Some("12")),
            ("-€ 12", Some("-12")),
            ("(12 €)", Some("-12")),
            ("1,5 Mio €", Some("1500000")),
            ("1,5m", Some("1500000")),
            ("1,2 Mio. €", Some("1200000")),
            ("1,2 Mio.", Some("1200000")),
            ("Mio. 1,2", Some("1200000")),
            ("Mio.500", Some("500000000")),
            ("1,2 Mio..", None),
            ("1.234,- €", Some("1234")),
            ("1.234.--", Some("1234")),
            ("1.234-", None),
            ("1.234,", None),
            ("-", None),
            (",-", None),
            ("1,2 €.", None),
            ("3k€", Some("3000")),
            ("7 %", Some("0.07")),
            ("7 kg", None),
            ("€", None),
            ("(12", None),
            ("€€ 5", None),
            ("€ -12", Some("-12")),
            ("--5", None),
            ("-+5", None),
            ("(-5)", None),
            ("(+5)", None),
            ("-(5)", None),
            ("- € -5", None),
            ("(€ -5)", None),
        ] {
            assert_eq!(rule.read(text).as_deref(), number, "{text}");
        }
    }
}
