//! What is suggested, and that it mends the problem.

use super::*;
use crate::normalize::Org;
use crate::normalize::compile::compile_json;
use crate::normalize::compile_test::layout;
use crate::normalize::entity::Entity;
use crate::normalize::outcome::{Outcome, Problem};
use serde_json::json;

const COLUMNS: [(&str, u32); 3] = [("sfid", 1043), ("a", 1043), ("b", 1043)];

/// What a field of a type makes of a row whose columns `a` and `b` hold a value.
fn problem(kind: &str, field: &Value, value: &str) -> Option<Problem> {
    let entity = json!({"fields": [{"name": "status", "type": kind}]});
    let entity = Entity::from_json("lead", &entity).unwrap();
    let mapping = json!({"fields": {"status": field}});
    let org = Org { time_zone: "Europe/Paris".into(), ..Org::default() };
    let plan = compile_json(&mapping, &entity, &layout(&COLUMNS), &org)
        .unwrap_or_else(|errors| panic!("{field}: {errors:?}"));
    let mut out = Outcome::default();
    let value = crate::row::value::Value::Text(value.into());
    plan.run_values(&[value.clone(), value.clone(), value], &mut out);
    out.problems.pop()
}

/// What is suggested for it, where the mapping says all of the field.
fn suggested_for(field: &Value, problem: &Problem) -> String {
    suggested_of("status", field, problem)
}

/// As [`suggested_for`], for a field of this name.
fn suggested_of(name: &str, field: &Value, problem: &Problem) -> String {
    let chains: Vec<_> = meaning::parts(field)
        .into_iter()
        .map(|(path, part)| (path, meaning::chain(part, &[])))
        .collect();
    let line = Line {
        org: "acme",
        source: "lead",
        entity: "lead",
        field: name,
        path: &problem.path,
        reason: problem.reason,
        value: problem.value.as_deref(),
        input: problem.input.as_deref(),
    };
    let several = chains.iter().filter(|(_, chain)| !chain.is_empty()).count() > 1;
    let chain = chains.into_iter().find(|(path, _)| *path == problem.path).unwrap().1;
    let part = Part { chain, own: true, one_of_several: several };
    suggest(&line, &part).unwrap_or_default()
}

fn suggested(chain: Value, value: &str) -> String {
    let field = json!({"column": "a", "rules": chain});
    let problem = problem("text", &field, value).expect("it fails");
    suggested_for(&field, &problem)
}

#[test]
fn a_value_without_an_entry_gets_a_statement_that_adds_it() {
    let chain = || json!(["squeeze", {"map": {"Working - Contacted": "working", "Qualified": "qualified"}}]);
    let statement = |value: &str, rest: &str| {
        format!("SELECT manifold.map_value('acme', 'lead', 'lead', 'status', '{value}', {rest}")
    };
    let found = |value: &str| suggested(chain(), value);
    assert_eq!(found("Qualifeid"), statement("Qualifeid", "'qualified'); -- like \"Qualified\""));
    assert_eq!(
        found("contacted"),
        statement("contacted", "'working'); -- like \"Working - Contacted\"")
    );
    assert_eq!(
        found("Oui, c'est"),
        statement("Oui, c''est", "NULL); -- or one of working, qualified")
    );
    assert_eq!(found("n/a"), statement("n/a", "NULL); -- it means that there is none"));
    // Salesforce's picklists have values of 255 characters.
    let long = "é".repeat(255);
    assert_eq!(found(&long), statement(&long, "NULL); -- or one of working, qualified"));
    assert!(found(&"x".repeat(256)).starts_with("such a long value"));
    let aliases = json!([{"country": {"aliases": {"Deutschland": "DE"}}}]);
    assert_eq!(
        suggested(aliases, "Deutschlnad"),
        statement("Deutschlnad", "'DE'); -- like \"Deutschland\"")
    );
    assert_eq!(
        suggested(json!(["country"]), "Germnay"),
        statement("Germnay", "'DE'); -- like \"Germany\"")
    );
    assert_eq!(suggested(json!(["boolean"]), "Klar"), statement("Klar", "'true'); -- or false"));
    // A tick is something, where words are meant; elsewhere it is nothing.
    let words = json!(["squeeze", {"boolean": {"true": ["ja"], "false": ["nein"]}}]);
    assert_eq!(suggested(words.clone(), "X"), statement("X", "'true'); -- or false"));
    assert_eq!(suggested(words, "n/a"), statement("n/a", "NULL); -- it means that there is none"));
    assert_eq!(found("x"), statement("x", "NULL); -- it means that there is none"));
    let two = json!([{"map": {"x": "y"}, "default": "z"}, "country"]);
    assert!(suggested(two, "Germny").contains("another table"));
}

#[test]
fn what_is_suggested_mends_the_problem_wherever_the_rule_stands() {
    let country = || json!({"column": "a", "rules": ["country"]});
    for (kind, field, value, statement) in [
        (
            "text",
            json!({"column": "a", "rules": ["strip_html", "country"]}),
            "<p>Germny</p>",
            "'Germny', 'DE'); -- like \"Germany\"",
        ),
        (
            "boolean",
            json!({"column": "a", "rules": [{"prefix": "is "}, "boolean"]}),
            "so",
            "'is so', 'true'); -- or false",
        ),
        (
            "text",
            json!({"column": "a", "rules": ["strip_html", {"phone": {"region": "FR"}}]}),
            "<b>unknown</b>",
            "'unknown', NULL); -- it means that there is none",
        ),
        (
            "text[]",
            json!({"column": "a", "rules": ["split", {"each": ["country"]}]}),
            "DE; Germny",
            "'Germny', 'DE'); -- like \"Germany\"",
        ),
        (
            "text",
            json!({"column": "a", "rules": ["split", {"first": ["email"]}]}),
            "n/a; none",
            "'n/a', NULL); -- it means that there is none",
        ),
        (
            "text",
            json!({"first_of": [country()], "rules": ["squeeze"]}),
            "Germny",
            "'Germny', 'DE', path => 'first_of[0]'); -- like \"Germany\"",
        ),
        (
            "text[]",
            json!({"list": ["b", {"column": "a", "rules": ["email"]}]}),
            "unknown",
            "'unknown', NULL); -- it means that there is none",
        ),
        (
            "jsonb",
            json!({"object": {"q.1": {"first_of": [country()]}, "q2": {"column": "a", "rules": ["squeeze"]}}}),
            "Germny",
            "'Germny', 'DE', path => 'object.q.1.first_of[0]'); -- like \"Germany\"",
        ),
        (
            "timestamptz",
            json!({"moment": {"date": {"column": "a", "rules": ["date"]}, "time": {"column": "b", "rules": ["time"]}}}),
            "tbd",
            "'tbd', NULL, path => 'moment.date'); -- it means that there is none",
        ),
    ] {
        let mut field = field;
        // What one part of the field does not refuse any more, another may.
        let mut first = None;
        while let Some(found) = problem(kind, &field, value) {
            let suggestion = suggested_for(&field, &found);
            assert!(first.is_none() || !suggestion.is_empty(), "{field}");
            first.get_or_insert(suggestion.clone());
            let meaning = suggestion.contains("'DE'").then_some("DE");
            let meaning = meaning.or(suggestion.contains("'true'").then_some("true"));
            let part = meaning::part_mut(&mut field, &found.path).unwrap();
            let before = part.clone();
            meaning::give(part, found.input.as_deref().unwrap(), meaning);
            assert_ne!(*part, before, "{suggestion} changes nothing");
        }
        let first = first.unwrap_or_default();
        assert!(first.ends_with(statement), "{first}\n{statement}");
    }
}

#[test]
fn what_may_be_one_of_several_is_not_guessed() {
    for (value, rest) in [
        (
            "Korea",
            "NULL); -- or perhaps 'KP' (Korea (Democratic People's Republic of)), 'KR' (Korea (Republic of))",
        ),
        (
            "Northern Ireland",
            "NULL); -- or perhaps 'IE' (Ireland), 'GB' (United Kingdom of Great Britain and Northern Ireland)",
        ),
        ("Slovania", "NULL); -- or perhaps 'SK' (Slovakia), 'SI' (Slovenia)"),
        ("Guinea South", "NULL); -- or perhaps 'GN' (Guinea)"),
        ("Guinea Ecuatorial", "'GQ'); -- its name in another language"),
        ("Britain", "'GB'); -- like \"United Kingdom of Great Britain and Northern Ireland\""),
    ] {
        let found = suggested(json!(["country"]), value);
        assert!(found.ends_with(rest), "{value}: {found}");
    }
    let chain = json!([{"map": {"Open A": "new", "Open B": "working", "Open C": "new"}}]);
    let found = suggested(chain, "Open");
    assert!(found.ends_with("NULL); -- or perhaps 'new' (Open A), 'working' (Open B)"), "{found}");
}

/// The rules in a suggestion, as the field has them then.
fn with_rules(advice: &str) -> Value {
    let (_, rules) = advice.split_once("\"rules\": ").expect(advice);
    let mut rules = serde_json::Deserializer::from_str(rules).into_iter::<Value>();
    json!({"column": "a", "rules": rules.next().unwrap().unwrap()})
}

#[test]
fn the_rest_of_the_chain_stays() {
    for (kind, chain, value, expected) in [
        (
            "numeric",
            json!(["number", {"range": {"min": 0, "max": 100}}]),
            "87,5",
            json!([{"number": {"decimal": ","}}, {"range": {"min": 0, "max": 100}}]),
        ),
        (
            "numeric",
            json!([{"number": {"group": ",", "parentheses": true}}, {"scale": 2}]),
            "1.234,5",
            json!([{"number": {"parentheses": true, "decimal": ",", "group": "."}}, {"scale": 2}]),
        ),
        (
            "numeric",
            json!([{"number": {"units": {"USD": 1}}}]),
            "$5,000",
            json!([{"number": {"units": {"USD": 1, "$": 1}, "group": ","}}]),
        ),
        (
            "numeric",
            json!([{"span": "max"}]),
            "10,000 - 20,000",
            json!([{"span": "max", "group": ","}]),
        ),
        (
            "text",
            json!([{"split": "/"}, {"first": [{"phone": {"kind": "mobile"}}]}]),
            "06 12 34 98 58",
            json!([{"split": "/"}, {"first": [{"phone": {"kind": "mobile", "region": "FR"}}]}]),
        ),
        (
            "date",
            json!([{"null_if": "-"}, "date", {"range": {"min": "1900-01-01"}}]),
            "31/12/1980",
            json!([{"null_if": "-"}, {"date": "%d/%m/%Y"}, {"range": {"min": "1900-01-01"}}]),
        ),
    ] {
        let field = json!({"column": "a", "rules": chain});
        let found = problem(kind, &field, value).expect(value);
        let mended = with_rules(&suggested_for(&field, &found));
        assert_eq!(mended["rules"], expected, "{value}");
        assert_eq!(problem(kind, &mended, value), None, "{value}: {mended}");
    }
    let score = json!({"column": "a", "rules": ["number", {"range": {"min": 0, "max": 100}}]});
    let found = problem("numeric", &score, "120,5").unwrap();
    assert_eq!(found.reason, "invalid_number");
    let mended = with_rules(&suggested_for(&score, &found));
    assert_eq!(problem("numeric", &mended, "120,5").unwrap().reason, "out_of_range");
}

#[test]
fn nobody_was_born_in_the_future() {
    let field = json!({"column": "a", "rules": ["date"]});
    let found = problem("date", &field, "12.03.45").unwrap();
    let birth = with_rules(&suggested_of("birth_date", &field, &found));
    assert_eq!(birth["rules"], json!([{"date": "%d.%m.%y", "years_from": 1925}]));
    assert_eq!(problem("date", &birth, "12.03.45"), None);
    let other = with_rules(&suggested_of("contract_end", &field, &found));
    assert_eq!(other["rules"], json!([{"date": "%d.%m.%y"}]));
}

#[test]
fn rules_that_are_suggested_mend_the_problem() {
    for (kind, rule, value) in [
        ("date", "date", "31/12/2024"),
        ("date", "date", "12.31.24"),
        ("date", "date", "2024-31-12"),
        ("timestamptz", "timestamp", "31/12/2024 10:00"),
        ("timestamptz", "timestamp", "31.12.2024 10:00:59"),
        ("timestamptz", "timestamp", "12/31/24 10:00"),
        ("timestamptz", "timestamp", "31/12/2024"),
        ("timestamptz", "timestamp", "7/17/2024 9:30 AM"),
        ("numeric", "number", "1.234,56"),
        ("numeric", "number", "1 234 567"),
        ("numeric", "number", "12,5"),
        ("text", "phone", "06 12 34 98 58"),
    ] {
        let field = json!({"column": "a", "rules": [rule]});
        let advice = suggested_for(&field, &problem(kind, &field, value).expect(value));
        let field = with_rules(&advice);
        assert_eq!(problem(kind, &field, value), None, "{value}: {field}");
    }
    let unknown = suggested(json!(["timestamp"]), "soon");
    let (_, rules) = unknown.split_once("\"rules\": ").unwrap();
    let field = json!({"column": "a", "rules": serde_json::from_str::<Value>(rules).unwrap()});
    assert_eq!(problem("timestamptz", &field, "01/02/2024 10:00"), None);
}

#[test]
fn a_word_that_may_tick_a_checkbox_can_be_told_so() {
    let word = "perhaps later";
    let usual = json!({"checkboxes": [{"a": "solar"}]});
    let found = problem("text[]", &usual, word).unwrap();
    assert!(suggested_for(&usual, &found).contains("name in \"ticked\" all that do"));
    let told = json!({"checkboxes": [{"a": "solar"}], "ticked": [word]});
    assert_eq!(problem("text[]", &told, word), None);
    let told = json!({"checkboxes": [{"a": "solar"}], "meanings": {word: null}});
    assert_eq!(problem("text[]", &told, word), None);
}

#[test]
fn a_part_that_a_default_says_is_mended_there() {
    let line = Line {
        org: "acme",
        source: "lead",
        entity: "lead",
        field: "country",
        path: "first_of[0]",
        reason: "unknown_country",
        value: Some("Germny"),
        input: Some("Germny"),
    };
    let part = Part { chain: vec![json!("country")], own: false, one_of_several: true };
    let advice = suggest(&line, &part).unwrap();
    assert!(advice.contains("first_of[0]") && !advice.contains("SELECT"), "{advice}");
}

/// The reasons that the code names, wherever it makes a failure or a problem.
fn reasons_in(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            reasons_in(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Tests make up reasons of their own.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for before in ["Failure::new(", "reason: ", "(\"key\", ", "(\"required\", "] {
            for rest in text.split(before).skip(1) {
                let named = rest.trim_start().strip_prefix('"').and_then(|r| r.split_once('"'));
                let code = |text: &str| text.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
                let named = named.map(|(reason, _)| reason).filter(|reason| code(reason));
                found.extend(named.map(str::to_string));
            }
        }
    }
}

#[test]
fn every_reason_has_a_remedy_and_a_section_in_the_onboarding_page() {
    let mut reasons = std::collections::BTreeSet::new();
    reasons_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut reasons);
    for known in ["missing_key", "missing_value", "refused", "undecodable", "not_published"] {
        assert!(reasons.contains(known), "{known} is not found");
    }
    let known: Vec<&str> = crate::normalize::outcome::reasons().collect();
    for reason in &reasons {
        assert!(known.contains(&reason.as_str()), "{reason} is not among the reasons");
    }
    reasons.extend(known.into_iter().map(str::to_string));
    let page = include_str!("../../../docs/onboarding.md");
    for reason in &reasons {
        assert!(page.contains(&format!("\n### `{reason}`\n")), "{reason} has no section");
        let chain = match reason.as_str() {
            "unknown_country" => json!(["country"]),
            "unknown_currency" => json!(["currency"]),
            _ => json!([{"map": {"Open": "new"}}]),
        };
        let line = Line {
            org: "acme",
            source: "lead",
            entity: "lead",
            field: "status",
            path: "",
            reason,
            value: Some("Etwas"),
            input: Some("Etwas"),
        };
        let chain = chain.as_array().unwrap().clone();
        let part = Part { chain, own: true, one_of_several: false };
        assert!(suggest(&line, &part).is_some(), "{reason} has no remedy");
    }
}
