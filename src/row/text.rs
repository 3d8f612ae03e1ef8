//! The canonical text of a value: what the server's output function prints with `DateStyle` ISO,
//! time zone UTC, `IntervalStyle` postgres and `bytea_output` hex.

use super::value::Value;
use super::{float, time};

/// Where text is written to: strings, and byte buffers that hold text.
pub trait Out {
    fn put(&mut self, text: &str);
}

impl Out for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Out for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

impl Value<'_> {
    /// Appends the value's text: `t` and `f` for booleans, `{a,"b c",NULL}` for arrays, nothing
    /// for NULL.
    pub fn display(&self, out: &mut String) {
        write(self, out);
    }
}

pub(super) fn write(value: &Value<'_>, out: &mut impl Out) {
    match value {
        Value::Null => {}
        Value::Bool(value) => out.put(if *value { "t" } else { "f" }),
        Value::Int(value) => out.put(itoa::Buffer::new().format(*value)),
        Value::Float4(value) => float::float4(out, *value),
        Value::Float8(value) => float::float8(out, *value),
        Value::Numeric(text) | Value::Text(text) | Value::Json(text) | Value::Other(text) => {
            out.put(text);
        }
        Value::Bytea(bytes) => {
            out.put("\\x");
            hex(out, bytes);
        }
        Value::Date(days) => time::date(out, *days),
        Value::Time(microseconds) => time::time(out, *microseconds),
        Value::TimeTz(microseconds, east) => {
            time::time(out, *microseconds);
            time::zone(out, *east);
        }
        Value::Timestamp(at) => time::timestamp(out, *at, " ", ""),
        Value::TimestampTz(at) => time::timestamp(out, *at, " ", "+00"),
        Value::Interval { months, days, microseconds } => {
            time::interval(out, *months, *days, *microseconds);
        }
        Value::Uuid(bytes) => uuid(out, bytes),
        Value::Bits(length, bytes) => bits(out, *length, bytes),
        Value::Point(x, y) => {
            out.put("(");
            float::float8(out, *x);
            out.put(",");
            float::float8(out, *y);
            out.put(")");
        }
        Value::Array(values) => array(out, values),
    }
}

/// Whether the text of a numeric is no number in the sense of JSON.
pub fn is_special_number(text: &str) -> bool {
    text.ends_with(['N', 'y'])
}

/// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`
pub fn uuid(out: &mut impl Out, bytes: &[u8; 16]) {
    hex(out, &bytes[..4]);
    for part in [&bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..]] {
        out.put("-");
        hex(out, part);
    }
}

/// `101`, the first bit first.
fn bits(out: &mut impl Out, length: u32, bytes: &[u8]) {
    let places = bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1));
    for bit in places.take(length as usize) {
        out.put(if bit == 1 { "1" } else { "0" });
    }
}

/// Two lower-case digits a byte.
pub fn hex(out: &mut impl Out, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for block in bytes.chunks(32) {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(block) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out.put(std::str::from_utf8(&digits[..block.len() * 2]).unwrap_or_default());
    }
}

/// As `array_out`: an element is quoted where its text would be read as something else.
fn array(out: &mut impl Out, values: &[Value<'_>]) {
    out.put("{");
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.put(",");
        }
        if *value == Value::Null {
            out.put("NULL");
            continue;
        }
        text.clear();
        write(value, &mut text);
        if !needs_quotes(&text) {
            out.put(&text);
            continue;
        }
        out.put("\"");
        for piece in text.split_inclusive(['"', '\\']) {
            let (plain, special) = match piece.as_bytes().last() {
                Some(b'"' | b'\\') => piece.split_at(piece.len() - 1),
                _ => (piece, ""),
            };
            out.put(plain);
            if !special.is_empty() {
                out.put("\\");
                out.put(special);
            }
        }
        out.put("\"");
    }
    out.put("}");
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text
            .bytes()
            .any(|byte| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r'))
}
