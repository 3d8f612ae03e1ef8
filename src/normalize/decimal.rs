//! Exact decimal numbers as text. The canonical form has no plus sign, no exponent, no needless
//! zeros and no negative zero: `0`, `-12.5`, `1500000`.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The canonical form of a sign and the digits before and after the point.
pub fn canonical(negative: bool, whole: &str, fraction: &str) -> String {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut out = String::with_capacity(whole.len() + fraction.len() + 3);
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Reads a plain decimal: an optional sign, digits, and optionally a point and digits (`.5` is a
/// number, `5.` and `1e3` are not). `None` for anything else.
pub fn parse(text: &str) -> Option<Cow<'_, str>> {
    let (sign, rest) = split_sign(text);
    let (whole, fraction) = match rest.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (rest, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let zero = rest == "0";
    let is_canonical =
        match sign {
            Sign::Plus => false,
            Sign::Minus => !zero && text.starts_with('-'),
            Sign::None => true,
        } && (zero || !whole.starts_with('0') || whole == "0" && !fraction.is_empty())
            && !whole.is_empty()
            && !fraction.ends_with('0');
    Some(match is_canonical {
        true => Cow::Borrowed(text),
        false => Cow::Owned(canonical(sign == Sign::Minus, whole, fraction)),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    None,
    Plus,
    Minus,
}

/// Takes a sign off the front: `+`, `-` or the minus sign U+2212.
pub fn split_sign(text: &str) -> (Sign, &str) {
    if let Some(rest) = text.strip_prefix('+') {
        (Sign::Plus, rest)
    } else if let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
        (Sign::Minus, rest)
    } else {
        (Sign::None, text)
    }
}

/// The decimal of the shortest text that reads back as this number, `None` for NaN and infinity.
/// Rust's `Display` prints exactly that text, and never an exponent.
pub fn from_f64(value: f64) -> Option<String> {
    value.is_finite().then(|| if value == 0.0 { "0".into() } else { value.to_string() })
}

/// The same for single precision.
pub fn from_f32(value: f32) -> Option<String> {
    value.is_finite().then(|| if value == 0.0 { "0".into() } else { value.to_string() })
}

/// A JSON number as written, as far as double precision holds it.
pub fn from_json(number: &serde_json::Number) -> Option<String> {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), _, _) => Some(value.to_string()),
        (_, Some(value), _) => Some(value.to_string()),
        (_, _, value) => value.and_then(from_f64),
    }
}

/// Compares two canonical decimals.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => compare_magnitude(a, b),
        (Some(a), Some(b)) => compare_magnitude(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// The product of two canonical decimals.
pub fn multiply(a: &str, b: &str) -> String {
    let (negative_a, digits_a, places_a) = digits(a);
    let (negative_b, digits_b, places_b) = digits(b);
    // Schoolbook, the lowest digit first.
    let mut product = vec![0u32; digits_a.len() + digits_b.len()];
    for (i, x) in digits_a.iter().rev().enumerate() {
        let mut carry = 0;
        for (j, y) in digits_b.iter().rev().enumerate() {
            let sum = product[i + j] + x * y + carry;
            product[i + j] = sum % 10;
            carry = sum / 10;
        }
        product[i + digits_b.len()] += carry;
    }
    let text: String =
        product.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect();
    let places = places_a + places_b;
    let padded = format!("{text:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    canonical(negative_a != negative_b, whole, fraction)
}

/// Sign, digits, and how many of them stand after the point.
fn digits(number: &str) -> (bool, Vec<u32>, usize) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let places = rest.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (negative, rest.chars().filter_map(|c| c.to_digit(10)).collect(), places)
}

/// A canonical decimal with at most so many digits after the point, halves away from zero. `None`
/// where it has no more than these.
pub fn round(number: &str, places: usize) -> Option<String> {
    let (whole, fraction) = number.split_once('.')?;
    let next = *fraction.as_bytes().get(places)?;
    let kept = &fraction[..places];
    if next < b'5' {
        return Some(canonical(number.starts_with('-'), whole.trim_start_matches('-'), kept));
    }
    let mut digits = format!("0{}{kept}", whole.trim_start_matches('-')).into_bytes();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            break;
        }
        *digit = b'0';
    }
    let text = String::from_utf8_lossy(&digits).into_owned();
    let (whole, fraction) = text.split_at(text.len() - places);
    Some(canonical(number.starts_with('-'), whole, fraction))
}

fn compare_magnitude(a: &str, b: &str) -> Ordering {
    let (whole_a, fraction_a) = a.split_once('.').unwrap_or((a, ""));
    let (whole_b, fraction_b) = b.split_once('.').unwrap_or((b, ""));
    // Without trailing zeros, digits after the point compare as text does.
    (whole_a.len().cmp(&whole_b.len()))
        .then_with(|| whole_a.cmp(whole_b))
        .then_with(|| fraction_a.cmp(fraction_b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_decimals() {
        for (text, number) in [
            ("0", "0"),
            ("-0", "0"),
            ("+7", "7"),
            ("007.50", "7.5"),
            (".5", "0.5"),
            ("0.5", "0.5"),
            ("-0.5", "-0.5"),
            ("10", "10"),
            ("\u{2212}3", "-3"),
            ("0.00", "0"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(number), "{text}");
        }
        for text in ["", ".", "-", "5.", "1e3", "1 000", "1,5", "NaN", "--1", "1.2.3", "٣"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn shortest_text_of_floats() {
        assert_eq!(from_f64(1.5e6).as_deref(), Some("1500000"));
        assert_eq!(from_f64(0.1).as_deref(), Some("0.1"));
        assert_eq!(from_f64(1e-7).as_deref(), Some("0.0000001"));
        assert_eq!(from_f64(-0.0).as_deref(), Some("0"));
        assert_eq!(from_f64(f64::NAN), None);
        assert_eq!(from_f32(0.1).as_deref(), Some("0.1"));
    }

    #[test]
    fn rounding() {
        for (number, places, rounded) in [
            ("2.345", 2, Some("2.35")),
            ("2.344", 2, Some("2.34")),
            ("-2.5", 0, Some("-3")),
            ("-0.4", 0, Some("0")),
            ("99.99", 1, Some("100")),
            ("1.5", 1, None),
            ("7", 0, None),
        ] {
            assert_eq!(round(number, places).as_deref(), rounded, "{number}");
        }
    }

    proptest! {
        #[test]
        fn products(a in -10_000_000i64..10_000_000, b in -10_000_000i64..10_000_000,
                    left in 0u32..5, right in 0u32..5) {
            let text = |n: i64, places: u32| {
                let unit = 10i64.pow(places);
                let width = places as usize;
                let sign = if n < 0 { "-" } else { "" };
                let plain = match places {
                    0 => format!("{n}"),
                    _ => format!("{sign}{}.{:0width$}", n.abs() / unit, n.abs() % unit),
                };
                parse(&plain).unwrap().into_owned()
            };
            prop_assert_eq!(multiply(&text(a, left), &text(b, right)), text(a * b, left + right));
        }

        #[test]
        fn parsing_is_canonical_and_stable(text in "[+-]?[0-9]{0,6}(\\.[0-9]{1,6})?") {
            if let Some(number) = parse(&text) {
                prop_assert!(parse(&number).as_deref() == Some(&*number));
                prop_assert_eq!(number.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
            }
        }

        #[test]
        fn order_is_numeric(a in -2_000_000i64..2_000_000, b in -2_000_000i64..2_000_000) {
            let text = |n: i64| parse(&format!("{}{}.{:03}", if n < 0 { "-" } else { "" },
                n.abs() / 1000, n.abs() % 1000)).unwrap().into_owned();
            prop_assert_eq!(compare(&text(a), &text(b)), a.cmp(&b));
        }

        #[test]
        fn floats_read_back(value in any::<f64>()) {
            if let Some(text) = from_f64(value) {
                prop_assert_eq!(text.parse::<f64>().unwrap(), value);
                prop_assert!(parse(&text).as_deref() == Some(&*text));
            }
        }
    }
}
