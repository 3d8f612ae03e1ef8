//! What the reference says of mappings, done.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::Org;
use super::compile::compile_json;
use super::compile_test::layout;
use super::entity::Entity;
use super::field_type::FieldType;
use super::fixture_test::value;
use super::meaning::chain_json;
use super::orgs_test::is_same;
use super::outcome::Outcome;

const REFERENCE: &str = include_str!("../../docs/reference.md");

fn lead() -> Entity {
    Entity::built_in("lead").unwrap().unwrap()
}

/// The rows of the first table below a heading, as cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = REFERENCE.split_once(&format!("\n{heading}\n")).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backquotes.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The type of a column that the table names.
fn oid(column: &str) -> u32 {
    match column {
        "hasoptedoutofemail" => 16,
        "given__c" | "withdrawn__c" => 1114,
        "date__c" => 1082,
        "ms__c" => 701,
        _ => 1043,
    }
}

/// The names of the columns of a derivation, conditions included.
fn columns_in(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::String(text) => found.extend(
            text.split(['{', '}', ' ']).filter(|word| word.ends_with("__c")).map(str::to_string),
        ),
        Json::Array(items) => items.iter().for_each(|item| columns_in(item, found)),
        Json::Object(members) => {
            for (name, json) in members {
                found.extend(name.ends_with("__c").then(|| name.clone()));
                found.extend(json.as_str().filter(|_| name == "column").map(str::to_string));
                columns_in(json, found);
            }
        }
        _ => {}
    }
}

/// What the last of the fields is for a row: its text, or the reason of its problem.
fn made(fields: &Map<String, Json>, row: &Map<String, Json>) -> Result<Option<String>, String> {
    let mut columns = BTreeSet::from(["sfid".to_string()]);
    columns_in(&json!(fields), &mut columns);
    let columns: Vec<(&str, u32)> = columns.iter().map(|c| (c.as_str(), oid(c))).collect();
    let org = Org {
        phone_region: Some("DE".into()),
        time_zone: "Europe/Berlin".into(),
        ..Org::default()
    };
    let mapping = json!({ "fields": fields });
    let plan = compile_json(&mapping, &lead(), &layout(&columns), &org)
        .unwrap_or_else(|errors| panic!("{mapping}: {errors:?}"));
    let cell = |(column, oid): &(&str, u32)| {
        let text = row.get(*column).map_or("", |json| json.as_str().unwrap());
        value(if text == "true" { "t" } else { text }, *oid).into_owned()
    };
    let mut out = Outcome::default();
    plan.run_values(&columns.iter().map(cell).collect::<Vec<_>>(), &mut out);
    let field = fields.keys().next_back().unwrap();
    match out.problems.iter().find(|problem| *problem.field == **field) {
        Some(problem) => Err(problem.reason.to_string()),
        None => Ok(out.fields[lead().field(field).unwrap().0].clone()),
    }
}

#[test]
fn what_the_reference_says_is_said_so() {
    let rows = table("### How to say it");
    assert!(rows.len() >= 30, "{rows:#?}");
    let mut wrong = Vec::new();
    for row in rows {
        let [_, fragment, outcomes] = row.as_slice() else { panic!("{row:?}") };
        let fragment = fragment.trim_matches('`');
        let fields: Map<String, Json> = serde_json::from_str(&format!("{{{fragment}}}"))
            .unwrap_or_else(|error| panic!("{error}: {fragment}"));
        let field = fields.keys().next_back().unwrap();
        let kind = lead().field(field).unwrap().1.kind;
        let pairs = code(outcomes);
        assert!(!pairs.is_empty() && pairs.len().is_multiple_of(2), "{row:?}");
        for pair in pairs.chunks(2) {
            let mut columns = BTreeSet::new();
            columns_in(&json!(fields), &mut columns);
            let row = match serde_json::from_str::<Json>(pair[0]) {
                Ok(Json::Object(row)) => row,
                // The one column that there is.
                _ => columns.into_iter().map(|column| (column, pair[0].into())).collect(),
            };
            let expected = match (pair[1], kind) {
                ("NULL", _) => Ok(None),
                (text, FieldType::TextArray | FieldType::Jsonb) => {
                    Ok(Some(serde_json::from_str(text).unwrap()))
                }
                (text, _) => Ok(Some(Json::from(text))),
            };
            let found = made(&fields, &row);
            let same = match (&found, &expected) {
                (Ok(found), Ok(expected)) => is_same(found.as_deref(), expected.as_ref(), kind),
                (Err(reason), _) => reason == pair[1],
                (Ok(_), Err(())) => false,
            };
            if !same {
                wrong.push(format!("{fragment}: {} → {found:?}, not {}", pair[0], pair[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_has_every_field_of_the_lead() {
    let told: Vec<_> = table("### The lead").into_iter().map(|row| row.join(" | ")).collect();
    let own: Vec<_> = lead()
        .fields
        .iter()
        .map(|field| {
            let rules = Json::from(chain_json(&field.rules)).to_string();
            let comment = field.comment.as_deref().unwrap_or_default();
            format!("`{}` | `{}` | `{rules}` | {comment}", field.name, field.kind.sql())
        })
        .collect();
    let squeezed = |rows: Vec<String>| rows.join("\n").replace(' ', "");
    assert_eq!(squeezed(told), squeezed(own));
}

/// The mapping at the head of the section fits a table of Salesforce's, and a lead without a budget has no
/// currency.
#[test]
fn the_first_example_is_right() {
    let (_, section) = REFERENCE.split_once("\n## Mappings\n").unwrap();
    let example = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let mapping: Json = serde_json::from_str(example.unwrap()).unwrap();
    let mut fields = mapping["fields"].as_object().unwrap().clone();
    let currency = fields.shift_remove("budget_currency").unwrap();
    let budget = json!({"column": "budget__c", "rules": [{"number": {"units": ["€"]}}]});
    let fields = Map::from_iter([
        ("budget_max".to_string(), budget),
        ("budget_currency".to_string(), currency),
    ]);
    let of = |text: &str| made(&fields, json!({ "budget__c": text }).as_object().unwrap());
    assert_eq!(of("5000 €"), Ok(Some("EUR".into())));
    assert_eq!(of(""), Ok(None));
    assert_eq!(of("tbd €"), Ok(None));
}
