//! The catalogue of rules.

use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Value, json};

use crate::normalize::rules::{self, Definition, Example, Yield};

type Line = (String, String, JsonB, Vec<String>, String, Vec<String>, String, JsonB);

/// Every rule, for the view `manifold.rules`.
#[pg_extern(immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn rule_catalogue() -> TableIterator<
    'static,
    (
        name!(name, String),
        name!(meaning, String),
        name!(arguments, JsonB),
        name!(takes, Vec<String>),
        name!(yields, String),
        name!(reasons, Vec<String>),
        name!(example, String),
        name!(examples, JsonB),
    ),
> {
    TableIterator::new(rules::ALL.iter().map(|rule| line(rule)))
}

fn line(rule: &Definition) -> Line {
    let arguments: Vec<Value> = rule
        .arguments
        .iter()
        .map(|argument| {
            json!({"name": argument.name, "kind": argument.kind,
                   "required": argument.required, "meaning": argument.meaning})
        })
        .collect();
    let examples: Vec<Value> = rule.examples.iter().map(example).collect();
    (
        rule.name.into(),
        rule.meaning.into(),
        JsonB(arguments.into()),
        rule.accepts.iter().map(|kind| kind.name().to_string()).collect(),
        rule.yields.into(),
        rule.reasons.iter().map(ToString::to_string).collect(),
        rule.examples.first().map(sentence).unwrap_or_default(),
        JsonB(examples.into()),
    )
}

fn example(example: &Example) -> Value {
    let rules: Value = serde_json::from_str(example.rules).unwrap_or_default();
    let mut json = json!({"rules": rules, "input": example.input});
    match example.output {
        Yield::Text(text) => json["output"] = text.into(),
        Yield::Null => json["output"] = Value::Null,
        Yield::Problem(reason) => json["problem"] = reason.into(),
    }
    json
}

fn sentence(example: &Example) -> String {
    let output = match example.output {
        Yield::Text(text) => text,
        Yield::Null => "NULL",
        Yield::Problem(reason) => reason,
    };
    format!("{}: {} → {output}", example.rules, example.input.trim())
}
