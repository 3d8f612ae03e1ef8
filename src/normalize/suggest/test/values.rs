//! How values are read by the rules that are suggested.

use super::*;
use crate::normalize::outcome::Outcome;

/// What the mapping that is suggested for a table makes of its rows, field by field.
fn values(columns: &[(&str, u32, &[&str])], region: &str, zone: &str, field: &str) -> Vec<String> {
    let rows = columns.iter().map(|(.., values)| values.len()).max().unwrap_or_default();
    let sample = made_up(columns, rows);
    let org = org("new", region, zone);
    let found = suggest(&lead(), &sample, &org, &Knowledge::default());
    let json = mapping(&found, SURE);
    let plan = compile_json(&json, &lead(), &sample.layout, &org);
    let plan = plan.unwrap_or_else(|errors| panic!("{errors:?}\n{json}"));
    let at = lead().field(field).unwrap().0;
    let mut out = Outcome::default();
    let made = |row: &Vec<_>| {
        plan.run_values(row, &mut out);
        let problem = out.problems.iter().find(|problem| *problem.field == *field);
        let value = out.fields[at].clone();
        value.or(problem.map(|problem| problem.reason.to_string())).unwrap_or_default()
    };
    sample.rows.iter().map(made).collect()
}

const KEY: (&str, u32, &[&str]) = ("sfid", TEXT, &["00Q1a000000001AAQ1"]);

#[test]
fn thousands_are_no_fractions() {
    let revenue = |written: &[&str], region: &str| {
        values(&[KEY, ("annual_revenue__c", TEXT, written)], region, "UTC", "annual_revenue")
    };
    let thousands = ["5000", "12500", "250000"];
    for region in ["US", "DE"] {
        assert_eq!(revenue(&["5,000", "12,500", "250,000"], region), thousands, "{region}");
        assert_eq!(revenue(&["$5,000", "$12,500", "$250,000"], region), thousands, "{region}");
        assert_eq!(revenue(&["5.000", "12.500", "250.000"], region), thousands, "{region}");
        assert_eq!(revenue(&["5.000 €", "12.500 €", "250.000 €"], region), thousands, "{region}");
        assert_eq!(revenue(&["1.234,50", "12,5"], region), ["1234.5", "12.5"], "{region}");
        assert_eq!(revenue(&["1,234.50", "12.5"], region), ["1234.5", "12.5"], "{region}");
        assert_eq!(revenue(&["0.125", "12.500"], region), ["0.125", "12.5"], "{region}");
        assert_eq!(revenue(&["1250.125", "12.5"], region), ["1250.125", "12.5"], "{region}");
    }
    // Either sign might be the one: the org's region says which.
    assert_eq!(revenue(&["5,000", "12.500"], "US"), ["5000", "12.5"]);
    assert_eq!(revenue(&["5,000", "12.500"], "DE"), ["5", "12500"]);
}

#[test]
fn days_in_the_order_of_the_region() {
    let born = |written: &[&str], region: &str| {
        values(&[KEY, ("birthdate__c", TEXT, written)], region, "UTC", "birth_date")
    };
    assert_eq!(born(&["03/04/1980", "05/06/1990"], "US"), ["1980-03-04", "1990-05-06"]);
    assert_eq!(born(&["03/04/1980", "05/06/1990"], "GB"), ["1980-04-03", "1990-06-05"]);
    assert_eq!(born(&["25/04/1980", "05/06/1990"], "US"), ["1980-04-25", "1990-06-05"]);
    assert_eq!(born(&["March 5, 1980", "May 12, 1990"], "US"), ["1980-03-05", "1990-05-12"]);
}

#[test]
fn moments_in_text_without_an_offset_are_local_whatever_their_form() {
    let zone = "America/New_York";
    let callback = |written: &[&str]| {
        values(&[KEY, ("callback_at__c", TEXT, written)], "US", zone, "callback_at")
    };
    let at = ["2024-07-17T13:30:00+00:00", "2024-12-05T19:05:00+00:00"];
    for written in [
        ["2024-07-17 09:30", "2024-12-05 14:05"],
        ["2024-07-17T09:30:00", "2024-12-05T14:05:00"],
        ["2024-07-17T09:30:00-04:00", "2024-12-05T14:05:00-05:00"],
        ["2024-07-17T13:30:00Z", "2024-12-05T19:05:00.000Z"],
        ["2024-07-17T13:30:00Z", "2024-12-05T14:05:00"],
        ["7/17/2024 9:30 AM", "12/5/2024 2:05 PM"],
        ["7/17/2024 9:30AM", "12/5/2024 2:05pm"],
        ["7/17/2024 9:30 a.m.", "12/5/2024 2:05 p.m."],
        ["07/17/2024 09:30:00 AM", "12/05/2024 02:05:00 PM"],
    ] {
        assert_eq!(callback(&written), at, "{written:?}");
    }
    let apart = |days: &[&str], hours: &[&str]| {
        let columns = [KEY, ("callback_date__c", TEXT, days), ("callback_time__c", TEXT, hours)];
        values(&columns, "US", zone, "callback_at")
    };
    let days = ["2024-07-17", "2024-12-05"];
    assert_eq!(apart(&days, &["09:30", "14:05"]), at);
    assert_eq!(apart(&["7/17/2024", "12/5/2024"], &["9:30 AM", "2:05 PM"]), at);
    assert_eq!(apart(&["17.07.2024", "05.12.2024"], &["9h30", "14h05"]), at);
    // Salesforce's own columns are in UTC.
    let created = values(&[KEY, ("createddate", TEXT, &days)], "US", zone, "created_at");
    assert_eq!(created[0], "2024-07-17T00:00:00+00:00");
}

#[test]
fn consents_that_are_only_ever_given() {
    let consent =
        |written: &[&str]| values(&[KEY, ("consent__c", TEXT, written)], "DE", "UTC", "consent");
    assert_eq!(consent(&["Ja", ""]), ["true", ""]);
    assert_eq!(consent(&["", "x", "X"]), ["", "true", "true"]);
    assert_eq!(consent(&["Nein", ""]), ["false", ""]);
    // What is not known may be the other word.
    let sample = made_up(&[KEY, ("consent__c", TEXT, &["Ja", "Jein"])], 2);
    let found = suggest(&lead(), &sample, &org("new", "DE", "UTC"), &Knowledge::default());
    assert!(found.iter().all(|s| s.field != "consent" || s.mapping == "consent__c"), "{found:?}");
}

#[test]
fn a_currency_is_there_where_an_amount_is() {
    let currency = |columns: &[(&str, u32, &[&str])]| {
        let columns: Vec<_> = [KEY].into_iter().chain(columns.iter().copied()).collect();
        values(&columns, "DE", "UTC", "budget_currency")
    };
    let amounts: &[&str] = &["5.000 €", "tbd €", "", "7.500 €"];
    assert_eq!(currency(&[("budget__c", TEXT, amounts)]), ["EUR", "", "", "EUR"]);
    let ranges: &[&str] = &["bis 5.000 €", "offen", "", "5.000 - 10.000 €"];
    let sample: Vec<&str> = ranges.iter().cycle().take(24).copied().collect();
    assert_eq!(currency(&[("budget__c", TEXT, &sample)])[..4], ["EUR", "", "", "EUR"]);
    let codes: &[&str] = &["EUR", "USD", "EUR", "USD"];
    let columns =
        [("budget__c", TEXT, &["5000", "tbd", "", "75"][..]), ("currencyisocode", TEXT, codes)];
    assert_eq!(currency(&columns), ["EUR", "", "", "USD"]);
    let ranges: &[&str] = &["1,000 - 5,000", "under 1,000", "over 5,000"];
    let sample: Vec<&str> = ranges.iter().cycle().take(24).copied().collect();
    for (region, code) in [("US", "USD"), ("CH", "CHF"), ("FR", "EUR")] {
        let columns = [KEY, ("budget_range__c", TEXT, &sample)];
        assert_eq!(values(&columns, region, "UTC", "budget_currency")[0], code);
    }
}
