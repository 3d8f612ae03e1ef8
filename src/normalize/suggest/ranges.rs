//! Ranges as picklists word them.

use std::sync::LazyLock;

use crate::normalize::rules::factors;
use crate::normalize::rules::open_ends::{OpenEnds, Said, fold};

static OPEN_ENDS: LazyLock<OpenEnds> = LazyLock::new(|| OpenEnds::of(None, None));

/// What letters behind a number multiply it by, where they do.
pub fn factor(unit: &str) -> Option<i64> {
    factors::of(unit)?.parse().ok()
}

/// The ends of a range that a text says, and whether it says one.
pub fn ends(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let text = fold(text);
    let mut numbers: Vec<i64> = Vec::new();
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        if !characters[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let mut digits = String::new();
        while at < characters.len() {
            let c = characters[at];
            let follow = characters[at + 1..].iter().take(3).filter(|c| c.is_ascii_digit()).count();
            if c.is_ascii_digit() {
                digits.push(c);
            } else if !(matches!(c, '.' | ',' | ' ' | '\'' | '\u{a0}' | '\u{202f}') && follow == 3)
            {
                break;
            }
            at += 1;
        }
        let rest: String = characters[at..].iter().collect();
        let rest = rest.trim_start();
        let unit: String = rest.chars().take_while(|c| c.is_alphabetic()).collect();
        numbers.push(digits.parse::<i64>().ok()?.checked_mul(factor(&unit).unwrap_or(1))?);
    }
    // "5-10k": the unit is that of both.
    if let [low, high] = numbers.as_mut_slice()
        && *low > 0
        && *low < 1000
        && *high >= 1000
        && high.checked_rem(1000) == Some(0)
        && *low * 1000 <= *high
        && !text.contains("000")
    {
        *low *= 1000;
    }
    match numbers.as_slice() {
        [low, high] if low <= high => Some((Some(*low), Some(*high))),
        [one] => match OPEN_ENDS.said(&text).0 {
            Said { up_to: true, from: false } => Some((None, Some(*one))),
            Said { up_to: false, from: true } => Some((Some(*one), None)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_words() {
        for (text, range) in [
            ("Moins de 5k", (None, Some(5000))),
            ("5k-10k", (Some(5000), Some(10_000))),
            ("5-10k", (Some(5000), Some(10_000))),
            ("Plus de 20k", (Some(20_000), None)),
            ("unter 10.000 €", (None, Some(10_000))),
            ("10.000 - 20.000 EUR", (Some(10_000), Some(20_000))),
            ("über 50.000 €", (Some(50_000), None)),
            ("más de 5.000", (Some(5000), None)),
            ("$1,000 to $5,000", (Some(1000), Some(5000))),
            ("20k+", (Some(20_000), None)),
            ("< 500", (None, Some(500))),
            ("Fino a 3 mila", (None, Some(3000))),
            ("meer dan 1 mio", (Some(1_000_000), None)),
        ] {
            assert_eq!(ends(text), Some(range), "{text}");
        }
        for text in ["à voir", "unknown", "3", "2024-01-05"] {
            assert_eq!(ends(text), None, "{text}");
        }
    }
}
