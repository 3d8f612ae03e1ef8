//! `json` and `member`: JSON in text.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;
use crate::normalize::{MappingError, decimal, json};

pub const JSON: Definition = Definition {
    name: "json",
    meaning: "JSON in text, checked.",
    arguments: &[],
    reasons: &["invalid_json"],
    accepts: &[Kind::Text, Kind::Json],
    yields: "JSON",
    examples: &[
        Example {
            rules: r#"["json"]"#,
            input: r#"{"q1": 4}"#,
            output: Yield::Text(r#"{"q1": 4}"#),
        },
        Example {
            rules: r#"["json"]"#,
            input: "{not json",
            output: Yield::Problem("invalid_json"),
        },
    ],
    build: |arguments, errors| {
        arguments.none(errors)?;
        Some(Box::new(Json))
    },
};

pub const MEMBER: Definition = Definition {
    name: "member",
    meaning: "A value out of JSON; NULL where there is none. Objects and arrays come as their text.",
    arguments: &[Argument {
        name: "member",
        kind: "text",
        required: true,
        meaning: "Names of members and indexes from 0, with points between them.",
    }],
    reasons: &["invalid_json"],
    accepts: &[Kind::Text, Kind::Json],
    yields: "text",
    examples: &[
        Example {
            rules: r#"[{"member": "contact.phones.0"}]"#,
            input: r#"{"contact": {"phones": ["+33 6 12 34 98 58"]}}"#,
            output: Yield::Text("+33 6 12 34 98 58"),
        },
        Example { rules: r#"[{"member": "q2"}]"#, input: r#"{"q1": 4}"#, output: Yield::Null },
        Example {
            rules: r#"[{"member": "q2"}]"#,
            input: "q2=5",
            output: Yield::Problem("invalid_json"),
        },
    ],
    build: build_member,
};

#[derive(Debug)]
struct Json;

#[derive(Debug)]
struct Member(Vec<String>);

fn build_member(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    arguments.options(&[], errors);
    let path = arguments.text(errors)?;
    Some(Box::new(Member(path.split('.').map(str::to_string).collect())))
}

fn invalid() -> Failure {
    Failure::new("invalid_json", "the text is no JSON")
}

impl Rule for Json {
    fn output(&self) -> Kind {
        Kind::Json
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        if json::is_jsonb(&text) { Ok(Cell::Json(text)) } else { Err(invalid()) }
    }
}

impl Rule for Member {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let json: Value = serde_json::from_str(&cell.text()).map_err(|_| invalid())?;
        let step = |value: &'_ Value, name: &String| match value {
            Value::Object(members) => members.get(name).cloned(),
            Value::Array(items) => items.get(name.parse::<usize>().ok()?).cloned(),
            _ => None,
        };
        let found = self.0.iter().try_fold(json, |value, name| step(&value, name));
        Ok(match found {
            None | Some(Value::Null) => Cell::Null,
            // \u0000 stands for what the server's text cannot hold.
            Some(Value::String(text)) => Cell::Text(Cow::Owned(text.replace('\0', ""))),
            Some(Value::Number(number)) => {
                let text = decimal::from_json(&number).unwrap_or_else(|| number.to_string());
                Cell::Text(Cow::Owned(text))
            }
            Some(other) => Cell::Text(Cow::Owned(other.to_string())),
        })
    }
}
