//! Values against what Debezium 3.6.3 made of the same ones, mode by mode.

use std::borrow::Cow;

use super::*;
use crate::publish::form::{Type, Types};
use crate::publish::modes::{Binaries, Decimals, Hstores, Intervals, Modes, Times};
use crate::row::layout::{Column, Element};
use crate::row::oid;

const HSTORE: u32 = 16_500;

fn column(base_oid: u32, typmod: i32) -> Column {
    Column {
        name: "c".into(),
        dropped: false,
        not_null: false,
        type_name: String::new(),
        type_oid: base_oid,
        base_oid,
        typmod,
        length: -1,
        align: 'i',
        element: None,
    }
}

fn types() -> Types {
    Types::from([(HSTORE, Type { name: "hstore".into(), labels: Vec::new() })])
}

fn encoded(modes: Modes, base_oid: u32, typmod: i32, value: Value<'_>) -> String {
    let mut out = Vec::new();
    write(&Form::of(&column(base_oid, typmod), &modes, &types()), true, &mut out, &value);
    String::from_utf8(out).unwrap()
}

fn check<const N: usize>(modes: Modes, cases: [(u32, i32, Value<'_>, &str); N]) {
    for (base_oid, typmod, value, expected) in cases {
        let shown = format!("{base_oid} {typmod} {value:?} {modes:?}");
        assert_eq!(encoded(modes, base_oid, typmod, value), expected, "{shown}");
    }
}

fn numeric(text: &str) -> Value<'_> {
    Value::Numeric(text.into())
}

fn bytes(bytes: &[u8]) -> Value<'_> {
    Value::Bytea(Cow::Borrowed(bytes))
}

/// The type modifier of numeric(p, s).
fn decimal(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & 0x7FF) + 4
}

fn bits(text: &str) -> Value<'_> {
    let mut bytes = vec![0; text.len().div_ceil(8)];
    for (place, _) in text.bytes().enumerate().filter(|(_, bit)| *bit == b'1') {
        bytes[place / 8] |= 0x80 >> (place % 8);
    }
    Value::Bits(text.len() as u32, Cow::Owned(bytes))
}

fn times(time: Times) -> Modes {
    Modes { time, ..Modes::default() }
}

/// 2016-11-04 is day 17109.
const DAY_START: i64 = 17_109 * time::DAY;
const HALF_PAST: i64 = 49_890_000_000;

#[test]
fn scalars() {
    check(
        Modes::default(),
        [
            (oid::TEXT, -1, Value::Null, "null"),
            (oid::BOOL, -1, Value::Bool(true), "true"),
            (oid::INT2, -1, Value::Int(-32768), "-32768"),
            (oid::INT8, -1, Value::Int(i64::MIN), "-9223372036854775808"),
            (oid::OID, -1, Value::Int(4_294_967_295), "4294967295"),
            (oid::FLOAT8, -1, Value::Float8(120.0), "120.0"),
            (oid::FLOAT8, -1, Value::Float8(f64::INFINITY), "\"Infinity\""),
            (oid::FLOAT4, -1, Value::Float4(1.1), "1.1"),
            (
                oid::TEXT,
                -1,
                Value::Text("Zoë \"q\" \\ \u{1}\n".into()),
                r#""Zoë \"q\" \\ \u0001\n""#,
            ),
            (oid::JSON, -1, Value::Json("{\"a\": [1]}".into()), r#""{\"a\": [1]}""#),
            (oid::XML, -1, Value::Other("<a>b</a>".into()), "\"<a>b</a>\""),
            (3904, -1, Value::Other("[1,5)".into()), "\"[1,5)\""),
            (
                oid::UUID,
                -1,
                Value::Uuid(*b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11"),
                "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            ),
            (oid::BIT, 1, bits("1"), "true"),
            (oid::BIT, 1, bits("0"), "false"),
            (oid::VARBIT, 1, bits(""), "false"),
            (oid::BIT, 2, bits("11"), "\"Aw==\""),
            (oid::BIT, 8, bits("00000000"), "\"\""),
            (oid::BIT, 8, bits("10000000"), "\"gA==\""),
            (oid::VARBIT, -1, bits("1011"), "\"Cw==\""),
            (oid::VARBIT, 9, bits("100000001"), "\"AQE=\""),
            (
                oid::BIT,
                70,
                bits("1010101010101010101010101010101010101010101010101010101010101010101011"),
                "\"q6qqqqqqqqoq\"",
            ),
            (
                oid::POINT,
                -1,
                Value::Point(1.0, 2.5),
                r#"{"x":1.0,"y":2.5,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAARA","srid":null}"#,
            ),
            (
                oid::POINT,
                -1,
                Value::Point(f64::NEG_INFINITY, -f64::NAN),
                r#"{"x":"-Infinity","y":"NaN","wkb":"AQEAAAAAAAAAAADw/wAAAAAAAPh/","srid":null}"#,
            ),
        ],
    );
}

#[test]
fn decimals() {
    let mode = |decimal| Modes { decimal, ..Modes::default() };
    check(
        mode(Decimals::String),
        [
            (oid::NUMERIC, decimal(12, 2), numeric("1.10"), "\"1.10\""),
            (oid::NUMERIC, -1, numeric("0.000"), "\"0.000\""),
            (oid::NUMERIC, -1, numeric("NaN"), "\"NAN\""),
            (oid::NUMERIC, -1, numeric("Infinity"), "\"POSITIVE_INFINITY\""),
            (oid::NUMERIC, -1, numeric("-Infinity"), "\"NEGATIVE_INFINITY\""),
            (oid::MONEY, -1, numeric("1234.11"), "\"1234.11\""),
        ],
    );
    check(
        mode(Decimals::Precise),
        [
            (oid::NUMERIC, decimal(12, 2), numeric("1.10"), "\"bg==\""),
            (oid::NUMERIC, decimal(12, 2), numeric("3.30"), "\"AUo=\""),
            (oid::NUMERIC, decimal(12, 2), numeric("-1234.11"), "\"/h3t\""),
            (oid::NUMERIC, decimal(10, 0), numeric("0"), "\"AA==\""),
            (oid::NUMERIC, decimal(5, -2), numeric("12300"), "\"MAw=\""),
            (oid::NUMERIC, -1, numeric("10.1111"), r#"{"scale":4,"value":"AYr3"}"#),
            (oid::NUMERIC, -1, numeric("1000.00"), r#"{"scale":0,"value":"A+g="}"#),
            (oid::NUMERIC, decimal(12, 2), numeric("NaN"), "null"),
            (oid::NUMERIC, -1, numeric("-Infinity"), "null"),
            (oid::MONEY, -1, numeric("1234.11"), "\"AeIT\""),
        ],
    );
    check(
        mode(Decimals::Double),
        [
            (oid::NUMERIC, decimal(12, 2), numeric("1.10"), "1.1"),
            (oid::NUMERIC, decimal(10, 0), numeric("-7"), "-7.0"),
            (oid::NUMERIC, -1, numeric("NaN"), "\"NaN\""),
            (oid::NUMERIC, -1, numeric("-Infinity"), "\"-Infinity\""),
            (oid::MONEY, -1, numeric("1234.11"), "1234.11"),
        ],
    );
}

#[test]
fn binaries() {
    let value = || bytes(&[1, 2, 3, 0xFB, 0xFF]);
    for (binary, expected) in [
        (Binaries::Bytes, "\"AQID+/8=\""),
        (Binaries::Base64, "\"AQID+/8=\""),
        (Binaries::Base64UrlSafe, "\"AQID-_8=\""),
        (Binaries::Hex, "\"010203fbff\""),
    ] {
        let modes = Modes { binary, ..Modes::default() };
        check(modes, [(oid::BYTEA, -1, value(), expected), (oid::BYTEA, -1, bytes(&[]), "\"\"")]);
    }
}

#[test]
fn times_of_day() {
    let (full, short) = (Value::Time(HALF_PAST + 123_456), Value::Time(HALF_PAST + 120_000));
    for (mode, long, three) in [
        (Times::Adaptive, "49890123456", "49890120"),
        (Times::AdaptiveTimeMicroseconds, "49890123456", "49890120000"),
        (Times::Microseconds, "49890123456", "49890120000"),
        (Times::Connect, "49890123", "49890120"),
        (Times::Nanoseconds, "49890123456000", "49890120000000"),
        (Times::IsoString, "\"13:51:30.123456Z\"", "\"13:51:30.12Z\""),
    ] {
        let cases = [(oid::TIME, -1, full.clone(), long), (oid::TIME, 3, short.clone(), three)];
        check(times(mode), cases);
    }
    check(Modes::default(), [(oid::TIME, -1, Value::Time(time::DAY), "86400000000")]);
    let end = Value::Time(time::DAY);
    check(times(Times::IsoString), [(oid::TIME, -1, end, "\"00:00:00Z\"")]);
    check(
        Modes::default(),
        [
            (oid::TIMETZ, -1, Value::TimeTz(HALF_PAST + 123_789, 7200), "\"11:51:30.123789Z\""),
            (oid::TIMETZ, 3, Value::TimeTz(HALF_PAST + 120_000, 7200), "\"11:51:30.12Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(HALF_PAST, 0), "\"13:51:30Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(0, 3600), "\"23:00:00Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(time::DAY, 0), "\"24:00:00Z\""),
        ],
    );
}

#[test]
fn timestamps() {
    let full = Value::Timestamp(DAY_START + HALF_PAST + 123_456);
    let short = Value::Timestamp(DAY_START + HALF_PAST + 120_000);
    for (mode, long, three) in [
        (Times::Adaptive, "1478267490123456", "1478267490120"),
        (Times::AdaptiveTimeMicroseconds, "1478267490123456", "1478267490120"),
        (Times::Microseconds, "1478267490123456", "1478267490120000"),
        (Times::Connect, "1478267490123", "1478267490120"),
        (Times::Nanoseconds, "1478267490123456000", "1478267490120000000"),
        (Times::IsoString, "\"2016-11-04T13:51:30.123456Z\"", "\"2016-11-04T13:51:30.12Z\""),
    ] {
        let cases =
            [(oid::TIMESTAMP, -1, full.clone(), long), (oid::TIMESTAMP, 3, short.clone(), three)];
        check(times(mode), cases);
    }
    let (infinity, minus) = (Value::Timestamp(i64::MAX), Value::Timestamp(i64::MIN));
    for (mode, expected, negative) in [
        (Times::Adaptive, "9223372036825200000", "-9223372036832400000"),
        (Times::Connect, "9223372036825200", "-9223372036832400"),
        (Times::Nanoseconds, "9223372036854775807", "-9223372036854775808"),
        (Times::IsoString, "\"+294247-01-10T04:00:25.2Z\"", "\"-290308-12-21T19:59:27.6Z\""),
    ] {
        let cases = [
            (oid::TIMESTAMP, -1, infinity.clone(), expected),
            (oid::TIMESTAMP, -1, minus.clone(), negative),
        ];
        check(times(mode), cases);
    }
    // Before the epoch, a fraction is cut towards the past; nanoseconds end in the year 2262.
    let cases = [(oid::TIMESTAMP, -1, Value::Timestamp(-1), "-1")];
    check(times(Times::Connect), cases);
    let cases = [(oid::TIMESTAMP, -1, Value::Timestamp(32_503_680_000_000_000), "null")];
    check(times(Times::Nanoseconds), cases);
    // The last years of the server's calendar.
    for (mode, digits, expected) in [
        (Times::Adaptive, 0, "9224318015999000"),
        (Times::Connect, 0, "9224318015999000"),
        (Times::Microseconds, 0, "9223372036854775807"),
        (Times::Nanoseconds, 0, "null"),
        (Times::IsoString, 0, "\"+294276-12-31T23:59:59Z\""),
    ] {
        let value = Value::Other("294276-12-31 23:59:59".into());
        check(times(mode), [(oid::TIMESTAMP, digits, value, expected)]);
    }
}

#[test]
fn timestamps_with_zone() {
    let at = |at| Value::TimestampTz(at);
    let days = |year: i64| (year - 2016) / 400 * 146_097 + 17_109;
    for mode in [Times::Adaptive, Times::Connect, Times::IsoString, Times::Nanoseconds] {
        check(
            times(mode),
            [
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(1_585_741_862_000_000),
                    "\"2020-04-01T11:51:02.000000Z\"",
                ),
                (oid::TIMESTAMPTZ, -1, at(i64::MAX), "\"infinity\""),
                (oid::TIMESTAMPTZ, 0, at(i64::MIN), "\"-infinity\""),
                (
                    oid::TIMESTAMPTZ,
                    3,
                    at(DAY_START + HALF_PAST + 120_000),
                    "\"2016-11-04T13:51:30.120Z\"",
                ),
                (oid::TIMESTAMPTZ, 0, at(DAY_START + HALF_PAST), "\"2016-11-04T13:51:30Z\""),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(days(12_016) * time::DAY),
                    "\"+12016-11-04T00:00:00.000000Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(days(-384) * time::DAY),
                    "\"-0384-11-04T00:00:00.000000Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    Value::Other("294276-12-31 23:59:59.999999+00".into()),
                    "\"+294276-12-31T23:59:59.999999Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    3,
                    Value::Other("294276-12-31 23:59:59.9+00".into()),
                    "\"+294276-12-31T23:59:59.900Z\"",
                ),
            ],
        );
    }
}

#[test]
fn dates() {
    let (infinity, minus) = (Value::Date(i32::MAX), Value::Date(i32::MIN));
    for mode in [Times::Adaptive, Times::Connect, Times::Nanoseconds] {
        check(
            times(mode),
            [
                (oid::DATE, -1, Value::Date(17_109), "17109"),
                (oid::DATE, -1, infinity.clone(), "-2147472692"),
                (oid::DATE, -1, minus.clone(), "-2147472691"),
            ],
        );
    }
    check(
        times(Times::IsoString),
        [
            (oid::DATE, -1, Value::Date(17_109), "\"2016-11-04Z\""),
            (oid::DATE, -1, Value::Date(2_145_042_905), "\"+5874897-12-31Z\""),
            (oid::DATE, -1, infinity, "\"-5877611-06-21Z\""),
            (oid::DATE, -1, minus, "\"-5877611-06-22Z\""),
        ],
    );
}

#[test]
fn intervals() {
    let interval = |months, days, microseconds| Value::Interval { months, days, microseconds };
    check(
        Modes::default(),
        [
            (oid::INTERVAL, -1, interval(14, 3, 14_706_780_000), "37091106780000"),
            (oid::INTERVAL, -1, interval(-1, 2, -1_000_000), "-2457001000000"),
            (oid::INTERVAL, -1, interval(i32::MAX, 0, 0), "9223372036854775807"),
        ],
    );
    check(
        Modes { interval: Intervals::String, ..Modes::default() },
        [
            (oid::INTERVAL, -1, interval(14, 3, 14_706_780_000), "\"P1Y2M3DT4H5M6.78S\""),
            (oid::INTERVAL, -1, interval(-1, 2, -1_000_000), "\"P0Y-1M2DT0H0M-1S\""),
            (oid::INTERVAL, -1, interval(-178_000_000 * 12, 0, 0), "\"P-178000000Y0M0DT0H0M0S\""),
            (oid::INTERVAL, -1, interval(0, 0, -500_000), "\"P0Y0M0DT0H0M-0.5S\""),
        ],
    );
}

#[test]
fn hstores() {
    let value = Value::Other("\"key1\"=>\"val1\", \"key2\"=>NULL".into());
    let expected = r#""{\"key1\":\"val1\",\"key2\":null}""#;
    assert_eq!(encoded(Modes::default(), HSTORE, -1, value.clone()), expected);
    let modes = Modes { hstore: Hstores::Map, ..Modes::default() };
    assert_eq!(encoded(modes, HSTORE, -1, value), r#"{"key1":"val1","key2":null}"#);
}

#[test]
fn arrays_are_of_what_their_elements_are() {
    let array = |base_oid, typmod, modes: Modes, values: Vec<Value<'_>>| {
        let mut column = column(0, typmod);
        column.element = Some(Element { type_oid: base_oid, base_oid, length: -1, align: 'i' });
        let mut out = Vec::new();
        let value = Value::Array(values);
        write(&Form::of(&column, &modes, &types()), true, &mut out, &value);
        String::from_utf8(out).unwrap()
    };
    let modes = Modes { decimal: Decimals::Precise, ..Modes::default() };
    let values = vec![Value::Int(1), Value::Null];
    assert_eq!(array(oid::INT4, -1, modes, values), "[1,null]");
    let values = vec![numeric("1.10"), numeric("-2.25")];
    assert_eq!(array(oid::NUMERIC, decimal(12, 2), modes, values), r#"["bg==","/x8="]"#);
    let values = vec![Value::Time(HALF_PAST + 123_000)];
    assert_eq!(array(oid::TIME, 3, modes, values), "[49890123]");
    let values = vec![Value::Other("\"a\"=>\"1\"".into())];
    assert_eq!(array(HSTORE, -1, modes, values), r#"["{\"a\":\"1\"}"]"#);
    assert_eq!(array(oid::TEXT, -1, modes, Vec::new()), "[]");
}

/// The driver keeps infinite dates at the ends of its calendar.
#[test]
fn infinite_dates_are_javas() {
    assert_eq!(time::civil(DATE_INFINITY.into()), (-5_877_611, 6, 21));
    assert_eq!(time::civil(DATE_MINUS_INFINITY.into()), (-5_877_611, 6, 22));
}

#[test]
fn what_a_form_cannot_show_is_zero_where_null_is_not_allowed() {
    let modes = Modes {
        decimal: Decimals::Precise,
        time: Times::Nanoseconds,
        hstore: Hstores::Map,
        ..Modes::default()
    };
    for (base_oid, typmod, value, expected) in [
        (oid::NUMERIC, decimal(4, 2), numeric("NaN"), "\"AA==\""),
        (oid::NUMERIC, -1, numeric("Infinity"), "{\"scale\":0,\"value\":\"AA==\"}"),
        (oid::TIMESTAMP, -1, Value::Timestamp(i64::MAX - 1), "0"),
        (oid::TIMESTAMP, -1, Value::Other("294276-12-31 23:59:59".into()), "0"),
        (HSTORE, -1, Value::Other("of a type that is gone".into()), "{}"),
    ] {
        let mut out = Vec::new();
        write(&Form::of(&column(base_oid, typmod), &modes, &types()), false, &mut out, &value);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{value:?}");
    }
}
