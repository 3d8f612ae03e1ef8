//! What defaults and a mapping come to.

use serde_json::{Value, json};

use super::*;
use crate::normalize::mapping;

fn lead() -> Entity {
    Entity::built_in("lead").unwrap().unwrap()
}

fn layer(level: Level, json: Value) -> Layer {
    Layer { level, json }
}

#[test]
fn the_last_word_counts_part_by_part() {
    let layers = [
        layer(
            Level::Package,
            json!({"fields": {"status": {"column": "status", "rules": ["squeeze"]}}}),
        ),
        layer(
            Level::Class("fr".into()),
            json!({"fields": {"status": {"rules": [{"map": {"Neuf": "new"}}]}, "company": "firma"}}),
        ),
        layer(Level::Org, json!({"fields": {"company": null}})),
    ];
    let mapping = json!({"key": "sfid", "fields": {"status": "state__c", "email": "email"}});
    let effective = merge(&layers, &mapping, &lead());
    assert_eq!(
        effective.json,
        json!({"key": "sfid", "fields": {
            "status": {"column": "state__c", "rules": [{"map": {"Neuf": "new"}}]}, "email": "email"}})
    );
    let levels: Vec<_> = effective
        .parts
        .iter()
        .map(|part| format!("{}.{} {}", part.field, part.part, part.level))
        .collect();
    assert_eq!(
        levels,
        [
            "email.source mapping",
            "email.rules entity",
            "status.source mapping",
            "status.rules class fr"
        ]
    );
    assert!(effective.is_own("status") && !effective.is_own("company"));
}

#[test]
fn rules_without_arguments_get_them_from_the_defaults() {
    let layers = [layer(
        Level::Org,
        json!({"rules": {"number": {"decimal": ",", "group": " "}, "date": "%d/%m/%Y"}}),
    )];
    let mapping = json!({"fields": {"annual_revenue": "ca", "score": "points",
        "birth_date": {"column": "dob", "rules": [{"date": "%Y"}]}, "title": "title"}});
    let fields = &merge(&layers, &mapping, &lead()).json["fields"];
    let number = json!({"number": {"decimal": ",", "group": " "}});
    assert_eq!(fields["annual_revenue"]["rules"], json!([number]));
    assert_eq!(fields["score"]["rules"][0], number);
    assert_eq!(fields["score"]["rules"][1], json!({"range": {"min": 0, "max": 100}}));
    assert_eq!(fields["birth_date"]["rules"], json!([{"date": "%Y"}]));
    assert_eq!(fields["title"], "title");
    let within = json!({"fields": {
        "interests": {"column": "a", "rules": ["split", {"each": ["number"]}]},
        "birth_date": {"column": "b", "rules": ["split", {"first": ["squeeze", "date"]}]},
        "score": {"column": "c", "rules": [{"number": null, "problem": "invalid_value"}]}}});
    let fields = &merge(&layers, &within, &lead()).json["fields"];
    assert_eq!(fields["interests"]["rules"][1], json!({"each": [number]}));
    let date = json!({"date": "%d/%m/%Y"});
    assert_eq!(fields["birth_date"]["rules"][1], json!({"first": ["squeeze", date]}));
    assert_eq!(
        fields["score"]["rules"][0],
        json!({"number": {"decimal": ",", "group": " "}, "problem": "invalid_value"})
    );
    let nested =
        json!({"fields": {"budget_min": {"first_of": [{"column": "a", "rules": ["number"]}]}}});
    let fields = &merge(&layers, &nested, &lead()).json["fields"];
    assert_eq!(fields["budget_min"]["first_of"][0]["rules"], json!([number]));
}

#[test]
fn without_layers_a_mapping_is_what_it_is() {
    let mapping =
        json!({"fields": {"status": {"column": "status", "rules": []}, "email": "email"}});
    assert_eq!(merge(&[], &mapping, &lead()).json, mapping);
    assert_eq!(merge(&[], &json!(7), &lead()).json, json!(7));
    let wrong = json!({"fields": {"status": {"rules": []}, "x": 7, "city": {}}});
    assert_eq!(merge(&[], &wrong, &lead()).json, wrong);
    assert!(mapping::Mapping::from_json(&wrong).is_err());
}

#[test]
fn a_settings_last_word() {
    let layers = [
        layer(Level::Package, json!({"phone_region": "US"})),
        layer(Level::Class("fr".into()), json!({"phone_region": "FR"})),
    ];
    assert_eq!(setting(&layers, "phone_region"), Some(("FR", &Level::Class("fr".into()))));
    assert_eq!(setting(&layers, "time_zone"), None);
}

#[test]
fn blank_texts_of_the_last_level_that_names_any() {
    let layers = [
        layer(Level::Package, json!({"blank": ["n/a"]})),
        layer(Level::Org, json!({"blank": ["-", "unknown"]})),
    ];
    let blank = |mapping: Value| merge(&layers, &mapping, &lead()).json["blank"].clone();
    assert_eq!(blank(json!({"fields": {"city": "city"}})), json!(["-", "unknown"]));
    assert_eq!(blank(json!({"fields": {"city": "city"}, "blank": []})), json!([]));
    let effective = merge(&layers, &json!({"fields": {}}), &lead());
    let told = effective.parts.iter().find(|part| part.part == "blank").unwrap();
    assert_eq!((told.field.as_str(), &told.level), ("*", &Level::Org));
    assert!(
        check(&json!({"blank": 7}), None).is_err() && check(&json!({"blank": []}), None).is_ok()
    );
}

#[test]
fn what_is_wrong_with_defaults() {
    let errors = |json: Value| -> Vec<String> {
        let errors = check(&json, Some(&lead())).err().unwrap_or_default();
        errors.into_iter().map(|error| error.path).collect()
    };
    assert_eq!(
        errors(
            json!({"rules": {"nmber": {}}, "fields": {"nope": "x", "status": {"rules": ["x"]}}, "field": {}, "time_zone": "UTC"})
        ),
        ["field", "time_zone", "rules[0]", "fields.nope", "fields.status.rules[0]"]
    );
    assert_eq!(errors(json!([])), [""]);
    assert!(
        errors(json!({"rules": {"date": "%d/%m/%Y"}, "fields": {"status": {"rules": []}}}))
            .is_empty()
    );
}
