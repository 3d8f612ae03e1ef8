//! `extract` and `replace`: regular expressions.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted, regex};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::derivation;
use crate::normalize::source::Row;

pub const EXTRACT: Definition = Definition {
    name: "extract",
    meaning: "The part of a text that matches a regular expression: its first group where it has \
              one, else the whole match. Text that does not match is a problem, or the default.",
    arguments: &[
        Argument {
            name: "extract",
            kind: "text",
            required: true,
            meaning: "The regular expression; (?i) at its front ignores letter case.",
        },
        Argument {
            name: "default",
            kind: "text or null",
            required: false,
            meaning: "What text that does not match becomes.",
        },
    ],
    reasons: &["unmatched_value"],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[
        Example {
            rules: r#"[{"extract": "ref[: ]*([A-Z]-[0-9]+)"}]"#,
            input: "campaign ref: S-0150, spring",
            output: Yield::Text("S-0150"),
        },
        Example {
            rules: r#"[{"extract": "[0-9]+"}]"#,
            input: "none",
            output: Yield::Problem("unmatched_value"),
        },
        Example {
            rules: r#"[{"extract": "[0-9]+", "default": null}]"#,
            input: "none",
            output: Yield::Null,
        },
    ],
    build: build_extract,
};

pub const REPLACE: Definition = Definition {
    name: "replace",
    meaning: "Replaces what matches regular expressions, one after the other.",
    arguments: &[Argument {
        name: "replace",
        kind: "list of objects",
        required: true,
        meaning: "Of one member each: regular expression → replacement, in which $1 or ${name} is a \
                  group and $$ a dollar sign.",
    }],
    reasons: &["too_long"],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[Example {
        rules: r#"[{"replace": [{"(?i)^(mr|mrs|dr)\\.? ": ""}, {"-+": " "}]}]"#,
        input: "Dr. Anna-Maria",
        output: Yield::Text("Anna Maria"),
    }],
    build: build_replace,
};

#[derive(Debug)]
struct Extract {
    regex: Regex,
    default: Option<Cell<'static>>,
}

#[derive(Debug)]
struct Replace(Vec<(Regex, String)>);

fn build_extract(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["default"], errors);
    let default = match arguments.spec.options.get("default") {
        None => None,
        Some(Value::Null) => Some(Cell::Null),
        Some(Value::String(text)) => Some(Cell::Text(Cow::Owned(text.clone()))),
        Some(_) => {
            let path = format!("{}.default", arguments.path);
            errors.push(MappingError::new(path, "a default is text or null"));
            None
        }
    };
    let regex = regex(&arguments.text(errors)?);
    let regex = regex.map_err(|message| arguments.wrong("", message, errors)).ok()?;
    (errors.len() == before).then(|| Box::new(Extract { regex, default }) as Box<dyn Rule>)
}

fn build_replace(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut replacements = Vec::new();
    let Some(given) = arguments.spec.argument.as_ref().and_then(derivation::pairs) else {
        arguments.wrong("", "\"replace\" needs a list of {expression: replacement}", errors);
        return None;
    };
    for (pattern, replacement) in given {
        match regex(&pattern) {
            Ok(regex) => replacements.push((regex, replacement)),
            Err(message) => arguments.wrong(&pattern, message, errors),
        }
    }
    (errors.len() == before).then(|| Box::new(Replace(replacements)) as Box<dyn Rule>)
}

impl Rule for Extract {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let found = self.regex.captures(&text).map(|captures| {
            let found = captures.get(1).or_else(|| captures.get(0));
            found.map_or(String::new(), |found| found.as_str().to_string())
        });
        match (found, &self.default) {
            (Some(found), _) => Ok(Cell::Text(Cow::Owned(found))),
            (None, Some(default)) => Ok(default.borrowed()),
            (None, None) => {
                let message = format!("{} does not match", quoted(&text));
                Err(Failure::new("unmatched_value", message))
            }
        }
    }
}

/// Replacements may not make a text longer than this.
const LONGEST: usize = 1 << 20;

/// Replaces all matches; `None` if that makes the text too long.
fn replaced<'a>(regex: &Regex, text: &'a str, replacement: &str) -> Option<Cow<'a, str>> {
    // At most, each byte, and the end, gives way to a replacement in which two bytes name all of it.
    let most = (text.len() + 1).saturating_mul(replacement.len() + 1);
    if most <= LONGEST {
        return Some(regex.replace_all(text, replacement));
    }
    let (mut out, mut rest) = (String::new(), 0);
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(&text[rest..found.start()]);
        captures.expand(replacement, &mut out);
        rest = found.end();
        if out.len() > LONGEST.max(text.len()) {
            return None;
        }
    }
    out.push_str(&text[rest..]);
    (out.len() <= LONGEST.max(text.len())).then_some(Cow::Owned(out))
}

impl Rule for Replace {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let mut text = cell.into_text();
        for (regex, replacement) in &self.0 {
            match replaced(regex, &text, replacement) {
                Some(Cow::Owned(replaced)) => text = Cow::Owned(replaced),
                Some(Cow::Borrowed(_)) => {}
                None => {
                    let message = format!("replacing makes the text longer than {LONGEST} bytes");
                    return Err(Failure::new("too_long", message));
                }
            }
        }
        Ok(Cell::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str, pattern: &str, replacement: &str) -> Option<String> {
        replaced(&Regex::new(pattern).unwrap(), text, replacement).map(Cow::into_owned)
    }

    #[test]
    fn only_replacements_make_a_text_too_long() {
        let long = "ab".repeat(LONGEST);
        assert_eq!(made(&long, "x", "yyyy"), Some(long.clone()));
        assert_eq!(made(&long, "b", "a"), Some("a".repeat(2 * LONGEST)));
        assert_eq!(made(&long, "b", "").map(|text| text.len()), Some(LONGEST));
        assert_eq!(made(&long, "b$", "bb"), None);
        assert_eq!(made("aaaa", "", &"x".repeat(LONGEST / 4)), None);
        assert_eq!(made(&"a".repeat(LONGEST / 2), "a+", "$0$0$0"), None);
    }

    #[test]
    fn a_long_text_is_replaced_as_a_short_one() {
        let (pattern, replacement) = ("(?P<first>[a-c])([0-9]?)", "$2-${first}$$");
        let short = "xa1b c2zz";
        let expected = made(short, pattern, replacement).unwrap();
        let long = made(&short.repeat(LONGEST / 16), pattern, replacement);
        assert_eq!(long, Some(expected.repeat(LONGEST / 16)));
    }
}
