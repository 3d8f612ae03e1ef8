//! `strip_html`: text out of HTML.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "strip_html",
    meaning: "The text of HTML, as rich text areas hold it: without tags, comments, scripts and \
              styles, with entities as what they stand for. Blocks and line breaks become line \
              ends.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[Example {
        rules: r#"["strip_html", "squeeze"]"#,
        input: "<p>Caf&eacute; &amp; <b>bar</b></p><p>5 &lt; 6<br>x</p>",
        output: Yield::Text("Café & bar 5 < 6 x"),
    }],
    build,
};

/// What is dropped with its content.
static HIDDEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let pattern = r"(?is)<!--.*?-->|<script\b.*?</script\s*>|<style\b.*?</style\s*>";
    Regex::new(pattern).ok()
});
static BREAK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)<(?:br|/p|/div|/li|/tr|/h[1-6]|/ul|/ol)\b[^>]*>").ok());
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"</?[A-Za-z!?][^>]*>").ok());

#[derive(Debug)]
struct StripHtml;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(StripHtml))
}

impl Rule for StripHtml {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        if !text.contains(['<', '&']) {
            return Ok(Cell::Text(text));
        }
        let mut stripped = text.into_owned();
        for (regex, with) in [(&HIDDEN, ""), (&BREAK, "\n"), (&TAG, "")] {
            if let Some(regex) = regex.as_ref() {
                stripped = regex.replace_all(&stripped, with).into_owned();
            }
        }
        // &#0; stands for what the server's text cannot hold.
        let plain = html_escape::decode_html_entities(&stripped).trim().replace('\0', "");
        Ok(Cell::Text(Cow::Owned(plain)))
    }
}
