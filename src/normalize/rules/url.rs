//! `url`: web addresses.

use std::borrow::Cow;

use url::{Host, Url};

use super::{Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "url",
    meaning: "A web address with http or https and a point in its host, as the URL standard writes \
              it. One without a scheme gets https. What stands for nothing is refused, even where the \
              standard makes a host of it: n.a. (the host ends in two characters or more, a letter among \
              them), 12345 (an IPv4 address is written with its points), IPv6.",
    arguments: &[],
    reasons: &["invalid_url"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["url"]"#,
            input: "www.Example.com",
            output: Yield::Text("https://www.example.com/"),
        },
        Example {
            rules: r#"["url"]"#,
            input: "HTTP://Example.com:80/a b",
            output: Yield::Text("http://example.com/a%20b"),
        },
        Example { rules: r#"["url"]"#, input: "ask sales", output: Yield::Problem("invalid_url") },
        Example { rules: r#"["url"]"#, input: "n.a.", output: Yield::Problem("invalid_url") },
    ],
    build,
};

#[derive(Debug)]
struct WebAddress;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(WebAddress))
}

impl Rule for WebAddress {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        match normal(text.trim()) {
            Some(url) => Ok(Cell::Text(Cow::Owned(url.into()))),
            None => {
                let message = format!("{} is not a web address", quoted(&text));
                Err(Failure::new("invalid_url", message))
            }
        }
    }
}

fn normal(text: &str) -> Option<Url> {
    let url = match has_scheme(text) {
        true => Url::parse(text),
        false => Url::parse(&format!("https://{text}")),
    };
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let written = match url.host()? {
        Host::Domain(domain) => is_domain(domain),
        // `12345` would be an address, too.
        Host::Ipv4(address) => text.contains(&address.to_string()),
        Host::Ipv6(_) => false,
    };
    written.then_some(url)
}

/// At least two labels, the last of which could be a top-level domain: `n.a.` and `...` stand for nothing.
fn is_domain(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    domain.split('.').all(|label| !label.is_empty())
        && top.len() > 1
        && top.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// `https:…` and `mailto:…` have one; `example.com:8080` and `localhost:80/x` have a port.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let port = rest.starts_with(|c: char| c.is_ascii_digit());
    named && (rest.starts_with("//") || !(port || scheme.contains('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("example.com:8080/x?y#z", Some("https://example.com:8080/x?y#z")),
            ("HTTP://BAIRD-SANDERS.COM", Some("http://baird-sanders.com/")),
            ("https:example.com", Some("https://example.com/")),
            ("//example.com", Some("https://example.com/")),
            ("bücher.de", Some("https://xn--bcher-kva.de/")),
            ("http://", None),
            ("localhost", None),
            ("localhost:80", None),
            ("mailto:a@b.co", None),
            ("ftp://example.com", None),
            ("javascript:alert(1.5)", None),
            ("none", None),
            (".", None),
            ("...", None),
            ("n.a.", None),
            ("a..de", None),
            ("12345", None),
            ("1.2", None),
            ("[::1]", None),
            ("192.0.2.7/x", Some("https://192.0.2.7/x")),
            ("example.com.", Some("https://example.com./")),
            ("exa mple.com", None),
            ("", None),
        ] {
            assert_eq!(normal(text).map(String::from).as_deref(), expected, "{text}");
        }
    }
}
