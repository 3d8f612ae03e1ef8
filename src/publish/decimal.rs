//! Decimals as Kafka Connect's `Decimal` has them: the number without its point, as big-endian two's
//! complement of the fewest bytes (Java's `BigInteger.toByteArray`).

/// The bytes of a plain decimal (`-1234.50`) at a scale: digits that it lacks are zeros, digits
/// beyond are left out. `None` for what is no number.
pub fn unscaled(text: &str, scale: usize) -> Option<Vec<u8>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let zeros = scale.saturating_sub(fraction.len());
    let places =
        whole.bytes().chain(fraction.bytes().take(scale)).chain(std::iter::repeat_n(b'0', zeros));
    let mut magnitude = Magnitude::default();
    for place in places {
        if !place.is_ascii_digit() {
            return None;
        }
        magnitude.push(place - b'0');
    }
    (!whole.is_empty()).then(|| magnitude.twos_complement(negative))
}

/// A decimal's scale without trailing zeros behind the point, and its bytes at that scale.
pub fn variable(text: &str) -> Option<(usize, Vec<u8>)> {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let scale = fraction.trim_end_matches('0').len();
    Some((scale, unscaled(text, scale)?))
}

/// A whole number that takes decimal digits, most significant first.
#[derive(Default)]
struct Magnitude {
    /// Base 2^32, least significant first.
    words: Vec<u32>,
    /// Digits that are not in `words` yet: their number, and how many there are.
    waiting: u32,
    count: u32,
}

impl Magnitude {
    fn push(&mut self, digit: u8) {
        self.waiting = self.waiting * 10 + u32::from(digit);
        self.count += 1;
        if self.count == 9 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let base = 10u64.pow(self.count);
        let mut carry = u64::from(self.waiting);
        for word in &mut self.words {
            let product = u64::from(*word) * base + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.words.push(carry as u32);
        }
        (self.waiting, self.count) = (0, 0);
    }

    fn twos_complement(mut self, negative: bool) -> Vec<u8> {
        self.flush();
        let mut bytes: Vec<u8> =
            self.words.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
        // A zero in front has room for the sign.
        bytes.insert(0, 0);
        if negative {
            let mut carry = true;
            for byte in bytes.iter_mut().rev() {
                let (sum, over) = (!*byte).overflowing_add(carry.into());
                (*byte, carry) = (sum, over);
            }
        }
        // The first byte says no more than the sign, where the second one's first bit says it too.
        let spare = bytes
            .windows(2)
            .take_while(|pair| pair[0] == 0 && pair[1] < 0x80 || pair[0] == 0xFF && pair[1] >= 0x80)
            .count();
        bytes.drain(..spare);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    /// Debezium's own bytes.
    #[test]
    fn golden() {
        for (text, scale, expected) in [
            ("1.10", 2, "bg=="),
            ("3.30", 2, "AUo="),
            ("-1234.11", 2, "/h3t"),
            ("0", 2, "AA=="),
            ("0.00", 2, "AA=="),
            ("-7", 0, "+Q=="),
            ("9999999999.99", 2, "AOjUpQ//"),
            ("1234.11", 2, "AeIT"),
            ("-92233720368547758.08", 2, "gAAAAAAAAAA="),
            ("92233720368547758.07", 2, "f/////////8="),
            ("-2.25", 2, "/x8="),
        ] {
            assert_eq!(STANDARD.encode(unscaled(text, scale).unwrap()), expected, "{text}");
        }
        for (text, expected) in [
            ("10.1111", (4, "AYr3")),
            ("0.000", (0, "AA==")),
            ("12345678901234567890.1234567890", (9, "J+QbMka+ybFuOYEV")),
            ("100000000000000000000", (0, "BWvHXi1jEAAA")),
            ("0.00000000000000000001", (20, "AQ==")),
        ] {
            let (scale, bytes) = variable(text).unwrap();
            assert_eq!((scale, STANDARD.encode(bytes).as_str()), expected, "{text}");
        }
        for text in ["NaN", "Infinity", "-Infinity", "", "-", "1e5"] {
            assert_eq!((unscaled(text, 2), variable(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back(number in any::<i128>(), shift in 0..127u32, scale in 0..5usize) {
            let number = number >> shift;
            let bytes = unscaled(&number.to_string(), scale);
            let Some(scaled) = number.checked_mul(10i128.pow(scale as u32)) else { return Ok(()) };
            let bytes = bytes.unwrap();
            let sign = if bytes[0] >= 0x80 { 0xFF } else { 0 };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(wide), scaled);
            // No byte more than needed.
            prop_assert!(bytes.len() == 1 || !matches!((bytes[0], bytes[1]), (0, ..0x80) | (0xFF, 0x80..)));
        }
    }
}
