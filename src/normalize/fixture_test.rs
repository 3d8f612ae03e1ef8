//! The three fixture orgs: their leads, mapped by `tests/mappings/<org>.json`, against what other
//! libraries made of them.
//!
//! The fixtures are found by `MANIFOLD_FIXTURES`, else beside the checkout. Without them the test
//! says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Org;
use super::compile::compile;
use super::compile_test::layout;
use super::entity::Entity;
use super::field_type::FieldType;
use super::mapping::Mapping;
use super::outcome::Outcome;
use crate::row::value::Value;

/// Fields that need rules of their own, which are still to come (e-mail syntax, phone numbers, URLs,
/// countries, names, lists, conditions, local times, objects of columns), by org.
const NOT_YET: &[(&str, &[&str])] = &[
    (
        "acme",
        &["email", "phone", "mobile_phone", "website", "country", "interests", "budget_currency"],
    ),
    (
        "globex",
        &[
            "email",
            "phone",
            "mobile_phone",
            "website",
            "country",
            "interests",
            "callback_at",
            "answers",
        ],
    ),
    (
        "initech",
        &[
            "email",
            "phone",
            "mobile_phone",
            "website",
            "country",
            "interests",
            "first_name",
            "last_name",
        ],
    ),
];

/// Columns that those fields will use: until then they are in extras.
fn used_later(column: &str) -> bool {
    let columns = [
        "phone",
        "mobilephone",
        "website",
        "country",
        "interests__c",
        "currencyisocode",
        "callback_date__c",
        "callback_time__c",
        "interested_in_solar__c",
        "interested_in_pump__c",
    ];
    columns.contains(&column)
        || column.starts_with("interest_")
        || column
            .strip_prefix('q')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn fixtures() -> PathBuf {
    match std::env::var_os("MANIFOLD_FIXTURES") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
    }
}

fn oid(declared: &str) -> u32 {
    match declared.split('(').next().unwrap() {
        "integer" => 23,
        "boolean" => 16,
        "double precision" => 701,
        "date" => 1082,
        "time" => 1083,
        "timestamp" => 1114,
        "text" => 25,
        "varchar" => 1043,
        other => panic!("unknown type {other}"),
    }
}

/// A CSV value as the image of its column would decode. Dates by another way than the rules'.
fn value(text: &str, oid: u32) -> Value<'_> {
    let days = |text: &str| {
        let date: jiff::civil::Date = text.parse().unwrap();
        date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24
    };
    match oid {
        _ if text.is_empty() => Value::Null,
        23 => Value::Int(text.parse().unwrap()),
        16 => Value::Bool(text == "t"),
        701 => Value::Float8(text.parse().unwrap()),
        1082 => Value::Date(days(text) as i32),
        1083 => {
            let time: jiff::civil::Time = text.parse().unwrap();
            let midnight = jiff::civil::Time::midnight();
            Value::Time(time.duration_since(midnight).as_micros() as i64)
        }
        1114 => {
            let moment: jiff::Timestamp = format!("{}Z", text.replace(' ', "T")).parse().unwrap();
            Value::Timestamp(moment.as_microsecond())
        }
        _ => Value::Text(text.into()),
    }
}

/// A normalized field in the notation of `expected.csv`.
fn shown(text: &str, kind: FieldType) -> String {
    match (kind, text) {
        (FieldType::Boolean, "true") => "t".into(),
        (FieldType::Boolean, "false") => "f".into(),
        _ => text.into(),
    }
}

fn same(found: &str, expected: &str, kind: FieldType) -> bool {
    let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    match kind {
        FieldType::Jsonb if !found.is_empty() && !expected.is_empty() => {
            json(found) == json(expected)
        }
        _ => found == expected,
    }
}

fn rows(path: &Path) -> (Vec<String>, Vec<BTreeMap<String, String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(Into::into).collect();
    let rows = reader.deserialize().map(|row| row.unwrap()).collect();
    (header, rows)
}

#[derive(Default)]
struct Tally {
    equal: usize,
    different: Vec<String>,
}

fn check(org: &str, folder: &Path, not_yet: &[&str]) -> Vec<String> {
    let columns: Json =
        serde_json::from_str(&std::fs::read_to_string(folder.join("columns.json")).unwrap())
            .unwrap();
    let columns: Vec<(&str, u32)> = columns["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["name"].as_str().unwrap(), oid(column["type"].as_str().unwrap())))
        .collect();
    let path = format!("{}/tests/mappings/{org}.json", env!("CARGO_MANIFEST_DIR"));
    let mapping: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mapping = Mapping::from_json(&mapping).unwrap();
    let lead = Entity::built_in("lead").unwrap().unwrap();
    let plan = compile(&mapping, &lead, &layout(&columns), &Org::default()).unwrap();

    let (_, leads) = rows(&folder.join("lead.csv"));
    let (_, expected) = rows(&folder.join("expected.csv"));
    let expected: BTreeMap<_, _> = expected.iter().map(|row| (row["sfid"].as_str(), row)).collect();
    let (_, problems) = rows(&folder.join("problems.csv"));
    let mut problems: BTreeSet<(String, String, String)> = problems
        .iter()
        .map(|row| (row["sfid"].clone(), row["field"].clone(), row["reason"].clone()))
        .filter(|(_, field, _)| !not_yet.contains(&field.as_str()))
        .collect();
    let expected_problems = problems.len();

    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut different = Vec::new();
    let mut tally = |name, sfid: &str, found: &str, expected: &str, kind| {
        let tally: &mut Tally = tallies.entry(name).or_default();
        match same(found, expected, kind) {
            true => tally.equal += 1,
            false => tally.different.push(format!("{sfid}: {found:?}, expected {expected:?}")),
        }
    };
    let mut unexpected = Vec::new();
    let mut out = Outcome::default();
    let started = std::time::Instant::now();
    for row in &leads {
        let values: Vec<_> = columns.iter().map(|(name, oid)| value(&row[*name], *oid)).collect();
        plan.run_values(&values, &mut out);
        let sfid = out.key.clone().unwrap();
        let expected = expected[sfid.as_str()];
        for (field, found) in lead.fields.iter().zip(&out.fields) {
            if !not_yet.contains(&field.name.as_str()) {
                let found = shown(found.as_deref().unwrap_or_default(), field.kind);
                tally(&field.name, &sfid, &found, &expected[&field.name], field.kind);
            }
        }
        let mut extras: serde_json::Map<String, Json> =
            serde_json::from_str(out.extras.as_deref().unwrap_or("{}")).unwrap();
        extras.retain(|name, _| !used_later(name));
        let extras =
            if extras.is_empty() { String::new() } else { Json::Object(extras).to_string() };
        tally("extras", &sfid, &extras, &expected["extras"], FieldType::Jsonb);
        for problem in &out.problems {
            let found = (sfid.clone(), problem.field.to_string(), problem.reason.to_string());
            if !not_yet.contains(&&*problem.field) && !problems.remove(&found) {
                unexpected.push(format!("{found:?}"));
            }
        }
    }
    println!(
        "{org}: {} leads, {} fields compared, problems {} of {}, {} unexpected, {:?}",
        leads.len(),
        tallies.len(),
        expected_problems - problems.len(),
        expected_problems,
        unexpected.len(),
        started.elapsed()
    );
    for (name, tally) in &tallies {
        let total = tally.equal + tally.different.len();
        println!("  {name}: {} of {total}", tally.equal);
        if let Some(first) = tally.different.first() {
            let count = tally.different.len();
            different.push(format!("{org}.{name}: {count} of {total} differ, first {first}"));
        }
    }
    different.extend(problems.first().map(|first| format!("{org}: not found: {first:?}")));
    different.extend(unexpected.first().map(|first| format!("{org}: not expected: {first}")));
    different
}

#[test]
fn fields_and_problems_equal_what_is_expected() {
    let orgs = fixtures().join("orgs");
    if !orgs.exists() {
        println!("no fixtures at {}: nothing compared", orgs.display());
        return;
    }
    let mut different = Vec::new();
    for (org, not_yet) in NOT_YET {
        different.extend(check(org, &orgs.join(org), not_yet));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
