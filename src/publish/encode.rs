//! Values as Debezium's JSON converter shows them, each in the form of its column.

use super::decimal;
use super::form::{Calendar, Form, Unit};
use super::{hstore, json};
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

/// Appends a value of a column of this form. What the form has no way to show (NaN as exact bytes,
/// the year 3000 in nanoseconds) is null, or zero where the column is never null, which is what
/// Debezium makes of it, where that does not stop.
pub fn write(form: &Form, nullable: bool, out: &mut Vec<u8>, value: &Value<'_>) {
    if matches!(value, Value::Null) {
        return out.put("null");
    }
    if fit(form, out, value).is_none() {
        out.put(if nullable { "null" } else { zero(form) });
    }
}

/// `None` where the value does not fit the form; nothing is written then.
fn fit(form: &Form, out: &mut Vec<u8>, value: &Value<'_>) -> Option<()> {
    match (form, value) {
        (Form::Boolean, Value::Bool(value)) => out.put(if *value { "true" } else { "false" }),
        (Form::Boolean, Value::Bits(_, bits)) => {
            out.put(if bits.iter().any(|bits| *bits != 0) { "true" } else { "false" });
        }
        (Form::Int16 | Form::Int32 | Form::Int64, Value::Int(value)) => json::integer(out, *value),
        (Form::Float, Value::Float4(value)) => json::float4(out, *value),
        (Form::Double, Value::Float8(value)) => json::float8(out, *value),
        (Form::Text | Form::Named(_) | Form::Enum(_), value) => words(out, value),
        (Form::DecimalText, Value::Numeric(value)) => {
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
        (Form::DecimalDouble, Value::Numeric(value)) => {
            // The names of what is no number are those that Rust reads.
            json::float8(out, value.parse().ok()?);
        }
        (Form::Decimal { scale, .. }, Value::Numeric(value)) => {
            json::bytes(out, &decimal::unscaled(value, *scale)?);
        }
        (Form::VariableScale, Value::Numeric(value)) => {
            let (scale, bytes) = decimal::variable(value)?;
            out.put("{\"scale\":");
            json::integer(out, scale);
            out.put(",\"value\":");
            json::bytes(out, &bytes);
            out.push(b'}');
        }
        (Form::Bytes | Form::Base64, Value::Bytea(bytes)) => json::bytes(out, bytes),
        (Form::Base64UrlSafe, Value::Bytea(bytes)) => json::url_safe(out, bytes),
        (Form::Hex, Value::Bytea(bytes)) => {
            quoted(out, |out| text::hex(out, bytes));
        }
        (Form::Bits(_), Value::Bits(length, bits)) => {
            json::bytes(out, &little_endian(*length, bits));
        }
        (Form::Date(calendar), Value::Date(days)) => date(*calendar, out, *days),
        (Form::Time(unit), Value::Time(microseconds)) => match unit {
            Unit::Iso => quoted(out, |out| {
                // The end of the day is the beginning of another to Java.
                time::time(out, microseconds % time::DAY);
                out.put("Z");
            }),
            unit => ticks(*unit, out, *microseconds)?,
        },
        (Form::Timestamp(unit), Value::Timestamp(at)) => timestamp(*unit, out, *at)?,
        (Form::ZonedTimestamp(digits), Value::TimestampTz(at)) => match *at {
            i64::MAX => out.put("\"infinity\""),
            i64::MIN => out.put("\"-infinity\""),
            at => quoted(out, |out| {
                day_and_time(
                    out,
                    at.div_euclid(time::DAY),
                    at.rem_euclid(time::DAY),
                    Some(*digits),
                );
            }),
        },
        // The last years of the server's calendar, beyond the numbers of ours.
        (Form::ZonedTimestamp(digits), Value::Other(text)) => {
            let (days, of_day) = time::parse(text)?;
            quoted(out, |out| day_and_time(out, days, of_day, Some(*digits)));
        }
        (Form::Timestamp(unit), Value::Other(text)) => {
            let (days, of_day) = time::parse(text)?;
            match unit {
                Unit::Milliseconds | Unit::Connect => {
                    json::integer(out, days * (time::DAY / 1000) + of_day / 1000);
                }
                Unit::Microseconds => json::integer(out, i64::MAX),
                Unit::Nanoseconds => return None,
                Unit::Iso => quoted(out, |out| day_and_time(out, days, of_day, None)),
            }
        }
        (Form::ZonedTime, Value::TimeTz(microseconds, east)) => {
            zoned_time(out, *microseconds, *east);
        }
        (Form::MicroDuration, Value::Interval { months, days, microseconds }) => {
            let sum = i128::from(*months) * MONTH
                + i128::from(*days) * i128::from(time::DAY)
                + i128::from(*microseconds);
            json::integer(out, sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        }
        (Form::Interval, Value::Interval { months, days, microseconds }) => {
            interval(out, *months, *days, *microseconds);
        }
        (Form::HstoreJson, Value::Other(text)) => {
            json::string(out, hstore::to_json(text).as_deref().unwrap_or(text));
        }
        (Form::HstoreMap, Value::Other(text)) => out.put(&hstore::to_json(text)?),
        (Form::Point, Value::Point(x, y)) => point(out, *x, *y),
        (Form::Array(form), Value::Array(values)) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(form, true, out, value);
            }
            out.push(b']');
        }
        _ => return None,
    }
    Some(())
}

/// What stands for a value that is not known or that a form cannot show, in a column that is never
/// null.
pub fn zero(form: &Form) -> &'static str {
    match form {
        Form::Boolean => "false",
        Form::Int16
        | Form::Int32
        | Form::Int64
        | Form::Date(Calendar::Debezium | Calendar::Connect)
        | Form::MicroDuration => "0",
        Form::Time(unit) | Form::Timestamp(unit) if *unit != Unit::Iso => "0",
        Form::Float | Form::Double | Form::DecimalDouble => "0.0",
        Form::DecimalText => "\"0\"",
        Form::Decimal { .. } => "\"AA==\"",
        Form::VariableScale => "{\"scale\":0,\"value\":\"AA==\"}",
        Form::Point => "{\"x\":0.0,\"y\":0.0,\"wkb\":null,\"srid\":null}",
        Form::HstoreMap => "{}",
        Form::Array(_) => "[]",
        _ => "\"\"",
    }
}

/// The text of a value, as a string.
fn words(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) | Value::Json(text) | Value::Other(text) | Value::Numeric(text) => {
            json::string(out, text);
        }
        // Nothing of this is to be escaped.
        Value::Uuid(bytes) => quoted(out, |out| text::uuid(out, bytes)),
        value => {
            let mut text = String::new();
            value.display(&mut text);
            json::string(out, &text);
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// As Java's `BitSet` keeps bits: the last one is the lowest of the first byte, and nothing comes
/// after the highest that is set.
fn little_endian(length: u32, bits: &[u8]) -> Vec<u8> {
    let length = length as usize;
    let mut bytes = vec![0; length.div_ceil(8)];
    for place in 0..length {
        let set = bits.get(place / 8).is_some_and(|byte| byte & (0x80 >> (place % 8)) != 0);
        let up = length - 1 - place;
        bytes[up / 8] |= u8::from(set) << (up % 8);
    }
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

fn date(calendar: Calendar, out: &mut Vec<u8>, days: i32) {
    let days = match days {
        i32::MAX => DATE_INFINITY,
        i32::MIN => DATE_MINUS_INFINITY,
        days => days,
    };
    match calendar {
        Calendar::Debezium | Calendar::Connect => json::integer(out, days),
        Calendar::Iso => quoted(out, |out| {
            day(out, days.into());
            out.put("Z");
        }),
    }
}

fn timestamp(unit: Unit, out: &mut Vec<u8>, at: i64) -> Option<()> {
    // Nanoseconds have no room for the driver's infinity.
    if unit == Unit::Nanoseconds && matches!(at, i64::MAX | i64::MIN) {
        json::integer(out, at);
        return Some(());
    }
    let at = match at {
        i64::MAX => TIMESTAMP_INFINITY,
        i64::MIN => TIMESTAMP_MINUS_INFINITY,
        at => at,
    };
    match unit {
        Unit::Iso => quoted(out, |out| {
            day_and_time(out, at.div_euclid(time::DAY), at.rem_euclid(time::DAY), None);
        }),
        unit => ticks(unit, out, at)?,
    }
    Some(())
}

fn ticks(unit: Unit, out: &mut Vec<u8>, microseconds: i64) -> Option<()> {
    let ticks = match unit {
        Unit::Milliseconds | Unit::Connect => microseconds.div_euclid(1000),
        Unit::Microseconds => microseconds,
        Unit::Nanoseconds => microseconds.checked_mul(1000)?,
        Unit::Iso => return None,
    };
    json::integer(out, ticks);
    Some(())
}

/// ISO 8601 in UTC, with so many digits of a fraction, or those that it has.
fn day_and_time(out: &mut Vec<u8>, days: i64, of_day: i64, digits: Option<usize>) {
    day(out, days);
    out.push(b'T');
    time::clock(out, of_day.unsigned_abs(), digits);
    out.push(b'Z');
}

/// As Java's ISO formatter: a sign where the year is negative or has more than four digits.
fn day(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = time::civil(days);
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
}

/// The time of day in UTC, with the fraction that it has.
fn zoned_time(out: &mut Vec<u8>, microseconds: i64, east: i32) {
    // The end of the day stays what it is where no zone moves it.
    let utc = if east == 0 {
        microseconds
    } else {
        (microseconds - i64::from(east) * 1_000_000).rem_euclid(time::DAY)
    };
    quoted(out, |out| {
        time::clock(out, utc.unsigned_abs(), None);
        out.put("Z");
    });
}

/// `P1Y2M3DT4H5M6.78S`, all of it always, each part with its sign; ISO 8601 has nothing without end.
fn interval(out: &mut Vec<u8>, months: i32, days: i32, microseconds: i64) {
    const SECOND: i64 = 1_000_000;
    if let Some(word) = time::infinity(months, days, microseconds) {
        return quoted(out, |out| out.put(word));
    }
    let minutes = microseconds / (60 * SECOND);
    let rest = microseconds % (60 * SECOND);
    quoted(out, |out| {
        let parts = [
            ("P", i64::from(months / 12)),
            ("Y", i64::from(months % 12)),
            ("M", i64::from(days)),
            ("DT", minutes / 60),
            ("H", minutes % 60),
        ];
        for (before, number) in parts {
            out.put(before);
            json::integer(out, number);
        }
        out.put(if rest < 0 { "M-" } else { "M" });
        let rest = rest.unsigned_abs();
        json::integer(out, rest / SECOND as u64);
        time::fraction(out, rest % SECOND as u64, None);
        out.put("S");
    });
}

/// Coordinates, and the same once more as well-known binary: little-endian, a point.
fn point(out: &mut Vec<u8>, x: f64, y: f64) {
    // Java knows one NaN.
    let [x, y] = [x, y].map(|number| if number.is_nan() { f64::NAN } else { number });
    out.put("{\"x\":");
    json::float8(out, x);
    out.put(",\"y\":");
    json::float8(out, y);
    out.put(",\"wkb\":");
    let mut wkb = vec![1, 1, 0, 0, 0];
    wkb.extend(x.to_le_bytes());
    wkb.extend(y.to_le_bytes());
    json::bytes(out, &wkb);
    out.put(",\"srid\":null}");
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
