//! The fixture orgs.

use serde_json::Value as Json;

use super::*;
use crate::normalize::fixture_test::{fixtures, oid, rows};

const ORGS: [(&str, &str, &str); 3] =
    [("acme", "US", "UTC"), ("globex", "GB", "Europe/London"), ("initech", "FR", "Europe/Paris")];

/// What `about.md` says feeds each field that has a column.
fn truth(org: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let same = [
        ("company", "company"),
        ("email", "email"),
        ("phone", "phone"),
        ("mobile_phone", "mobilephone"),
        ("website", "website"),
        ("street", "street"),
        ("city", "city"),
        ("postal_code", "postalcode"),
        ("country", "country"),
        ("status", "status"),
        ("source", "leadsource"),
        ("created_at", "createddate"),
        ("modified_at", "systemmodstamp"),
    ];
    let with_names = [
        ("first_name", "firstname"),
        ("last_name", "lastname"),
        ("full_name", "firstname lastname"),
        ("state", "state"),
        ("industry", "industry"),
        ("employees", "numberofemployees"),
    ];
    let acme = [
        ("title", "title"),
        ("annual_revenue", "annualrevenue"),
        ("survey_id", "survey_id__c"),
        ("respondent_id", "external_id__c"),
        ("interests", "interests__c"),
        ("consent", "gdpr_consent__c"),
        ("consent_at", "gdpr_consent_at__c"),
        ("score", "lead_score__c"),
        ("birth_date", "birthdate__c"),
        ("budget_min", "budget__c"),
        ("budget_max", "budget__c"),
        ("budget_currency", "currencyisocode"),
        ("callback_at", "callback_at__c"),
        ("answers", "answers_json__c"),
    ];
    let globex = [
        ("survey_id", "surveyref__c"),
        ("respondent_id", "panelist_no__c"),
        ("interests", "interest_1__c interest_2__c interest_3__c"),
        ("consent", "opt_in__c"),
        ("score", "grade__c"),
        ("birth_date", "dob__c"),
        ("budget_min", "budget_eur__c"),
        ("budget_max", "budget_eur__c"),
        ("budget_currency", "budget_eur__c"),
        ("callback_at", "callback_date__c callback_time__c"),
        ("answers", "q1__c q2__c q3__c q4__c q5__c q6__c q7__c q8__c q9__c q10__c q11__c q12__c"),
    ];
    let initech = [
        ("first_name", "name"),
        ("last_name", "name"),
        ("full_name", "name"),
        ("annual_revenue", "chiffre_affaires__c"),
        ("survey_id", "fm__survey__c"),
        ("respondent_id", "respondent__r__guid__c"),
        ("interests", "interested_in_pump__c interested_in_solar__c"),
        ("consent", "consent_date__c"),
        ("consent_at", "consent_date__c"),
        ("budget_min", "budget_range__c"),
        ("budget_max", "budget_range__c"),
        ("budget_currency", "budget_range__c"),
    ];
    let own: Vec<(&str, &str)> = match org {
        "acme" => with_names.into_iter().chain(acme).collect(),
        "globex" => with_names.into_iter().chain(globex).collect(),
        _ => initech.to_vec(),
    };
    let all = same.into_iter().chain(own);
    all.map(|(field, columns)| (field, columns.split(' ').collect())).collect()
}

fn fixture(name: &str) -> Option<Sample> {
    let folder = fixtures().join("orgs").join(name);
    let text = std::fs::read_to_string(folder.join("columns.json")).ok()?;
    let columns: Json = serde_json::from_str(&text).unwrap();
    let columns: Vec<(&str, u32)> = columns["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), oid(c["type"].as_str().unwrap())))
        .collect();
    let (_, leads) = rows(&folder.join("lead.csv"));
    let row = |row: &std::collections::BTreeMap<String, String>| {
        columns.iter().map(|(name, oid)| value(&row[*name], *oid).into_owned()).collect()
    };
    Some(Sample {
        layout: layout(&columns),
        rows: leads.iter().take(300).map(row).collect(),
        slots: Vec::new(),
    })
}

fn count(knowledge: impl Fn(&str) -> Knowledge) -> Option<(usize, usize)> {
    let (mut right, mut all) = (0, 0);
    for (name, region, zone) in ORGS {
        let sample = fixture(name)?;
        let org = org(name, region, zone);
        let found = suggest(&lead(), &sample, &org, &knowledge(name));
        let truth = truth(name);
        let wrong = wrong(&found, &truth);
        println!("{name}: {} of {}; {}", truth.len() - wrong.len(), truth.len(), wrong.join("; "));
        right += truth.len() - wrong.len();
        all += truth.len();
        // All of it is a mapping that can be set.
        let json = mapping(&found, SURE);
        if let Err(errors) = compile_json(&json, &lead(), &sample.layout, &org) {
            panic!("{name}: {errors:?}\n{json}");
        }
        for suggestion in found {
            assert!((0.0..=1.0).contains(&suggestion.confidence) && !suggestion.reason.is_empty());
        }
    }
    Some((right, all))
}

#[test]
fn the_right_column_comes_first_without_knowing_other_orgs() {
    let Some((right, all)) = count(|_| Knowledge::default()) else {
        return println!("no fixtures: nothing compared");
    };
    println!("without learning: {right} of {all}");
    assert!(right * 10 >= all * 9, "{right} of {all}");
}

#[test]
fn the_right_column_comes_first_when_the_other_two_orgs_are_known() {
    let others = |name: &str| {
        let mut knowledge = Knowledge::default();
        for (other, ..) in ORGS.iter().filter(|(other, ..)| *other != name) {
            let path = format!("{}/tests/mappings/{other}.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            knowledge.learn(&serde_json::from_str(&text).unwrap());
        }
        knowledge
    };
    let Some((right, all)) = count(others) else {
        return println!("no fixtures: nothing compared");
    };
    println!("with the two other orgs known: {right} of {all}");
    assert!(right * 10 >= all * 9, "{right} of {all}");
}
