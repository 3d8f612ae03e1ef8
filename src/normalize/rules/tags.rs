//! `tags`: multi-selects and lists as lists of tags.

use std::borrow::Cow;
use std::collections::HashSet;

use super::list::{json_items, parts, separators};
use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, squeeze};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "tags",
    meaning: "A multi-select, a list, or a JSON array, as tags: in lower case, with white space squeezed, each \
              once, in the order of their appearance.",
    arguments: &[
        Argument {
            name: "separator",
            kind: "text or list of texts",
            required: false,
            meaning: "What separates the values within a text; a semicolon where absent.",
        },
        Argument {
            name: "keep_case",
            kind: "true or false",
            required: false,
            meaning: "Letters stay as they are; each tag is still there once, in any letter case.",
        },
    ],
    reasons: &[],
    accepts: &[Kind::Text, Kind::List, Kind::Json],
    yields: "a list",
    examples: &[
        Example {
            rules: r#"["tags", {"join": ","}]"#,
            input: "Solar; Heat  Pump;;solar",
            output: Yield::Text("solar,heat pump"),
        },
        Example {
            rules: r#"[{"tags": {"separator": ",", "keep_case": true}}, {"join": ";"}]"#,
            input: "Solar, SOLAR",
            output: Yield::Text("Solar"),
        },
        Example {
            rules: r#"["json", "tags", {"join": ","}]"#,
            input: r#"["Solar", "Heat pump"]"#,
            output: Yield::Text("solar,heat pump"),
        },
    ],
    build,
};

#[derive(Debug)]
struct Tags {
    separators: Vec<String>,
    keep_case: bool,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut tags = Tags { separators: vec![";".into()], keep_case: false };
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["separator", "keep_case"], errors)?;
        tags.separators = separators(members.get("separator"), arguments, errors)?;
        tags.keep_case = arguments.flag(members, "keep_case", errors);
    }
    (errors.len() == before).then(|| Box::new(tags) as Box<dyn Rule>)
}

impl Rule for Tags {
    fn output(&self) -> Kind {
        Kind::List
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let mut tags: Vec<Cow<'a, str>> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        let mut add = |value: &str| {
            let key = normal_key(value);
            if !key.is_empty() && known.insert(key.clone()) {
                tags.push(match self.keep_case {
                    true => Cow::Owned(squeeze::squeeze(value.into()).into_owned()),
                    false => Cow::Owned(key),
                });
            }
        };
        let mut split = |text: &str| parts(text, &self.separators).into_iter().for_each(&mut add);
        match &cell {
            Cell::List(items) => items.iter().for_each(|item| split(item)),
            Cell::Json(json) => json_items(json).iter().for_each(|item| split(item)),
            cell => split(&cell.text()),
        }
        Ok(if tags.is_empty() { Cell::Null } else { Cell::List(tags) })
    }
}
