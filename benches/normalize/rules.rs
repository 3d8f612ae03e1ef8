//! What each rule costs: processor time, so that it does not matter what else runs.

use std::hint::black_box;

use pg_manifold::normalize::Org as RulesOrg;
use pg_manifold::normalize::compile::compile_json;
use pg_manifold::normalize::entity::Entity;
use pg_manifold::normalize::outcome::Outcome;
use pg_manifold::normalize::plan::Plan;
use pg_manifold::normalize::rules;
use pg_manifold::row::layout::{Column, Layout};
use pg_manifold::row::value::Value;
use serde_json::{Value as Json, json};

use crate::report::Report;
use crate::support::fixtures::{ORGS, Org};
use crate::support::mapping::Mapping;

/// How often every value goes through.
const ROUNDS: usize = 5;

pub fn measure(report: &mut Report) {
    for name in ORGS {
        of_org(name, report);
    }
    for rule in rules::ALL {
        of_example(rule, report);
    }
}

/// A whole row of an org, and each field by itself, less what a row without fields costs.
fn of_org(name: &str, report: &mut Report) {
    let org = Org::load(name);
    let columns: Vec<_> =
        org.columns.iter().map(|column| column_of(&column.name, &column.sql_type)).collect();
    let layout = Layout { columns };
    let rows: Vec<Vec<Value<'_>>> = org
        .leads
        .iter()
        .map(|lead| {
            let cells = lead.iter().zip(&layout.columns);
            cells.map(|(text, column)| value(text.as_deref(), column.base_oid)).collect()
        })
        .collect();
    let lead = Entity::built_in("lead").expect("lead is built in").expect("it is sound");
    let region = match name {
        "acme" => "US",
        "globex" => "GB",
        _ => "FR",
    };
    let rules_org = RulesOrg {
        name: name.into(),
        phone_region: Some(region.into()),
        time_zone: "Europe/London".into(),
    };
    let mapping = Mapping::load(name).json;
    let plan = |json: &Json| {
        compile_json(json, &lead, &layout, &rules_org).unwrap_or_else(|e| panic!("{e:?}"))
    };
    let whole = nanoseconds(&plan(&mapping), &rows);
    report.value(format!("{name}, a row without the server"), "ns", whole, None);
    let fields = mapping["fields"].as_object().expect("a mapping has fields");
    // A constant costs nothing, and all columns then go to extras as they do beside any field.
    let empty = nanoseconds(&plan(&json!({"fields": {"title": {"constant": "x"}}})), &rows);
    let mut costs: Vec<_> = fields
        .iter()
        .map(|(field, json)| {
            let mapping = json!({"fields": {"title": {"constant": "x"}, field: json}});
            (field, nanoseconds(&plan(&mapping), &rows) - empty)
        })
        .collect();
    costs.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    for (field, cost) in costs {
        report.value(format!("{name}.{field}"), "ns", cost.max(0.0), None);
    }
}

/// The first example of a rule, by itself.
fn of_example(rule: &rules::Definition, report: &mut Report) {
    let Some(example) = rule.examples.first() else { return };
    let entity = json!({"fields": [{"name": "x", "type": "jsonb"}]});
    let entity = Entity::from_json("thing", &entity).expect("an entity");
    let layout = Layout { columns: vec![column_of("sfid", "varchar(18)"), column_of("x", "text")] };
    let chain: Json = serde_json::from_str(example.rules).expect("examples are JSON");
    let org = RulesOrg::default();
    let plan = |rules: &Json| {
        let mapping = json!({"fields": {"x": {"column": "x", "rules": rules}}});
        compile_json(&mapping, &entity, &layout, &org).unwrap_or_else(|e| panic!("{e:?}"))
    };
    let row = vec![Value::Text("00Q".into()), Value::Text(example.input.into())];
    let rows = vec![row; 500];
    // NULL leaves the chain at once.
    let nothing = vec![vec![Value::Text("00Q".into()), Value::Null]; 500];
    let plan = plan(&chain);
    let cost = nanoseconds(&plan, &rows) - nanoseconds(&plan, &nothing);
    let name = format!("{} {}", rule.name, shortened(example.rules));
    report.value(name, "ns", cost.max(0.0), None);
}

fn shortened(rules: &str) -> String {
    match rules.char_indices().nth(40) {
        None => rules.into(),
        Some((end, _)) => format!("{}…", &rules[..end]),
    }
}

/// Nanoseconds a row, of the best of three.
fn nanoseconds(plan: &Plan, rows: &[Vec<Value<'_>>]) -> f64 {
    let mut out = Outcome::default();
    let mut round = || {
        let before = thread_nanoseconds();
        for _ in 0..ROUNDS {
            for row in rows {
                plan.run_values(row, &mut out);
                black_box(&out);
            }
        }
        (thread_nanoseconds() - before) / (ROUNDS * rows.len()) as f64
    };
    (0..3).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn thread_nanoseconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn column_of(name: &str, sql_type: &str) -> Column {
    let oid = match sql_type.split('(').next().unwrap_or_default() {
        "integer" => 23,
        "boolean" => 16,
        "double precision" => 701,
        "date" => 1082,
        "time" => 1083,
        "timestamp" => 1114,
        "text" => 25,
        _ => 1043,
    };
    Column {
        name: name.into(),
        dropped: false,
        not_null: false,
        type_name: sql_type.into(),
        type_oid: oid,
        base_oid: oid,
        typmod: -1,
        length: -1,
        align: 'i',
        element: None,
    }
}

fn value(text: Option<&str>, oid: u32) -> Value<'_> {
    let Some(text) = text else { return Value::Null };
    let number = || text.parse::<f64>().unwrap_or_default();
    match oid {
        23 => Value::Int(number() as i64),
        16 => Value::Bool(text == "t"),
        701 => Value::Float8(number()),
        1082 => Value::Date(15_000),
        1083 => Value::Time(52_200_000_000),
        1114 => Value::Timestamp(1_734_425_877_000_000),
        _ => Value::Text(text.into()),
    }
}
