//! Floating-point text as the server prints it with `extra_float_digits` at its default of 1
//! (`common/d2s.c`, `f2s.c`): the shortest digits that read back as the same value, plain while
//! the exponent is small, else `1.5e+22`.
//!
//! The digits are those of any shortest-digits algorithm but for one rule of the server's: a
//! decimal exactly between two values is not taken for either of them, as some programs would read
//! it as the other. So it prints 9.999999999999999e+22, not 1e+23.

use super::text::Out;

/// Writes a `float8`.
pub fn float8(out: &mut impl Out, value: f64) {
    if special(out, value) {
        return;
    }
    let mut decimal = Decimal::parse(zmij::Buffer::new().format_finite(value));
    let bits = value.to_bits();
    let (mantissa, exponent) = (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52 & 0x7FF) as i32);
    for precision in decimal.len..17 {
        if !decimal.is_boundary(mantissa, exponent - 1075) {
            break;
        }
        decimal = nearest(precision, value, |text| text.parse() == Ok(value)).unwrap_or(decimal);
    }
    decimal.write(out, 15);
}

/// Writes a `float4`.
pub fn float4(out: &mut impl Out, value: f32) {
    if special(out, value.into()) {
        return;
    }
    let mut decimal = Decimal::parse(zmij::Buffer::new().format_finite(value));
    let bits = value.to_bits();
    let (mantissa, exponent) = (bits & ((1 << 23) - 1) | 1 << 23, (bits >> 23 & 0xFF) as i32);
    for precision in decimal.len..9 {
        if !decimal.is_boundary(mantissa.into(), exponent - 150) {
            break;
        }
        decimal =
            nearest(precision, value.into(), |text| text.parse() == Ok(value)).unwrap_or(decimal);
    }
    decimal.write(out, 6);
}

fn special(out: &mut impl Out, value: f64) -> bool {
    if value.is_nan() {
        out.put("NaN");
    } else if value.is_infinite() {
        out.put(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        return false;
    }
    true
}

/// The value to `precision + 1` digits, where that reads back as itself.
fn nearest(precision: usize, value: f64, reads_back: impl Fn(&str) -> bool) -> Option<Decimal> {
    let text = format!("{value:.precision$e}");
    reads_back(&text).then(|| Decimal::parse(&text))
}

/// Significant digits and the power of ten of the first one.
#[derive(Clone, Copy)]
struct Decimal {
    negative: bool,
    digits: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// Reads plain (`120.0`) or scientific (`1.5e-7`) notation.
    fn parse(text: &str) -> Decimal {
        let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
        let mut decimal = Decimal {
            negative: text.starts_with('-'),
            digits: [b'0'; 20],
            len: 0,
            exponent: power.parse().unwrap_or(0),
        };
        let mut after_point = false;
        for byte in mantissa.bytes() {
            match byte {
                b'.' => after_point = true,
                b'0' if decimal.len == 0 => decimal.exponent -= i32::from(after_point),
                b'0'..=b'9' => {
                    // What comes before the point counts from the second digit on, a first digit
                    // behind it is one place down.
                    if decimal.len == 0 {
                        decimal.exponent -= i32::from(after_point);
                    } else if !after_point {
                        decimal.exponent += 1;
                    }
                    if let Some(place) = decimal.digits.get_mut(decimal.len) {
                        *place = byte;
                        decimal.len += 1;
                    }
                }
                _ => {}
            }
        }
        while decimal.len > 0 && decimal.digits[decimal.len - 1] == b'0' {
            decimal.len -= 1;
        }
        if decimal.len == 0 {
            (decimal.len, decimal.exponent) = (1, 0);
        }
        decimal
    }

    /// Whether this is exactly half way between mantissa · 2^exponent and a neighbour. Only large
    /// values have such a neighbourhood within their digits: below, it takes more digits to write.
    fn is_boundary(&self, mantissa: u64, exponent: i32) -> bool {
        let Ok(tens) = u32::try_from(self.exponent - (self.len as i32 - 1)) else { return false };
        if tens > 23 || exponent <= 0 {
            return false;
        }
        let integer = self.digits[..self.len]
            .iter()
            .fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let fives = integer * 5u128.pow(tens);
        let twos = fives.trailing_zeros();
        let (odd, power) = (fives >> twos, (tens + twos) as i32);
        let mantissa = u128::from(mantissa);
        let between = odd == 2 * mantissa + 1 || odd == 2 * mantissa - 1;
        // Below a power of two, values lie twice as close.
        let below_power = mantissa.is_power_of_two() && odd == 4 * mantissa - 1;
        (between && power == exponent - 1) || (below_power && power == exponent - 2)
    }

    fn write(&self, out: &mut impl Out, plain_below: i32) {
        let digits = std::str::from_utf8(&self.digits[..self.len]).unwrap_or_default();
        if self.negative {
            out.put("-");
        }
        if !(-4..plain_below).contains(&self.exponent) {
            let (first, rest) = digits.split_at(1);
            out.put(first);
            if !rest.is_empty() {
                out.put(".");
                out.put(rest);
            }
            out.put(if self.exponent < 0 { "e-" } else { "e+" });
            let power = self.exponent.unsigned_abs();
            if power < 10 {
                out.put("0");
            }
            out.put(itoa::Buffer::new().format(power));
        } else if self.exponent < 0 {
            out.put("0.");
            out.put(&"0000"[..(-1 - self.exponent) as usize]);
            out.put(digits);
        } else {
            let whole = self.exponent as usize + 1;
            if whole < self.len {
                out.put(&digits[..whole]);
                out.put(".");
                out.put(&digits[whole..]);
            } else {
                out.put(digits);
                out.put(&"000000000000000"[..whole - self.len]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text8(value: f64) -> String {
        let mut out = String::new();
        float8(&mut out, value);
        out
    }

    fn text4(value: f32) -> String {
        let mut out = String::new();
        float4(&mut out, value);
        out
    }

    /// Each as `select …::float8` of a server of version 15 prints it.
    #[test]
    fn float8_like_the_server() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (120.0, "120"),
            (0.1, "0.1"),
            (-1234.5, "-1234.5"),
            (1500000.0, "1500000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123456789012345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1.5e22, "1.5e+22"),
            (1e23, "9.999999999999999e+22"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text8(value), expected);
        }
    }

    #[test]
    fn float4_like_the_server() {
        for (value, expected) in
            [(1.1, "1.1"), (123456.0, "123456"), (1500000.0, "1.5e+06"), (1e-5, "1e-05")]
        {
            assert_eq!(text4(value), expected);
        }
    }

    proptest! {
        #[test]
        fn float8_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text8(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn float4_reads_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text4(value).parse::<f32>().unwrap().to_bits(), bits);
        }
    }
}
