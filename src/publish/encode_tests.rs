//! Values against what Debezium 3.6.3 made of the same ones, mode by mode.

use std::borrow::Cow;

use super::*;
use crate::publish::form::{Type, Types};
use crate::publish::modes::{Binaries, Decimals, Hstores, Intervals, Modes, Times};
use crate::row::layout::{Column, Element};
use crate::row::oid;

#[path = "encode_time_tests.rs"]
mod time_tests;

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
