//! What a mapping can have wrong, and how it is reported.

use serde_json::{Value, json};

use super::compile::{compile, compile_json, compile_lenient};
use super::entity::Entity;
use super::mapping::Mapping;
use super::outcome::Outcome;
use super::{MappingError, Org};
use crate::row::layout::{Column, Layout};
use crate::row::value::Value as Cell;

pub fn column(name: &str, oid: u32) -> Column {
    Column {
        name: name.into(),
        dropped: false,
        not_null: false,
        type_name: String::new(),
        type_oid: oid,
        base_oid: oid,
        typmod: -1,
        length: -1,
        align: 'i',
        element: None,
    }
}

pub fn layout(columns: &[(&str, u32)]) -> Layout {
    Layout { columns: columns.iter().map(|&(name, oid)| column(name, oid)).collect() }
}

fn source() -> Layout {
    layout(&[
        ("id", 23),
        ("sfid", 1043),
        ("firstname", 1043),
        ("lastname", 1043),
        ("email", 1043),
        ("status", 1043),
        ("isconverted", 16),
        ("score__c", 701),
        ("callback__c", 1114),
        ("answers__c", 3802),
    ])
}

fn entity() -> Entity {
    let json = json!({"fields": [
        {"name": "first_name", "type": "text"},
        {"name": "status", "type": "text"},
        {"name": "consent", "type": "boolean"},
        {"name": "score", "type": "numeric"},
        {"name": "birth_date", "type": "date"},
        {"name": "callback_at", "type": "timestamptz"},
        {"name": "tags", "type": "text[]"},
        {"name": "answers", "type": "jsonb"},
        {"name": "country", "type": "char(2)"}]});
    Entity::from_json("lead", &json).unwrap()
}

fn errors(mapping: Value) -> Vec<MappingError> {
    compile_json(&mapping, &entity(), &source(), &Org::default()).expect_err("mapping is wrong")
}

/// The only error of one field's mapping.
#[track_caller]
fn error(field: &str, json: Value) -> (String, String, String) {
    let mut fields = serde_json::Map::new();
    fields.insert(field.into(), json);
    let mut errors = errors(json!({"fields": fields}));
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    (error.path, error.message, error.hint.unwrap_or_default())
}

#[track_caller]
fn expect(field: &str, json: Value, path: &str, message: &str, hint: &str) {
    let (found_path, found_message, found_hint) = error(field, json);
    assert_eq!(found_path, path);
    assert!(found_message.contains(message), "{found_message}");
    assert!(found_hint.contains(hint), "{found_hint}");
}

#[test]
fn names_that_do_not_exist() {
    expect("first_nam", json!("firstname"), "fields.first_nam", "no field", "\"first_name\"?");
    expect("revenue", json!("firstname"), "fields.revenue", "no field", "extras");
    expect("first_name", json!("first_name"), "fields.first_name", "no column", "\"firstname\"?");
    let path = "fields.first_name.column";
    expect("first_name", json!({"column": "FirstName__c"}), path, "no column", "\"firstname\"?");
    expect("first_name", json!("Vorname_des_Kunden__c"), "fields.first_name", "no column", "lower");
    let json = json!({"first_of": ["firstname", "lastnam"]});
    expect("first_name", json, "fields.first_name.first_of[1]", "lastnam", "\"lastname\"?");
    let json = json!({"template": "{firstname} {lastnam}"});
    expect("first_name", json, "fields.first_name.template", "lastnam", "\"lastname\"?");
    let json = json!({"column": "status", "rules": ["squeeze", "lowr"]});
    expect("status", json, "fields.status.rules[1]", "no rule \"lowr\"", "\"lower\"?");
    let json = json!({"column": "status", "rules": [{"xyzzy_plugh": 1}]});
    expect("status", json, "fields.status.rules[0]", "xyzzy_plugh", "The rules are squeeze, lower");
}

#[test]
fn shapes() {
    expect("status", json!(7), "fields.status", "name of a column or an object", "exactly one");
    expect("status", json!({}), "fields.status", "no source", "exactly one of column, field");
    let json = json!({"column": "status", "constant": "x"});
    expect("status", json, "fields.status", "both \"column\" and \"constant\"", "exactly one");
    let json = json!({"column": "status", "rule": []});
    expect("status", json, "fields.status.rule", "no meaning", "\"rules\"?");
    let json = json!({"column": "status", "zzzzzzzz": []});
    expect("status", json, "fields.status.zzzzzzzz", "no meaning", "Known here: column");
    expect("status", json!({"column": 1}), "fields.status.column", "name of a column", "");
    expect("status", json!({"first_of": []}), "fields.status.first_of", "list of column", "");
    expect("status", json!({"first_of": [1]}), "fields.status.first_of[0]", "name of a column", "");
    expect("status", json!({"template": 1}), "fields.status.template", "braces", "");
    expect("status", json!({"template": "{a"}), "fields.status.template", "at 1 is never", "");
    expect("status", json!({"template": "a"}), "fields.status.template", "no column", "");
    expect("status", json!({"constant": null}), "fields.status.constant", "not null", "");
    let rules = |rules: Value| json!({"column": "status", "rules": rules});
    expect("status", rules(json!("squeeze")), "fields.status.rules", "list of rules", "squeeze");
    expect("status", rules(json!([1])), "fields.status.rules[0]", "a rule is", "");
    expect("status", rules(json!([{}])), "fields.status.rules[0]", "a rule is", "");
    let two = rules(json!([{"lower": {}, "upper": {}}]));
    expect("status", two, "fields.status.rules[0]", "two rules", "element of its own");
    assert_eq!(errors(json!([]))[0].path, "");
    assert_eq!(errors(json!({}))[0].path, "fields");
    assert_eq!(errors(json!({"fields": {}}))[0].path, "fields");
}

#[test]
fn arguments() {
    let rule = |rule: Value| json!({"column": "status", "rules": ["squeeze", rule]});
    let at = |member: &str| format!("fields.status.rules[1].{member}");
    for (json, path, message) in [
        (json!({"lower": 1}), at("lower"), "takes no argument"),
        (json!({"map": 1}), at("map"), "needs a table"),
        (json!({"map": {}}), at("map"), "empty"),
        (json!({"map": {"Open": []}}), at("map.Open"), "yields text"),
        (json!({"map": {" ": "x"}}), at("map. "), "blank"),
        (json!({"map": {"A": "x", "a ": "y"}}), at("map.a "), "another meaning"),
        (json!({"map": {"A": "x"}, "default": []}), at("default"), "a default is"),
        (json!({"map": {"A": "x"}, "defualt": "y"}), at("defualt"), "no meaning"),
        (json!({"number": {"group": "  "}}), at("number.group"), "single character"),
        (json!({"number": {"decimal": "5"}}), at("number.decimal"), "single character"),
        (
            json!({"number": {"decimal": ".", "group": "."}}),
            at("number.group"),
            "both fraction and groups",
        ),
        (json!({"number": {"decimals": ","}}), at("number.decimals"), "no meaning"),
        (json!({"number": ","}), at("number"), "needs an object"),
        (json!({"date": 1}), at("date"), "format is text"),
        (json!({"date": "dd/mm/yyyy"}), at("date"), "tell day, month and year"),
        (json!({"timestamp": "UTC"}), at("timestamp"), "needs an object"),
        (json!({"timestamp": {"zone": "Mars"}}), at("timestamp.zone"), "no time zone"),
        (json!({"timestamp": {"format": "%d/%m"}}), at("timestamp.format"), "does not tell"),
        (json!({"time": "%I:%M"}), at("time"), "does not tell"),
        (json!({"extract": "("}), at("extract"), "regular expression"),
        (json!({"replace": {"a": "b"}}), at("replace"), "needs a list"),
        (json!({"replace": [{"(": "b"}]}), at("replace.("), "regular expression"),
        (json!({"pad": 0}), at("pad"), "number of characters"),
        (json!({"pad": 5, "with": "ab"}), at("with"), "single character"),
        (json!({"name_part": "middle"}), at("name_part"), "first"),
        (json!({"phone": {"region": "XX"}}), at("phone.region"), "a code like"),
        (json!({"phone": {"region_of": "land"}}), at("phone.region_of"), "no field"),
        (json!({"country": {"aliases": {"A": "XX"}}}), at("country.aliases.A"), "the code of a"),
        (json!({"currency": {"aliases": {"A": "X"}}}), at("currency.aliases.A"), "the code of a"),
        (json!({"country": {"languages": ["xx"]}}), at("country.languages"), "no names"),
        (json!({"country": {"languages": 7}}), at("country.languages"), "list of languages"),
        (json!({"phone": {"letters": "no"}}), at("phone.letters"), "\"end\" is"),
        (json!({"phone": {"kind": "fax"}}), at("phone.kind"), "\"mobile\" or"),
        (json!({"name_part": "last", "order": "upper"}), at("order"), "\"capitals\""),
        (json!({"date": "%d.%m.%y", "years_from": "x"}), at("years_from"), "a year"),
        (json!({"record_id": 15}), at("record_id"), "no argument"),
        (json!({"span": "middle"}), at("span"), "\"min\" or"),
        (json!({"span": "min", "units": 1}), at("units"), "list of units"),
        (json!({"map": {"A": "x"}, "problem": "nonsense"}), at("problem"), "a reason of"),
        (json!({"null_if": 1}), at("null_if"), "needs text"),
        (json!({"split": ""}), at("split"), "not empty"),
        (json!({"tags": {"keep_case": 1}}), at("tags.keep_case"), "true or false"),
        (json!({"boolean": ["yes"]}), at("boolean"), "needs an object"),
        (json!({"boolean": {}}), at("boolean"), "no words"),
        (json!({"boolean": {"true": "yes"}}), at("boolean.true"), "list of words"),
        (json!({"boolean": {"true": [" "]}}), at("boolean.true"), "not blank"),
        (json!({"boolean": {"true": ["y"], "false": ["Y"]}}), at("boolean.false"), "for true and"),
    ] {
        expect("status", rule(json), &path, message, "");
    }
    let rule = |rule: Value| json!({"column": "score__c", "rules": [rule]});
    for (json, path, message) in [
        (json!({"range": {}}), "range", "neither"),
        (json!({"range": {"min": "low"}}), "range.min", "a number is needed"),
        (json!({"range": {"min": "1900-01-01"}}), "range.min", "a number is needed"),
        (json!({"scale": {"from": [1, 5]}}), "scale.to", "two numbers"),
        (json!({"scale": {"from": [5, 5], "to": [0, 100]}}), "scale.from", "the same"),
        (json!({"range": {"min": 2, "max": 1}}), "range", "nothing is between"),
    ] {
        expect("score", rule(json), &format!("fields.score.rules[0].{path}"), message, "");
    }
}

#[test]
fn kinds_that_do_not_fit() {
    let json = json!({"column": "isconverted", "rules": ["lower"]});
    let path = "fields.status.rules[0].lower";
    expect("status", json, path, "takes text, but gets a boolean", "\"squeeze\" before it");
    let json = json!({"column": "status", "rules": [{"range": {"min": 0}}]});
    let path = "fields.score.rules[0].range";
    expect(
        "score",
        json,
        path,
        "takes a number, a date, a timestamp, but gets text",
        "\"number\", ",
    );
    let json = json!({"column": "answers__c", "rules": ["squeeze"]});
    expect("answers", json, "fields.answers.rules[0].squeeze", "gets JSON", "\"member\"");
    let json = json!({"column": "score__c", "rules": []});
    expect("consent", json, "fields.consent.rules", "a number does not fit", "\"map\"");
    expect("score", json!("callback__c"), "fields.score", "default rules", "of its own");
    expect("tags", json!("isconverted"), "fields.tags", "gets a boolean", "of its own");
    expect("birth_date", json!("isconverted"), "fields.birth_date", "gets a boolean", "");
    expect(
        "birth_date",
        json!({"constant": "31/12/1980"}),
        "fields.birth_date.constant",
        "\"date\" refuses",
        "",
    );
    expect("country", json!({"constant": "USA"}), "fields.country.constant", "char(2)", "");
}

#[test]
fn keys() {
    let found = errors(json!({"key": "sf_id", "fields": {"status": "status"}}));
    assert_eq!((found[0].path.as_str(), found.len()), ("key", 1));
    assert!(found[0].hint.as_deref().unwrap().contains("\"sfid\"?"));
    let found = errors(json!({"key": "answers__c", "fields": {"status": "status"}}));
    assert!(found[0].message.contains("no key"));
    assert_eq!(errors(json!({"key": 1, "fields": {"status": "status"}}))[0].path, "key");
    let found = errors(json!({"keys": "sfid", "fields": {"status": "status"}}));
    assert_eq!(found[0].path, "keys");
}

#[test]
fn all_errors_at_once_in_the_order_of_the_steps() {
    let found = errors(json!({
        "key": "sfidd",
        "what": 1,
        "fields": {
            "first_name": {"column": "firstnam", "rules": [{"date": "x"}, "lower"]},
            "status": {"column": "status", "rules": [{"map": {}}, "upper"]},
            "nonsense": "firstname",
            "score": {"template": "{"}}}));
    let paths: Vec<_> = found.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "what",
            "fields.score.template",
            "key",
            "fields.first_name.column",
            "fields.first_name.rules[0].date",
            "fields.status.rules[0].map",
            "fields.nonsense",
        ]
    );
}

#[test]
fn required_fields_have_to_be_mapped() {
    let json = json!({"fields": [{"name": "a", "type": "text", "required": true},
                                 {"name": "b", "type": "text"}]});
    let entity = Entity::from_json("thing", &json).unwrap();
    let mapping = json!({"fields": {"b": "status"}});
    let found = compile_json(&mapping, &entity, &source(), &Org::default()).unwrap_err();
    assert!(found[0].message.contains("required field \"a\""));
}

#[test]
fn a_dropped_column_is_an_error_at_first_and_null_later() {
    let json = json!({"fields": {
        "first_name": "firstname",
        "status": {"template": "{status} {lastname}"},
        "country": {"first_of": ["lastname", "status"], "rules": []}}});
    let mapping = Mapping::from_json(&json).unwrap();
    let mut layout = source();
    layout.columns[2].dropped = true;
    layout.columns[3].dropped = true;
    let org = Org::default();
    let found = compile(&mapping, &entity(), &layout, &org).unwrap_err();
    assert_eq!(found.len(), 3);
    let plan = compile_lenient(&mapping, &entity(), &layout, &org).unwrap();
    let mut row = vec![Cell::Null; layout.columns.len()];
    row[1] = Cell::Text("00Q".into());
    row[5] = Cell::Text("ok".into());
    let mut out = Outcome::default();
    plan.run_values(&row, &mut out);
    assert_eq!(out.fields[0], None);
    assert_eq!(out.fields[1].as_deref(), Some("ok"));
    assert_eq!(out.fields[8].as_deref(), Some("ok"));
    assert!(out.problems.is_empty() && !out.held);
    layout.columns[1].dropped = true;
    compile_lenient(&mapping, &entity(), &layout, &org).unwrap().run_values(&row, &mut out);
    assert!(out.held && out.key.is_none());
}

#[test]
fn conditions() {
    let json = json!({"column": "status", "when": {"column": "statu", "present": true}});
    expect("status", json, "fields.status.when.column", "no column \"statu\"", "\"status\"?");
    let json = json!({"column": "status", "when": {"field": "scor", "present": true}});
    expect("status", json, "fields.status.when.field", "no field \"scor\"", "\"score\"?");
    let json = json!({"column": "status", "when": {"field": "score", ">": "high"}});
    expect("status", json, "fields.status.when.>", "a number is never", "");
    for order in ["<", "<=", ">", ">="] {
        let json = json!({"column": "status", "when": {"column": "isconverted", order: true}});
        let path = format!("fields.status.when.{order}");
        expect("status", json, &path, "have no order", "\"is\": true");
    }
    let found =
        errors(json!({"when": {"field": "status", "is": "x"}, "fields": {"status": "status"}}));
    assert_eq!((found[0].path.as_str(), found.len()), ("when", 1));
    let found = errors(json!({"fields": {
        "status": {"column": "status", "when": {"field": "score", "present": true}},
        "score": {"column": "score__c", "when": {"field": "consent", "is": true}},
        "consent": {"column": "isconverted", "when": {"field": "status", "present": true}}}}));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("status → score → consent → status"), "{}", found[0]);
}
