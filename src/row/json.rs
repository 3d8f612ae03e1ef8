//! JSON: strings as the server escapes them (`escape_json`), and values for the `extras` of a
//! canonical row.

use super::decode::utf8;
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

/// As [`string`], for the bytes of a text value: in most, one look finds that they are ASCII and
/// need no escape, which proves them UTF-8 as well.
pub fn string_of_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain_ascii(bytes) {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        string(out, &utf8(bytes));
    }
}

/// Whether all bytes are printable ASCII other than `"` and `\` (or DEL, which needs no escape).
fn is_plain_ascii(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    /// High bits set where a byte is below `limit` ("Bit Twiddling Hacks", `hasless`); where none
    /// is, no bit is set at all.
    fn less(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    fn plain(chunk: [u8; 8]) -> bool {
        let word = u64::from_ne_bytes(chunk);
        let quote = less(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = less(word ^ (ONES * u64::from(b'\\')), 1);
        (word | less(word, 0x20) | quote | backslash) & HIGH == 0
    }
    let (chunks, tail) = bytes.as_chunks::<8>();
    // The last bytes once more, together with what precedes them, or filled up with blanks.
    let last = match bytes.last_chunk::<8>() {
        Some(last) => *last,
        None => {
            let mut last = [b' '; 8];
            last[..tail.len()].copy_from_slice(tail);
            last
        }
    };
    chunks.iter().all(|chunk| plain(*chunk)) && plain(last)
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
            | Value::Uuid(_)
            | Value::Bits(..)
            | Value::Point(..) => quoted(out, |out| text::write(self, out)),
        }
    }
}

fn quoted<O: Out>(out: &mut O, write: impl FnOnce(&mut O)) {
    out.put("\"");
    write(out);
    out.put("\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The quick way and the thorough one write the same.
        #[test]
        fn bytes_as_text(plain in "[a-z ]{0,20}", odd in proptest::collection::vec(any::<u8>(), 0..3)) {
            for bytes in [plain.as_bytes().to_vec(), [plain.as_bytes(), &odd, b"tail"].concat()] {
                let (mut quick, mut thorough) = (Vec::new(), Vec::new());
                string_of_bytes(&mut quick, &bytes);
                string(&mut thorough, &String::from_utf8_lossy(&bytes));
                prop_assert_eq!(quick, thorough);
            }
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = [b'x'; 20];
                bytes[place] = byte;
                let plain = (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
                for bytes in [&bytes[..], &bytes[..=place], &bytes[place..]] {
                    assert_eq!(is_plain_ascii(bytes), plain, "{byte} at {place}");
                }
            }
        }
    }
}
