//! The on-disk format of `numeric` (`utils/adt/numeric.c`): a header of one or two 16-bit words,
//! then digits in base 10000, most significant first, without leading or trailing zeros.

use std::borrow::Cow;

use super::image::Malformed;

/// Longest text that is built without knowing better: enough for every column of a usual schema.
const USUAL: usize = 40;

struct Header {
    negative: bool,
    /// Digits to show after the point.
    scale: usize,
    /// Power of 10000 of the first digit.
    weight: i32,
}

/// The text that `numeric_out` prints for the bytes behind the varlena header.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'static, str>, Malformed> {
    let (head, rest) = word(bytes)?;
    let (header, digits) = match head & 0xC000 {
        0xC000 => {
            return match head & 0xF000 {
                0xC000 => Ok(Cow::Borrowed("NaN")),
                0xD000 => Ok(Cow::Borrowed("Infinity")),
                0xF000 => Ok(Cow::Borrowed("-Infinity")),
                _ => Err(Malformed("unknown special numeric")),
            };
        }
        0x8000 => {
            // Seven bits of two's complement: the sign bit, then the low six.
            let weight = i32::from(head & 0x003F) - if head & 0x0040 != 0 { 64 } else { 0 };
            let scale = usize::from((head & 0x1F80) >> 7);
            (Header { negative: head & 0x2000 != 0, scale, weight }, rest)
        }
        sign => {
            let (weight, digits) = word(rest)?;
            let scale = usize::from(head & 0x3FFF);
            let weight = i32::from(weight as i16);
            (Header { negative: sign == 0x4000, scale, weight }, digits)
        }
    };
    if digits.len() % 2 != 0 {
        return Err(Malformed("half a numeric digit"));
    }
    Ok(Cow::Owned(write(&header, digits)?))
}

fn write(header: &Header, digits: &[u8]) -> Result<String, Malformed> {
    let mut out = String::with_capacity(USUAL);
    if header.negative {
        out.push('-');
    }
    if header.weight < 0 {
        out.push('0');
    }
    for place in 0..=header.weight {
        let digit = digit(digits, place)?;
        if place == 0 {
            out.push_str(itoa::Buffer::new().format(digit));
        } else {
            push_four(&mut out, digit, 4);
        }
    }
    if header.scale > 0 {
        out.push('.');
        let mut place = header.weight + 1;
        let mut left = header.scale;
        // Places before the first digit are zeros: a weight of -3 starts with two of them.
        for _ in 0..(-1 - header.weight).max(0) {
            let width = left.min(4);
            push_four(&mut out, 0, width);
            left -= width;
        }
        place = place.max(0);
        while left > 0 {
            let width = left.min(4);
            push_four(&mut out, digit(digits, place)?, width);
            left -= width;
            place += 1;
        }
    }
    Ok(out)
}

/// The digit at `place`, counted from the first one stored; beyond the last it is 0.
fn digit(digits: &[u8], place: i32) -> Result<u16, Malformed> {
    let start = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(2);
    match digits.get(start..start.saturating_add(2)) {
        None => Ok(0),
        Some(bytes) => match word(bytes)?.0 {
            digit @ 0..=9999 => Ok(digit),
            _ => Err(Malformed("numeric digit out of range")),
        },
    }
}

/// Pushes the first `width` of the four decimal digits of `digit`.
fn push_four(out: &mut String, digit: u16, width: usize) {
    let mut unit = 1000;
    for _ in 0..width {
        out.push(char::from(b'0' + (digit / unit % 10) as u8));
        unit = (unit / 10).max(1);
    }
}

fn word(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    super::image::take_u16(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(sign: u16, scale: u16, weight: i16, digits: &[u16]) -> String {
        let words = [sign | scale, weight as u16].into_iter().chain(digits.iter().copied());
        let bytes: Vec<u8> = words.flat_map(u16::to_ne_bytes).collect();
        text(&bytes).unwrap().into_owned()
    }

    #[test]
    fn long_headers() {
        assert_eq!(long(0, 0, 0, &[]), "0");
        assert_eq!(long(0, 2, 0, &[]), "0.00");
        assert_eq!(long(0x4000, 4, 1, &[1, 2345, 6700]), "-12345.6700");
        assert_eq!(long(0, 9, -2, &[12, 3000]), "0.000000123");
        assert_eq!(long(0, 5, -1, &[12, 3000]), "0.00123");
        assert_eq!(long(0, 0, 2, &[7]), "700000000");
    }

    #[test]
    fn specials() {
        for (word, expected) in [(0xC000u16, "NaN"), (0xD000, "Infinity"), (0xF000, "-Infinity")] {
            assert_eq!(text(&word.to_ne_bytes()).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = text(&bytes);
        }

        /// Every i64, in the short form that the server gives it, reads back.
        #[test]
        fn integers(number in any::<i64>()) {
            let mut digits = Vec::new();
            let mut rest = number.unsigned_abs();
            while rest > 0 {
                digits.insert(0, (rest % 10_000) as u16);
                rest /= 10_000;
            }
            let weight = digits.len().saturating_sub(1) as u16;
            let sign = if number < 0 { 0x2000 } else { 0 };
            let mut bytes = (0x8000 | sign | weight).to_ne_bytes().to_vec();
            while digits.last() == Some(&0) {
                digits.pop();
            }
            bytes.extend(digits.iter().flat_map(|digit| digit.to_ne_bytes()));
            prop_assert_eq!(text(&bytes).unwrap(), number.to_string());
        }
    }
}
