//! `split`, `each`, `first` and `join`: texts with several values, and lists.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, text_or_list};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::chain::Steps;
use crate::normalize::mapping;
use crate::normalize::source::Row;

pub const SPLIT: Definition = Definition {
    name: "split",
    meaning: "A text into the list of its parts, trimmed, without blank ones; a JSON array into the \
              list of its items.",
    arguments: &[Argument {
        name: "split",
        kind: "text or list of texts",
        required: false,
        meaning: "What separates the parts; a semicolon where absent.",
    }],
    reasons: &[],
    accepts: &[Kind::Text, Kind::Json],
    yields: "a list",
    examples: &[
        Example {
            rules: r#"[{"split": [",", "/"]}, {"join": "|"}]"#,
            input: "red, green/ ,blue",
            output: Yield::Text("red|green|blue"),
        },
        Example {
            rules: r#"["json", "split", {"join": "|"}]"#,
            input: r#"["red", "green; blue", 7, null]"#,
            output: Yield::Text("red|green; blue|7"),
        },
    ],
    build: build_split,
};

pub const EACH: Definition = Definition {
    name: "each",
    meaning: "Applies rules to every item of a list. Items that become NULL are left out; one that \
              fails fails the list.",
    arguments: &[Argument {
        name: "each",
        kind: "list of rules",
        required: true,
        meaning: "The rules.",
    }],
    reasons: &[],
    accepts: &[Kind::List],
    yields: "a list",
    examples: &[Example {
        rules: r#"["split", {"each": [{"map": {"PV": "solar", "WP": "heat pump", "-": null}}]}, {"join": ", "}]"#,
        input: "pv; -; WP",
        output: Yield::Text("solar, heat pump"),
    }],
    build: build_each,
};

pub const FIRST: Definition = Definition {
    name: "first",
    meaning: "The first item of a list; with rules, what they make of the first item that they do \
              not refuse.",
    arguments: &[Argument {
        name: "first",
        kind: "list of rules",
        required: false,
        meaning: "The rules. Where they refuse all items, the problem is that of the first.",
    }],
    reasons: &[],
    accepts: &[Kind::List],
    yields: "text, or what the rules yield",
    examples: &[
        Example {
            rules: r#"[{"split": "/"}, {"first": ["phone"]}]"#,
            input: "bureau / +33 6 12 34 98 58",
            output: Yield::Text("+33612349858"),
        },
        Example { rules: r#"["split", "first"]"#, input: "red; green", output: Yield::Text("red") },
    ],
    build: build_first,
};

pub const JOIN: Definition = Definition {
    name: "join",
    meaning: "The items of a list as one text.",
    arguments: &[Argument {
        name: "join",
        kind: "text",
        required: true,
        meaning: "What stands between them.",
    }],
    reasons: &[],
    accepts: &[Kind::List],
    yields: "text",
    examples: &[Example {
        rules: r#"["split", {"join": " and "}]"#,
        input: "red;green",
        output: Yield::Text("red and green"),
    }],
    build: build_join,
};

/// The parts of a text between separators, trimmed and not blank.
pub fn parts<'t>(text: &'t str, separators: &[String]) -> Vec<&'t str> {
    let mut parts = vec![text];
    for separator in separators {
        parts = parts.into_iter().flat_map(|part| part.split(separator.as_str())).collect();
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The separators that an argument gives; a semicolon, as in a multi-select, where there is none.
pub fn separators(
    argument: Option<&Value>,
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Vec<String>> {
    let Some(argument) = argument else { return Some(vec![";".into()]) };
    let found = text_or_list(argument).filter(|list| list.iter().all(|text| !text.is_empty()));
    if found.is_none() {
        arguments.wrong("", "a separator is text that is not empty", errors);
    }
    found
}

#[derive(Debug)]
struct Split(Vec<String>);

#[derive(Debug)]
struct Each(Steps);

#[derive(Debug)]
struct First(Steps, Kind);

#[derive(Debug)]
struct Join(String);

fn build_split(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let split = Split(separators(arguments.spec.argument.as_ref(), arguments, errors)?);
    (errors.len() == before).then(|| Box::new(split) as Box<dyn Rule>)
}

/// The rules of an argument, which get text.
fn nested(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<(Steps, Option<Kind>)> {
    let json = arguments.spec.argument.as_ref()?;
    let path = arguments.argument_path();
    let rules = mapping::read_rules(json, &path, errors)?;
    Some(Steps::compile(&rules, Some(Kind::Text), &path, arguments.scope, errors))
}

fn build_each(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    if arguments.spec.argument.is_none() {
        arguments.wrong("", "\"each\" needs a list of rules", errors);
    }
    let (steps, _) = nested(arguments, errors)?;
    (errors.len() == before).then(|| Box::new(Each(steps)) as Box<dyn Rule>)
}

fn build_first(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let (steps, kind) = match arguments.spec.argument {
        None => (Steps::default(), None),
        Some(_) => nested(arguments, errors)?,
    };
    let first = First(steps, kind.unwrap_or(Kind::Text));
    (errors.len() == before).then(|| Box::new(first) as Box<dyn Rule>)
}

fn build_join(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    Some(Box::new(Join(arguments.text(errors)?)))
}

impl Rule for Split {
    fn output(&self) -> Kind {
        Kind::List
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        if let Cell::Json(json) = &cell {
            let items = json_items(json);
            return Ok(if items.is_empty() { Cell::Null } else { Cell::List(items) });
        }
        let items: Vec<Cow<'a, str>> = match cell.into_text() {
            Cow::Borrowed(text) => parts(text, &self.0).into_iter().map(Cow::Borrowed).collect(),
            Cow::Owned(text) => {
                parts(&text, &self.0).into_iter().map(|part| part.to_string().into()).collect()
            }
        };
        Ok(if items.is_empty() { Cell::Null } else { Cell::List(items) })
    }
}

/// The items of a JSON array, without null and blank ones; any other JSON is the one item.
pub fn json_items<'a>(json: &str) -> Vec<Cow<'a, str>> {
    let items = match serde_json::from_str(json) {
        Ok(Value::Array(items)) => items,
        Ok(item) => vec![item],
        Err(_) => vec![Value::String(json.into())],
    };
    let text = |item| match item {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let texts = items.into_iter().filter_map(text).filter(|text| !text.trim().is_empty());
    texts.map(Cow::Owned).collect()
}

/// The items of a list; any other value is the one item.
fn items(cell: Cell<'_>) -> Vec<Cow<'_, str>> {
    match cell {
        Cell::List(items) => items,
        cell => vec![cell.into_text()],
    }
}

impl Rule for Each {
    fn output(&self) -> Kind {
        Kind::List
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, row: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let mut list = Vec::new();
        for item in items(cell) {
            let again = item.clone();
            let made = self.0.run(Cell::Text(item), row, || Some(Cell::Text(again)));
            match made.map_err(|failed| failed.failure)? {
                Cell::Null => {}
                Cell::List(more) => list.extend(more),
                cell => list.push(cell.into_text()),
            }
        }
        Ok(if list.is_empty() { Cell::Null } else { Cell::List(list) })
    }
}

impl Rule for First {
    fn output(&self) -> Kind {
        self.1
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, row: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let mut refused = None;
        for item in items(cell) {
            let again = item.clone();
            match self.0.run(Cell::Text(item), row, || Some(Cell::Text(again))) {
                Ok(Cell::Null) => {}
                Ok(cell) => return Ok(cell),
                Err(failed) => refused = refused.or(Some(failed.failure)),
            }
        }
        refused.map_or(Ok(Cell::Null), Err)
    }
}

impl Rule for Join {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        Ok(Cell::Text(Cow::Owned(items(cell).join(&self.0))))
    }
}
