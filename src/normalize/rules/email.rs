//! `email`: e-mail addresses.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};

use super::{Arguments, Definition, Example, Failure, Rule, Yield, quoted, squeeze};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "email",
    meaning: "An e-mail address, the whole of it in lower case. Checked is the syntax that the \
              internet delivers: no quotes, no display name, international letters allowed, a \
              domain of at least two labels that is not reserved (.local, .test, …).",
    arguments: &[],
    reasons: &["invalid_email"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["email"]"#,
            input: " Anna.Meier@Example.COM ",
            output: Yield::Text("anna.meier@example.com"),
        },
        Example {
            rules: r#"["email"]"#,
            input: "x@nodot",
            output: Yield::Problem("invalid_email"),
        },
        Example {
            rules: r#"[{"split": [";", ","]}, {"first": ["email"]}]"#,
            input: "n/a; anna@example.com",
            output: Yield::Text("anna@example.com"),
        },
    ],
    build,
};

/// Top-level domains that never deliver (IANA's registry of special-use domain names).
const SPECIAL: &[&str] = &["arpa", "invalid", "local", "localhost", "onion", "test"];

#[derive(Debug)]
struct Email;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(Email))
}

impl Rule for Email {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = squeeze::squeeze(cell.into_text());
        match is_address(&text) {
            true if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => {
                Ok(Cell::Text(Cow::Owned(text.to_lowercase())))
            }
            true => Ok(Cell::Text(text)),
            false => {
                let message = format!("{} is not an e-mail address", quoted(&text));
                Err(Failure::new("invalid_email", message))
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    let options =
        Options::default().with_required_tld().without_display_text().without_domain_literal();
    let Ok(address) = EmailAddress::parse_with_options(text, options) else { return false };
    let local = address.local_part();
    !local.starts_with('"') && text.len() <= 254 && is_domain(address.domain())
}

/// A domain that names a host on the internet: international letters as IDNA allows them, a top
/// label that is no number and not reserved.
fn is_domain(domain: &str) -> bool {
    let ascii = match domain.is_ascii() {
        true => Ok(Cow::Borrowed(domain)),
        false => idna::domain_to_ascii_strict(domain).map(Cow::Owned),
    };
    let Ok(ascii) = ascii else { return false };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let hyphens = label.as_bytes().get(2..4) == Some(b"--");
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
            && (!hyphens || label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")))
    };
    let top = ascii.rsplit('.').next().unwrap_or_default();
    ascii.len() <= 253
        && ascii.contains('.')
        && ascii.split('.').all(label)
        && top.ends_with(|c: char| c.is_ascii_alphabetic())
        && !SPECIAL.iter().any(|special| top.eq_ignore_ascii_case(special))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "a@b.co",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "jürgen@bücher.de",
            "用户@例子.中国",
            "x_y-z@ex-ample.com",
            "1@2.com",
        ] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a@@b.co",
            "a b@c.co",
            "a.@b.co",
            ".a@b.co",
            "a..b@c.co",
            "a@-b.co",
            "a@b-.co",
            "a@b..co",
            "a@.b.co",
            "a@b.co.",
            "a@b_c.co",
            "\"a b\"@c.co",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "Anna <a@b.co>",
            "a@b.local",
            "a@b.co;c@d.co",
            "a,b@c.co",
            "a@ab--c.co",
            "a@b.c0",
        ] {
            assert!(!is_address(text), "{text}");
        }
        assert!(!is_address(&format!("{}@b.co", "a".repeat(65))));
        assert!(!is_address(&format!("a@{}.co", "b".repeat(64))));
    }
}
