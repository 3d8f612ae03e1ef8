//! `scale` and `round`: exact arithmetic with decimals.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, number, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;

pub const SCALE: Definition = Definition {
    name: "scale",
    meaning: "Multiplies a number exactly, as for amounts in thousands or percentages; or carries \
              one scale over into another, such as five stars or a credit score into 0 to 100.",
    arguments: &[
        Argument {
            name: "scale",
            kind: "number or object",
            required: true,
            meaning: "The factor; as text where it has more digits than JSON's numbers keep. Or an \
                      object with from and to.",
        },
        Argument {
            name: "from",
            kind: "list of two numbers",
            required: false,
            meaning: "The ends of the scale that the number is on; the first may be the higher one.",
        },
        Argument {
            name: "to",
            kind: "list of two numbers",
            required: false,
            meaning: "What these ends become; between them, six digits after the point are kept.",
        },
    ],
    reasons: &["invalid_number"],
    accepts: &[Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"["number", {"scale": 1000}]"#,
            input: "12.5",
            output: Yield::Text("12500"),
        },
        Example {
            rules: r#"["number", {"scale": 0.01}]"#,
            input: "7",
            output: Yield::Text("0.07"),
        },
        Example {
            rules: r#"["number", {"scale": {"from": [1, 5], "to": [0, 100]}}]"#,
            input: "4",
            output: Yield::Text("75"),
        },
        Example {
            rules: r#"["number", {"scale": {"from": [6, 1], "to": [0, 100]}}, "round"]"#,
            input: "1.7",
            output: Yield::Text("86"),
        },
        Example {
            rules: r#"["number", {"scale": 1000}]"#,
            input: "NaN",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build: build_scale,
};

pub const ROUND: Definition = Definition {
    name: "round",
    meaning: "Rounds a number, halves away from zero.",
    arguments: &[Argument {
        name: "round",
        kind: "number",
        required: false,
        meaning: "How many digits after the point are kept; none where absent.",
    }],
    reasons: &["invalid_number"],
    accepts: &[Kind::Number],
    yields: "a number",
    examples: &[
        Example {
            rules: r#"["number", {"round": 2}]"#,
            input: "2.345",
            output: Yield::Text("2.35"),
        },
        Example { rules: r#"["number", "round"]"#, input: "-2.5", output: Yield::Text("-3") },
        Example {
            rules: r#"["number", "round"]"#,
            input: "NaN",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build: build_round,
};

#[derive(Debug)]
enum Scale {
    /// A decimal.
    Factor(String),
    /// Where the ends of one scale are on another.
    Ends { from: (f64, f64), to: (f64, f64) },
}

#[derive(Debug)]
struct Round(usize);

/// A number that a mapping gives, as canonical decimal.
pub fn given(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => decimal::from_json(number),
        Value::String(text) => decimal::parse(text.trim()).map(Cow::into_owned),
        _ => None,
    }
}

fn build_scale(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    if !matches!(arguments.spec.argument, Some(Value::Object(_))) {
        let factor = arguments.spec.argument.as_ref().and_then(given);
        if factor.is_none() {
            arguments.wrong("", "a number, or an object with from and to, is needed", errors);
        }
        return Some(Box::new(Scale::Factor(factor?)));
    }
    let members = arguments.object(&["from", "to"], errors)?;
    let mut ends = |name: &str| {
        let ends = match members.get(name).and_then(Value::as_array).map(Vec::as_slice) {
            Some([one, other]) => one.as_f64().zip(other.as_f64()),
            _ => None,
        };
        if ends.is_none() {
            arguments.wrong(name, "a list of two numbers is needed", errors);
        }
        ends
    };
    let (from, to) = (ends("from"), ends("to"));
    let (from, to) = from.zip(to)?;
    if from.0 == from.1 {
        arguments.wrong("from", "the two ends are the same", errors);
    }
    (errors.len() == before).then(|| Box::new(Scale::Ends { from, to }) as Box<dyn Rule>)
}

fn build_round(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    let digits = match &arguments.spec.argument {
        None => Some(0),
        Some(digits) => digits.as_u64().filter(|digits| *digits <= 100),
    };
    if digits.is_none() {
        arguments.wrong("", "a number of digits is needed, 0 to 100", errors);
    }
    Some(Box::new(Round(usize::try_from(digits?).ok()?)))
}

impl Rule for Scale {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        let scaled = match self {
            Scale::Factor(factor) => Some(decimal::multiply(&number, factor)),
            Scale::Ends { from, to } => {
                let share = number.parse().map(|n: f64| (n - from.0) / (from.1 - from.0));
                let scaled = share.map(|share| format!("{:.6}", to.0 + share * (to.1 - to.0)));
                scaled.ok().and_then(|text| decimal::parse(&text).map(Cow::into_owned))
            }
        };
        let scaled = scaled.ok_or_else(|| {
            Failure::new("invalid_number", format!("{} is on no scale", quoted(&number)))
        })?;
        Ok(Cell::Number(Cow::Owned(scaled)))
    }
}

impl Rule for Round {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let number = number::of_cell(cell)?;
        Ok(Cell::Number(match decimal::round(&number, self.0) {
            Some(rounded) => Cow::Owned(rounded),
            None => number,
        }))
    }
}
