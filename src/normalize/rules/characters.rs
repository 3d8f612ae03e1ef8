//! `plain` and `mojibake`: characters as they were meant.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::{Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const PLAIN: Definition = Definition {
    name: "plain",
    meaning: "Characters in their plain form (Unicode's NFKC): full-width letters and digits, ligatures \
              and accents that are characters of their own as the usual ones, digits of any script as 0 \
              to 9, without control characters and what cannot be seen (zero-width spaces, soft hyphens, \
              marks of direction and of byte order).",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["plain"]"#, input: "０３－１２３４", output: Yield::Text("03-1234")
        },
        Example {
            rules: r#"["plain", "email"]"#,
            input: "\u{feff}ｔａｒｏ＠example.jp\u{200b}",
            output: Yield::Text("taro@example.jp"),
        },
        Example { rules: r#"["plain", "number"]"#, input: "١٢٣", output: Yield::Text("123") },
    ],
    build: |arguments, errors| {
        arguments.none(errors)?;
        Some(Box::new(Plain))
    },
};

pub const MOJIBAKE: Definition = Definition {
    name: "mojibake",
    meaning: "Mends text in UTF-8 that was once read as Windows-1252 or Latin-1, also twice. Other text \
              stays as it is.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["mojibake"]"#,
            input: "MÃ¼ller â€“ CafÃ©",
            output: Yield::Text("Müller – Café"),
        },
        Example {
            rules: r#"["mojibake"]"#, input: "São Paulo", output: Yield::Text("São Paulo")
        },
    ],
    build: build_mojibake,
};

#[derive(Debug)]
struct Plain;

#[derive(Debug)]
struct Mojibake;

fn build_mojibake(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(Mojibake))
}

/// Whether a character takes no place, but for joiners, which are part of scripts and of emoji.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// The first digits of scripts that count from there.
const ZEROS: &[char] = &[
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}',
    '\u{1040}', '\u{17e0}', '\u{1810}',
];

fn digit(character: char) -> char {
    let value =
        |zero: &char| (character as u32).checked_sub(*zero as u32).filter(|value| *value < 10);
    let value = (character >= '\u{660}').then(|| ZEROS.iter().find_map(value)).flatten();
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(character)
}

fn plain(text: &str) -> String {
    let seen = |c: &char| !is_invisible(*c) && (!c.is_control() || c.is_whitespace());
    text.nfkc().filter(seen).map(digit).collect()
}

/// What Windows-1252 has from 0x80 to 0x9f; the five that it lacks are Latin-1's.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn byte(character: char) -> Option<u8> {
    match u8::try_from(u32::from(character)) {
        Ok(byte) => Some(byte),
        Err(_) => {
            let at = WINDOWS.iter().position(|known| *known == character)?;
            u8::try_from(0x80 + at).ok()
        }
    }
}

/// The text that the characters are the bytes of.
fn mended(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    String::from_utf8(text.chars().map(byte).collect::<Option<_>>()?).ok()
}

impl Rule for Plain {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        Ok(Cell::Text(match cell.into_text() {
            text if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => text,
            text => Cow::Owned(plain(&text)),
        }))
    }
}

impl Rule for Mojibake {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let once = mended(&text);
        let twice = once.as_deref().and_then(mended);
        Ok(Cell::Text(twice.or(once).map_or(text, Cow::Owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_characters() {
        for (text, expected) in [
            ("ﬁnance ㈱", "finance (株)"),
            ("e\u{301}te\u{301}", "été"),
            ("a\u{7}b\u{ad}c\n", "abc\n"),
            ("👩\u{200d}🔬", "👩\u{200d}🔬"),
            ("۱۲۳ ๔", "123 4"),
            ("１，２３４", "1,234"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn mending() {
        let twice = "Ã¼".chars().map(byte).collect::<Option<Vec<_>>>();
        assert_eq!(twice, Some(vec![0xc3, 0xbc]));
        for (text, expected) in [
            ("JosÃ©", Some("José")),
            ("Itâ€™s", Some("It’s")),
            ("Müller", None),
            ("日本", None),
            ("Ã", None),
            ("plain", None),
        ] {
            assert_eq!(mended(text).as_deref(), expected, "{text}");
        }
    }
}
