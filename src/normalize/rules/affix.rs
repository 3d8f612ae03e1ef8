//! `prefix`, `suffix`, `pad` and `truncate`: what stands around a text, and how long it is.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const PREFIX: Definition = Definition {
    name: "prefix",
    meaning: "Puts a text before the value.",
    arguments: &[Argument { name: "prefix", kind: "text", required: true, meaning: "The text." }],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[Example {
        rules: r#"[{"prefix": "S-"}]"#,
        input: "0150",
        output: Yield::Text("S-0150"),
    }],
    build: |arguments, errors| {
        arguments.options(&[], errors);
        Some(Box::new(Affix::Prefix(arguments.text(errors)?)))
    },
};

pub const SUFFIX: Definition = Definition {
    name: "suffix",
    meaning: "Puts a text behind the value.",
    arguments: &[Argument { name: "suffix", kind: "text", required: true, meaning: "The text." }],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[Example {
        rules: r#"[{"suffix": " employees"}]"#,
        input: "12",
        output: Yield::Text("12 employees"),
    }],
    build: |arguments, errors| {
        arguments.options(&[], errors);
        Some(Box::new(Affix::Suffix(arguments.text(errors)?)))
    },
};

pub const PAD: Definition = Definition {
    name: "pad",
    meaning: "Fills a text up from the left, as for postal codes that have lost their zeros.",
    arguments: &[
        Argument { name: "pad", kind: "number", required: true, meaning: "The length to reach." },
        Argument {
            name: "with",
            kind: "text",
            required: false,
            meaning: "The character to fill up with; 0 where absent.",
        },
    ],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[Example { rules: r#"[{"pad": 5}]"#, input: "1936", output: Yield::Text("01936") }],
    build: build_pad,
};

pub const TRUNCATE: Definition = Definition {
    name: "truncate",
    meaning: "Cuts a text after so many characters.",
    arguments: &[Argument {
        name: "truncate",
        kind: "number",
        required: true,
        meaning: "How many characters are left at most.",
    }],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[Example {
        rules: r#"[{"truncate": 4}]"#,
        input: "Éléonore",
        output: Yield::Text("Éléo"),
    }],
    build: |arguments, errors| {
        arguments.options(&[], errors);
        Some(Box::new(Affix::Truncate(length(arguments, errors)?)))
    },
};

/// Longer texts are not made on purpose.
const LONGEST: u64 = 10_000;

#[derive(Debug)]
enum Affix {
    Prefix(String),
    Suffix(String),
    Pad(usize, char),
    Truncate(usize),
}

fn length(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<usize> {
    let length = arguments.spec.argument.as_ref().and_then(Value::as_u64);
    let length = length.filter(|length| (1..=LONGEST).contains(length));
    if length.is_none() {
        let message = format!("a number of characters is needed, 1 to {LONGEST}");
        arguments.wrong("", message, errors);
    }
    usize::try_from(length?).ok()
}

fn build_pad(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&["with"], errors);
    let with = match arguments.spec.options.get("with") {
        None => '0',
        Some(Value::String(text)) if text.chars().count() == 1 => text.chars().next()?,
        Some(_) => {
            let path = format!("{}.with", arguments.path);
            errors.push(MappingError::new(path, "a single character is needed"));
            return None;
        }
    };
    Some(Box::new(Affix::Pad(length(arguments, errors)?, with)))
}

impl Rule for Affix {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        Ok(Cell::Text(match self {
            Affix::Prefix(prefix) => Cow::Owned(format!("{prefix}{text}")),
            Affix::Suffix(suffix) => Cow::Owned(format!("{text}{suffix}")),
            Affix::Pad(length, with) => {
                let missing = length.saturating_sub(text.trim().chars().count());
                let filling: String = std::iter::repeat_n(*with, missing).collect();
                Cow::Owned(filling + text.trim())
            }
            Affix::Truncate(length) => match text.char_indices().nth(*length) {
                None => text,
                Some((end, _)) => Cow::Owned(text[..end].to_string()),
            },
        }))
    }
}
