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
                time::clock(out, second_of_day, Some(self.precision));
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
    time::clock(out, utc.unsigned_abs(), None);
    out.put("Z\"");
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn column(type_name: &str, typmod: i32) -> Column {
        Column {
            name: "c".into(),
            dropped: false,
            not_null: false,
            type_name: type_name.into(),
            type_oid: 0,
            base_oid: 0,
            typmod,
            length: -1,
            align: 'i',
            element: None,
        }
    }

    fn encoded(type_name: &str, typmod: i32, value: Value<'_>) -> String {
        let mut out = Vec::new();
        Encoder::of(&column(type_name, typmod)).write(&mut out, &value);
        String::from_utf8(out).unwrap()
    }

    fn check<const N: usize>(cases: [(Value<'_>, &str); N]) {
        for (value, expected) in cases {
            assert_eq!(encoded("of no account", -1, value.clone()), expected, "{value:?}");
        }
    }

    /// 2016-11-04 is day 17109.
    const DAY_START: i64 = 17_109 * time::DAY;
    const HALF_PAST: i64 = 49_890_000_000;

    #[test]
    fn scalars() {
        check([
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Int(-9_223_372_036_854_775_808), "-9223372036854775808"),
            (Value::Float8(120.0), "120.0"),
            (Value::Float8(f64::INFINITY), "\"Infinity\""),
            (Value::Float4(1.1), "1.1"),
            (Value::Text("Zoë \"q\" \\ \u{1}\n".into()), r#""Zoë \"q\" \\ \u0001\n""#),
            (Value::Numeric("1.10".into()), "\"1.10\""),
            (Value::Numeric("NaN".into()), "\"NAN\""),
            (Value::Numeric("Infinity".into()), "\"POSITIVE_INFINITY\""),
            (Value::Numeric("-Infinity".into()), "\"NEGATIVE_INFINITY\""),
            (Value::Bytea(Cow::Borrowed(&[1, 2, 3])), "\"AQID\""),
            (Value::Json("{\"a\": [1]}".into()), r#""{\"a\": [1]}""#),
            (Value::Other("[1,5)".into()), "\"[1,5)\""),
            (
                Value::Uuid(*b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11"),
                "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            ),
            (Value::Array(vec![Value::Int(1), Value::Null]), "[1,null]"),
        ]);
        let hstore = Value::Other("\"key1\"=>\"val1\", \"key2\"=>NULL".into());
        let expected = r#""{\"key1\":\"val1\",\"key2\":null}""#;
        assert_eq!(encoded("hstore", -1, hstore.clone()), expected);
        assert_eq!(encoded("public.hstore", -1, hstore), expected);
    }

    #[test]
    fn times() {
        check([
            (Value::Date(17_109), "17109"),
            (Value::Date(i32::MAX), "-2147472692"),
            (Value::Date(i32::MIN), "-2147472691"),
            (Value::Time(HALF_PAST), "49890000000"),
            (Value::Time(time::DAY), "86400000000"),
            (Value::Timestamp(DAY_START + HALF_PAST + 123_456), "1478267490123456"),
            (Value::Timestamp(i64::MAX), "9223372036825200000"),
            (Value::Timestamp(i64::MIN), "-9223372036832400000"),
            (Value::TimestampTz(1_585_741_862_000_000), "\"2020-04-01T11:51:02.000000Z\""),
            (Value::TimestampTz(i64::MAX), "\"infinity\""),
            (Value::TimestampTz(i64::MIN), "\"-infinity\""),
            (Value::TimeTz(HALF_PAST + 123_789, 7200), "\"11:51:30.123789Z\""),
            (Value::TimeTz(HALF_PAST, 0), "\"13:51:30Z\""),
            (Value::TimeTz(0, 3600), "\"23:00:00Z\""),
            (Value::TimeTz(time::DAY, 0), "\"24:00:00Z\""),
            (
                Value::Interval { months: 14, days: 3, microseconds: 14_706_780_000 },
                "37091106780000",
            ),
            (Value::Interval { months: i32::MAX, days: 0, microseconds: 0 }, "9223372036854775807"),
        ]);
    }

    /// The driver keeps infinite dates at the ends of its calendar.
    #[test]
    fn infinite_dates_are_javas() {
        assert_eq!(time::civil(DATE_INFINITY.into()), (-5_877_611, 6, 21));
        assert_eq!(time::civil(DATE_MINUS_INFINITY.into()), (-5_877_611, 6, 22));
    }

    #[test]
    fn precision_is_the_columns() {
        let at = Value::Timestamp(DAY_START + HALF_PAST + 123_000);
        assert_eq!(encoded("timestamp(3)", 3, at), "1478267490123");
        assert_eq!(encoded("time(0)", 0, Value::Time(HALF_PAST)), "49890000");
        let at = Value::TimestampTz(DAY_START + HALF_PAST + 120_000);
        assert_eq!(encoded("timestamptz(3)", 3, at), "\"2016-11-04T13:51:30.120Z\"");
        let at = Value::TimestampTz(DAY_START + HALF_PAST);
        assert_eq!(encoded("timestamptz(0)", 0, at), "\"2016-11-04T13:51:30Z\"");
    }

    /// Years as Java's ISO formatter has them: the year before 1 is 0, long ones have a sign.
    #[test]
    fn far_years() {
        let days = |year: i64| (year - 2016) / 400 * 146_097 + 17_109;
        for (year, expected) in [
            (12_016, "\"+12016-11-04T00:00:00.000000Z\""),
            (-384, "\"-0384-11-04T00:00:00.000000Z\""),
        ] {
            let at = Value::TimestampTz(days(year) * time::DAY);
            assert_eq!(encoded("timestamptz", -1, at), expected);
        }
    }
}
