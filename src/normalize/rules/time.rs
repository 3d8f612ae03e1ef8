//! `time`: times of day by format.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::civil::Time;
use jiff::fmt::strtime::BrokenDownTime;
use regex::Regex;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted, text_or_list};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "time",
    meaning: "A time of day in text, by its format, or the first of several that fits. Times stay \
              what they are.",
    arguments: &[Argument {
        name: "time",
        kind: "text or list of texts",
        required: false,
        meaning: "%H or %I hour of 24 or 12, %M minute, %S second, %p AM or PM, also a.m. and p. m.; 14:30 and 14:30:00 \
                  where absent.",
    }],
    reasons: &["invalid_time"],
    accepts: &[Kind::Text, Kind::Time],
    yields: "a time",
    examples: &[
        Example {
            rules: r#"[{"time": ["%I:%M %p", "%Hh%M"]}]"#,
            input: "14h30",
            output: Yield::Text("14:30:00"),
        },
        Example {
            rules: r#"[{"time": "%I:%M %p"}]"#,
            input: "2:05 pm",
            output: Yield::Text("14:05:00"),
        },
        Example { rules: r#"["time"]"#, input: "noon", output: Yield::Problem("invalid_time") },
    ],
    build,
};

const ISO: [&str; 3] = ["%H:%M:%S%.f", "%H:%M:%S", "%H:%M"];

#[derive(Debug)]
struct Formats(Vec<String>);

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let formats = match &arguments.spec.argument {
        None => ISO.iter().map(ToString::to_string).collect(),
        Some(argument) => match text_or_list(argument) {
            Some(formats) => formats,
            None => {
                arguments.wrong("", "a format is text, e.g. \"%H:%M\"", errors);
                return None;
            }
        },
    };
    for format in &formats {
        if !is_whole(format) {
            let message = format!("\"{format}\" does not tell the hour, or not of how many");
            arguments.wrong("", message, errors);
        }
    }
    (errors.len() == before).then(|| Box::new(Formats(formats)) as Box<dyn Rule>)
}

/// A format is usable if an hour of the afternoon that it writes reads back as the same.
fn is_whole(format: &str) -> bool {
    let sample = jiff::civil::date(1987, 11, 23).at(22, 0, 0, 0);
    jiff::fmt::strtime::format(format, sample)
        .ok()
        .and_then(|text| parse(format, &text))
        .is_some_and(|time| time == sample.time())
}

fn parse(format: &str, text: &str) -> Option<Time> {
    parts(format, text)?.to_time().ok()
}

/// What a text says by a format, where "a.m." and "p. m." are "am" and "pm".
pub fn parts(format: &str, text: &str) -> Option<BrokenDownTime> {
    static HALF: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)([ap])\.\s?m\b\.?").ok());
    if let Ok(parts) = BrokenDownTime::parse(format, text) {
        return Some(parts);
    }
    let half = HALF.as_ref().filter(|_| format.contains("%p"))?;
    match half.replace_all(text, "${1}m") {
        Cow::Owned(text) => BrokenDownTime::parse(format, text).ok(),
        Cow::Borrowed(_) => None,
    }
}

impl Rule for Formats {
    fn output(&self) -> Kind {
        Kind::Time
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Text(text) => read(self.0.iter().map(String::as_str), &text).map(Cell::Time),
            cell => Ok(cell),
        }
    }
}

fn read<'f>(mut formats: impl Iterator<Item = &'f str>, text: &str) -> Result<i64, Failure> {
    let trimmed = text.trim();
    let time = formats.find_map(|format| parse(format, trimmed));
    match time {
        Some(time) => Ok(time.duration_since(Time::midnight()).as_micros() as i64),
        None => {
            let message = format!("{} is not a time of the form asked for", quoted(text));
            Err(Failure::new("invalid_time", message))
        }
    }
}

/// Reads `14:30` and `14:30:00` as microseconds since midnight.
pub fn iso(text: &str) -> Result<i64, Failure> {
    read(ISO.into_iter(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert!(is_whole("%H:%M") && is_whole("%I %p") && is_whole("%H"));
        assert!(!is_whole("%I:%M") && !is_whole("%M") && !is_whole("%Q"));
        assert_eq!(iso("14:30"), Ok(52_200_000_000));
        assert_eq!(iso("14:30:00.5"), Ok(52_200_500_000));
        for (text, micros) in [
            ("2:05 p.m.", Some(50_700_000_000)),
            ("2:05 p. m.", Some(50_700_000_000)),
            ("2:05a.m.", Some(7_500_000_000)),
            ("2:05 P.M", Some(50_700_000_000)),
            ("2:05 p.", None),
        ] {
            assert_eq!(read(["%I:%M %p"].into_iter(), text).ok(), micros, "{text}");
        }
        assert!(read(["%I:%M %p"].into_iter(), &"a.m.".repeat(100_000)).is_err());
        assert!(iso("25:00").is_err() && iso("14").is_err());
    }
}
