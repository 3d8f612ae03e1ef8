//! JSON scalars, appended to a message.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::row::text::Out;

pub use crate::row::json::{string, string_of_bytes};

pub fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.put(itoa::Buffer::new().format(number));
}

/// Shortest digits, and always with a point or an exponent, as Java writes a double: readers
/// without a schema take it for a float whatever its value.
pub fn float8(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.put(zmij::Buffer::new().format_finite(number));
    } else {
        not_finite(out, number);
    }
}

/// As [`float8`], with a float's shortest digits.
pub fn float4(out: &mut Vec<u8>, number: f32) {
    if number.is_finite() {
        out.put(zmij::Buffer::new().format_finite(number));
    } else {
        not_finite(out, number.into());
    }
}

/// As Jackson, Kafka Connect's JSON library, quotes them.
fn not_finite(out: &mut Vec<u8>, number: f64) {
    out.put(if number.is_nan() {
        "\"NaN\""
    } else if number > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    });
}

/// A string of standard base64 with padding.
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    base64(out, bytes, &STANDARD);
}

/// As [`bytes`], with the letters that may stand in an address.
pub fn url_safe(out: &mut Vec<u8>, bytes: &[u8]) {
    base64(out, bytes, &URL_SAFE);
}

fn base64(out: &mut Vec<u8>, bytes: &[u8], engine: &impl Engine) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what the encoding takes.
    let written = engine.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars() {
        assert_eq!(text(|out| integer(out, -5i64)), "-5");
        assert_eq!(text(|out| float8(out, 120.0)), "120.0");
        assert_eq!(text(|out| float4(out, 1.1)), "1.1");
        assert_eq!(text(|out| float8(out, f64::NAN)), "\"NaN\"");
        assert_eq!(text(|out| float8(out, f64::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(text(|out| bytes(out, &[1, 2, 3])), "\"AQID\"");
        assert_eq!(text(|out| bytes(out, &[3])), "\"Aw==\"");
        assert_eq!(text(|out| bytes(out, &[])), "\"\"");
        assert_eq!(text(|out| bytes(out, &[0xFB, 0xFF])), "\"+/8=\"");
        assert_eq!(text(|out| url_safe(out, &[0xFB, 0xFF])), "\"-_8=\"");
    }

    proptest! {
        #[test]
        fn strings_read_back(value in any::<String>(), padding in 0..40usize) {
            let value = "x".repeat(padding) + &value;
            let json = text(|out| string(out, &value));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
        }

        #[test]
        fn control_characters_read_back(value in "[\\x00-\\x40\"\\\\é]*") {
            let json = text(|out| string(out, &value));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
        }

        #[test]
        fn floats_read_back(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let json = text(|out| float8(out, value));
            prop_assert!(json.contains(['.', 'e']));
            prop_assert_eq!(json.parse::<f64>().unwrap(), value);
        }
    }
}
