//! `timestamp`: moments, in UTC where the text names no zone and the mapping none.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, date, months, quoted,
    text_or_list, time,
};
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;
use crate::normalize::{MappingError, decimal};
use crate::row::time::DAY;

pub const DEFINITION: Definition = Definition {
    name: "timestamp",
    meaning: "A moment. Columns without time zone are UTC, as Heroku Connect writes them; text is \
              ISO 8601, or of a format; a date, and text of a format without hours, is its midnight. \
              Text without an offset and dates are in UTC where no zone is given. A local time that a \
              change of clocks leaves out is moved on by it, one that it repeats is the first of the \
              two.",
    arguments: &[
        Argument {
            name: "format",
            kind: "text or list of texts",
            required: false,
            meaning: "As for date and time, %z for an offset, %Q for an offset or the IANA name of a \
                      zone; iso, unix or unix_ms (since 1970), excel; iso where absent.",
        },
        Argument {
            name: "zone",
            kind: "text",
            required: false,
            meaning: "The zone of text without an offset, and of dates: an IANA name, or org for \
                      the org's; UTC where absent.",
        },
    ],
    reasons: &["invalid_timestamp"],
    accepts: &[Kind::Text, Kind::Number, Kind::Date, Kind::Timestamp],
    yields: "a timestamp",
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
            rules: r#"[{"timestamp": {"format": "%d/%m/%Y %H:%M", "zone": "Europe/Paris"}}]"#,
            input: "17/07/2024 09:30",
            output: Yield::Text("2024-07-17T07:30:00+00:00"),
        },
        Example {
            rules: r#"[{"timestamp": {"format": "%m/%d/%Y %I:%M %p %Q"}}]"#,
            input: "7/17/2024 9:30 am America/Denver",
            output: Yield::Text("2024-07-17T15:30:00+00:00"),
        },
        Example {
            rules: r#"[{"timestamp": {"format": ["unix", "iso"]}}]"#,
            input: "1734425877",
            output: Yield::Text("2024-12-17T08:57:57+00:00"),
        },
        Example {
            rules: r#"["timestamp"]"#,
            input: "tomorrow",
            output: Yield::Problem("invalid_timestamp"),
        },
    ],
    build,
};

/// 1000-01-01 00:00 UTC. In text, years of fewer than four digits are typing errors, or a century short,
/// as for dates.
const YEAR_1000: i64 = -30_610_224_000_000_000;
/// 0001-01-01 00:00 UTC: the server's calendar ends earlier in the past than the library's.
const YEAR_1: i64 = -62_135_596_800_000_000;
/// What means the org's own zone.
const ORG: &str = "org";

#[derive(Debug)]
struct Moment {
    formats: Vec<Format>,
    zone: TimeZone,
}

#[derive(Debug)]
enum Format {
    Iso,
    /// Units since 1970, each of so many microseconds.
    Unix(i64),
    Excel,
    /// The second has month names in full, where the first has any.
    Text(String, Option<String>),
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Moment { formats: vec![Format::Iso], zone: TimeZone::UTC };
    if arguments.spec.argument.is_none() {
        return (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>);
    }
    let members = arguments.object(&["format", "zone"], errors)?;
    if let Some(format) = members.get("format") {
        rule.formats = match text_or_list(format) {
            Some(formats) => formats.iter().map(|format| Format::of(format)).collect(),
            None => {
                arguments.wrong("format", "a format is text, e.g. \"%d/%m/%Y %H:%M\"", errors);
                return None;
            }
        };
        for format in &rule.formats {
            if let Format::Text(text, _) = format
                && !is_whole(text)
            {
                let message = format!("\"{text}\" does not tell date and hour apart");
                arguments.wrong("format", message, errors);
            }
        }
    }
    if let Some(given) = members.get("zone") {
        let path = format!("{}.zone", arguments.argument_path());
        rule.zone = zone(given, &path, arguments, errors)?;
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

/// The zone that a rule is given.
pub fn zone(
    given: &Value,
    path: &str,
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<TimeZone> {
    match given {
        Value::String(name) => {
            arguments.scope.zone(Some(name.as_str()).filter(|name| *name != ORG), path, errors)
        }
        _ => {
            errors.push(MappingError::new(path, "the name of a time zone is needed"));
            None
        }
    }
}

/// A format is usable if a moment that it writes reads back as the same hour, or the same day where it
/// has no hours.
fn is_whole(format: &str) -> bool {
    let sample = jiff::civil::date(1987, 11, 23).at(22, 0, 0, 0);
    let zoned = sample.to_zoned_datetime(TimeZone::UTC).ok();
    let text = zoned.and_then(|zoned| jiff::fmt::strtime::format(format, &zoned).ok());
    let Some(text) = text else { return false };
    let hours = BrokenDownTime::parse(format, &text).is_ok_and(|parts| parts.hour().is_some());
    let expected = if hours { sample } else { sample.date().at(0, 0, 0, 0) };
    parse(format, &text, &TimeZone::UTC)
        .is_some_and(|micros| TimeZone::UTC.to_datetime(at(micros)) == expected)
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

impl Format {
    fn of(text: &str) -> Format {
        match text.trim() {
            "iso" => Format::Iso,
            "unix" => Format::Unix(1_000_000),
            "unix_ms" => Format::Unix(1000),
            "excel" => Format::Excel,
            format => Format::Text(format.into(), months::in_full(format)),
        }
    }

    fn read(&self, text: &str, zone: &TimeZone) -> Option<i64> {
        match self {
            Format::Iso => parse_iso(text, zone),
            Format::Unix(unit) => unix(text, *unit),
            Format::Excel => excel(text, zone),
            Format::Text(format, in_full) => parse(format, text, zone)
                .or_else(|| parse(in_full.as_ref()?, &months::in_english(text)?, zone)),
        }
        .filter(|micros| *micros >= YEAR_1000)
    }
}

fn parse(format: &str, text: &str, zone: &TimeZone) -> Option<i64> {
    let parts = time::parts(format, text)?;
    if parts.offset().is_some() {
        return Some(parts.to_timestamp().ok()?.as_microsecond());
    }
    let local = match parts.hour() {
        Some(_) => parts.to_datetime().ok()?,
        None => parts.to_date().ok()?.at(0, 0, 0, 0),
    };
    let named = parts.iana_time_zone().map(TimeZone::get);
    let zone = match &named {
        Some(Ok(named)) => named,
        Some(Err(_)) => return None,
        None => zone,
    };
    Some(zone.to_timestamp(local).ok()?.as_microsecond())
}

fn parse_iso(text: &str, zone: &TimeZone) -> Option<i64> {
    // Others write the offset apart: 2024-12-17 08:57:57 UTC, 2024-12-17 09:57:57 +0100.
    let apart = text.rsplit_once(' ').filter(|(moment, _)| moment.contains(':'));
    let joined = apart.and_then(|(moment, offset)| match offset {
        "UTC" | "GMT" | "Z" => Some(format!("{moment}Z")),
        _ if offset.starts_with(['+', '-']) => Some(format!("{moment}{offset}")),
        _ => None,
    });
    let text = joined.as_deref().unwrap_or(text);
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        // Salesforce writes offsets without a colon: 2024-12-17T08:57:57.000+0000.
        match BrokenDownTime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text) {
            Ok(parts) => parts.to_timestamp().ok(),
            Err(_) => zone.to_timestamp(text.parse::<DateTime>().ok()?).ok(),
        }
    });
    moment.map(Timestamp::as_microsecond)
}

/// A plain decimal number of units, to the microsecond.
fn unix(text: &str, unit: i64) -> Option<i64> {
    let number = decimal::multiply(&decimal::parse(text)?, &unit.to_string());
    let micros = number.split_once('.').map_or(&*number, |(whole, _)| whole).parse().ok()?;
    Timestamp::from_microsecond(micros).ok().map(Timestamp::as_microsecond)
}

/// A spreadsheet's number: days since 1899-12-30, the time of day as fraction, to the second.
fn excel(text: &str, zone: &TimeZone) -> Option<i64> {
    let (days, fraction) = date::serial(text)?;
    let seconds =
        days * 86_400 + (format!("0.{fraction}0").parse::<f64>().ok()? * 86_400.0).round() as i64;
    let local = jiff::civil::date(1899, 12, 30).at(0, 0, 0, 0);
    let local = local.checked_add(jiff::Span::new().try_seconds(seconds).ok()?).ok()?;
    Some(zone.to_timestamp(local).ok()?.as_microsecond())
}

impl Rule for Moment {
    fn output(&self) -> Kind {
        Kind::Timestamp
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Timestamp(_) => Ok(cell),
            Cell::Date(i32::MAX) => Ok(Cell::Timestamp(i64::MAX)),
            Cell::Date(i32::MIN) => Ok(Cell::Timestamp(i64::MIN)),
            Cell::Date(days) => local(days.into(), 0, &self.zone).map(Cell::Timestamp),
            cell => {
                let text = cell.text();
                let read = |format: &Format| format.read(text.trim(), &self.zone);
                match self.formats.iter().find_map(read) {
                    Some(micros) => Ok(Cell::Timestamp(micros)),
                    None => Err(invalid(&text)),
                }
            }
        }
    }
}

fn invalid(text: &str) -> Failure {
    let message = format!("{} is not a timestamp of the form asked for", quoted(text));
    Failure::new("invalid_timestamp", message)
}

/// Reads ISO 8601, UTC where there is no offset, as microseconds since 1970-01-01 UTC.
pub fn iso(text: &str) -> Result<i64, Failure> {
    Format::Iso.read(text.trim(), &TimeZone::UTC).ok_or_else(|| {
        let message = format!("{} is not an ISO 8601 timestamp", quoted(text));
        Failure::new("invalid_timestamp", message)
    })
}

/// A local date (days since 1970-01-01) and time of day in a zone, as microseconds since 1970 UTC.
pub fn local(days: i64, micros: i64, zone: &TimeZone) -> Result<i64, Failure> {
    let wall = days
        .checked_mul(DAY)
        .and_then(|at| at.checked_add(micros))
        .and_then(|at| Timestamp::from_microsecond(at).ok());
    // As if the wall clock were UTC, to get its civil time.
    let moment = wall
        .map(|wall| TimeZone::UTC.to_datetime(wall))
        .and_then(|civil| zone.to_timestamp(civil).ok())
        .map(Timestamp::as_microsecond)
        .filter(|micros| *micros >= YEAR_1);
    moment.ok_or_else(|| Failure::new("invalid_timestamp", "the date is beyond the calendar"))
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
            "2024-12-17 08:57:57 UTC",
            "2024-12-17T08:57:57.000 Z",
            "2024-12-17 09:57:57 +01:00",
            "2024-12-17 09:57:57+01",
            "2024-12-17 09:57:57.0 +0100",
            "2024-12-17 09:57:57 +0100",
        ] {
            assert_eq!(iso(text), at, "{text}");
        }
        for text in [
            "08:57:57",
            "17/12/2024",
            "2024-12-17 +01:00",
            "2024-12-17 09:57:57 CET",
            "2024-02-30T00:00:00",
            "1734425877",
            "-009999-01-02T00:00:00Z",
            "0024-07-17T09:30:00",
        ] {
            assert!(iso(text).is_err(), "{text}");
        }
    }

    #[test]
    fn changes_of_clocks() {
        let london = TimeZone::get("Europe/London").unwrap();
        let read = |text| Format::Iso.read(text, &london);
        // 2024-03-31 01:30 was left out: it is moved on to 02:30 BST.
        assert_eq!(read("2024-03-31 01:30:00"), Some(1_711_848_600_000_000));
        // 2024-10-27 01:30 came twice: the first is BST.
        assert_eq!(read("2024-10-27 01:30:00"), Some(1_729_989_000_000_000));
        let days = i64::from(super::super::date::iso("2024-10-27").unwrap());
        assert_eq!(local(days, 5_400_000_000, &london), Ok(1_729_989_000_000_000));
        assert!(local(i64::MAX, 0, &london).is_err());
    }

    #[test]
    fn a_short_year_is_none() {
        let read = |format, text| Format::of(format).read(text, &TimeZone::UTC);
        let at = Some(1_721_208_600_000_000);
        assert_eq!(read("%d/%m/%Y %H:%M", "17/07/2024 09:30"), at);
        assert_eq!(read("%d/%m/%y %H:%M", "17/07/24 09:30"), at);
        for text in ["17/07/24 09:30", "17/07/4 09:30", "17/07/202 09:30"] {
            assert_eq!(read("%d/%m/%Y %H:%M", text), None, "{text}");
        }
        assert_eq!(read("%d/%m/%Y %I:%M %p", "17/07/2024 9:30 a.m."), at);
        let long = "a.m.".repeat(100_000);
        assert_eq!(Format::of("%I:%M %p").read(&long, &TimeZone::UTC), None);
        assert_eq!(read("%d/%m/%Y %H:%M %z", "17/07/24 09:30 +0200"), None);
    }

    #[test]
    fn numbers() {
        let utc = TimeZone::UTC;
        assert_eq!(Format::Excel.read("45292.5", &utc), Some(1_704_110_400_000_000));
        assert_eq!(Format::Unix(1000).read("1734425877123", &utc), Some(1_734_425_877_123_000));
        assert_eq!(Format::Unix(1_000_000).read("99999999999999999", &utc), None);
        for text in ["NaN", "2024.07.17", "4.5292e4", "45292.5x", "+45292", "45292."] {
            assert_eq!(Format::Excel.read(text, &utc), None, "{text}");
        }
        assert_eq!(Format::Excel.read("45292,5", &utc), Some(1_704_110_400_000_000));
        assert_eq!(Format::Excel.read("45292.99999999", &utc), Some(1_704_153_600_000_000));
        assert_eq!(
            Format::Unix(1_000_000).read("1734425877.25", &utc),
            Some(1_734_425_877_250_000)
        );
        assert_eq!(Format::Unix(1000).read("1734425877123.5", &utc), Some(1_734_425_877_123_500));
        assert_eq!(Format::Unix(1_000_000).read("-1.5", &utc), Some(-1_500_000));
        for text in ["2024.07.17", "2024.07.17 09:30", "1.73443E+12", "1734425877.x", "1734425877."]
        {
            assert_eq!(Format::Unix(1_000_000).read(text, &utc), None, "{text}");
            assert_eq!(Format::Unix(1000).read(text, &utc), None, "{text}");
        }
    }
}
