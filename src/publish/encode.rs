//! Values as Debezium's JSON converter shows them, with these handling modes: decimals as strings,
//! times by the column's precision (`adaptive`), bytes in base64, intervals as microseconds,
//! hstore as JSON. A type without an entry is its text, as a string.

use super::{hstore, json};
use crate::row::layout::Column;
use crate::row::text::{self, Out};
use crate::row::time;
use crate::row::value::Value;

/// What the calendar of the PostgreSQL JDBC driver makes of infinite dates and timestamps, and
/// Debezium with it: days, and microseconds.
const DATE_INFINITY: i32 = -2_147_472_692;
const DATE_MINUS_INFINITY: i32 = -2_147_472_691;
const TIMESTAMP_INFINITY: i64 = 9_223_372_036_825_200_000;
const TIMESTAMP_MINUS_INFINITY: i64 = -9_223_372_036_832_400_000;

/// Microseconds of a month of 365.25 / 12 days.
const MONTH: i128 = 2_629_800_000_000;

/// How the values of one column are written.
#[derive(Debug, Clone, Copy)]
pub struct Encoder {
    /// Digits of a fraction of a second that the column keeps.
    precision: usize,
    hstore: bool,
}

impl Encoder {
    pub fn of(column: &Column) -> Encoder {
        Encoder {
            precision: usize::try_from(column.typmod).map_or(6, |digits| digits.min(6)),
            hstore: column.type_name == "hstore" || column.type_name.ends_with(".hstore"),
        }
    }

    /// Appends a value of the column.
    pub fn write(self, out: &mut Vec<u8>, value: &Value<'_>) {
        match value {
            Value::Text(value) => json::string(out, value),
            Value::Null => out.put("null"),
            Value::Bool(value) => out.put(if *value { "true" } else { "false" }),
            Value::Int(value) => json::integer(out, *value),
            Value::Float4(value) => json::float4(out, *value),
            Value::Float8(value) => json::float8(out, *value),
            Value::Numeric(value) => {
                json::string(
                    out,
                    match &**value {
                        "NaN" => "NAN",
                        "Infinity" => "POSITIVE_INFINITY",
                        "-Infinity" => "NEGATIVE_INFINITY",
                        number => number,
                    },
                );
            }
            Value::Bytea(bytes) => json::bytes(out, bytes),
            Value::Date(days) => json::integer(
                out,
                match *days {
                    i32::MAX => DATE_INFINITY,
                    i32::MIN => DATE_MINUS_INFINITY,
                    days => days,
                },
            ),
            Value::Time(microseconds) => self.ticks(out, *microseconds),
            Value::Timestamp(at) => self.ticks(
                out,
                match *at {
                    i64::MAX => TIMESTAMP_INFINITY,
                    i64::MIN => TIMESTAMP_MINUS_INFINITY,
                    at => at,
                },
            ),
            Value::TimestampTz(at) => self.zoned_timestamp(out, *at),
            Value::TimeTz(microseconds, east) => zoned_time(out, *microseconds, *east),
            Value::Interval { months, days, microseconds } => {
                let sum = i128::from(*months) * MONTH
                    + i128::from(*days) * i128::from(time::DAY)
                    + i128::from(*microseconds);
                json::integer(out, sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
            }
            Value::Uuid(bytes) => {
                out.push(b'"');
                text::uuid(out, bytes);
                out.push(b'"');
            }
            Value::Array(values) => {
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(out, value);
                }
                out.push(b']');
            }
            Value::Other(text) if self.hstore => {
                json::string(out, hstore::to_json(text).as_deref().unwrap_or(text));
            }
            Value::Json(text) | Value::Other(text) => json::string(out, text),
        }
    }

    /// Milliseconds where the column keeps no more, else microseconds.
    fn ticks(self, out: &mut Vec<u8>, microseconds: i64) {
        if self.precision <= 3 {
            json::integer(out, microseconds.div_euclid(1000));
        } else {
            json::integer(out, microseconds);
        }
    }

    /// ISO 8601 in UTC, with as many digits of a fraction as the column keeps.
    fn zoned_timestamp(self, out: &mut Vec<u8>, at: i64) {
        out.push(b'"');
        match at {
            i64::MAX => out.put("infinity"),
            i64::MIN => out.put("-infinity"),
            at => {
                let (year, month, day) = time::civil(at.div_euclid(time::DAY));
                let second_of_day = at.rem_euclid(time::DAY) as u64;
                // Java: a sign where the year is negative or has more than four digits.
                out.put(match year {
                    ..0 => "-",
                    0..=9999 => "",
                    _ => "+",
                });
                time::four(out, year.unsigned_abs());
                out.push(b'-');
                time::two(out, month.into());
                out.push(b'-');
                time::two(out, day.into());
                out.push(b'T');
                clock(out, second_of_day, Some(self.precision));
                out.push(b'Z');
            }
        }
        out.push(b'"');
    }
}

/// The time of day in UTC, with the fraction that it has.
fn zoned_time(out: &mut Vec<u8>, microseconds: i64, east: i32) {
    // The end of the day stays what it is where no zone moves it.
    let utc = if east == 0 {
        microseconds
    } else {
        (microseconds - i64::from(east) * 1_000_000).rem_euclid(time::DAY)
    };
    out.push(b'"');
    clock(out, utc.unsigned_abs(), None);
    out.put("Z\"");
}

fn clock(out: &mut Vec<u8>, microseconds: u64, width: Option<usize>) {
    let seconds = microseconds / 1_000_000;
    time::two(out, seconds / 3600);
    out.push(b':');
    time::two(out, seconds / 60 % 60);
    out.push(b':');
    time::two(out, seconds % 60);
    time::fraction(out, microseconds % 1_000_000, width);
}
