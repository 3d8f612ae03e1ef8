//! Every rule by its own examples, and what no text may do to one.

use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::normalize::Org;
use crate::normalize::chain::{self, Steps};
use crate::normalize::field_type::FieldType;
use crate::normalize::mapping;

#[test]
fn every_example_is_true() {
    for rule in ALL {
        assert!(!rule.examples.is_empty(), "{} has no example", rule.name);
        for example in rule.examples {
            let json: Value = serde_json::from_str(example.rules).unwrap();
            let mut errors = Vec::new();
            let specs = mapping::read_rules(&json, "", &mut errors).unwrap_or_default();
            let org = Org::default();
            let scope = Scope::new(&org, &[]);
            let (steps, _) = Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors);
            assert_eq!(errors, [], "{}", example.rules);
            let found = steps.run(Cell::Text(example.input.into()), &Row::of(&[]), || None);
            let found = found.map(|cell| cell.text().into_owned());
            let expected = match &example.output {
                Yield::Text(text) => Ok(*text),
                Yield::Null => Ok(""),
                Yield::Problem(reason) => {
                    assert!(rule.reasons.contains(reason), "{} lacks {reason}", rule.name);
                    Err(*reason)
                }
            };
            let found = found.as_deref().map_err(|failed| failed.failure.reason);
            assert_eq!(found, expected, "{} of {:?}", example.rules, example.input);
        }
    }
}

#[test]
fn every_rule_takes_a_reason_for_its_problems() {
    let org = Org::default();
    let scope = Scope::new(&org, &[]);
    for rule in ALL {
        for example in rule.examples {
            let json: Value = serde_json::from_str(example.rules).unwrap();
            let with_problem = |rule: &Value| {
                let mut members = match rule {
                    Value::String(name) => Map::from_iter([(name.clone(), Value::Null)]),
                    rule => rule.as_object().unwrap().clone(),
                };
                members.insert("problem".into(), "out_of_range".into());
                Value::Object(members)
            };
            let rules = json.as_array().unwrap().iter().map(with_problem).collect();
            let mut errors = Vec::new();
            let specs = mapping::read_rules(&rules, "", &mut errors).unwrap_or_default();
            let (steps, _) = Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors);
            assert_eq!(errors, [], "{rules}");
            let input = Cell::Text(example.input.into());
            let found = steps.run(input, &Row::of(&[]), || None);
            if let Yield::Problem(_) = example.output {
                let reason = found.unwrap_err().failure.reason;
                assert_eq!(reason, "out_of_range", "{rules}");
            }
        }
    }
}

#[test]
fn every_reason_has_an_example_and_names_differ() {
    for (index, rule) in ALL.iter().enumerate() {
        // What is too long is no example.
        for reason in rule.reasons.iter().filter(|reason| **reason != "too_long") {
            let shown = rule.examples.iter().any(|e| e.output == Yield::Problem(reason));
            assert!(shown, "{}: {reason}", rule.name);
        }
        assert!(ALL[..index].iter().all(|other| other.name != rule.name));
    }
}

/// Texts of all sorts, and such as rules look for.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \\t\u{a0}]{0,2}[+(]?[0-9. ,:/()x;-]{0,20}",
        "(https?:|<p>|&amp;|&#0;|@|\\{\"a\":|[a-zé. ]|\u{0}){0,12}",
        "[0-9]{1,4}[-/. ](Jan|März|avr\\.|[0-9]{1,2})[-/. ][0-9]{2,4}",
        prop::sample::select(
            ALL.iter().flat_map(|r| r.examples).map(|e| e.input.to_string()).collect::<Vec<_>>()
        ),
    ]
}

/// Every chain of the examples, with the kind of what it yields.
fn chains() -> Vec<(Steps, Option<Kind>)> {
    let org = Org { phone_region: Some("FR".into()), ..Org::default() };
    let scope = Scope::new(&org, &[]);
    let mut errors = Vec::new();
    ALL.iter()
        .flat_map(|rule| rule.examples)
        .map(|example| {
            let json: Value = serde_json::from_str(example.rules).unwrap();
            let specs = mapping::read_rules(&json, "", &mut errors).unwrap();
            Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No text breaks a rule; what comes out is of the kind that the rule promised, can become
    /// every type that takes it, or fails with a reason that is known, and is text that the
    /// server takes.
    #[test]
    fn no_text_breaks_a_rule(text in any_text()) {
        for (steps, kind) in &chains() {
            let Ok(cell) = steps.run(Cell::Text(text.replace('\0', "").into()), &Row::of(&[]), || None) else {
                continue;
            };
            let kind = kind.unwrap();
            prop_assert!(matches!(
                (&cell, kind),
                (Cell::Null, _)
                    | (Cell::Text(_), Kind::Text)
                    | (Cell::Boolean(_), Kind::Boolean)
                    | (Cell::Number(_) | Cell::Integer(_), Kind::Number)
                    | (Cell::Date(_), Kind::Date)
                    | (Cell::Time(_), Kind::Time)
                    | (Cell::Timestamp(_), Kind::Timestamp)
                    | (Cell::Json(_), Kind::Json)
                    | (Cell::List(_), Kind::List)
            ), "{:?} of {:?}", cell, steps);
            for target in FieldType::ALL.iter().filter(|target| target.accepts(kind).is_ok()) {
                let mut out = String::new();
                match chain::finish(cell.clone(), *target, &mut out) {
                    Ok(_) => prop_assert!(!out.contains('\0'), "{:?} of {:?}", out, steps),
                    Err(failed) => {
                        let known = reasons().any(|reason| reason == failed.failure.reason);
                        prop_assert!(known, "{}", failed.failure.reason);
                    }
                }
            }
        }
    }
}

/// The section of docs/reference.md on a rule.
fn documented(rule: &Definition) -> String {
    let code = |items: &[&str]| {
        items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
    };
    let takes: Vec<_> = rule.accepts.iter().map(|kind| kind.name()).collect();
    let mut text = format!("**`{}`** — {}", rule.name, rule.meaning);
    text += &format!(" *{} → {}*", takes.join(", "), rule.yields);
    if !rule.reasons.is_empty() {
        text += &format!(" ({})", code(rule.reasons));
    }
    text += "\n";
    for argument in rule.arguments {
        let needed = if argument.required { ", required" } else { "" };
        text +=
            &format!("- `{}` ({}{needed}): {}\n", argument.name, argument.kind, argument.meaning);
    }
    text += "\n```\n";
    for example in rule.examples {
        let output = match example.output {
            Yield::Text(text) => text,
            Yield::Null => "NULL",
            Yield::Problem(reason) => reason,
        };
        text += &format!("{}   {:?} → {output}\n", example.rules, example.input);
    }
    text + "```\n"
}

#[test]
fn the_reference_has_every_rule() {
    let reference = include_str!("../../../docs/reference.md");
    let all: Vec<_> = ALL.iter().map(|rule| documented(rule)).collect();
    let all = all.join("\n");
    // The section whole, and nothing else of the kind before the sentence that ends it.
    let section = format!(" what the rules themselves say.\n\n{all}\nA misspelt rule, ");
    assert!(reference.contains(&section), "docs/reference.md should say:\n\n{all}");
}
