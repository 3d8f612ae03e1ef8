//! Does the right column come first? Of the fixture orgs, and of some made up in other languages.

mod fixtures;
mod languages;
mod values;

use std::collections::BTreeSet;

use serde_json::json;

use super::{Knowledge, SURE, Suggestion, mapping, suggest};
use crate::normalize::Org;
use crate::normalize::compile::compile_json;
use crate::normalize::compile_test::layout;
use crate::normalize::entity::Entity;
use crate::normalize::fixture_test::value;
use crate::normalize::preview::Sample;

fn lead() -> Entity {
    Entity::built_in("lead").unwrap().unwrap()
}

fn org(name: &str, region: &str, zone: &str) -> Org {
    Org { name: name.into(), phone_region: Some(region.into()), time_zone: zone.into() }
}

/// The suggestions whose columns are not those that are meant, and how many there are in all.
fn wrong(suggestions: &[Suggestion], truth: &[(&str, Vec<&str>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (field, columns) in truth {
        let first = suggestions.iter().find(|s| s.field == *field && s.rank == 1);
        let found: BTreeSet<&str> =
            first.iter().flat_map(|s| &s.columns).map(String::as_str).collect();
        if found != columns.iter().copied().collect() {
            wrong.push(format!("{field}: {found:?}, not {columns:?}"));
        }
    }
    wrong
}

/// An org as columns with their type's OID and a few values each.
fn made_up(columns: &[(&str, u32, &[&str])], n: usize) -> Sample {
    let names: Vec<(&str, u32)> = columns.iter().map(|(name, oid, _)| (*name, *oid)).collect();
    let row = |at: usize| {
        columns
            .iter()
            .map(|(_, oid, values)| {
                value(values.get(at % values.len().max(1)).copied().unwrap_or(""), *oid)
                    .into_owned()
            })
            .collect()
    };
    Sample { layout: layout(&names), rows: (0..n).map(row).collect(), slots: Vec::new() }
}

const TEXT: u32 = 1043;
const NUMBER: u32 = 701;

fn check(
    sample: &Sample,
    region: &str,
    zone: &str,
    truth: &[(&'static str, &'static str)],
) -> Vec<Suggestion> {
    let org = org("new", region, zone);
    let found = suggest(&lead(), sample, &org, &Knowledge::default());
    let truth: Vec<_> =
        truth.iter().map(|(field, columns)| (*field, columns.split(' ').collect())).collect();
    let wrong = wrong(&found, &truth);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let json = mapping(&found, SURE);
    compile_json(&json, &lead(), &sample.layout, &org).unwrap_or_else(|e| panic!("{e:?}\n{json}"));
    found
}

#[test]
fn another_org_teaches_what_no_dictionary_knows() {
    let sample = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("fm__kennwort_xy__c", TEXT, &["K1", "K2"]),
            ("status", TEXT, &["Frisch dabei", "Qualified"]),
        ],
        20,
    );
    let org = org("new", "DE", "UTC");
    let before = suggest(&lead(), &sample, &org, &Knowledge::default());
    assert!(before.iter().all(|s| s.field != "respondent_id" || s.confidence < SURE));
    let mut knowledge = Knowledge::default();
    knowledge.learn(&json!({"fields": {"respondent_id": "kennwort_xy__c",
        "status": {"column": "status", "rules": [{"map": {"frisch dabei": "new"}}]}}}));
    let after = suggest(&lead(), &sample, &org, &knowledge);
    let fields = &mapping(&after, SURE)["fields"];
    assert_eq!(fields["respondent_id"], "fm__kennwort_xy__c");
    assert_eq!(fields["status"]["rules"][1]["map"]["Frisch dabei"], "new");
}

#[test]
fn an_entity_of_ones_own_and_an_empty_table() {
    let fields = json!({"fields": [
        {"name": "seats", "type": "integer"}, {"name": "contract_start", "type": "date"}]});
    let entity = Entity::from_json("subscription", &fields).unwrap();
    let sample = made_up(
        &[("sfid", TEXT, &[]), ("seats__c", NUMBER, &[]), ("contract_start__c", TEXT, &[])],
        0,
    );
    let found = suggest(&entity, &sample, &org("new", "US", "UTC"), &Knowledge::default());
    assert_eq!(
        mapping(&found, SURE),
        json!({"fields": {"seats": "seats__c", "contract_start": "contract_start__c"}})
    );
}
