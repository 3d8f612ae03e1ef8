//! `date`: calendar dates by format.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, eras, months, quoted,
    text_or_list, timestamp,
};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;
use crate::row::time::DAY;

pub const DEFINITION: Definition = Definition {
    name: "date",
    meaning: "A date in text, by its format, or the first of several that fits; a date that the \
              calendar does not have is a problem. Dates stay what they are; a timestamp becomes \
              its date in the zone.",
    arguments: &[
        Argument {
            name: "date",
            kind: "text or list of texts",
            required: false,
            meaning: "The format: %d day, %m month, %Y year of four digits, %y of two, %B or %b a \
                      month's name or abbreviation in English, German, French, Spanish, Italian, \
                      Portuguese or Dutch; excel for the number of a day in a spreadsheet; japanese \
                      for years of an era; %Y-%m-%d where absent.",
        },
        Argument {
            name: "years_from",
            kind: "number",
            required: false,
            meaning: "The first of the hundred years that %y stands for; 1969 where absent. Dates of \
                      birth need an earlier one: with 1925, 45 is 1945.",
        },
        Argument {
            name: "zone",
            kind: "text",
            required: false,
            meaning: "The zone in which a timestamp becomes a date: an IANA name, or org for the \
                      org's; UTC where absent.",
        },
    ],
    reasons: &["invalid_date"],
    accepts: &[Kind::Text, Kind::Number, Kind::Date, Kind::Timestamp],
    yields: "a date",
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
        Example {
            rules: r#"[{"date": ["%d.%m.%Y", "%d. %B %Y"]}]"#,
            input: "31. März 1980",
            output: Yield::Text("1980-03-31"),
        },
        Example {
            rules: r#"[{"date": "%d.%m.%y", "years_from": 1925}]"#,
            input: "12.03.45",
            output: Yield::Text("1945-03-12"),
        },
        Example {
            rules: r#"["plain", {"date": ["%Y年%m月%d日", "japanese"]}]"#,
            input: "昭和５５年１２月３１日",
            output: Yield::Text("1980-12-31"),
        },
        Example {
            rules: r#"[{"date": "excel"}]"#,
            input: "45292",
            output: Yield::Text("2024-01-01"),
        },
        Example {
            rules: r#"["timestamp", {"date": null, "zone": "Europe/Berlin"}]"#,
            input: "1980-05-04T22:00:00.000Z",
            output: Yield::Text("1980-05-05"),
        },
        Example { rules: r#"["date"]"#, input: "1980-12-31", output: Yield::Text("1980-12-31") },
    ],
    build,
};

const ISO: &str = "%Y-%m-%d";
/// The first year that %y stands for, as POSIX has it.
const YEARS_FROM: i16 = 1969;

#[derive(Debug)]
struct Formats {
    formats: Vec<Format>,
    years_from: i16,
    /// That of timestamps.
    zone: TimeZone,
}

/// How a date is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    /// The second has month names in full, where the first has any.
    Text(String, Option<String>),
    /// Days since 1899-12-30.
    Excel,
    /// Years of an era.
    Japanese,
}

impl Format {
    fn of(text: &str) -> Format {
        match text.trim() {
            "excel" => Format::Excel,
            "japanese" => Format::Japanese,
            format => Format::Text(format.into(), months::in_full(format)),
        }
    }

    /// A format is usable if a date that it writes reads back as the same date.
    fn is_whole(&self) -> bool {
        let Format::Text(format, _) = self else { return true };
        let sample = jiff::civil::date(1987, 11, 23);
        jiff::fmt::strtime::format(format, sample.at(1, 2, 3, 0))
            .ok()
            .and_then(|text| parse(format, &text, YEARS_FROM))
            .is_some_and(|date| date == sample)
    }

    fn read(&self, text: &str, years_from: i16) -> Option<Date> {
        match self {
            Format::Excel => excel(text),
            Format::Japanese => eras::date(text),
            Format::Text(format, in_full) => parse(format, text, years_from)
                .or_else(|| parse(in_full.as_ref()?, &months::in_english(text)?, years_from)),
        }
    }
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["years_from", "zone"], errors);
    let years_from = match arguments.spec.options.get("years_from").map(serde_json::Value::as_i64) {
        None => YEARS_FROM,
        Some(Some(year @ 1800..=2100)) => year as i16,
        Some(_) => {
            let path = format!("{}.years_from", arguments.path);
            errors.push(MappingError::new(path, "a year is needed, e.g. 1925"));
            YEARS_FROM
        }
    };
    let zone = match arguments.spec.options.get("zone") {
        None => TimeZone::UTC,
        Some(zone) => {
            let path = format!("{}.zone", arguments.path);
            timestamp::zone(zone, &path, arguments, errors)?
        }
    };
    let formats: Vec<_> = match arguments.spec.argument.as_ref().map(text_or_list) {
        None => vec![Format::of(ISO)],
        Some(Some(formats)) => formats.iter().map(|format| Format::of(format)).collect(),
        Some(None) => {
            arguments.wrong("", "a format is text, e.g. \"%d/%m/%Y\"", errors);
            return None;
        }
    };
    for format in &formats {
        if let (false, Format::Text(format, _)) = (format.is_whole(), format) {
            let message = format!("\"{format}\" does not tell day, month and year apart");
            let hint = "Use %d, %m and %Y (or %y), e.g. \"%d/%m/%Y\".";
            errors.push(MappingError::new(arguments.argument_path(), message).hint(hint));
        }
    }
    let rule = Formats { formats, years_from, zone };
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

fn parse(format: &str, text: &str, years_from: i16) -> Option<Date> {
    let mut parts = BrokenDownTime::parse(format, text).ok()?;
    if years_from != YEARS_FROM && format.contains("%y") {
        let year = years_from + (parts.year()? - years_from).rem_euclid(100);
        parts.set_year(Some(year)).ok()?;
    }
    // Years of fewer than four digits are typing errors, or a century short.
    let date = parts.to_date().ok()?;
    (date.year() >= 1000).then_some(date)
}

/// A spreadsheet's number: days since 1899-12-30, and the digits of the fraction, behind a point or a
/// comma, which is the time of day. Numbers below that of 1900-03-01 count a day that never was.
pub fn serial(text: &str) -> Option<(i64, &str)> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let days = whole.parse().ok().filter(|days| (61..2_958_466).contains(days))?;
    (digits(whole) && digits(fraction)).then_some((days, fraction))
}

fn excel(text: &str) -> Option<Date> {
    let (days, _) = serial(text)?;
    jiff::civil::date(1899, 12, 30).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

impl Rule for Formats {
    fn output(&self) -> Kind {
        Kind::Date
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        match cell {
            Cell::Timestamp(i64::MAX) => Ok(Cell::Date(i32::MAX)),
            Cell::Timestamp(i64::MIN) => Ok(Cell::Date(i32::MIN)),
            Cell::Timestamp(micros) => {
                // Beyond the library's calendar, no zone's clock is known.
                let local =
                    Timestamp::from_microsecond(micros).ok().filter(|_| self.zone != TimeZone::UTC);
                let day = match local {
                    Some(at) => Ok(days(self.zone.to_datetime(at).date())),
                    None => i32::try_from(micros.div_euclid(DAY)),
                };
                day.map(Cell::Date).map_err(|_| invalid("the timestamp", "date"))
            }
            Cell::Date(_) => Ok(cell),
            cell => {
                let text = cell.text();
                let found = self
                    .formats
                    .iter()
                    .find_map(|format| format.read(text.trim(), self.years_from));
                match found {
                    Some(date) => Ok(Cell::Date(days(date))),
                    None => Err(invalid(&text, &self.wanted())),
                }
            }
        }
    }
}

impl Formats {
    fn wanted(&self) -> String {
        let names = self.formats.iter().map(|format| match format {
            Format::Text(format, _) => format.as_str(),
            Format::Excel => "excel",
            Format::Japanese => "japanese",
        });
        names.collect::<Vec<_>>().join(" or ")
    }
}

fn invalid(text: &str, wanted: &str) -> Failure {
    Failure::new("invalid_date", format!("{} is not a date of the form {wanted}", quoted(text)))
}

/// Days since 1970-01-01.
pub fn days(date: Date) -> i32 {
    // The difference of two of jiff's dates is at most some seven million days.
    (date - jiff::civil::date(1970, 1, 1)).get_days()
}

/// Reads `1980-12-31` as days since 1970-01-01.
pub fn iso(text: &str) -> Result<i32, Failure> {
    parse(ISO, text.trim(), YEARS_FROM).map(days).ok_or_else(|| invalid(text, ISO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let is_whole = |format| Format::of(format).is_whole();
        assert!(is_whole("%d/%m/%Y") && is_whole("%b %e, %Y") && is_whole("%y%m%d"));
        assert!(is_whole("%Y-%m-%d %H:%M:%S") && is_whole("excel"));
        assert!(!is_whole("%d/%m") && !is_whole("d/m/Y") && !is_whole("%Q") && !is_whole(""));
    }

    #[test]
    fn strict() {
        let read = |format, text| Format::of(format).read(text, 1930).map(|date| date.to_string());
        assert_eq!(read("%d/%m/%Y", "1/2/1980").as_deref(), Some("1980-02-01"));
        assert_eq!(read("%d.%m.%y", "01.02.80").as_deref(), Some("1980-02-01"));
        assert_eq!(read("%d.%m.%y", "29.02.32").as_deref(), Some("1932-02-29"));
        assert_eq!(read("%d.%m.%y", "01.02.29").as_deref(), Some("2029-02-01"));
        assert_eq!(read("%d de %B de %Y", "31 de março de 1980").as_deref(), Some("1980-03-31"));
        assert_eq!(read("%d %B %Y", "3 March 2001").as_deref(), Some("2001-03-03"));
        assert_eq!(read("%d %b %Y", "3 déc. 2001").as_deref(), Some("2001-12-03"));
        for text in ["1/2/80", "31/02/1980", "1980-12-31", "1/2/1980x", "00/01/1980", "1/2/19800"] {
            assert_eq!(read("%d/%m/%Y", text), None, "{text}");
        }
        assert_eq!(read("excel", "45292.75").as_deref(), Some("2024-01-01"));
        assert_eq!(read("excel", "45292,75").as_deref(), Some("2024-01-01"));
        for text in ["60", "0", "-1", "x", "99999999", "1e5", "2024.07.17", "45292.x", "+45292"] {
            assert_eq!(read("excel", text), None, "{text}");
        }
        assert_eq!(iso("1969-12-31"), Ok(-1));
    }
}
