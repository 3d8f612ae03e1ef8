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
    reasons: &[],
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

/// Replacements may make a text longer; one beyond this is no value any more.
const LONGEST: usize = 1 << 20;

impl Rule for Replace {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let mut text = cell.into_text();
        for (regex, replacement) in &self.0 {
            if let Cow::Owned(replaced) = regex.replace_all(&text, replacement) {
                text = Cow::Owned(replaced);
            }
            if text.len() > LONGEST {
                return Ok(Cell::Null);
            }
        }
        Ok(Cell::Text(text))
    }
}
