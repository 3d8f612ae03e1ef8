//! JSON: strings as the server escapes them (`escape_json`), and values for the `extras` of a
//! canonical row.

use super::text::{Out, hex};
use super::time;
use super::value::Value;
use super::{float, text};

/// Writes `text` as a JSON string, quotes included.
pub fn string(out: &mut impl Out, text: &str) {
    out.put("\"");
    let mut rest = text;
    loop {
        let clean = clean_prefix(rest.as_bytes());
        out.put(&rest[..clean]);
        let Some(&byte) = rest.as_bytes().get(clean) else { break };
        match byte {
            b'"' => out.put("\\\""),
            b'\\' => out.put("\\\\"),
            b'\n' => out.put("\\n"),
            b'\t' => out.put("\\t"),
            b'\r' => out.put("\\r"),
            0x08 => out.put("\\b"),
            0x0C => out.put("\\f"),
            control => {
                out.put("\\u00");
                hex(out, &[control]);
            }
        }
        rest = &rest[clean + 1..];
    }
    out.put("\"");
}

/// How many bytes at the front need no escape.
fn clean_prefix(bytes: &[u8]) -> usize {
    fn special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }
    // Without a branch inside, a block is checked by vector instructions.
    let (blocks, _) = bytes.as_chunks::<16>();
    let clean = blocks
        .iter()
        .take_while(|block| !block.iter().fold(false, |found, &byte| found | special(byte)))
        .count()
        * 16;
    let tail = &bytes[clean..];
    clean + tail.iter().position(|&byte| special(byte)).unwrap_or(tail.len())
}

impl Value<'_> {
    /// Appends the value as JSON, as `to_jsonb` would show it: booleans, exact numbers, strings,
    /// arrays; dates and timestamps as ISO 8601 (`2024-12-17T08:57:57`, with zone `…+00:00`), json
    /// embedded, and everything else, NaN and infinities included, as the text of
    /// [`Value::display`].
    pub fn to_json(&self, out: &mut impl Out) {
        match self {
            Value::Null => out.put("null"),
            Value::Bool(value) => out.put(if *value { "true" } else { "false" }),
            Value::Int(value) => out.put(itoa::Buffer::new().format(*value)),
            Value::Float4(value) if value.is_finite() => float::float4(out, *value),
            Value::Float8(value) if value.is_finite() => float::float8(out, *value),
            Value::Numeric(value) if !text::is_special_number(value) => out.put(value),
            Value::Text(value) | Value::Numeric(value) | Value::Other(value) => string(out, value),
            Value::Json(value) => out.put(value),
            Value::Date(days) => quoted(out, |out| time::date(out, *days)),
            Value::Timestamp(at) => quoted(out, |out| time::timestamp(out, *at, "T", "")),
            Value::TimestampTz(at) => quoted(out, |out| time::timestamp(out, *at, "T", "+00:00")),
            Value::Array(values) => {
                out.put("[");
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.put(", ");
                    }
                    value.to_json(out);
                }
                out.put("]");
            }
            // Their text has nothing to escape but the backslash of bytea.
            Value::Bytea(bytes) => quoted(out, |out| {
                out.put("\\\\x");
                hex(out, bytes);
            }),
            Value::Float4(_)
            | Value::Float8(_)
            | Value::Time(_)
            | Value::TimeTz(..)
            | Value::Interval { .. }
            | Value::Uuid(_) => quoted(out, |out| text::write(self, out)),
        }
    }
}

fn quoted<O: Out>(out: &mut O, write: impl FnOnce(&mut O)) {
    out.put("\"");
    write(out);
    out.put("\"");
}
