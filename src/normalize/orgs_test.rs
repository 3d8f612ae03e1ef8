//! Orgs made up to be hard, in `tests/orgs`: what their mappings make of their rows, and which columns
//! are suggested. The same files are run against the real server by `tests/e2e/orgs.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::Org;
use super::compile::compile_json;
use super::compile_test::layout;
use super::convert;
use super::entity::Entity;
use super::field_type::FieldType;
use super::fixture_test::{oid, value};
use super::outcome::Outcome;
use super::plan::Plan;
use super::preview::Sample;
use super::suggest::{Knowledge, columns_in, suggest};

/// The names of the orgs, with their files.
fn orgs() -> Vec<(String, Json)> {
    let folder = format!("{}/tests/orgs", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(path).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, json)
    };
    paths.iter().map(read).collect()
}

fn columns(org: &Json) -> Vec<(&str, u32)> {
    let columns = org["columns"].as_object().unwrap().iter();
    columns.map(|(name, declared)| (name.as_str(), oid(declared.as_str().unwrap()))).collect()
}

fn settings(name: &str, org: &Json) -> Org {
    Org {
        name: name.into(),
        phone_region: org["phone_region"].as_str().map(Into::into),
        time_zone: org["time_zone"].as_str().unwrap().into(),
    }
}

fn plan(name: &str, org: &Json, lead: &Entity) -> Plan {
    compile_json(&org["mapping"], lead, &layout(&columns(org)), &settings(name, org))
        .unwrap_or_else(|errors| panic!("{name}: {errors:#?}"))
}

/// An expected value as the text that the server would be given.
fn text(json: &Json, kind: FieldType) -> String {
    match (json, kind) {
        (Json::Array(items), FieldType::TextArray) => {
            let items = items.iter().map(|item| item.as_str().unwrap().into()).collect();
            let mut text = String::new();
            convert::push(super::cell::Cell::List(items), kind, &mut text).unwrap();
            text
        }
        (Json::String(text), _) => text.clone(),
        (json, _) => json.to_string(),
    }
}

pub(super) fn is_same(found: Option<&str>, expected: Option<&Json>, kind: FieldType) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) if kind == FieldType::Jsonb => {
            serde_json::from_str::<Json>(found).unwrap() == *expected
        }
        (found, expected) => found == expected.map(|json| text(json, kind)).as_deref(),
    }
}

#[test]
fn every_org_comes_out_as_worked_out_by_hand() {
    let lead = Entity::built_in("lead").unwrap().unwrap();
    let mut wrong = Vec::new();
    for (name, org) in orgs() {
        let columns = columns(&org);
        let plan = plan(&name, &org, &lead);
        let expected: BTreeMap<&str, &Map<String, Json>> = org["expected"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(sfid, fields)| (sfid.as_str(), fields.as_object().unwrap()))
            .collect();
        let mut problems = BTreeSet::new();
        let mut out = Outcome::default();
        for row in org["rows"].as_array().unwrap() {
            let sfid = row["sfid"].as_str().unwrap();
            let cell = |(column, oid): &(&str, u32)| {
                value(row.get(column).and_then(Json::as_str).unwrap_or_default(), *oid).into_owned()
            };
            let values: Vec<_> = columns.iter().map(cell).collect();
            plan.run_values(&values, &mut out);
            let Some(expected) = expected.get(sfid) else {
                assert!(out.excluded, "{name}: {sfid} is not excluded");
                continue;
            };
            assert!(!out.excluded && !out.held, "{name}: {sfid} does not land");
            for (field, found) in lead.fields.iter().zip(&out.fields) {
                let expected = expected.get(&field.name);
                if !is_same(found.as_deref(), expected, field.kind) {
                    wrong
                        .push(format!("{name} {sfid} {}: {found:?}, not {expected:?}", field.name));
                }
            }
            for problem in &out.problems {
                problems.insert(format!("{sfid} {} {}", problem.field, problem.reason));
            }
            if let Some(extras) = org["extras"].get(sfid) {
                let found: Json = serde_json::from_str(out.extras.as_deref().unwrap()).unwrap();
                assert_eq!(found, *extras, "{name}: {sfid}");
            }
        }
        let told: BTreeSet<String> = org["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem.as_str().unwrap().to_string())
            .collect();
        wrong.extend(problems.difference(&told).map(|p| format!("{name}: unexpected {p}")));
        wrong.extend(told.difference(&problems).map(|p| format!("{name}: missing {p}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Some columns are Salesforce's own; for the rest, all that an org's admin would look for counts.
#[test]
fn most_of_their_columns_are_suggested_first() {
    let lead = Entity::built_in("lead").unwrap().unwrap();
    let (mut right, mut all) = (0, 0);
    for (name, org) in orgs() {
        let columns = columns(&org);
        let cell = |row: &Json, (column, oid): &(&str, u32)| {
            value(row.get(column).and_then(Json::as_str).unwrap_or_default(), *oid).into_owned()
        };
        let rows = org["rows"].as_array().unwrap();
        let sample = Sample {
            layout: layout(&columns),
            rows: rows.iter().map(|row| columns.iter().map(|c| cell(row, c)).collect()).collect(),
            slots: Vec::new(),
        };
        let found = suggest(&lead, &sample, &settings(&name, &org), &Knowledge::default());
        let mut wrong = Vec::new();
        for (field, json) in org["mapping"]["fields"].as_object().unwrap() {
            let meant: BTreeSet<String> = columns_in(json).into_iter().collect();
            if meant.is_empty() {
                continue;
            }
            let first = found.iter().find(|s| s.field == *field && s.rank == 1);
            let first: BTreeSet<String> = first.iter().flat_map(|s| s.columns.clone()).collect();
            all += 1;
            // One of several columns is a beginning.
            match first.is_empty() || !first.is_subset(&meant) {
                true => wrong.push(format!("{field}: {first:?}, not {meant:?}")),
                false => right += 1,
            }
        }
        println!("{name}: {}", wrong.join("; "));
    }
    println!("{right} of {all}");
    assert!(right * 10 >= all * 8, "{right} of {all}");
}
