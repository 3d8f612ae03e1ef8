//! `range`: bounds of a number, a date or a moment.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, date, number, timestamp,
};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;
use crate::row::time::DAY;

pub const DEFINITION: Definition = Definition {
    name: "range",
    meaning: "The number, date or timestamp has to lie within the bounds, which belong to the range.",
    arguments: &[
        Argument {
            name: "min",
            kind: "number or text",
            required: false,
            meaning: "The lower bound, a number or a date such as 1900-01-01; none where absent.",
        },
        Argument {
            name: "max",
            kind: "number or text",
            required: false,
            meaning: "The upper bound; none where absent. For timestamps, a date is its midnight.",
        },
    ],
    reasons: &["invalid_number", "out_of_range"],
    accepts: &[Kind::Number, Kind::Date, Kind::Timestamp],
    yields: "what it takes",
    examples: &[
        Example {
            rules: r#"["number", {"range": {"min": 0, "max": 100}}]"#,
            input: "87.5",
            output: Yield::Text("87.5"),
        },
        Example {
            rules: r#"["number", {"range": {"min": 0, "max": 100}}]"#,
            input: "120",
            output: Yield::Problem("out_of_range"),
        },
        Example {
            rules: r#"["date", {"range": {"min": "1900-01-01"}}]"#,
            input: "1080-12-31",
            output: Yield::Problem("out_of_range"),
        },
        Example {
            rules: r#"["number", {"range": {"min": 0}}]"#,
            input: "NaN",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build,
};

#[derive(Debug)]
struct Range {
    min: Option<Bound>,
    max: Option<Bound>,
    output: Kind,
}

#[derive(Debug, PartialEq)]
enum Bound {
    /// A canonical decimal.
    Number(String),
    /// Microseconds since 1970 UTC, and the text of it.
    Moment(i64, String),
}

impl Bound {
    fn of(json: &Value) -> Option<Bound> {
        let text = match json {
            Value::Number(number) => return decimal::from_json(number).map(Bound::Number),
            Value::String(text) => text,
            _ => return None,
        };
        if let Some(number) = decimal::parse(text) {
            return Some(Bound::Number(number.into_owned()));
        }
        let midnight = date::iso(text).map(|days| i64::from(days) * DAY);
        let moment = midnight.or_else(|_| timestamp::iso(text)).ok()?;
        Some(Bound::Moment(moment, text.clone()))
    }

    /// How a value compares with the bound; `None` where it is of another kind.
    fn compare(&self, cell: &Cell<'_>) -> Option<Ordering> {
        match (self, cell) {
            (Bound::Moment(bound, _), Cell::Date(i32::MAX)) => Some(i64::MAX.cmp(bound)),
            (Bound::Moment(bound, _), Cell::Date(i32::MIN)) => Some(i64::MIN.cmp(bound)),
            (Bound::Moment(bound, _), Cell::Date(days)) => {
                Some((i64::from(*days) * DAY).cmp(bound))
            }
            (Bound::Moment(bound, _), Cell::Timestamp(micros)) => Some(micros.cmp(bound)),
            (Bound::Number(bound), Cell::Number(number)) => Some(decimal::compare(number, bound)),
            _ => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Bound::Number(text) | Bound::Moment(_, text) => text,
        }
    }
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let members = arguments.object(&["min", "max"], errors)?;
    let mut bound = |name: &str| {
        let bound = Bound::of(members.get(name)?);
        let needed = match (arguments.input, &bound) {
            (Some(Kind::Number), Some(Bound::Moment(..)) | None) => "a number is needed",
            (Some(Kind::Date | Kind::Timestamp), Some(Bound::Number(_)) | None) => {
                "a date such as \"1900-01-01\" is needed"
            }
            (_, None) => "a number, or a date such as \"1900-01-01\", is needed",
            _ => return bound,
        };
        arguments.wrong(name, needed, errors);
        None
    };
    let (min, max) = (bound("min"), bound("max"));
    let crossed = match (&min, &max) {
        (Some(Bound::Number(min)), Some(Bound::Number(max))) => decimal::compare(min, max).is_gt(),
        (Some(Bound::Moment(min, _)), Some(Bound::Moment(max, _))) => min > max,
        (None, None) if errors.len() == before => {
            arguments.wrong("", "neither \"min\" nor \"max\" is given", errors);
            false
        }
        _ => false,
    };
    if let (true, Some(min), Some(max)) = (crossed, &min, &max) {
        let message = format!("nothing is between {} and {}", min.text(), max.text());
        arguments.wrong("", message, errors);
    }
    let output = arguments.input.unwrap_or(Kind::Number);
    (errors.len() == before).then(|| Box::new(Range { min, max, output }) as Box<dyn Rule>)
}

impl Rule for Range {
    fn output(&self) -> Kind {
        self.output
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let cell = match cell {
            Cell::Date(_) | Cell::Timestamp(_) => cell,
            cell => Cell::Number(number::of_cell(cell)?),
        };
        let bounds =
            [(&self.min, Ordering::Less, "below"), (&self.max, Ordering::Greater, "above")];
        for (bound, outside, word) in bounds {
            if let Some(bound) = bound
                && bound.compare(&cell) == Some(outside)
            {
                let message = format!("{} is {word} {}", cell.text(), bound.text());
                return Err(Failure::new("out_of_range", message));
            }
        }
        Ok(cell)
    }
}
