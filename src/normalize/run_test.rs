//! What a row becomes.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::Org;
use super::compile::compile_json;
use super::compile_test::layout;
use super::entity::Entity;
use super::outcome::{Outcome, Problem};
use super::plan::Plan;
use crate::row::image::Malformed;
use crate::row::layout::{Column, Element};
use crate::row::value::{Server, Value};

struct NoServer;

impl Server for NoServer {
    fn decompress(&self, _: &[u8]) -> Result<Vec<u8>, Malformed> {
        Err(Malformed("no server"))
    }

    fn text(&self, _: u32, _: i32, _: &[u8]) -> Result<String, Malformed> {
        Err(Malformed("no server"))
    }
}

fn plan(types: &[(&str, &str)], columns: &[(&str, u32)], mapping: Json) -> Plan {
    let fields: Vec<_> =
        types.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let entity = Entity::from_json("thing", &json!({"fields": fields})).unwrap();
    compile_json(&mapping, &entity, &layout(columns), &Org::default()).unwrap()
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

/// The first field of a row with a key.
fn first(plan: &Plan, values: &[Value<'_>]) -> Option<String> {
    let mut row = vec![text("00Q")];
    row.extend_from_slice(values);
    let mut out = Outcome::default();
    plan.run_values(&row, &mut out);
    assert_eq!(out.problems, []);
    out.fields[0].clone()
}

#[test]
fn first_of_takes_the_first_that_is_not_blank() {
    let plan = plan(
        &[("x", "text")],
        &[("sfid", 1043), ("a", 1043), ("b", 701)],
        json!({"fields": {"x": {"first_of": ["a", "b"]}}}),
    );
    assert_eq!(first(&plan, &[text("a"), Value::Float8(2.0)]).as_deref(), Some("a"));
    assert_eq!(first(&plan, &[text(" \t"), Value::Float8(2.0)]).as_deref(), Some("2"));
    assert_eq!(first(&plan, &[Value::Null, Value::Null]), None);
}

#[test]
fn a_template_is_blank_where_all_its_columns_are() {
    let plan = plan(
        &[("x", "text")],
        &[("sfid", 1043), ("a", 1043), ("b", 701)],
        json!({"fields": {"x": {"template": "No. {b}: {a}"}}}),
    );
    assert_eq!(first(&plan, &[text("a"), Value::Float8(1094.0)]).as_deref(), Some("No. 1094: a"));
    assert_eq!(first(&plan, &[text("a"), Value::Null]).as_deref(), Some("No. : a"));
    assert_eq!(first(&plan, &[text(" "), Value::Null]), None);
}

#[test]
fn checkboxes_as_text_tick_or_are_problems() {
    let columns = [("sfid", 1043), ("a", 1043), ("b", 1043), ("c", 701)];
    let boxes = json!([{"a": "solar"}, {"b": "heat pump"}, {"c": "wallbox"}]);
    let types = [("x", "text[]")];
    let usual = json!({"checkboxes": boxes, "meanings": {"n/a": null}});
    let usual = plan(&types, &columns, json!({"fields": {"x": usual}}));
    let given = json!({"checkboxes": boxes, "ticked": ["Voll"]});
    let given = plan(&types, &columns, json!({"fields": {"x": given}}));
    let made = |plan: &Plan, a: &str, b: &str, c: f64| {
        let mut out = Outcome::default();
        plan.run_values(&[text("00Q"), text(a), text(b), Value::Float8(c)], &mut out);
        let problem = out.problems.first().map(|p| (p.reason, p.rule, p.value.clone()));
        (out.fields[0].clone(), problem)
    };
    for (a, b, c, expected) in [
        ("Ja", "x", 1.0, Some(r#"{"solar","heat pump","wallbox"}"#)),
        ("OUI", "Heat  Pump", 0.0, Some(r#"{"solar","heat pump"}"#)),
        ("Sí", "Nein", 0.0, Some(r#"{"solar"}"#)),
        ("✓", "", 0.0, Some(r#"{"solar"}"#)),
        ("N/A", "no", 0.0, None),
    ] {
        assert_eq!(made(&usual, a, b, c), (expected.map(str::to_string), None), "{a}, {b}, {c}");
    }
    let problem = |value: &str| Some(("unmapped_value", "checkboxes", Some(value.to_string())));
    assert_eq!(made(&usual, "x", "vielleicht", 1.0), (None, problem("vielleicht")));
    assert_eq!(made(&usual, "x", "x", 7.0), (None, problem("7")));
    assert_eq!(made(&given, "voll", "vielleicht", 1.0), (Some(r#"{"solar"}"#.into()), None));
}

#[test]
fn a_list_has_each_item_once() {
    let each =
        json!(["split", {"each": [{"map": {"Solar": "solar", "PV": "solar", "WP": "heat pump"}}]}]);
    let plan = plan(
        &[("x", "text[]")],
        &[("sfid", 1043), ("a", 1043)],
        json!({"fields": {"x": {"column": "a", "rules": each}}}),
    );
    assert_eq!(first(&plan, &[text("Solar;PV;WP")]).as_deref(), Some(r#"{"solar","heat pump"}"#));
}

#[test]
fn numbers_are_of_the_leads_country_where_the_rule_says_nothing_else() {
    let entity = Entity::built_in("lead").unwrap().unwrap();
    let columns = [("sfid", 1043), ("tel__c", 1043), ("land__c", 1043)];
    let org = Org { phone_region: Some("FR".into()), ..Org::default() };
    let made = |fields: Json, tel: &'static str, land: &'static str| {
        let plan = compile_json(&json!({ "fields": fields }), &entity, &layout(&columns), &org);
        let mut out = Outcome::default();
        let row = [text("00Q"), text(tel), text(land)];
        plan.unwrap_or_else(|errors| panic!("{errors:?}")).run_values(&row, &mut out);
        let field = |name: &str| out.fields[entity.field(name).unwrap().0].clone();
        (field("phone"), field("country"))
    };
    let (german, french) = ("0171 2345678", "06 12 34 98 58");
    let some = |number: &str| Some(number.to_string());
    for rules in [
        json!(["phone"]),
        json!([{"phone": {"letters": "end"}}]),
        json!([{"split": "/"}, {"first": [{"phone": {"kind": "mobile"}}]}]),
        json!([{"split": "/"}, {"first": [{"phone": {"kind": "mobile"}}, "phone"]}]),
    ] {
        let fields = json!({"phone": {"column": "tel__c", "rules": rules}, "country": "land__c"});
        assert_eq!(made(fields.clone(), german, "DE").0, some("+491712345678"), "{rules}");
        assert_eq!(made(fields.clone(), french, "").0, some("+33612349858"), "{rules}");
        assert_eq!(made(fields, french, "Atlantis").0, some("+33612349858"), "{rules}");
        let alone = json!({"phone": {"column": "tel__c", "rules": rules}});
        assert_eq!(made(alone, french, "DE").0, some("+33612349858"), "{rules}");
    }
    let constant = json!({"phone": {"constant": german, "rules": ["phone"]}, "country": "land__c"});
    assert_eq!(made(constant, "", "DE").0, some("+491712345678"));
    let region = json!({"phone": {"column": "tel__c", "rules": [{"phone": {"region": "FR"}}]},
        "country": "land__c"});
    assert_eq!(made(region, french, "DE").0, some("+33612349858"));
    // A country that is made of the number cannot be known before it.
    let circle = json!({"phone": {"column": "tel__c", "rules": ["phone"]},
        "country": {"field": "phone", "rules": ["phone_country"]}});
    assert_eq!(made(circle, french, "DE"), (some("+33612349858"), some("FR")));
    let own = json!({"country": {"column": "tel__c", "rules": ["phone", "phone_country"]}});
    assert_eq!(made(own, french, "DE").1, some("FR"));
}

#[test]
fn constants_of_every_type() {
    let mapping = json!({"fields": {
        "a": {"constant": "  EUR "}, "b": {"constant": 1.5e6}, "c": {"constant": true},
        "d": {"constant": {"k": [1]}}, "e": {"constant": ["x", "y"]},
        "f": {"constant": "2024-02-29"}}});
    let types = [
        ("a", "char(3)"),
        ("b", "bigint"),
        ("c", "boolean"),
        ("d", "jsonb"),
        ("e", "text[]"),
        ("f", "date"),
    ];
    let mut out = Outcome::default();
    plan(&types, &[("sfid", 1043)], mapping).run_values(&[text("00Q")], &mut out);
    let found: Vec<_> = out.fields.iter().map(|field| field.as_deref().unwrap()).collect();
    let expected = ["EUR", "1500000", "true", r#"{"k":[1]}"#, r#"{"x","y"}"#, "2024-02-29"];
    assert_eq!(found, expected);
}

#[test]
fn a_failing_rule_is_a_problem_and_the_rest_lands() {
    let plan = plan(
        &[("s", "text"), ("n", "integer"), ("t", "text")],
        &[("sfid", 1043), ("status", 1043), ("n__c", 1043)],
        json!({"fields": {
            "s": {"column": "status", "rules": ["squeeze", {"map": {"Open": "new"}}]},
            "n": "n__c",
            "t": "status"}}),
    );
    let mut out = Outcome::default();
    let long = "9".repeat(300);
    plan.run_values(&[text("00Q"), text("Parked "), text(&long)], &mut out);
    assert_eq!(out.key.as_deref(), Some("00Q"));
    assert!(!out.held);
    assert_eq!(out.fields, [None, None, Some("Parked".into())]);
    let shortened = format!("{}…", "9".repeat(199));
    assert_eq!(
        out.problems,
        [
            Problem {
                field: "s".into(),
                path: String::new(),
                value: Some("Parked ".into()),
                input: Some("Parked".into()),
                rule: "map",
                reason: "unmapped_value",
                message: "the table has no entry for \"Parked\"".into(),
            },
            Problem {
                field: "n".into(),
                path: String::new(),
                value: Some(shortened),
                input: None,
                rule: "type",
                reason: "out_of_range",
                message: format!("the number is not between {} and {}", i32::MIN, i32::MAX),
            },
        ]
    );
    plan.run_values(&[text("00R"), text("Open"), Value::Null], &mut out);
    assert_eq!(out.fields, [Some("new".into()), None, Some("Open".into())]);
    assert_eq!(out.problems, []);
}

#[test]
fn what_is_missing_holds_the_row() {
    let entity = json!({"fields": [{"name": "a", "type": "text", "required": true}]});
    let entity = Entity::from_json("thing", &entity).unwrap();
    let mapping = json!({"key": "no__c", "fields": {"a": "a__c"}});
    let layout = layout(&[("no__c", 701), ("a__c", 1043)]);
    let plan = compile_json(&mapping, &entity, &layout, &Org::default()).unwrap();
    let mut out = Outcome::default();
    plan.run_values(&[Value::Float8(7.0), text("x")], &mut out);
    assert_eq!((out.key.as_deref(), out.held), (Some("7"), false));
    plan.run_values(&[Value::Null, text(" ")], &mut out);
    let reasons: Vec<_> = out.problems.iter().map(|p| (&*p.field, p.reason)).collect();
    assert_eq!(reasons, [("sfid", "missing_key"), ("a", "missing_value")]);
    assert_eq!((&out.key, out.held), (&None, true));
}

#[test]
fn extras_are_what_is_left_sorted_by_name() {
    let mut layout = layout(&[
        ("id", 23),
        ("sfid", 1043),
        ("zip__c", 1043),
        ("_hc_err", 25),
        ("_hc_lastop", 1043),
        ("isdeleted", 16),
        ("createddate", 1114),
        ("systemmodstamp", 1114),
        ("b__c", 701),
        ("used__c", 1043),
        ("a__c", 1114),
        ("gone__c", 1043),
        ("null__c", 1043),
        ("raw__c", 114),
    ]);
    layout.columns[11].dropped = true;
    layout.columns.push(Column {
        element: Some(Element { type_oid: 23, base_oid: 23, length: 4, align: 'i' }),
        ..super::compile_test::column("list__c", 1007)
    });
    let entity = json!({"fields": [{"name": "x", "type": "text"}]});
    let entity = Entity::from_json("thing", &entity).unwrap();
    let mapping = json!({"fields": {"x": "used__c"}});
    let plan = compile_json(&mapping, &entity, &layout, &Org::default()).unwrap();
    let mut row = vec![text("\"é\"\n"); layout.columns.len()];
    row[8] = Value::Float8(1.5e6);
    row[10] = Value::Timestamp(1_734_425_877_000_000);
    row[12] = Value::Null;
    row[13] = Value::Json(r#"{"nul": "\u0000"}"#.into());
    row[14] = Value::Array(vec![Value::Int(1), Value::Null]);
    let mut out = Outcome::default();
    plan.run_values(&row, &mut out);
    let extras = out.extras.clone().unwrap();
    let names: serde_json::Map<String, Json> = serde_json::from_str(&extras).unwrap();
    assert_eq!(names.keys().collect::<Vec<_>>(), ["a__c", "b__c", "list__c", "raw__c", "zip__c"]);
    assert_eq!(
        Json::Object(names),
        json!({"a__c": "2024-12-17T08:57:57", "b__c": 1_500_000, "list__c": [1, null],
               "raw__c": r#"{"nul": "\u0000"}"#, "zip__c": "\"é\"\n"})
    );
    let nulls = vec![Value::Null; layout.columns.len()];
    plan.run_values(&nulls, &mut out);
    assert_eq!(out.extras, None);
}

#[test]
fn slots_and_values_yield_the_same() {
    let mut columns = vec![("sfid", 1043), ("n__c", 701), ("b__c", 16), ("t__c", 25)];
    columns.push(("later__c", 1043));
    let plan = plan(
        &[("n", "numeric"), ("t", "text")],
        &columns,
        json!({"fields": {"n": "n__c", "t": "t__c"}}),
    );
    let number = 87.5f64.to_ne_bytes();
    // One-byte varlena headers: length including the header, times two, plus one.
    let slots: Vec<Option<&[u8]>> =
        vec![Some(b"\x0900Q"), Some(&number), Some(b"\x01"), Some(b"\x0fa \xc3\xa9 b")];
    let mut out = Outcome::default();
    plan.run(&slots, &NoServer, &mut out).unwrap();
    assert_eq!(out.key.as_deref(), Some("00Q"));
    assert_eq!(out.fields, [Some("87.5".into()), Some("a é b".into())]);
    assert_eq!(out.extras.as_deref(), Some(r#"{"b__c":true}"#));
    let values = [text("00Q"), Value::Float8(87.5), Value::Bool(true), text("a é b")];
    let mut other = Outcome::default();
    plan.run_values(&values, &mut other);
    assert_eq!((out.fields, out.extras, out.key), (other.fields, other.extras, other.key));
    assert!(plan.run(&[Some(b"\x01")], &NoServer, &mut Outcome::default()).is_err());
}

#[test]
fn a_field_is_null_where_its_condition_does_not_hold() {
    let mapping = json!({"fields": {
        "currency": {"column": "currencyisocode", "when": {"field": "budget", "present": true}},
        "budget": {"column": "budget__c", "rules": ["number"]}}});
    let columns = [("sfid", 1043), ("currencyisocode", 1043), ("budget__c", 1043)];
    let plan = plan(&[("currency", "char(3)"), ("budget", "numeric")], &columns, mapping);
    assert_eq!(first(&plan, &[text("EUR"), text("7")]).as_deref(), Some("EUR"));
    assert_eq!(first(&plan, &[text("EUR"), Value::Null]), None);
    // A budget that cannot be used is none.
    let mut out = Outcome::default();
    plan.run_values(&[text("00Q"), text("EUR"), text("a lot")], &mut out);
    assert_eq!((out.fields[0].as_deref(), out.problems.len()), (None, 1));
}

#[test]
fn rows_for_which_the_mapping_does_not_hold_are_excluded() {
    let mapping = json!({"when": {"column": "type__c", "not_in": ["Test"]},
                         "fields": {"x": {"column": "type__c", "rules": [{"map": {"Real": "r"}}]}}});
    let plan = plan(&[("x", "text")], &[("sfid", 1043), ("type__c", 1043)], mapping);
    let mut out = Outcome::default();
    plan.run_values(&[text("00Q"), text("test")], &mut out);
    assert_eq!((out.excluded, out.held, out.key.as_deref()), (true, false, Some("00Q")));
    assert_eq!((&out.fields, &out.extras, out.problems.len()), (&vec![None], &None, 0));
    plan.run_values(&[text("00Q"), text("Real")], &mut out);
    assert_eq!((out.excluded, out.fields[0].as_deref()), (false, Some("r")));
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float8),
        any::<i32>().prop_map(Value::Date),
        any::<i64>().prop_map(Value::Timestamp),
        "[ a-c0-9.,/:+-]{0,8}".prop_map(|text| Value::Text(text.into())),
        any::<String>().prop_map(|text| Value::Other(text.into())),
        any::<String>().prop_map(|text| Value::Numeric(text.into())),
        Just(Value::Array(vec![Value::Int(1)])),
    ]
}

proptest! {
    /// Whatever a column holds, even against its declared type: a row never fails, and a field is
    /// either filled or NULL; a problem always leaves its field NULL.
    #[test]
    fn no_value_breaks_a_row(values in prop::collection::vec(any_value(), 9)) {
        let rules = [
            ("text", json!(["squeeze", "lower"])),
            ("boolean", json!(["boolean"])),
            ("numeric", json!([{"number": {"decimal": ",", "group": "."}}, {"range": {"min": 0}}])),
            ("integer", json!([])),
            ("date", json!([{"date": "%d/%m/%y"}])),
            ("timestamptz", json!(["timestamp"])),
            ("jsonb", json!([])),
            ("char(2)", json!([{"map": {"a": "b"}, "default": null}])),
        ];
        let names: Vec<_> = (0..rules.len()).map(|n| format!("c{n}")).collect();
        let types: Vec<_> =
            names.iter().zip(&rules).map(|(name, (kind, _))| (name.as_str(), *kind)).collect();
        let mut columns = vec![("sfid", 1043)];
        columns.extend(names.iter().map(|name| (name.as_str(), 1043)));
        let fields: serde_json::Map<_, _> = names
            .iter()
            .zip(&rules)
            .map(|(name, (_, rules))| (name.clone(), json!({"column": name, "rules": rules})))
            .collect();
        let plan = plan(&types, &columns, json!({"fields": fields}));
        let mut out = Outcome::default();
        plan.run_values(&values, &mut out);
        prop_assert_eq!(out.fields.len(), rules.len());
        for problem in &out.problems {
            let index = names.iter().position(|name| **name == *problem.field);
            prop_assert!(index.is_none_or(|index| out.fields[index].is_none()));
        }
        prop_assert_eq!(out.held, out.key.is_none());
    }
}
