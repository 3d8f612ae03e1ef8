//! The three fixture orgs: their leads, mapped by `tests/mappings/<org>.json`, against what other
//! libraries made of them.
//!
//! The fixtures are found by `MANIFOLD_FIXTURES`, else beside the checkout.

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

/// The orgs with what an admin tells of them beside the mapping.
const ORGS: [(&str, &str, &str); 3] =
    [("acme", "US", "UTC"), ("globex", "GB", "Europe/London"), ("initech", "FR", "Europe/Paris")];

pub(super) fn fixtures() -> PathBuf {
    match std::env::var_os("MANIFOLD_FIXTURES") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
    }
}

pub(super) fn oid(declared: &str) -> u32 {
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
pub(super) fn value(text: &str, oid: u32) -> Value<'_> {
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

/// A list as the array literal that the server would be given.
fn as_array(expected: &str, kind: FieldType) -> String {
    if kind != FieldType::TextArray || expected.is_empty() {
        return expected.into();
    }
    let items: Vec<String> = serde_json::from_str(expected).unwrap();
    let quoted: Vec<_> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("{{{}}}", quoted.join(","))
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

pub(super) fn rows(path: &Path) -> (Vec<String>, Vec<BTreeMap<String, String>>) {
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

/// What was compared of an org, and the first difference of each kind.
struct Report {
    json: Json,
    fields: (usize, usize),
    problems: (usize, usize),
    different: Vec<String>,
}

fn check(org: &str, region: &str, zone: &str, folder: &Path) -> Report {
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
    let plan = compile(
        &mapping,
        &lead,
        &layout(&columns),
        &Org { name: org.into(), phone_region: Some(region.into()), time_zone: zone.into() },
    )
    .unwrap();

    let (_, leads) = rows(&folder.join("lead.csv"));
    let (_, expected) = rows(&folder.join("expected.csv"));
    let expected: BTreeMap<_, _> = expected.iter().map(|row| (row["sfid"].as_str(), row)).collect();
    let (_, problems) = rows(&folder.join("problems.csv"));
    let mut problems: BTreeSet<(String, String, String)> = problems
        .iter()
        .map(|row| (row["sfid"].clone(), row["field"].clone(), row["reason"].clone()))
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
            let found = shown(found.as_deref().unwrap_or_default(), field.kind);
            let expected = as_array(&expected[&field.name], field.kind);
            tally(&field.name, &sfid, &found, &expected, field.kind);
        }
        let extras = out.extras.clone().unwrap_or_default();
        tally("extras", &sfid, &extras, &expected["extras"], FieldType::Jsonb);
        for problem in &out.problems {
            let found = (sfid.clone(), problem.field.to_string(), problem.reason.to_string());
            if !problems.remove(&found) {
                unexpected.push(format!("{found:?}"));
            }
        }
    }
    let found_problems = expected_problems - problems.len();
    // A problem that nobody expects counts like one that is missing.
    let all_problems = expected_problems + unexpected.len();
    println!(
        "{org}: {} leads in {:?}; problems {found_problems} of {all_problems}",
        leads.len(),
        started.elapsed()
    );
    let mut shares = serde_json::Map::new();
    let mut fields = (0, 0);
    for (name, tally) in &tallies {
        let total = tally.equal + tally.different.len();
        fields = (fields.0 + tally.equal, fields.1 + total);
        println!("  {name:16} {:7.3} % of {total}", percent(tally.equal, total));
        shares.insert(name.to_string(), percent(tally.equal, total).into());
        if let Some(first) = tally.different.first() {
            let count = tally.different.len();
            different.push(format!("{org}.{name}: {count} of {total} differ, first {first}"));
        }
    }
    println!("  {:16} {:7.3} % of {}", "all fields", percent(fields.0, fields.1), fields.1);
    different.extend(problems.first().map(|first| format!("{org}: not found: {first:?}")));
    different.extend(unexpected.first().map(|first| format!("{org}: not expected: {first}")));
    let json = serde_json::json!({
        "rows": leads.len(),
        "fields_percent": percent(fields.0, fields.1),
        "problems_percent": percent(found_problems, all_problems),
        "by_field": shares,
    });
    Report { json, fields, problems: (found_problems, all_problems), different }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// `make accuracy` runs this and shows what it prints.
#[test]
fn fields_and_problems_equal_what_is_expected() {
    let orgs = fixtures().join("orgs");
    let missing = "set MANIFOLD_FIXTURES to the folder of the fixtures";
    assert!(orgs.exists(), "there is no {}: {missing}", orgs.display());
    let reports = ORGS.map(|(org, region, zone)| (org, check(org, region, zone, &orgs.join(org))));
    let sum = |of: fn(&Report) -> (usize, usize)| {
        reports.iter().fold((0, 0), |sum, (_, report)| (sum.0 + of(report).0, sum.1 + of(report).1))
    };
    let (fields, problems) = (sum(|report| report.fields), sum(|report| report.problems));
    let json = serde_json::json!({
        "fields_percent": percent(fields.0, fields.1),
        "problems_percent": percent(problems.0, problems.1),
        "orgs": reports.iter().map(|(org, r)| (org.to_string(), r.json.clone())).collect::<serde_json::Map<_, _>>(),
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("accuracy.json"), format!("{json:#}\n")).unwrap();
    println!(
        "fields {:.3} %, problems {:.3} %",
        percent(fields.0, fields.1),
        percent(problems.0, problems.1)
    );
    let different: Vec<_> = reports.into_iter().flat_map(|(_, report)| report.different).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}
