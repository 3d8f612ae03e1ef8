//! `date`: calendar dates by format.

use jiff::civil::Date;
use jiff::fmt::strtime::BrokenDownTime;
use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};

pub const DEFINITION: Definition = Definition {
    name: "date",
    meaning: "A date in text, by its format; a date that the calendar does not have is a problem. \
              Dates stay what they are.",
    arguments: &[Argument {
        name: "date",
        kind: "text",
        required: false,
        meaning: "The format: %d day, %m month, %Y year of four digits, %y of two (69 to 99 are \
                  19..), %b or %B an English month; %Y-%m-%d where absent.",
    }],
    reasons: &["invalid_date"],
    accepts: &[Kind::Text, Kind::Date],
    examples: &[
        Example {
            rules: r#"[{"date": "%d/%m/%Y"}]"#,
            input: "31/12/1980",
            output: Yield::Text("1980-12-31"),
        },
        Example {
            rules: r#"[{"date": "%d/%m/%Y"}]"#,
            input: "31/02/1980",
            output: Yield::Problem("invalid_date"),
        },
        Example { rules: r#"["date"]"#, input: "1980-12-31", output: Yield::Text("1980-12-31") },
    ],
    build,
};

const ISO: &str = "%Y-%m-%d";

#[derive(Debug)]
struct Format(String);

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let format = match &arguments.spec.argument {
        None => ISO,
        Some(Value::String(format)) => format.trim(),
        Some(_) => {
            arguments.wrong("", "a format is text, e.g. \"%d/%m/%Y\"", errors);
            return None;
        }
    };
    if !is_whole(format) {
        let message = format!("\"{format}\" does not tell day, month and year apart");
        let hint = "Use %d, %m and %Y (or %y), e.g. \"%d/%m/%Y\".";
        errors.push(MappingError::new(arguments.argument_path(), message).hint(hint));
    }
    (errors.len() == before).then(|| Box::new(Format(format.into())) as Box<dyn Rule>)
}

/// A format is usable if a date that it writes reads back as the same date.
fn is_whole(format: &str) -> bool {
    let sample = jiff::civil::date(1987, 11, 23);
    jiff::fmt::strtime::format(format, sample)
        .ok()
        .and_then(|text| parse(format, &text))
        .is_some_and(|date| date == sample)
}

fn parse(format: &str, text: &str) -> Option<Date> {
    // Years of fewer than four digits are typing errors, or a century short.
    let date = BrokenDownTime::parse(format, text).ok()?.to_date().ok()?;
    (date.year() >= 1000).then_some(date)
}

impl Rule for Format {
    fn output(&self) -> Kind {
        Kind::Date
    }

    fn apply<'a>(&'a self, cell: Cell<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Text(text) => read(&self.0, &text).map(Cell::Date),
            cell => Ok(cell),
        }
    }
}

fn read(format: &str, text: &str) -> Result<i32, Failure> {
    parse(format, text.trim()).map(days).ok_or_else(|| {
        let message = format!("{} is not a date of the form {format}", quoted(text));
        Failure::new("invalid_date", message)
    })
}

/// Days since 1970-01-01.
fn days(date: Date) -> i32 {
    // The difference of two of jiff's dates is at most some seven million days.
    (date - jiff::civil::date(1970, 1, 1)).get_days()
}

/// Reads `1980-12-31` as days since 1970-01-01.
pub fn iso(text: &str) -> Result<i32, Failure> {
    read(ISO, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert!(is_whole("%d/%m/%Y") && is_whole("%b %e, %Y") && is_whole("%y%m%d"));
        assert!(!is_whole("%d/%m") && !is_whole("d/m/Y") && !is_whole("%Q") && !is_whole(""));
    }

    #[test]
    fn strict() {
        let read = |format, text| parse(format, text).map(|date| date.to_string());
        assert_eq!(read("%d/%m/%Y", "1/2/1980").as_deref(), Some("1980-02-01"));
        assert_eq!(read("%d.%m.%y", "01.02.80").as_deref(), Some("1980-02-01"));
        assert_eq!(read("%d %B %Y", "3 March 2001").as_deref(), Some("2001-03-03"));
        for text in ["1/2/80", "31/02/1980", "1980-12-31", "1/2/1980x", "00/01/1980", "1/2/19800"] {
            assert_eq!(read("%d/%m/%Y", text), None, "{text}");
        }
        assert_eq!(iso("1969-12-31"), Ok(-1));
    }
}
