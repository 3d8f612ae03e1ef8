//! `timestamp`: moments, in UTC where the text names no zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::{Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};

pub const DEFINITION: Definition = Definition {
    name: "timestamp",
    meaning: "A moment. Columns without time zone are UTC, as Heroku Connect writes them; text is \
              ISO 8601, in UTC where it has no offset.",
    arguments: &[],
    reasons: &["invalid_timestamp"],
    accepts: &[Kind::Text, Kind::Timestamp],
    examples: &[
        Example {
            rules: r#"["timestamp"]"#,
            input: "2024-12-17 08:57:57",
            output: Yield::Text("2024-12-17T08:57:57+00:00"),
        },
        Example {
            rules: r#"["timestamp"]"#,
            input: "2024-12-17T08:57:57.250+02:00",
            output: Yield::Text("2024-12-17T06:57:57.25+00:00"),
        },
        Example {
            rules: r#"["timestamp"]"#,
            input: "tomorrow",
            output: Yield::Problem("invalid_timestamp"),
        },
    ],
    build,
};

/// 0001-01-01 00:00 UTC.
const YEAR_1: i64 = -62_135_596_800_000_000;

#[derive(Debug)]
struct Utc;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(Utc))
}

impl Rule for Utc {
    fn output(&self) -> Kind {
        Kind::Timestamp
    }

    fn apply<'a>(&'a self, cell: Cell<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Text(text) => iso(&text).map(Cell::Timestamp),
            cell => Ok(cell),
        }
    }
}

/// Reads an ISO 8601 timestamp as microseconds since 1970-01-01 UTC.
pub fn iso(text: &str) -> Result<i64, Failure> {
    let trimmed = text.trim();
    let moment = match trimmed.parse::<Timestamp>() {
        Ok(moment) => Ok(moment),
        // Salesforce writes offsets without a colon: 2024-12-17T08:57:57.000+0000.
        Err(_) => match BrokenDownTime::parse("%Y-%m-%dT%H:%M:%S%.f%z", trimmed) {
            Ok(parts) => parts.to_timestamp(),
            Err(_) => {
                trimmed.parse::<DateTime>().and_then(|local| TimeZone::UTC.to_timestamp(local))
            }
        },
    };
    match moment.map(Timestamp::as_microsecond) {
        // The server's calendar ends earlier in the past than the library's.
        Ok(micros) if micros >= YEAR_1 => Ok(micros),
        _ => {
            let message = format!("{} is not an ISO 8601 timestamp", quoted(text));
            Err(Failure::new("invalid_timestamp", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let at = Ok(1_734_425_877_000_000);
        for text in [
            "2024-12-17T08:57:57Z",
            "2024-12-17T08:57:57.000+0000",
            "2024-12-17T09:57:57+01:00",
            "2024-12-17 08:57:57",
            " 2024-12-17T08:57:57 ",
        ] {
            assert_eq!(iso(text), at, "{text}");
        }
        for text in [
            "08:57:57",
            "17/12/2024",
            "2024-02-30T00:00:00",
            "1734425877",
            "-009999-01-02T00:00:00Z",
        ] {
            assert!(iso(text).is_err(), "{text}");
        }
    }
}
