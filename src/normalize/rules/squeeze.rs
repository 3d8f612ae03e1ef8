//! `squeeze`: white space to single spaces, none at the ends.

use std::borrow::Cow;

use super::{Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "squeeze",
    meaning: "White space (Unicode's, thus also no-break spaces and line ends) becomes single spaces \
              and is taken off both ends; what is empty then is NULL. Other values become text.",
    arguments: &[],
    reasons: &[],
    accepts: Kind::SCALARS,
    yields: "text",
    examples: &[
        Example {
            rules: r#"["squeeze"]"#,
            input: " Anna \t Maria\u{a0}\n",
            output: Yield::Text("Anna Maria"),
        },
        Example { rules: r#"["squeeze"]"#, input: " \u{2003} ", output: Yield::Null },
    ],
    build,
};

#[derive(Debug)]
struct Squeeze;

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(Squeeze))
}

impl Rule for Squeeze {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        Ok(Cell::Text(squeeze(cell.into_text())))
    }
}

/// Squeezes a text; borrows where there is nothing to do, which is nearly always.
pub fn squeeze(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_squeezed(&text) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}

fn is_squeezed(text: &str) -> bool {
    let mut after_space = true;
    for character in text.chars() {
        let space = character.is_whitespace();
        if space && (after_space || character != ' ') {
            return false;
        }
        after_space = space;
    }
    !after_space || text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_words_joined_by_spaces(text in "[a \u{a0}\u{202f}\t\né]{0,12}") {
            let words: Vec<_> = text.split_whitespace().collect();
            let squeezed = squeeze(text.as_str().into()).into_owned();
            prop_assert_eq!(&squeezed, &words.join(" "));
            prop_assert!(is_squeezed(&squeezed));
        }
    }
}
