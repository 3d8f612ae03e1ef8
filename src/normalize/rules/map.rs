//! `map`: a table of values, as for picklists and grades.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::decimal;
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "map",
    meaning: "Looks the value up in a table, in any letter case and with white space squeezed. \
              Without an entry it is the default, where there is one, else a problem.",
    arguments: &[
        Argument {
            name: "map",
            kind: "object",
            required: true,
            meaning: "The table: what stands in the source, and what it means (text, number, true, \
                      false, or null for NULL).",
        },
        Argument {
            name: "default",
            kind: "text, number, boolean or null",
            required: false,
            meaning: "What a value without an entry means.",
        },
    ],
    reasons: &["unmapped_value"],
    accepts: Kind::SCALARS,
    yields: "text, a number or a boolean, as the table says",
    examples: &[
        Example {
            rules: r#"[{"map": {"Open - Not Contacted": "new", "Closed": "converted"}}]"#,
            input: "open -  not contacted",
            output: Yield::Text("new"),
        },
        Example {
            rules: r#"[{"map": {"Open": "new"}}]"#,
            input: "Nurture?",
            output: Yield::Problem("unmapped_value"),
        },
        Example {
            rules: r#"[{"map": {"A": 95, "B": 80}, "default": 0}]"#,
            input: "F",
            output: Yield::Text("0"),
        },
        Example {
            rules: r#"[{"map": {"under 5k": null, "5k-10k": 5000}}]"#,
            input: "Under 5k",
            output: Yield::Null,
        },
    ],
    build,
};

#[derive(Debug)]
struct Map {
    /// By the spelling in the mapping, which is the usual one.
    exact: HashMap<String, Cell<'static>>,
    /// By normal key.
    any: HashMap<String, Cell<'static>>,
    default: Option<Cell<'static>>,
    output: Kind,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["default"], errors);
    let Some(Value::Object(table)) = &arguments.spec.argument else {
        arguments.wrong("", "\"map\" needs a table, e.g. {\"Open\": \"new\"}", errors);
        return None;
    };
    let default = arguments.spec.options.get("default");
    let mut map =
        Map { exact: HashMap::new(), any: HashMap::new(), default: None, output: Kind::Text };
    map.output = common_kind(table.values().chain(default));
    for (key, value) in table {
        let Some(cell) = constant(value, map.output) else {
            arguments.wrong(key, "a table yields text, numbers, true, false or null", errors);
            continue;
        };
        let normal = normal_key(key);
        if normal.is_empty() {
            arguments.wrong(key, "blank values are NULL and never looked up", errors);
        }
        if map.any.insert(normal, cell.clone()).is_some_and(|other| other != cell) {
            let message = "the same value in another spelling has another meaning";
            arguments.wrong(key, message, errors);
        }
        map.exact.insert(key.clone(), cell);
    }
    if let Some(default) = default {
        map.default = constant(default, map.output);
        if map.default.is_none() {
            let path = format!("{}.default", arguments.path);
            let message = "a default is text, a number, true, false or null";
            errors.push(MappingError::new(path, message));
        }
    } else if table.is_empty() {
        arguments.wrong("", "the table is empty and there is no default", errors);
    }
    (errors.len() == before).then(|| Box::new(map) as Box<dyn Rule>)
}

/// Numbers and booleans stay what they are only where the whole table agrees.
fn common_kind<'a>(values: impl Iterator<Item = &'a Value>) -> Kind {
    let mut kinds = values.filter(|value| !value.is_null()).map(|value| match value {
        Value::Number(_) => Kind::Number,
        Value::Bool(_) => Kind::Boolean,
        _ => Kind::Text,
    });
    let first = kinds.next().unwrap_or(Kind::Text);
    if kinds.all(|kind| kind == first) { first } else { Kind::Text }
}

fn constant(value: &Value, kind: Kind) -> Option<Cell<'static>> {
    let cell = match value {
        Value::Null => return Some(Cell::Null),
        Value::Bool(value) => Cell::Boolean(*value),
        Value::Number(number) => Cell::Number(Cow::Owned(decimal::from_json(number)?)),
        Value::String(text) => Cell::Text(Cow::Owned(text.clone())),
        Value::Array(_) | Value::Object(_) => return None,
    };
    Some(if kind == Kind::Text { Cell::Text(cell.into_text()) } else { cell })
}

impl Rule for Map {
    fn output(&self) -> Kind {
        self.output
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let found = self
            .exact
            .get(&*text)
            .or_else(|| self.any.get(&normal_key(&text)))
            .or(self.default.as_ref());
        match found {
            Some(cell) => Ok(cell.borrowed()),
            None => {
                let message = format!("the table has no entry for {}", quoted(&text));
                Err(Failure::new("unmapped_value", message))
            }
        }
    }
}
